from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CUDAExtension

setup(
    name="image_ops",
    version="0.1",
    py_modules=["image_ops"],
    ext_modules=[
        CUDAExtension(
            "image_ops_cuda",
            ["image_ops.cu"],
            extra_compile_args={"cxx": [], "nvcc": ["-O3", "--expt-relaxed-constexpr", "-DIMAGE_OPS_THREADS=128"]},
        )
    ],
    cmdclass={"build_ext": BuildExtension},
)
