#!/usr/bin/env python
import glob
import os

import torch
from setuptools import find_packages, setup
from torch.utils.cpp_extension import CUDA_HOME, BuildExtension, CppExtension, CUDAExtension


def get_extension():
    here = os.path.dirname(os.path.abspath(__file__))
    sources = glob.glob(os.path.join(here, "src", "*.cpp"))
    extension = CppExtension
    define_macros = []
    extra_compile_args = {"cxx": []}

    if (torch.cuda.is_available() and CUDA_HOME is not None) or os.getenv("FORCE_CUDA", "0") == "1":
        extension = CUDAExtension
        sources += glob.glob(os.path.join(here, "src", "cuda", "*.cu"))
        define_macros += [("WITH_CUDA", 1)]
        extra_compile_args["nvcc"] = ["-O3", "-lineinfo", "-D__CUDA_NO_HALF_OPERATORS__"]
    else:
        raise NotImplementedError("CUDA is not available")

    return extension("segment_ops._C", sources, include_dirs=[os.path.join(here, "src")], define_macros=define_macros,
                     extra_compile_args=extra_compile_args)


setup(name="segment_ops", version="1.0", packages=find_packages(), ext_modules=[get_extension()],
      cmdclass={"build_ext": BuildExtension})
