// What PyTorch's C++ headers declare, as far as a parse needs it, old interfaces beside today's: names and types, no
// behaviour. Anything of ATen, c10, torch, THC and pybind11 that a source includes is this one header.
#pragma once
#pragma clang system_header
#include <algorithm>
#include <array>
#include <cassert>
#include <cfloat>
#include <climits>
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "csy_cuda.h"

#pragma clang force_cuda_host_device begin

typedef struct _object PyObject;
#define C10_HOST_DEVICE __host__ __device__
#define C10_DEVICE __device__
#define C10_HOST __host__
#define C10_API
#define TORCH_API
#define TORCH_CUDA_API
#define TORCH_CUDA_CU_API
#define C10_RESTRICT __restrict__
#define C10_LAUNCH_BOUNDS_1(...)
#define C10_LAUNCH_BOUNDS_2(...)
#define C10_ALWAYS_INLINE inline
#define C10_UNUSED
#define C10_LIKELY(x) (x)
#define C10_UNLIKELY(x) (x)
#define C10_WARP_SIZE 32
#define GPU_LAMBDA __host__ __device__
#define HIP_HOST_DEVICE __host__ __device__
#define TORCH_VERSION_MAJOR 2
#define TORCH_VERSION_MINOR 15
#define TORCH_VERSION_PATCH 0
#define TORCH_VERSION "2.15.0"

namespace c10 {
struct Half {
  unsigned short x;
  struct from_bits_t {};
  Half() = default;
  template <class T, class = std::enable_if_t<std::is_arithmetic_v<T> || std::is_same_v<T, __half>>>
  Half(T);
  constexpr Half(unsigned short, from_bits_t);
  operator float() const;
  operator __half() const;
};
struct BFloat16 {
  unsigned short x;
  struct from_bits_t {};
  BFloat16() = default;
  template <class T, class = std::enable_if_t<std::is_arithmetic_v<T> || std::is_same_v<T, __nv_bfloat16>>>
  BFloat16(T);
  operator float() const;
  operator __nv_bfloat16() const;
};
#define CSY_ARITH(H)                                                                                                   \
  H operator+(H, H); H operator-(H, H); H operator*(H, H); H operator/(H, H); H operator-(H);                          \
  H &operator+=(H &, H); H &operator-=(H &, H); H &operator*=(H &, H); H &operator/=(H &, H);                          \
  float operator+(H, float); float operator*(H, float); float operator-(H, float); float operator/(H, float);          \
  float operator+(float, H); float operator*(float, H); float operator-(float, H); float operator/(float, H);          \
  double operator+(H, double); double operator*(H, double); double operator-(H, double); double operator/(H, double);  \
  double operator+(double, H); double operator*(double, H); double operator-(double, H); double operator/(double, H);  \
  H operator+(H, int); H operator*(H, int); H operator-(H, int); H operator/(H, int);                                  \
  H operator+(int, H); H operator*(int, H); H operator-(int, H); H operator/(int, H);                                  \
  H operator*(H, long); H operator/(H, long); H operator+(H, long); H operator-(H, long);                              \
  float &operator+=(float &, H); float &operator*=(float &, H);
CSY_ARITH(Half)
CSY_ARITH(BFloat16)
template <class T> struct complex { T re, im; complex() = default; complex(T, T = 0); T real() const; T imag() const; };

enum class ScalarType : signed char { Byte, Char, Short, Int, Long, Half, Float, Double, ComplexHalf, ComplexFloat,
  ComplexDouble, Bool, BFloat16, Undefined };
enum class DeviceType : signed char { CPU, CUDA, XPU, HIP, MPS, Meta, PrivateUse1, COMPILE_TIME_MAX_DEVICE_TYPES };
std::string DeviceTypeName(DeviceType, bool = false);
enum class MemoryFormat : signed char { Contiguous, Preserve, ChannelsLast, ChannelsLast3d };
enum class Layout : signed char { Strided, Sparse };
enum class DispatchKey { CPU, CUDA, XPU, Autograd, AutogradCUDA, AutogradXPU, CompositeImplicitAutograd };
enum class Backend { CPU, CUDA, XPU, Undefined };
constexpr ScalarType kByte = ScalarType::Byte, kChar = ScalarType::Char, kShort = ScalarType::Short,
                     kInt = ScalarType::Int, kLong = ScalarType::Long, kHalf = ScalarType::Half,
                     kFloat = ScalarType::Float, kDouble = ScalarType::Double, kBool = ScalarType::Bool,
                     kBFloat16 = ScalarType::BFloat16, kUInt8 = kByte, kInt8 = kChar, kInt16 = kShort, kInt32 = kInt,
                     kInt64 = kLong, kFloat16 = kHalf, kFloat32 = kFloat, kFloat64 = kDouble;
constexpr DeviceType kCPU = DeviceType::CPU, kCUDA = DeviceType::CUDA, kXPU = DeviceType::XPU, kHIP = DeviceType::HIP;
constexpr Layout kStrided = Layout::Strided;
typedef signed char DeviceIndex;
struct Device {
  Device(DeviceType, DeviceIndex = -1);
  Device(const std::string &);
  DeviceType type() const; DeviceIndex index() const; bool is_cuda() const; bool is_cpu() const; bool is_xpu() const;
  bool has_index() const; std::string str() const;
  bool operator==(const Device &) const; bool operator!=(const Device &) const;
};
template <class T> struct ArrayRef {
  ArrayRef(); ArrayRef(const T &); ArrayRef(const T *, size_t); ArrayRef(std::initializer_list<T>);
  ArrayRef(const std::vector<T> &);
  template <size_t N> ArrayRef(const std::array<T, N> &);
  template <size_t N> ArrayRef(const T (&)[N]);
  template <class U> ArrayRef(std::initializer_list<U>);
  const T *data() const; size_t size() const; bool empty() const; const T &operator[](size_t) const;
  const T *begin() const; const T *end() const; const T &front() const; const T &back() const; const T &at(size_t) const;
  std::vector<T> vec() const; ArrayRef slice(size_t) const; ArrayRef slice(size_t, size_t) const;
  bool operator==(const ArrayRef &) const; bool operator!=(const ArrayRef &) const; bool equals(ArrayRef) const;
};
template <class T> std::ostream &operator<<(std::ostream &, const ArrayRef<T> &);
using IntArrayRef = ArrayRef<int64_t>;
using IntList = ArrayRef<int64_t>;
struct Scalar {
  Scalar();
  template <class T> Scalar(T);
  template <class T> T to() const;
  double toDouble() const; float toFloat() const; int64_t toLong() const; int toInt() const; bool toBool() const;
  ScalarType type() const; bool isFloatingPoint() const;
};
using std::nullopt;
using std::nullopt_t;
template <class T> using optional = std::optional<T>;
using std::make_optional;
template <class T> using OptionalArrayRef = std::optional<ArrayRef<T>>;
using string_view = std::string_view;
struct TypeMeta {
  operator ScalarType() const; size_t itemsize() const; ScalarType toScalarType() const; std::string name() const;
  bool operator==(const TypeMeta &) const; bool operator!=(const TypeMeta &) const;
  bool operator==(ScalarType) const; bool operator!=(ScalarType) const;
};
struct TensorOptions {
  TensorOptions(); TensorOptions(ScalarType); TensorOptions(DeviceType); TensorOptions(Device); TensorOptions(TypeMeta);
  TensorOptions(MemoryFormat);
  TensorOptions dtype(ScalarType) const; TensorOptions dtype(TypeMeta) const;
  template <class T> TensorOptions dtype() const;
  TensorOptions device(Device) const; TensorOptions device(DeviceType, int = -1) const;
  TensorOptions device_index(int) const; TensorOptions layout(Layout) const; TensorOptions requires_grad(bool) const;
  TensorOptions pinned_memory(bool) const; TensorOptions memory_format(MemoryFormat) const;
  Device device() const; TypeMeta dtype() const; Backend backend() const;
};
struct DeprecatedTypeProperties {
  bool is_cuda() const; bool is_xpu() const; bool is_sparse() const; ScalarType scalarType() const; Backend backend() const;
  DeviceType device_type() const; std::string toString() const; int device_index() const; TypeMeta typeMeta() const;
  operator ScalarType() const; operator TensorOptions() const; TensorOptions options(int = -1) const;
  DeprecatedTypeProperties toScalarType(ScalarType) const; DeprecatedTypeProperties toBackend(Backend) const;
  DeprecatedTypeProperties cpu() const; DeprecatedTypeProperties cuda() const;
  bool operator==(const DeprecatedTypeProperties &) const; bool operator!=(const DeprecatedTypeProperties &) const;
};
struct Allocator { void *raw_allocate(size_t); };
struct DataPtr { void *get() const; };
struct Storage { void *data() const; template <class T> T *data() const; DataPtr &data_ptr() const; size_t nbytes() const; };
struct StorageImpl;
struct TensorImpl;
struct Error : std::exception { const char *what() const noexcept; };
template <class T> struct intrusive_ptr { T *get() const; T *operator->() const; T &operator*() const; };
template <class T> T div_up(T, T);
template <class T> struct scalar_value_type { using type = T; };
struct Warning { template <class... A> static void warn(A &&...); };
const char *toString(ScalarType);
const char *toString(DeviceType);
size_t elementSize(ScalarType);
bool isFloatingType(ScalarType);
std::string str(...);
template <class... A> std::string str(const A &...);
struct InferenceMode { InferenceMode(bool = true); };
inline namespace csy_cast { template <class T> T convert(float); }
template <class T> struct CppTypeToScalarType { static constexpr ScalarType value = ScalarType::Float; operator ScalarType() const; };
struct SymInt { operator int64_t() const; };
struct OperatorHandle {};
struct DispatchKeySet { DispatchKeySet(); DispatchKeySet(DispatchKey); bool has(DispatchKey) const; };
namespace impl { struct ExcludeDispatchKeyGuard { ExcludeDispatchKeyGuard(DispatchKey); }; }
struct DeviceGuard { DeviceGuard(Device); };
struct OptionalDeviceGuard { OptionalDeviceGuard(); OptionalDeviceGuard(std::optional<Device>); };
struct StreamGuard { template <class T> StreamGuard(T); };
}  // namespace c10

