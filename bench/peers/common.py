"""What all measurements share."""
# (input channels, output channels, side): DLA-34's deformable layers at 512 x 512; 3x3, modulated.
SHAPES = [(64, 64, 128), (128, 64, 64), (128, 128, 64), (256, 64, 32), (256, 128, 32), (256, 256, 32), (512, 256, 16)]
OURS, LIMIT = "sycl-dcn", "plain convolution"


def name_of(channels, outputs, side):
    return f"{channels}->{outputs}@{side}"
