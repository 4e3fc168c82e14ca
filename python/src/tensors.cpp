#include "tensors.hpp"

#include <torch/csrc/inductor/aoti_torch/c/shim.h>

#include <array>

#include "dcn/status.hpp"
#include "text.hpp"

namespace dcn::torch_binding {

namespace {

void expect_success(AOTITorchError code, std::string_view what) {
  if (code != AOTI_TORCH_SUCCESS) throw Error(ErrorCode::kInternal, text("PyTorch: ", what, " failed"));
}

std::int32_t dtype_of(const Tensor& tensor) {
  std::int32_t dtype = 0;
  expect_success(aoti_torch_get_dtype(tensor.get(), &dtype), "reading a tensor's type");
  return dtype;
}

std::string_view device_name(std::int32_t type) {
  if (type == aoti_torch_device_type_cpu()) return "cpu";
  if (type == aoti_torch_device_type_cuda()) return "cuda";
  if (type == aoti_torch_device_type_xpu()) return "xpu";
  return "another device";
}

std::string describe(const Place& place) {
  const std::string_view name = device_name(place.type);
  return place.type == aoti_torch_device_type_cpu() ? std::string(name) : text(name, ":", place.index);
}

DataType data_type(std::string_view name, const Tensor& tensor) {
  const std::int32_t dtype = dtype_of(tensor);
  if (dtype == aoti_torch_dtype_float32()) return DataType::kF32;
  if (dtype == aoti_torch_dtype_float16()) return DataType::kF16;
  if (dtype == aoti_torch_dtype_bfloat16()) return DataType::kBf16;
  if (dtype == aoti_torch_dtype_float64()) return DataType::kF64;
  throw Error(ErrorCode::kInvalidArgument,
              text(name, ": not a floating-point tensor, expected float32, float16, bfloat16 or float64"));
}

Tensor empty_strided(std::span<const std::int64_t> sizes, std::span<const std::int64_t> strides, std::int32_t dtype,
                     const Place& place) {
  AtenTensorHandle handle = nullptr;
  expect_success(aoti_torch_empty_strided(static_cast<std::int64_t>(sizes.size()), sizes.data(), strides.data(), dtype,
                                          place.type, place.index, &handle),
                 text("allocating ", shape_text(sizes), " on ", describe(place)));
  return Tensor(handle);
}

}  // namespace

Place place_of(const Tensor& tensor) {
  Place place;
  expect_success(aoti_torch_get_device_type(tensor.get(), &place.type), "reading a tensor's device");
  expect_success(aoti_torch_get_device_index(tensor.get(), &place.index), "reading a tensor's device");
  return place;
}

TensorView view_of(std::string_view name, const Tensor& tensor, const Place& place) {
  const Place at = place_of(tensor);
  if (at != place) {
    throw Error(ErrorCode::kInvalidArgument,
                text(name, ": on ", describe(at), ", expected ", describe(place), " (the device of input)"));
  }
  if (tensor.dim() > TensorView::kMaxRank) {
    throw Error(ErrorCode::kInvalidArgument,
                text(name, ": ", tensor.dim(), " dimensions, expected at most ", TensorView::kMaxRank));
  }
  TensorView view;
  view.type = data_type(name, tensor);
  view.rank = static_cast<int>(tensor.dim());
  const auto sizes = tensor.sizes();
  const auto strides = tensor.strides();
  for (std::size_t d = 0; d < static_cast<std::size_t>(view.rank); ++d) {
    view.sizes[d] = sizes[d];
    view.strides[d] = strides[d];
  }
  view.data = tensor.numel() == 0 ? nullptr : tensor.data_ptr();
  return view;
}

std::optional<TensorView> view_of(std::string_view name, const std::optional<Tensor>& tensor, const Place& place) {
  if (!tensor) return std::nullopt;
  return view_of(name, *tensor, place);
}

Tensor empty(std::span<const std::int64_t> sizes, const Tensor& like, const Place& place) {
  std::array<std::int64_t, TensorView::kMaxRank> strides{};
  std::int64_t stride = 1;
  for (std::size_t d = sizes.size(); d-- > 0;) {
    strides.at(d) = stride;
    stride *= sizes[d] > 1 ? sizes[d] : 1;
  }
  return empty_strided(sizes, {strides.data(), sizes.size()}, dtype_of(like), place);
}

Tensor empty_activation(std::span<const std::int64_t> sizes, const Tensor& like, const Place& place) {
  if (!is_channels_last(like)) return empty(sizes, like, place);
  const std::array<std::int64_t, 4> strides{sizes[1] * sizes[2] * sizes[3], 1, sizes[3] * sizes[1], sizes[1]};
  return empty_strided(sizes, strides, dtype_of(like), place);
}

Tensor nothing(const Tensor& like, const Place& place) {
  constexpr std::array<std::int64_t, 1> kNone{0};
  return empty(kNone, like, place);
}

bool is_channels_last(const Tensor& tensor) {
  return tensor.dim() == 4 && tensor.stride(1) == 1 && !tensor.is_contiguous();
}

}  // namespace dcn::torch_binding