namespace at {
using namespace c10;
struct Tensor;
using TensorList = ArrayRef<Tensor>;
using ITensorListRef = ArrayRef<Tensor>;
template <class T> struct DefaultPtrTraits { typedef T *PtrType; };
template <class T> struct RestrictPtrTraits { typedef T *__restrict__ PtrType; };
template <class T, size_t N, template <class> class P = DefaultPtrTraits, class I = int64_t> struct TensorAccessor {
  typedef typename P<T>::PtrType PtrType;
  TensorAccessor(PtrType, const I *, const I *);
  TensorAccessor<T, N - 1, P, I> operator[](I) const; I size(I) const; I stride(I) const; T *data() const;
  IntArrayRef sizes() const; IntArrayRef strides() const;
};
template <class T, template <class> class P, class I> struct TensorAccessor<T, 1, P, I> {
  typedef typename P<T>::PtrType PtrType;
  TensorAccessor(PtrType, const I *, const I *);
  T &operator[](I) const; I size(I) const; I stride(I) const; T *data() const;
};
template <class T, size_t N, template <class> class P = DefaultPtrTraits, class I = int64_t>
struct GenericPackedTensorAccessor : TensorAccessor<T, N, P, I> {
  GenericPackedTensorAccessor(T *, const I *, const I *);
};
template <class T, size_t N, template <class> class P = DefaultPtrTraits>
using PackedTensorAccessor32 = GenericPackedTensorAccessor<T, N, P, int32_t>;
template <class T, size_t N, template <class> class P = DefaultPtrTraits>
using PackedTensorAccessor64 = GenericPackedTensorAccessor<T, N, P, int64_t>;
template <class T, size_t N, template <class> class P = DefaultPtrTraits, class I = int64_t>
using PackedTensorAccessor = GenericPackedTensorAccessor<T, N, P, I>;
struct AutogradMeta;
struct NamedTensorMeta;
struct Generator { template <class T> T *get() const; };

namespace indexing { enum EllipsisIndexType { Ellipsis }; struct NoneT {}; constexpr NoneT None{}; struct Slice { Slice(); template <class A> Slice(A); template <class A, class B> Slice(A, B); template <class A, class B, class C> Slice(A, B, C); };
  struct TensorIndex { template <class T> TensorIndex(T); }; }
struct Tensor {
  Tensor(); Tensor(const Tensor &); Tensor &operator=(const Tensor &);
  Tensor &operator=(Scalar);
  int64_t dim() const; int64_t ndimension() const; int64_t numel() const; int64_t nbytes() const; int64_t size(int64_t) const;
  int64_t stride(int64_t) const; int64_t element_size() const; int64_t itemsize() const; int64_t get_device() const;
  int64_t storage_offset() const; bool defined() const; bool is_contiguous(MemoryFormat = MemoryFormat::Contiguous) const;
  bool is_cuda() const; bool is_cpu() const; bool is_xpu() const; bool is_sparse() const; bool is_floating_point() const;
  bool is_same_size(const Tensor &) const; bool is_same(const Tensor &) const; bool requires_grad() const; bool is_leaf() const;
  bool is_complex() const; bool has_storage() const; bool is_non_overlapping_and_dense() const; bool is_pinned() const;
  IntArrayRef sizes() const; IntArrayRef strides() const; ScalarType scalar_type() const; TypeMeta dtype() const;
  Device device() const; Layout layout() const; TensorOptions options() const; DeprecatedTypeProperties type() const;
  Storage storage() const; DispatchKeySet key_set() const; MemoryFormat suggest_memory_format() const;
  const Tensor &grad() const; Tensor &mutable_grad(); void reset(); void backward() const; int64_t _version() const;
  Tensor data() const; Tensor tensor_data() const; Tensor variable_data() const; bool equal(const Tensor &) const;
  bool allclose(const Tensor &, double = 0, double = 0) const; int64_t use_count() const; std::string toString() const;
  template <class T> T *data_ptr() const; void *data_ptr() const; template <class T> T *data() const;
  template <class T> const T *const_data_ptr() const; const void *const_data_ptr() const;
  template <class T> T *mutable_data_ptr() const; void *mutable_data_ptr() const;
  template <class T> T item() const; Scalar item() const;
  Tensor index(std::initializer_list<indexing::TensorIndex>) const; Tensor &index_put_(std::initializer_list<indexing::TensorIndex>, const Tensor &); Tensor &index_put_(std::initializer_list<indexing::TensorIndex>, Scalar);
  template <class T, size_t N> TensorAccessor<T, N> accessor() const;
  template <class T, size_t N, template <class> class P = DefaultPtrTraits> PackedTensorAccessor32<T, N, P> packed_accessor32() const;
  template <class T, size_t N, template <class> class P = DefaultPtrTraits> PackedTensorAccessor64<T, N, P> packed_accessor64() const;
  template <class T, size_t N, template <class> class P = DefaultPtrTraits, class I = int64_t>
  GenericPackedTensorAccessor<T, N, P, I> packed_accessor() const;
  template <class T, size_t N, template <class> class P = DefaultPtrTraits, class I = int64_t>
  GenericPackedTensorAccessor<T, N, P, I> generic_packed_accessor() const;
  Tensor operator[](int64_t) const; Tensor operator[](const Tensor &) const; Tensor operator-() const; Tensor operator~() const;
  Tensor &operator+=(const Tensor &); Tensor &operator-=(const Tensor &); Tensor &operator*=(const Tensor &);
  Tensor &operator/=(const Tensor &); Tensor &operator+=(Scalar); Tensor &operator-=(Scalar); Tensor &operator*=(Scalar);
  Tensor &operator/=(Scalar);
  explicit operator bool() const;
  TensorImpl *unsafeGetTensorImpl() const;
  std::vector<Tensor> unbind(int64_t = 0) const; std::vector<Tensor> split(int64_t, int64_t = 0) const;
  std::vector<Tensor> chunk(int64_t, int64_t = 0) const; std::tuple<Tensor, Tensor> topk(int64_t, int64_t = -1, bool = true, bool = true) const;
  std::tuple<Tensor, Tensor> sort(int64_t = -1, bool = false) const; std::tuple<Tensor, Tensor> max(int64_t, bool = false) const;
  std::tuple<Tensor, Tensor> min(int64_t, bool = false) const; Tensor max() const; Tensor min() const;
  Tensor max(const Tensor &) const; Tensor min(const Tensor &) const;
  template <class H> unsigned register_hook(H) const;
#define CSY_METHOD(N)                                                                                                  \
  template <class... A> Tensor N(A &&...) const;                                                                       \
  Tensor N(IntArrayRef) const;                                                                                         \
  template <class A> Tensor N(IntArrayRef, A &&) const;                                                                \
  template <class A> Tensor N(A &&, IntArrayRef) const;
#define CSY_TENSOR_METHODS(M)                                                                                          \
  M(view) M(reshape) M(contiguous) M(transpose) M(t) M(permute) M(select) M(narrow) M(slice) M(index) M(index_select)     \
  M(expand) M(expand_as) M(squeeze) M(squeeze_) M(unsqueeze) M(unsqueeze_) M(repeat) M(flatten) M(clone) M(detach) M(to) \
  M(cpu) M(cuda) M(xpu) M(toType) M(type_as) M(sum) M(mean) M(prod) M(std) M(var) M(norm) M(abs) M(exp) M(log) M(sqrt)    \
  M(pow) M(add) M(add_) M(sub) M(sub_) M(mul) M(mul_) M(div) M(div_) M(addmm) M(addmm_) M(addmv) M(addmv_) M(addbmm)      \
  M(addbmm_) M(baddbmm) M(baddbmm_) M(addr) M(mm) M(bmm) M(mv) M(dot) M(matmul) M(fill_) M(zero_) M(copy_) M(resize_)     \
  M(set_) M(masked_fill_) M(masked_fill) M(masked_select) M(scatter_) M(scatter_add_) M(scatter_add) M(gather)           \
  M(index_add_) M(index_put_) M(index_fill_) M(clamp) M(clamp_) M(clamp_min) M(clamp_max) M(eq) M(ne) M(lt) M(gt) M(le)   \
  M(ge) M(logical_and) M(any) M(all) M(nonzero) M(argmax) M(argmin) M(cumsum) M(flip) M(roll) M(where) M(view_as)         \
  M(reshape_as) M(new_empty) M(new_zeros) M(new_ones) M(new_full) M(new_tensor) M(set_requires_grad) M(requires_grad_)   \
  M(pin_memory) M(unfold) M(as_strided) M(resize_as_) M(true_divide_) M(true_divide) M(floor_divide) M(floor) M(ceil)     \
  M(round) M(relu) M(sigmoid) M(tanh) M(softmax) M(log_softmax) M(neg) M(sign) M(sin) M(cos) M(movedim) M(swapaxes)       \
  M(swapdims) M(alias) M(coalesce) M(indices) M(values) M(_indices) M(_values) M(diagonal) M(triu) M(tril) M(bitwise_and) \
  M(isnan) M(is_nonzero) M(uniform_) M(normal_) M(random_) M(retain_grad) M(repeat_interleave) M(tile) M(count_nonzero)  \
  M(mT) M(H) M(half) M(float_) M(long_) M(put_) M(take) M(fmod) M(remainder) M(reciprocal) M(rsqrt) M(square) M(lerp)     \
  M(addcmul) M(addcdiv) M(detach_) M(max_values) M(expm1) M(log2) M(amax) M(amin) M(contiguous_) M(unsafeGetTensor)
  CSY_TENSOR_METHODS(CSY_METHOD)
#ifdef CSY_EXTRA_METHODS
  CSY_EXTRA_METHODS(CSY_METHOD)
#endif
};
#define CSY_OP(O)                                                                                                      \
  Tensor operator O(const Tensor &, const Tensor &); Tensor operator O(const Tensor &, Scalar); Tensor operator O(Scalar, const Tensor &);
CSY_OP(+) CSY_OP(-) CSY_OP(*) CSY_OP(/) CSY_OP(==) CSY_OP(!=) CSY_OP(<) CSY_OP(>) CSY_OP(<=) CSY_OP(>=) CSY_OP(%) CSY_OP(&) CSY_OP(|)
std::ostream &operator<<(std::ostream &, const Tensor &);

#define CSY_CREATE(N)                                                                                                  \
  Tensor N(IntArrayRef, TensorOptions = {});                                                                           \
  Tensor N(int64_t, TensorOptions = {});                                                                               \
  Tensor N(IntArrayRef, std::optional<ScalarType>, std::optional<Layout>, std::optional<Device>, std::optional<bool>);
CSY_CREATE(empty) CSY_CREATE(zeros) CSY_CREATE(ones) CSY_CREATE(rand) CSY_CREATE(randn) CSY_CREATE(randperm)
Tensor empty(IntArrayRef, TensorOptions, MemoryFormat);
Tensor full(IntArrayRef, Scalar, TensorOptions = {});
Tensor arange(Scalar, TensorOptions = {});
Tensor arange(Scalar, Scalar, TensorOptions = {});
Tensor arange(Scalar, Scalar, Scalar, TensorOptions = {});
Tensor linspace(Scalar, Scalar, int64_t, TensorOptions = {});
Tensor eye(int64_t, TensorOptions = {});
template <class... A> Tensor randint(A &&...);
Tensor from_blob(void *, IntArrayRef, TensorOptions = {});
Tensor from_blob(void *, IntArrayRef, IntArrayRef, TensorOptions = {});
template <class F> Tensor from_blob(void *, IntArrayRef, F, TensorOptions);
template <class T> Tensor tensor(std::initializer_list<T>, TensorOptions = {});
template <class T> Tensor tensor(T, TensorOptions = {});
Tensor empty_strided(IntArrayRef, IntArrayRef, TensorOptions = {});
Tensor cat(TensorList, int64_t = 0);
Tensor stack(TensorList, int64_t = 0);
#define CSY_FUNCTION(N)                                                                                                \
  template <class... A> Tensor N(A &&...);                                                                             \
  Tensor N(const Tensor &, IntArrayRef);                                                                               \
  template <class... A> Tensor N(const Tensor &, IntArrayRef, A &&...);
#define CSY_AT_FUNCTIONS(M)                                                                                            \
  M(empty_like) M(zeros_like) M(ones_like) M(full_like) M(rand_like) M(randn_like) M(transpose) M(matmul) M(mm) M(bmm)    \
  M(addmm) M(addmv) M(baddbmm) M(mul) M(add) M(sub) M(div) M(sum) M(mean) M(where) M(linear) M(conv2d) M(sigmoid) M(tanh) \
  M(relu) M(softmax) M(log_softmax) M(exp) M(log) M(sqrt) M(pow) M(abs) M(clamp) M(flip) M(index_select) M(gather)        \
  M(nonzero) M(argsort) M(argmax) M(cumsum) M(maximum) M(minimum) M(square) M(norm) M(einsum) M(squeeze) M(unsqueeze)     \
  M(reshape) M(scatter_add) M(logical_and) M(any) M(all) M(isnan) M(isinf) M(ger) M(outer) M(dot) M(addmm_out) M(mm_out)  \
  M(bmm_out) M(zeros_out) M(empty_out) M(repeat_interleave) M(bincount) M(searchsorted) M(masked_select) M(index)         \
  M(one_hot) M(permute) M(narrow) M(select) M(flatten) M(constant_pad_nd) M(pad) M(elu) M(d_sigmoid) M(d_tanh) M(d_elu)   \
  M(addcmul) M(conv_transpose2d) M(stack_out) M(cat_out) M(sum_out) M(mul_out) M(add_out) M(tril) M(triu) M(cross)
CSY_AT_FUNCTIONS(CSY_FUNCTION)
#ifdef CSY_EXTRA_FUNCTIONS
CSY_EXTRA_FUNCTIONS(CSY_FUNCTION)
#endif
std::tuple<Tensor, Tensor> max(const Tensor &, int64_t, bool = false);
std::tuple<Tensor, Tensor> min(const Tensor &, int64_t, bool = false);
Tensor max(const Tensor &); Tensor min(const Tensor &); Tensor max(const Tensor &, const Tensor &); Tensor min(const Tensor &, const Tensor &);
std::tuple<Tensor, Tensor> sort(const Tensor &, int64_t = -1, bool = false);
std::tuple<Tensor, Tensor> topk(const Tensor &, int64_t, int64_t = -1, bool = true, bool = true);
std::optional<Device> device_of(const Tensor &);
std::tuple<Tensor, Tensor> _unique(const Tensor &, bool = true, bool = false);
std::tuple<Tensor, Tensor, Tensor> unique_dim(const Tensor &, int64_t, bool = true, bool = false, bool = false);
std::tuple<Tensor, Tensor, Tensor> unique_consecutive(const Tensor &, bool = false, bool = false, std::optional<int64_t> = {});
std::tuple<Tensor, Tensor, Tensor> _unique2(const Tensor &, bool = true, bool = false, bool = false);
std::vector<Tensor> split(const Tensor &, int64_t, int64_t = 0);
std::vector<Tensor> chunk(const Tensor &, int64_t, int64_t = 0);
bool equal(const Tensor &, const Tensor &);
TensorOptions dtype(ScalarType); TensorOptions dtype(TypeMeta); TensorOptions device(Device); TensorOptions device(DeviceType);
TensorOptions layout(Layout); TensorOptions requires_grad(bool = true);
TensorOptions CUDA(ScalarType); TensorOptions CPU(ScalarType);
template <class T, class U> constexpr auto ceil_div(T a, U b) { return (a + b - 1) / b; }
template <class T, class U> auto divup(T, U);
template <class T, bool B> struct AccumulateType { using type = float; };
template <bool B> struct AccumulateType<double, B> { using type = double; };
template <bool B> struct AccumulateType<int, B> { using type = long; };
template <bool B> struct AccumulateType<long, B> { using type = long; };
template <class T, bool B> using acc_type = typename AccumulateType<T, B>::type;
template <class T> struct OpMathType { using type = T; };
template <> struct OpMathType<Half> { using type = float; };
template <> struct OpMathType<BFloat16> { using type = float; };
template <class T> using opmath_type = typename OpMathType<T>::type;
struct Context { void *lazyInitCUDA(); bool deterministicAlgorithms() const; bool allowTF32CuBLAS() const; void alertNotDeterministic(const char *);
  bool benchmarkCuDNN() const; };
Context &globalContext();
struct TensorArg { TensorArg(const Tensor &, const char *, int); const Tensor *operator->() const; Tensor tensor; };
struct TensorGeometry { TensorGeometry(const Tensor &); };
using CheckedFrom = const char *;
template <class... A> void checkAllSameGPU(A &&...);
inline void checkAllSameGPU(CheckedFrom, std::initializer_list<TensorArg>);
inline void checkAllSameType(CheckedFrom, std::initializer_list<TensorArg>);
inline void checkAllContiguous(CheckedFrom, std::initializer_list<TensorArg>);
template <class... A> void checkSameGPU(A &&...);
template <class... A> void checkDim(A &&...);
template <class... A> void checkSize(A &&...);
template <class... A> void checkContiguous(A &&...);
template <class F> void parallel_for(int64_t, int64_t, int64_t, const F &);
int get_num_threads();
struct NoGradGuard {};
struct AutoNonVariableTypeMode { AutoNonVariableTypeMode(bool = true); };
struct AutoDispatchBelowADInplaceOrView {};
struct AutoDispatchBelowAutograd {};
template <class T> T _isnan(T);
namespace numeric_csy {}
template <class T> struct numeric_limits { static T lowest(); static T max(); static T lower_bound(); static T upper_bound(); };
namespace native { template <class... A> Tensor copy(A &&...); template <class T> void fastAtomicAdd(T *, size_t, size_t, T, bool);
  template <class T> T WARP_SHFL(T, int, int = 32); }
struct CUDAGeneratorImpl { uint64_t seed(); uint64_t philox_offset_per_thread(); std::pair<uint64_t, uint64_t> philox_engine_inputs(uint64_t); void *philox_cuda_state(uint64_t); std::recursive_mutex *mutex_; };
using CUDAGenerator = CUDAGeneratorImpl;
struct PhiloxCudaState { uint64_t seed_, offset_; };

namespace cuda {
struct CUDAStream {
  operator cudaStream_t() const; cudaStream_t stream() const; DeviceIndex device_index() const; Device device() const; void synchronize() const;
  bool query() const; int id() const; bool operator==(const CUDAStream &) const; bool operator!=(const CUDAStream &) const;
};
CUDAStream getCurrentCUDAStream(int = -1);
CUDAStream getDefaultCUDAStream(int = -1);
CUDAStream getStreamFromPool(bool = false, int = -1);
CUDAStream getStreamFromExternal(cudaStream_t, int);
void setCurrentCUDAStream(CUDAStream);
void stream_synchronize(cudaStream_t);
cudaDeviceProp *getCurrentDeviceProperties();
cudaDeviceProp *getDeviceProperties(int);
int warp_size(); int device_count(); int current_device(); void set_device(int); bool is_available(); void device_synchronize();
int MaybeSetDevice(int); int ExchangeDevice(int);
cublasHandle_t getCurrentCUDABlasHandle();
cusparseHandle_t getCurrentCUDASparseHandle();
Allocator *getCUDADeviceAllocator();
namespace detail { const CUDAGenerator &getDefaultCUDAGenerator(int = -1);
template <class T, class I> struct TensorInfo {
  T *data; I sizes[25]; I strides[25]; int dims;
  TensorInfo(); TensorInfo(T *, int, I *, I *); void reduceDim(int); int collapseDims(int = -1); bool isContiguous() const;
};
template <class T, class I, int D> struct IndexToOffset { static I get(I, const TensorInfo<T, I> &); };
template <class T, class I> TensorInfo<T, I> getTensorInfo(const Tensor &);
bool canUse32BitIndexMath(const Tensor &, int64_t = 2147483647); bool maybeOverlappingIndices(const Tensor &); }
struct CUDAGuard { explicit CUDAGuard(int); explicit CUDAGuard(Device); void set_device(Device); void set_index(int); Device original_device() const; };
struct OptionalCUDAGuard { OptionalCUDAGuard(); explicit OptionalCUDAGuard(int); explicit OptionalCUDAGuard(std::optional<Device>); void set_device(Device); void set_index(int); };
struct CUDAStreamGuard { explicit CUDAStreamGuard(CUDAStream); };
struct CUDAMultiStreamGuard { CUDAMultiStreamGuard(ArrayRef<CUDAStream>); };
struct CUDAEvent { CUDAEvent(unsigned = 0); void record(); void record(const CUDAStream &); void block(const CUDAStream &); float elapsed_time(const CUDAEvent &) const; void synchronize() const; bool query() const; };
template <class... A> Tensor cuda_csy(A &&...);
int ATenCeilDiv(int, int); long ATenCeilDiv(long, long); dim3 getApplyBlock();
bool getApplyGrid(uint64_t, dim3 &, int64_t, int = 0);
template <class... A> void CUDA_tensor_apply_csy(A &&...);
namespace philox { inline std::tuple<uint64_t, uint64_t> unpack(PhiloxCudaState); }
namespace blas { template <class T> void gemm(...); }
}  // namespace cuda
void cudaPrivate_csy();
}  // namespace at
template <class T> void gpuAtomicAdd(T *, T);
template <class T> void gpuAtomicAddNoReturn(T *, T);
template <class T> T gpuAtomicMul(T *, T);
template <class T> T gpuAtomicMax(T *, T);
template <class T> T gpuAtomicMin(T *, T);
template <class T> T WARP_SHFL(T, int, int = 32, unsigned = 0xffffffff);
template <class T> T WARP_SHFL_DOWN(T, unsigned, int = 32, unsigned = 0xffffffff);
template <class T> T WARP_SHFL_UP(T, unsigned, int = 32, unsigned = 0xffffffff);
template <class T> T WARP_SHFL_XOR(T, int, int = 32, unsigned = 0xffffffff);
unsigned WARP_BALLOT(int, unsigned = 0xffffffff);
namespace c10 {
namespace cuda {
using namespace at::cuda;
using at::cuda::getCurrentCUDAStream;
namespace CUDACachingAllocator { Allocator *get(); void *raw_alloc(size_t); void *raw_alloc_with_stream(size_t, cudaStream_t); void raw_delete(void *); void recordStream(const DataPtr &, at::cuda::CUDAStream); void emptyCache(); }
namespace impl { struct CUDAGuardImpl {}; }
void device_synchronize(); int current_device(); int device_count();
}  // namespace cuda
using at::Tensor;
struct IValue { IValue(); IValue(const IValue &); template <class T> IValue(const T &); template <class T> T to() const; int64_t toInt() const; double toDouble() const; bool toBool() const; at::Tensor toTensor() const; std::vector<int64_t> toIntVector() const; std::vector<double> toDoubleVector() const; std::vector<int64_t> toIntList() const; std::vector<at::Tensor> toTensorVector() const; std::string toStringRef() const; bool isNone() const; bool isTensor() const; };
template <class T> struct List { List(); void push_back(T); size_t size() const; T operator[](size_t) const; std::vector<T> vec() const; };
template <class K, class V> struct Dict {};
}  // namespace c10
template <> struct std::numeric_limits<c10::Half> { static c10::Half max(); static c10::Half min(); static c10::Half lowest(); static c10::Half infinity(); static c10::Half epsilon(); };
template <> struct std::numeric_limits<c10::BFloat16> { static c10::BFloat16 max(); static c10::BFloat16 min(); static c10::BFloat16 lowest(); static c10::BFloat16 infinity(); };

