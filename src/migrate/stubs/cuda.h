// What CUDA's headers declare, as far as a parse needs it: names and types, no behaviour. Every function is callable from
// everywhere, so that one host pass sees kernels, device functions and host code alike.
#pragma once
#pragma clang system_header
#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __host__ __attribute__((host))
#define __shared__ __attribute__((shared))
#define __constant__ __attribute__((constant))
#define __managed__ __attribute__((managed))
#define __forceinline__ inline
#define __CUDACC__ 1
#define __NVCC__ 1
#include <__clang_cuda_math_forward_declares.h>
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define __grid_constant__
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __noinline__
#define __align__(n) __attribute__((aligned(n)))
#define __builtin_align__(n) __attribute__((aligned(n)))
#define CUDART_VERSION 12040
#define CUDA_VERSION 12040
#define CUDART_CB
#define CUDART_INF_F (__builtin_huge_valf())
#define CUDART_NAN_F (__builtin_nanf(""))
#define CUDART_INF (__builtin_huge_val())
#define CUDART_PI_F 3.141592654f
#define CUDART_PI 3.1415926535897931e+0
#define FULL_MASK_CSY 0xffffffff

__device__ int printf(const char *, ...);
__device__ void *memcpy(void *, const void *, size_t);
__device__ void *memset(void *, int, size_t);
__device__ void *malloc(size_t);
__device__ void free(void *);
__device__ void __assert_fail(const char *, const char *, unsigned, const char *);

#pragma clang force_cuda_host_device begin
typedef unsigned int uint;
typedef unsigned short ushort;
typedef unsigned char uchar_csy;

#define CSY_VEC(T, N)                                                                                                  \
  struct N##1 { T x; };                                                                                                \
  struct N##2 { T x, y; };                                                                                             \
  struct N##3 { T x, y, z; };                                                                                          \
  struct N##4 { T x, y, z, w; };                                                                                       \
  N##1 make_##N##1(T);                                                                                                 \
  N##2 make_##N##2(T, T);                                                                                              \
  N##3 make_##N##3(T, T, T);                                                                                           \
  N##4 make_##N##4(T, T, T, T);
CSY_VEC(float, float)
CSY_VEC(double, double)
CSY_VEC(int, int)
CSY_VEC(unsigned int, uint)
CSY_VEC(char, char)
CSY_VEC(unsigned char, uchar)
CSY_VEC(short, short)
CSY_VEC(unsigned short, ushort)
CSY_VEC(long, long)
CSY_VEC(unsigned long, ulong)
CSY_VEC(long long, longlong)
CSY_VEC(unsigned long long, ulonglong)

struct dim3 {
  unsigned int x, y, z;
  constexpr dim3(unsigned int a = 1, unsigned int b = 1, unsigned int c = 1) : x(a), y(b), z(c) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return uint3{x, y, z}; }
};
extern const uint3 threadIdx;
extern const uint3 blockIdx;
extern const dim3 blockDim;
extern const dim3 gridDim;
extern const int warpSize;

// ---- half and bfloat16
struct __half_raw { unsigned short x; };
struct __half {
  unsigned short __x;
  __half() = default;
  template <class T, class = decltype((float)T())>
  __half(T);
  operator float() const;
  operator __half_raw() const;
};
typedef __half half;
struct __half2 { __half x, y; };
typedef __half2 half2;
struct __nv_bfloat16 {
  unsigned short __x;
  __nv_bfloat16() = default;
  template <class T, class = decltype((float)T())>
  __nv_bfloat16(T);
  operator float() const;
};
typedef __nv_bfloat16 nv_bfloat16;
struct __nv_bfloat162 { __nv_bfloat16 x, y; };
typedef __nv_bfloat162 nv_bfloat162;
__half operator+(__half, __half);
__half operator-(__half, __half);
__half operator*(__half, __half);
__half operator/(__half, __half);
__half &operator+=(__half &, __half);
__half __float2half(float);
__half __float2half_rn(float);
float __half2float(__half);
__half2 __float2half2_rn(float);
__half2 __floats2half2_rn(float, float);
float2 __half22float2(__half2);
__half2 __halves2half2(__half, __half);
__half __low2half(__half2);
__half __high2half(__half2);
float __low2float(__half2);
float __high2float(__half2);
__half2 __half2half2(__half);
__half __hadd(__half, __half);
__half __hsub(__half, __half);
__half __hmul(__half, __half);
__half __hdiv(__half, __half);
__half __hfma(__half, __half, __half);
__half2 __hadd2(__half2, __half2);
__half2 __hsub2(__half2, __half2);
__half2 __hmul2(__half2, __half2);
__half2 __hfma2(__half2, __half2, __half2);
bool __hgt(__half, __half);
bool __hlt(__half, __half);
bool __heq(__half, __half);
unsigned short __half_as_ushort(__half);
__half __ushort_as_half(unsigned short);
float __bfloat162float(__nv_bfloat16);
__nv_bfloat16 __float2bfloat16(float);
__nv_bfloat16 __float2bfloat16_rn(float);
__half hexp(__half);
__half hlog(__half);
__half hsqrt(__half);
__half hrsqrt(__half);

