/// \file arrays.cpp
/// C functions for arrays that are not PyTorch's: memory and queue of another SYCL library (dpctl, dpnp), or CPU
/// memory; and the list of devices. sycl_dcn/usm.py calls them. Exceptions stop here, as text, because callers are not
/// C++.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "dcn/deform_conv2d.hpp"
#include "dcn/deform_conv2d_backward.hpp"
#include "dcn/deform_psroi_pool.hpp"
#include "dcn/device.hpp"
#include "params.hpp"
#include "plans.hpp"
#include "queues.hpp"
#include "text.hpp"

namespace {

using dcn::TensorView;

/// Mirror of Array in sycl_dcn/usm.py. Absent when `rank` is negative. Strides in elements.
struct Array {
  void* data;
  std::int64_t type;  ///< 0 f32, 1 f16, 2 f64
  std::int64_t rank;
  std::int64_t sizes[4];
  std::int64_t strides[4];
};

/// Where an error's text goes; cut to the room.
struct Message {
  char* text;
  std::int64_t room;
};

TensorView view(const Array& array) {
  constexpr dcn::DataType kTypes[] = {dcn::DataType::kF32, dcn::DataType::kF16, dcn::DataType::kF64};
  TensorView out;
  out.data = array.data;
  out.type = kTypes[array.type];
  out.rank = static_cast<int>(array.rank);
  std::copy(std::begin(array.sizes), std::end(array.sizes), out.sizes.begin());
  std::copy(std::begin(array.strides), std::end(array.strides), out.strides.begin());
  return out;
}

std::optional<TensorView> optional_view(const Array& array) {
  if (array.rank < 0) return std::nullopt;
  return view(array);
}

void put(const Message& message, const std::string& text) {
  const auto length = std::min<std::size_t>(text.size(), static_cast<std::size_t>(message.room) - 1);
  std::memcpy(message.text, text.data(), length);
  message.text[length] = '\0';
}

/// 0, or 1 with the error's text.
template <typename Function>
int guarded(const Message& message, const Function& function) {
  try {
    function();
    return 0;
  } catch (const std::exception& error) {
    put(message, error.what());
    return 1;
  }
}

/// Runs `submit(queue)` on a `sycl::queue*` of somebody else's, in its order; null: on ours for CPU memory, to the end.
template <typename Submit>
void run_on(void* queue, const Submit& submit) {
  if (queue == nullptr) {
    submit(dcn::torch_binding::cpu_queue());
    dcn::torch_binding::cpu_queue().wait();
    return;
  }
  dcn::torch_binding::ForeignQueue on(queue);
  submit(on.get());
}

template <std::size_t count>
std::array<std::int64_t, count> numbers_at(const std::int64_t* first) {
  std::array<std::int64_t, count> out{};
  std::copy_n(first, count, out.begin());
  return out;
}

/// Of the kernel's height and width, and what `conv_params` lists.
dcn::DeformConv2dParams conv_params(const std::int64_t* numbers) {
  return dcn::torch_binding::conv_params(numbers[0], numbers[1],
                                         numbers_at<dcn::torch_binding::kConvNumbers>(numbers + 2));
}

dcn::DeformPsroiPoolParams pool_params(const std::int64_t* numbers, double spatial_scale, double trans_std) {
  return dcn::torch_binding::pool_params(spatial_scale, numbers_at<dcn::torch_binding::kPoolNumbers>(numbers),
                                         trans_std);
}

}  // namespace

#define SYCL_DCN_EXPORT extern "C" __attribute__((visibility("default")))

/// arrays: input, offset, mask, weight, bias, output. numbers: kernel, stride, padding, dilation (height, width),
/// groups, deformable groups. Asynchronous on `queue`, a `sycl::queue*`; with null, done on return.
SYCL_DCN_EXPORT int sycl_dcn_deform_conv2d(void* queue, const Array* arrays, const std::int64_t* numbers,
                                           Message message) {
  return guarded(message, [&] {
    run_on(queue, [&](dcn::Queue& on) {
      dcn::torch_binding::run_deform_conv2d(on, conv_params(numbers),
                                            {.input = view(arrays[0]),
                                             .offset = view(arrays[1]),
                                             .mask = optional_view(arrays[2]),
                                             .weight = view(arrays[3]),
                                             .bias = optional_view(arrays[4]),
                                             .output = view(arrays[5])});
    });
  });
}