namespace caffe2 { using TypeMeta = c10::TypeMeta; }
namespace torch {
using namespace at;
using at::Tensor;
using Dtype = at::ScalarType;
namespace nn { struct Module { virtual ~Module(); }; namespace functional { using namespace at; } struct Linear {}; }
namespace cuda { bool is_available(); size_t device_count(); void synchronize(int64_t = -1); }
struct CustomClassHolder { virtual ~CustomClassHolder(); };
template <class T> using intrusive_ptr = c10::intrusive_ptr<T>;
template <class... A> Tensor autograd_csy(A &&...);
namespace autograd {
using Variable = at::Tensor;
using variable_list = std::vector<at::Tensor>;
using tensor_list = std::vector<at::Tensor>;
struct SavedMap { c10::IValue &operator[](const std::string &); };
struct AutogradContext { void save_for_backward(variable_list); variable_list get_saved_variables() const; std::unordered_map<std::string, c10::IValue> saved_data;
  void mark_non_differentiable(const variable_list &); void mark_dirty(const variable_list &); void set_materialize_grads(bool); bool needs_input_grad(size_t) const; };
template <class T> struct Function { template <class... A> static auto apply(A &&...a) { return T::forward(nullptr, std::forward<A>(a)...); } };
}  // namespace autograd
using autograd::Variable;
namespace jit { struct csy_ops { template <class F> csy_ops &op(const std::string &, F &&); }; using RegisterOperators = csy_ops; }
struct RegisterOperators { RegisterOperators(); template <class F> RegisterOperators(const std::string &, F &&); template <class F> RegisterOperators &op(const std::string &, F &&); };
struct Library { template <class... A> Library &def(A &&...); template <class... A> Library &impl(A &&...); template <class F> Library &fallback(F &&);
  template <class T> struct class_csy {}; template <class T> auto class_(const char *); void set_python_module(const char *, const char * = ""); };
template <class F> auto dispatch(DispatchKey, F &&);
struct CppFunction { template <class F> CppFunction(F &&); static CppFunction makeFallthrough(); };
template <class T> struct class_ { class_(const char *, const char *); template <class... A> class_ &def(A &&...); template <class... A> class_ &def_pickle(A &&...); };
template <class... A> struct init {};
void manual_seed(uint64_t);
inline at::indexing::NoneT None; 
namespace indexing { using namespace at::indexing; }
namespace library_csy {}
}  // namespace torch
#define TORCH_CSY_CAT2(A, B) A##B
#define TORCH_CSY_CAT(A, B) TORCH_CSY_CAT2(A, B)
#define TORCH_LIBRARY(NS, M) static void TORCH_CSY_CAT(csy_library_, __COUNTER__)(torch::Library & M)
#define TORCH_LIBRARY_FRAGMENT(NS, M) TORCH_LIBRARY(NS, M)
#define TORCH_LIBRARY_IMPL(NS, K, M) TORCH_LIBRARY(NS, M)
#define TORCH_SELECTIVE_NAME(N) N
#define TORCH_FN(F) (F)
#define TORCH_EXTENSION_NAME csy_extension