// ---- synchronisation, warps
int __syncthreads_or(int);
int __syncthreads_and(int);
int __syncthreads_count(int);
void __syncwarp(unsigned mask = 0xffffffff);
void __threadfence();
void __threadfence_block();
void __threadfence_system();
template <class T> T __shfl(T, int, int = 32);
template <class T> T __shfl_up(T, unsigned, int = 32);
template <class T> T __shfl_down(T, unsigned, int = 32);
template <class T> T __shfl_xor(T, int, int = 32);
template <class T> T __shfl_sync(unsigned, T, int, int = 32);
template <class T> T __shfl_up_sync(unsigned, T, unsigned, int = 32);
template <class T> T __shfl_down_sync(unsigned, T, unsigned, int = 32);
template <class T> T __shfl_xor_sync(unsigned, T, int, int = 32);
int __any(int);
int __all(int);
unsigned __ballot(int);
int __any_sync(unsigned, int);
int __all_sync(unsigned, int);
unsigned __ballot_sync(unsigned, int);
unsigned __activemask();
template <class T> unsigned __match_any_sync(unsigned, T);
template <class T> T __reduce_add_sync(unsigned, T);
template <class T> T __reduce_max_sync(unsigned, T);
template <class T> T __reduce_min_sync(unsigned, T);
template <class T> T __ldg(const T *);
template <class T> T __ldcg(const T *);
template <class T> T __ldcs(const T *);
template <class T, class U> void __stcs(T *, U);
template <class T, class U> void __stcg(T *, U);

// ---- atomics
template <class T, class V> T atomicAdd(T *, V);
template <class T, class V> T atomicSub(T *, V);
template <class T, class V> T atomicExch(T *, V);
template <class T, class V> T atomicMin(T *, V);
template <class T, class V> T atomicMax(T *, V);
template <class T, class V> T atomicInc(T *, V);
template <class T, class V> T atomicDec(T *, V);
template <class T, class V, class W> T atomicCAS(T *, V, W);
template <class T, class V> T atomicAnd(T *, V);
template <class T, class V> T atomicOr(T *, V);
template <class T, class V> T atomicXor(T *, V);
template <class T, class V> T atomicAdd_block(T *, V);
template <class T, class V> T atomicAdd_system(T *, V);

// ---- arithmetic
#define CSY_MINMAX(A, B, R)                                                                                            \
  R max(A, B);                                                                                                         \
  R min(A, B);
CSY_MINMAX(int, int, int)
CSY_MINMAX(unsigned, unsigned, unsigned)
CSY_MINMAX(int, unsigned, unsigned)
CSY_MINMAX(unsigned, int, unsigned)
CSY_MINMAX(long, long, long)
CSY_MINMAX(unsigned long, unsigned long, unsigned long)
CSY_MINMAX(long, int, long)
CSY_MINMAX(int, long, long)
CSY_MINMAX(long long, long long, long long)
CSY_MINMAX(unsigned long long, unsigned long long, unsigned long long)
CSY_MINMAX(float, float, float)
CSY_MINMAX(double, double, double)
CSY_MINMAX(float, double, double)
CSY_MINMAX(double, float, double)
CSY_MINMAX(float, int, float)
CSY_MINMAX(int, float, float)
CSY_MINMAX(double, int, double)
CSY_MINMAX(int, double, double)
#define CSY_F1(N)                                                                                                      \
  __device__ float N(float);