/// arrays: grad_output, input, offset, mask, weight, then the gradients of input, offset, mask, weight, bias.
SYCL_DCN_EXPORT int sycl_dcn_deform_conv2d_backward(void* queue, const Array* arrays, const std::int64_t* numbers,
                                                    int deterministic, Message message) {
  return guarded(message, [&] {
    run_on(queue, [&](dcn::Queue& on) {
      dcn::torch_binding::run_deform_conv2d_backward(on, conv_params(numbers),
                                                     {.grad_output = view(arrays[0]),
                                                      .input = view(arrays[1]),
                                                      .offset = view(arrays[2]),
                                                      .mask = optional_view(arrays[3]),
                                                      .weight = view(arrays[4]),
                                                      .grad_input = optional_view(arrays[5]),
                                                      .grad_offset = optional_view(arrays[6]),
                                                      .grad_mask = optional_view(arrays[7]),
                                                      .grad_weight = optional_view(arrays[8]),
                                                      .grad_bias = optional_view(arrays[9])},
                                                     deterministic != 0);
    });
  });
}

/// arrays: input, rois, offset, output, count. numbers: output_dim, group_size, pooled_size, part_size,
/// sample_per_part.
SYCL_DCN_EXPORT int sycl_dcn_deform_psroi_pool(void* queue, const Array* arrays, const std::int64_t* numbers,
                                               double spatial_scale, double trans_std, Message message) {
  return guarded(message, [&] {
    run_on(queue, [&](dcn::Queue& on) {
      dcn::deform_psroi_pool(on, pool_params(numbers, spatial_scale, trans_std),
                             {.input = view(arrays[0]),
                              .rois = view(arrays[1]),
                              .offset = optional_view(arrays[2]),
                              .output = view(arrays[3]),
                              .count = view(arrays[4])});
    });
  });
}

/// arrays: grad_output, input, rois, offset, then the gradients of input and offset.
SYCL_DCN_EXPORT int sycl_dcn_deform_psroi_pool_backward(void* queue, const Array* arrays, const std::int64_t* numbers,
                                                        double spatial_scale, double trans_std, Message message) {
  return guarded(message, [&] {
    run_on(queue, [&](dcn::Queue& on) {
      dcn::deform_psroi_pool_backward(on, pool_params(numbers, spatial_scale, trans_std),
                                      {.grad_output = view(arrays[0]),
                                       .input = view(arrays[1]),
                                       .rois = view(arrays[2]),
                                       .offset = optional_view(arrays[3]),
                                       .grad_input = optional_view(arrays[4]),
                                       .grad_offset = optional_view(arrays[5])});
    });
  });
}

/// One line for each SYCL device: index, name, kind, backend, driver, bytes of memory, why it cannot be used (empty: it
/// can), separated by tabs.
SYCL_DCN_EXPORT int sycl_dcn_devices(Message message) {
  return guarded(message, [&] {
    std::string lines;
    std::vector<dcn::DeviceInfo> devices = dcn::list_devices();
    for (dcn::DeviceInfo& device : devices) {
      // A compiler's log has lines of its own.
      std::replace_if(
          device.why_unusable.begin(), device.why_unusable.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
      lines += dcn::torch_binding::text(device.index, '\t', device.name, '\t', device.kind, '\t', device.backend, '\t',
                                        device.driver, '\t', device.memory, '\t', device.why_unusable, '\n');
    }
    put(message, lines);
  });
}

/// Why devices of a backend are missing, with the remedy; empty when every backend answered.
SYCL_DCN_EXPORT int sycl_dcn_discovery_problem(Message message) {
  return guarded(message, [&] { put(message, dcn::discovery_problem()); });
}

/// Writes the file that the run-time compiler needs for NVIDIA GPUs; the message says where it lies.
SYCL_DCN_EXPORT int sycl_dcn_install_cuda_builtins(Message message) {
  return guarded(message, [&] { put(message, dcn::install_cuda_builtins()); });
}
