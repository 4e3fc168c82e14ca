/// \file weights.hpp
/// A network's weights on the device, each packed once for every format that some plan asks for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "dcn/device.hpp"
#include "nn/backend.hpp"
#include "nn/network.hpp"

namespace dcn::nn {

/// Host values copied to the device in another type. Blocks until they are there.
[[nodiscard]] DeviceBuffer upload(const Queue& queue, const std::vector<float>& values, DataType type);

/// Packed weights; they live as long as the store.
struct Weights {
  void* data = nullptr;
  dnnl::memory::desc desc;
};

class WeightStore {
 public:
  explicit WeightStore(Backend& backend) : backend_(backend) {}

  /// The layer's weights in the format `wanted`. \param given format of layer.weight, f32.
  Weights weight(const Layer& layer, const dnnl::memory::desc& given, const dnnl::memory::desc& wanted);
  /// The layer's biases, f32.
  Weights bias(const Layer& layer);

  /// The convolution with further output channels that are zero. Lives as long as the store.
  const Layer& with_output_channels(const Layer& layer, std::int64_t channels);

  [[nodiscard]] std::size_t bytes() const noexcept;

 private:
  struct Entry {
    const void* host;  ///< which vector of which layer
    DeviceBuffer buffer;
    dnnl::memory::desc desc;
  };
  Weights pack(const std::vector<float>& values, const dnnl::memory::desc& given, const dnnl::memory::desc& wanted);

  Backend& backend_;
  std::deque<Entry> entries_;
  std::map<const Layer*, Layer> padded_;
};

}  // namespace dcn::nn