namespace pybind11 {
struct object { object(); object attr(const char *) const; template <class T> T cast() const; bool is_none() const; };
struct handle : object {}; struct str : object { str(const std::string &); }; struct dict : object {}; struct list : object {}; struct tuple : object {}; struct none : object {};
template <class T> struct array_t : object { T *data(); };
struct arg { explicit constexpr arg(const char *); template <class T> arg &operator=(T &&); };
struct gil_scoped_release {}; struct gil_scoped_acquire {};
template <class... A> struct call_guard {}; template <class... A> struct init_t {}; template <class... A> init_t<A...> init();
template <class T, class... O> struct class_ { template <class... A> class_(A &&...); template <class... A> class_ &def(A &&...); template <class... A> class_ &def_readwrite(A &&...); template <class... A> class_ &def_readonly(A &&...); template <class... A> class_ &def_static(A &&...); };
struct module_ : object { template <class... A> module_ &def(A &&...); module_ def_submodule(const char *, const char * = ""); const char *&doc(); object &operator[](const char *); };
using module = module_;
namespace literals { arg operator""_a(const char *, size_t); }
}  // namespace pybind11
namespace py = pybind11;
#define PYBIND11_MODULE(NAME, M) static void TORCH_CSY_CAT(csy_module_, __COUNTER__)(pybind11::module_ & M)
#define PYBIND11_MODULE_CSY

