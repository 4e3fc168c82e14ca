"""Deformable convolution on SYCL, for PyTorch. `sycl_dcn.train` trains CenterNet with it."""