#pragma clang force_cuda_host_device end
__device__ double exp10(double);
__device__ float __powf(float, float);
__device__ void __sincosf(float, float *, float *);
__device__ void sincosf(float, float *, float *);
__device__ void sincos(double, double *, double *);
CSY_F1(__expf) CSY_F1(__logf) CSY_F1(__log2f) CSY_F1(__log10f) CSY_F1(__sinf) CSY_F1(__cosf) CSY_F1(__tanf)
CSY_F1(__exp10f) CSY_F1(rsqrtf) CSY_F1(__frsqrt_rn) CSY_F1(__fsqrt_rn) CSY_F1(__frcp_rn) CSY_F1(__saturatef)
CSY_F1(sinpif) CSY_F1(cospif) CSY_F1(normcdff) CSY_F1(erfcinvf) CSY_F1(rcbrtf) CSY_F1(erfinvf) CSY_F1(exp10f)
// math.h has these for the host only.
CSY_F1(acosf) CSY_F1(acoshf) CSY_F1(asinf) CSY_F1(asinhf) CSY_F1(atanf) CSY_F1(atanhf) CSY_F1(cbrtf) CSY_F1(ceilf)
CSY_F1(cosf) CSY_F1(coshf) CSY_F1(erff) CSY_F1(erfcf) CSY_F1(expf) CSY_F1(exp2f) CSY_F1(expm1f) CSY_F1(fabsf)
CSY_F1(floorf) CSY_F1(lgammaf) CSY_F1(logf) CSY_F1(log10f) CSY_F1(log1pf) CSY_F1(log2f) CSY_F1(logbf) CSY_F1(nearbyintf)
CSY_F1(rintf) CSY_F1(roundf) CSY_F1(sinf) CSY_F1(sinhf) CSY_F1(sqrtf) CSY_F1(tanf) CSY_F1(tanhf) CSY_F1(tgammaf)
CSY_F1(truncf)
#define CSY_F2(N) __device__ float N(float, float);
CSY_F2(atan2f) CSY_F2(copysignf) CSY_F2(fdimf) CSY_F2(fmaxf) CSY_F2(fminf) CSY_F2(fmodf) CSY_F2(hypotf)
CSY_F2(nextafterf) CSY_F2(powf) CSY_F2(remainderf)
__device__ float fmaf(float, float, float);
__device__ float frexpf(float, int *);
__device__ float scalbnf(float, int);
__device__ float scalblnf(float, long);
__device__ int ilogbf(float);
__device__ long lrintf(float);
__device__ long long llrintf(float);
__device__ long long llroundf(float);
__device__ float norm3df(float, float, float);
__device__ float rnorm3df(float, float, float);
__device__ float norm4df(float, float, float, float);
__device__ float rnorm4df(float, float, float, float);
__device__ float rhypotf(float, float);
__device__ double norm3d(double, double, double);
__device__ double rnorm3d(double, double, double);
__device__ double norm4d(double, double, double, double);
__device__ double rnorm4d(double, double, double, double);
__device__ double rhypot(double, double);
__device__ double rcbrt(double);
__device__ float ldexpf(float, int);
__device__ float modff(float, float *);
__device__ long lroundf(float);
#pragma clang force_cuda_host_device begin
double rsqrt(double);
float rsqrt(float);
double sinpi(double);
double cospi(double);
double normcdf(double);
double erfinv(double);
float __fdividef(float, float);
float __fadd_rn(float, float);
float __fsub_rn(float, float);
float __fmul_rn(float, float);
float __fdiv_rn(float, float);
float __fmaf_rn(float, float, float);
double __dadd_rn(double, double);
double __dmul_rn(double, double);
double __ddiv_rn(double, double);
double __dsqrt_rn(double);
double __drcp_rn(double);
double __fma_rn(double, double, double);
void sincospif(float, float *, float *);
void sincospi(double, double *, double *);
float fdividef(float, float);
int __float2int_rn(float);
int __float2int_rz(float);
int __float2int_rd(float);
int __float2int_ru(float);
unsigned __float2uint_rn(float);
unsigned __float2uint_rz(float);
unsigned __float2uint_rd(float);
unsigned __float2uint_ru(float);
long long __float2ll_rn(float);
long long __float2ll_rd(float);
long long __float2ll_rz(float);
long long __double2ll_rn(double);
long long __double2ll_rz(double);
int __double2int_ru(double);
unsigned __double2uint_rn(double);
unsigned __double2uint_rz(double);
float __ll2float_rn(long long);
float __ull2float_rn(unsigned long long);
double __ll2double_rn(long long);
double __uint2double_rn(unsigned);
template <class T> T __ldca(const T *);
template <class T> T __ldcv(const T *);
template <class T> T __ldlu(const T *);
template <class T, class U> void __stwb(T *, U);
template <class T, class U> void __stwt(T *, U);
int __double2int_rn(double);
int __double2int_rz(double);
int __double2int_rd(double);
float __double2float_rn(double);
float __int2float_rn(int);
float __uint2float_rn(unsigned);
double __int2double_rn(int);
int __float_as_int(float);
unsigned __float_as_uint(float);
float __int_as_float(int);
float __uint_as_float(unsigned);
long long __double_as_longlong(double);
double __longlong_as_double(long long);
int __popc(unsigned);
int __popcll(unsigned long long);
int __clz(int);
int __clzll(long long);
int __ffs(int);
int __ffsll(long long);
unsigned __brev(unsigned);
unsigned long long __brevll(unsigned long long);
int __mulhi(int, int);
unsigned __umulhi(unsigned, unsigned);
unsigned long long __umul64hi(unsigned long long, unsigned long long);
int __mul24(int, int);
unsigned __umul24(unsigned, unsigned);
int __sad(int, int, unsigned);
int __double2hiint(double);
int __double2loint(double);
double __hiloint2double(int, int);
unsigned __byte_perm(unsigned, unsigned, unsigned);
void __trap();
void __brkpt();
void __nanosleep(unsigned);
void __assert_fail_csy(const char *);
bool isinf_csy(float);
long long clock64();
long clock_csy();
template <class T> unsigned long long __cvta_generic_to_shared(T *);