#define CSY_EAT(...) (void)(__VA_ARGS__)
template <class... A> void csy_check(bool, const A &...);
template <class... A> [[noreturn]] void csy_fail(const A &...);
template <class A> void csy_error(A &&);
#define TORCH_CHECK(...) if (csy_check(__VA_ARGS__), false) {}
#define TORCH_CHECK_EQ(a, b) csy_check((a) == (b))
#define CHECK_EQ(a, b) csy_check((a) == (b))
#define CHECK_NE(a, b) csy_check((a) != (b))
#define CHECK_LT(a, b) csy_check((a) < (b))
#define CHECK_LE(a, b) csy_check((a) <= (b))
#define CHECK_GT(a, b) csy_check((a) > (b))
#define CHECK_GE(a, b) csy_check((a) >= (b))
#define TORCH_CHECK_NE(a, b) csy_check((a) != (b))
#define TORCH_CHECK_LE(a, b) csy_check((a) <= (b))
#define TORCH_CHECK_LT(a, b) csy_check((a) < (b))
#define TORCH_CHECK_GE(a, b) csy_check((a) >= (b))
#define TORCH_CHECK_GT(a, b) csy_check((a) > (b))
#define TORCH_CHECK_ARG(C, N, ...) csy_check(C, __VA_ARGS__)
#define TORCH_CHECK_INDEX(...) csy_check(__VA_ARGS__)
#define TORCH_CHECK_TYPE(...) csy_check(__VA_ARGS__)
#define TORCH_CHECK_VALUE(...) csy_check(__VA_ARGS__)
#define TORCH_CHECK_NOT_IMPLEMENTED(...) csy_check(__VA_ARGS__)
#define TORCH_INTERNAL_ASSERT(...) csy_check(__VA_ARGS__)
#define TORCH_INTERNAL_ASSERT_DEBUG_ONLY(...) csy_check(__VA_ARGS__)
#define TORCH_WARN(...) csy_check(true, __VA_ARGS__)
#define TORCH_WARN_ONCE(...) csy_check(true, __VA_ARGS__)
#define AT_CHECK(...) csy_check(__VA_ARGS__)
#define AT_ASSERT(...) csy_check(__VA_ARGS__)
#define AT_ASSERTM(...) csy_check(__VA_ARGS__)
#define AT_ERROR(...) csy_fail(__VA_ARGS__)
#define AT_CUDA_CHECK(E) csy_error(E)
#define C10_CUDA_CHECK(E) csy_error(E)
#define C10_CUDA_CHECK_WARN(E) csy_error(E)
#define C10_CUDA_KERNEL_LAUNCH_CHECK() csy_error(cudaGetLastError())
#define C10_CUDA_ERROR_HANDLED(E) csy_error(E)
#define CUDA_KERNEL_ASSERT(E) (void)(E)
#define THCudaCheck(E) csy_error(E)
#define TORCH_CUDABLAS_CHECK(E) csy_error(E)
#define TORCH_CUSPARSE_CHECK(E) csy_error(E)
#define AT_CUDA_DRIVER_CHECK(E) csy_error(E)
#define LOG(X) std::cerr
#define CUDA_1D_KERNEL_LOOP_csy
#define CUDA_KERNEL_LOOP_TYPE(i, n, T) for (T i = blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += blockDim.x * gridDim.x)

