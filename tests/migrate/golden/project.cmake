cmake_minimum_required(VERSION 3.18)
project(ops LANGUAGES CXX CUDA)
find_package(Torch REQUIRED)  # PyTorch
find_package(CUDAToolkit REQUIRED)
set(SOURCES src/ops.cpp src/kernels.cu "src/more kernels.cu"
            src/common.cuh)
file(GLOB EXTRA src/extra/*.cu)
add_library(ops SHARED ${SOURCES} ${EXTRA})
target_compile_definitions(ops PRIVATE WITH_CUDA)
target_link_libraries(ops PRIVATE ${TORCH_LIBRARIES} CUDA::cudart CUDA::cublas)
cuda_add_library(old src/old.cu STATIC)
target_link_libraries(old ${CUDA_LIBRARIES} m)
cuda_compile_ptx(PTX src/kernels.cu)  # C2S1022
target_link_libraries(old CUDA::cufft)  # C2S1022