// ---- runtime API
struct CUstream_st;
typedef CUstream_st *cudaStream_t;
typedef CUstream_st *CUstream;
struct CUevent_st;
typedef CUevent_st *cudaEvent_t;
enum cudaError { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorMemoryAllocation = 2, cudaErrorNotReady = 600,
  cudaErrorInvalidConfiguration = 9, cudaErrorUnknown = 999, cudaErrorNoDevice = 100, cudaErrorInvalidDevice = 101 };
typedef cudaError cudaError_t;
typedef int CUdevice;
typedef int CUresult;
typedef struct CUctx_st *CUcontext;
typedef unsigned long long CUdeviceptr;
enum cudaMemcpyKind { cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize, cudaFuncAttributePreferredSharedMemoryCarveout };
enum cudaFuncCache { cudaFuncCachePreferNone, cudaFuncCachePreferShared, cudaFuncCachePreferL1, cudaFuncCachePreferEqual };
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount, cudaDevAttrMaxThreadsPerBlock, cudaDevAttrMaxSharedMemoryPerBlock,
  cudaDevAttrMaxSharedMemoryPerBlockOptin, cudaDevAttrMaxThreadsPerMultiProcessor, cudaDevAttrWarpSize,
  cudaDevAttrComputeCapabilityMajor, cudaDevAttrComputeCapabilityMinor, cudaDevAttrMaxSharedMemoryPerMultiprocessor,
  cudaDevAttrMaxRegistersPerBlock, cudaDevAttrClockRate };
struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem, sharedMemPerBlock, sharedMemPerMultiprocessor, sharedMemPerBlockOptin;
  int regsPerBlock, warpSize, maxThreadsPerBlock, maxThreadsDim[3], maxGridSize[3], clockRate, major, minor,
      multiProcessorCount, maxThreadsPerMultiProcessor, l2CacheSize;
};
struct cudaFuncAttributes { size_t sharedSizeBytes; int maxThreadsPerBlock, numRegs; };
struct cudaPointerAttributes { int type; int device; void *devicePointer; };
enum { cudaStreamDefault = 0, cudaStreamNonBlocking = 1, cudaEventDefault = 0, cudaEventDisableTiming = 2,
  cudaHostAllocDefault = 0, cudaHostAllocMapped = 2, cudaHostAllocPortable = 1 };