struct THCState; struct THCudaTensor;
void *THCudaMalloc(void *, size_t); void THCudaFree(void *, void *); cudaStream_t THCState_getCurrentStream(void *);
extern THCState *state_csy;
template <class... A> void THCudaBlas_SgemmBatched(A &&...); template <class... A> void THCudaBlas_Sgemm(A &&...); template <class... A> void THCudaBlas_Sgemv(A &&...);
template <class T, class U> auto THCCeilDiv(T a, U b) { return (a + b - 1) / b; }
template <class... A> void THCAssertSameGPU(A &&...);

#define CSY_CASE(T, N, ...) if (csy_pick(#N)) { using scalar_t [[maybe_unused]] = T; return __VA_ARGS__(); }
#define CSY_CASE2(E, ...) if (csy_pick(#E)) { using scalar_t [[maybe_unused]] = typename csy_type_of<E>::type; return __VA_ARGS__(); }
template <auto E> struct csy_type_of { using type = c10::Half; };
template <> struct csy_type_of<c10::ScalarType::BFloat16> { using type = c10::BFloat16; };
template <> struct csy_type_of<c10::ScalarType::Bool> { using type = bool; };
template <> struct csy_type_of<c10::ScalarType::Byte> { using type = uint8_t; };
template <> struct csy_type_of<c10::ScalarType::Char> { using type = int8_t; };
template <> struct csy_type_of<c10::ScalarType::Short> { using type = int16_t; };
template <> struct csy_type_of<c10::ScalarType::Int> { using type = int; };
template <> struct csy_type_of<c10::ScalarType::Long> { using type = int64_t; };
template <> struct csy_type_of<c10::ScalarType::Float> { using type = float; };
template <> struct csy_type_of<c10::ScalarType::Double> { using type = double; };
bool csy_pick(const char *);
c10::ScalarType csy_scalar_type(c10::ScalarType);
#define CSY_SWITCH(TYPE, NAME, ...) [&] { const auto csy_the_type [[maybe_unused]] = csy_scalar_type(TYPE); [[maybe_unused]] const char *csy_name = NAME; __VA_ARGS__ csy_fail(); }()
#define CSY_FLOATS(...) CSY_CASE(double, Double, __VA_ARGS__) CSY_CASE(float, Float, __VA_ARGS__)
#define CSY_INTS(...) CSY_CASE(uint8_t, Byte, __VA_ARGS__) CSY_CASE(int8_t, Char, __VA_ARGS__) CSY_CASE(int, Int, __VA_ARGS__) CSY_CASE(int64_t, Long, __VA_ARGS__) CSY_CASE(int16_t, Short, __VA_ARGS__)
#define CSY_HALF(...) CSY_CASE(c10::Half, Half, __VA_ARGS__)
#define AT_DISPATCH_FLOATING_TYPES(TYPE, NAME, ...) CSY_SWITCH(TYPE, NAME, CSY_FLOATS(__VA_ARGS__))
#define AT_DISPATCH_FLOATING_TYPES_AND_HALF(TYPE, NAME, ...) CSY_SWITCH(TYPE, NAME, CSY_FLOATS(__VA_ARGS__) CSY_HALF(__VA_ARGS__))
#define AT_DISPATCH_REDUCED_FLOATING_TYPES(TYPE, NAME, ...) CSY_SWITCH(TYPE, NAME, CSY_HALF(__VA_ARGS__))
#define AT_DISPATCH_FLOATING_TYPES_AND(E, TYPE, NAME, ...) CSY_SWITCH(TYPE, NAME, CSY_FLOATS(__VA_ARGS__) CSY_CASE2(E, __VA_ARGS__))
#define AT_DISPATCH_FLOATING_TYPES_AND2(E, F, TYPE, NAME, ...) CSY_SWITCH(TYPE, NAME, CSY_FLOATS(__VA_ARGS__) CSY_CASE2(E, __VA_ARGS__) CSY_CASE2(F, __VA_ARGS__))
#define AT_DISPATCH_ALL_TYPES(TYPE, NAME, ...) CSY_SWITCH(TYPE, NAME, CSY_INTS(__VA_ARGS__) CSY_FLOATS(__VA_ARGS__))
#define AT_DISPATCH_ALL_TYPES_AND(E, TYPE, NAME, ...) CSY_SWITCH(TYPE, NAME, CSY_INTS(__VA_ARGS__) CSY_FLOATS(__VA_ARGS__) CSY_CASE2(E, __VA_ARGS__))
#define AT_DISPATCH_ALL_TYPES_AND2(E, F, TYPE, NAME, ...) CSY_SWITCH(TYPE, NAME, CSY_INTS(__VA_ARGS__) CSY_FLOATS(__VA_ARGS__) CSY_CASE2(E, __VA_ARGS__) CSY_CASE2(F, __VA_ARGS__))
#define AT_DISPATCH_ALL_TYPES_AND3(E, F, G, TYPE, NAME, ...) CSY_SWITCH(TYPE, NAME, CSY_INTS(__VA_ARGS__) CSY_FLOATS(__VA_ARGS__) CSY_CASE2(E, __VA_ARGS__) CSY_CASE2(F, __VA_ARGS__) CSY_CASE2(G, __VA_ARGS__))
#define AT_DISPATCH_INTEGRAL_TYPES(TYPE, NAME, ...) CSY_SWITCH(TYPE, NAME, CSY_INTS(__VA_ARGS__))
#define AT_DISPATCH_INDEX_TYPES(TYPE, NAME, ...) CSY_SWITCH(TYPE, NAME, if (csy_pick("i")) { using index_t = int; return __VA_ARGS__(); } if (csy_pick("l")) { using index_t = int64_t; return __VA_ARGS__(); })
#define AT_DISPATCH_CASE(E, ...) CSY_CASE2(E, __VA_ARGS__)
#define AT_DISPATCH_CASE_FLOATING_TYPES(...) CSY_FLOATS(__VA_ARGS__)
#define AT_DISPATCH_CASE_INTEGRAL_TYPES(...) CSY_INTS(__VA_ARGS__)
#define AT_DISPATCH_CASE_ALL_TYPES(...) CSY_INTS(__VA_ARGS__) CSY_FLOATS(__VA_ARGS__)
#define AT_DISPATCH_SWITCH(TYPE, NAME, ...) CSY_SWITCH(TYPE, NAME, __VA_ARGS__)
#define AT_PRIVATE_CASE_TYPE(N, E, T, ...) CSY_CASE2(E, __VA_ARGS__)
#pragma clang force_cuda_host_device end