template <class T> cudaError_t cudaMalloc(T **, size_t);
template <class T> cudaError_t cudaMallocManaged(T **, size_t, unsigned = 1);
template <class T> cudaError_t cudaMallocHost(T **, size_t, unsigned = 0);
template <class T> cudaError_t cudaHostAlloc(T **, size_t, unsigned);
template <class T> cudaError_t cudaMallocAsync(T **, size_t, cudaStream_t);
cudaError_t cudaFree(void *);
cudaError_t cudaFreeHost(void *);
cudaError_t cudaFreeAsync(void *, cudaStream_t);
cudaError_t cudaMemcpy(void *, const void *, size_t, cudaMemcpyKind);
cudaError_t cudaMemcpyAsync(void *, const void *, size_t, cudaMemcpyKind, cudaStream_t = 0);
cudaError_t cudaMemcpy2D(void *, size_t, const void *, size_t, size_t, size_t, cudaMemcpyKind);
cudaError_t cudaMemcpy2DAsync(void *, size_t, const void *, size_t, size_t, size_t, cudaMemcpyKind, cudaStream_t = 0);
cudaError_t cudaMemset(void *, int, size_t);
cudaError_t cudaMemsetAsync(void *, int, size_t, cudaStream_t = 0);
template <class T> cudaError_t cudaGetSymbolAddress(void **, const T &);
template <class T> cudaError_t cudaMemcpyToSymbol(const T &, const void *, size_t, size_t = 0,
                                                  cudaMemcpyKind = cudaMemcpyHostToDevice);
template <class T> cudaError_t cudaMemcpyToSymbolAsync(const T &, const void *, size_t, size_t, cudaMemcpyKind,
                                                       cudaStream_t = 0);
template <class T> cudaError_t cudaMemcpyFromSymbol(void *, const T &, size_t, size_t = 0,
                                                    cudaMemcpyKind = cudaMemcpyDeviceToHost);
cudaError_t cudaMemGetInfo(size_t *, size_t *);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaThreadSynchronize();
cudaError_t cudaDeviceReset();
cudaError_t cudaSetDevice(int);
cudaError_t cudaGetDevice(int *);
cudaError_t cudaGetDeviceCount(int *);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *, int);
cudaError_t cudaDeviceGetAttribute(int *, cudaDeviceAttr, int);
cudaError_t cudaStreamCreate(cudaStream_t *);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *, unsigned);
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *, unsigned, int);
cudaError_t cudaStreamDestroy(cudaStream_t);
cudaError_t cudaStreamSynchronize(cudaStream_t);
cudaError_t cudaStreamQuery(cudaStream_t);
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned = 0);
cudaError_t cudaEventCreate(cudaEvent_t *);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *, unsigned);
cudaError_t cudaEventDestroy(cudaEvent_t);
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t = 0);
cudaError_t cudaEventSynchronize(cudaEvent_t);
cudaError_t cudaEventQuery(cudaEvent_t);
cudaError_t cudaEventElapsedTime(float *, cudaEvent_t, cudaEvent_t);
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();
const char *cudaGetErrorString(cudaError_t);
const char *cudaGetErrorName(cudaError_t);
template <class F> cudaError_t cudaFuncSetAttribute(F, cudaFuncAttribute, int);
template <class F> cudaError_t cudaFuncSetCacheConfig(F, cudaFuncCache);
template <class F> cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *, F);
template <class F> cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *, F, int, size_t);
template <class F> cudaError_t cudaOccupancyMaxPotentialBlockSize(int *, int *, F, size_t = 0, int = 0);
template <class F> cudaError_t cudaLaunchKernel(F, dim3, dim3, void **, size_t = 0, cudaStream_t = 0);
template <class F> cudaError_t cudaLaunchCooperativeKernel(F, dim3, dim3, void **, size_t = 0, cudaStream_t = 0);
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *, const void *);
cudaError_t cudaConfigureCall(dim3, dim3, size_t = 0, cudaStream_t = 0);
#pragma clang force_cuda_host_device end
extern "C" unsigned __cudaPushCallConfiguration(dim3, dim3, size_t = 0, cudaStream_t = 0);
#pragma clang force_cuda_host_device begin
typedef struct cublasContext *cublasHandle_t;
typedef struct cusparseContext *cusparseHandle_t;
typedef struct cusolverDnContext *cusolverDnHandle_t;
enum cublasOperation_t { CUBLAS_OP_N, CUBLAS_OP_T, CUBLAS_OP_C };
enum cublasStatus_t { CUBLAS_STATUS_SUCCESS };
#pragma clang force_cuda_host_device end
