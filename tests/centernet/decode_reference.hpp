/// \file decode_reference.hpp
/// The decoders written from the original's formulas, one value at a time on the host, and the tensors they look at.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "centernet/decode.hpp"
#include "centernet/postprocess.hpp"
#include "dcn/device.hpp"

namespace dcn::test {

/// Dense f32 [N, C, H, W] on the host.
struct HostHead {
  std::int64_t n = 0, c = 0, h = 0, w = 0;
  std::vector<float> values;

  HostHead() = default;
  HostHead(std::int64_t batch, std::int64_t channels, std::int64_t height, std::int64_t width,
           const std::function<float()>& value);
  [[nodiscard]] float& at(std::int64_t b, std::int64_t channel, std::int64_t y, std::int64_t x) {
    return values[static_cast<std::size_t>(((b * c + channel) * h + y) * w + x)];
  }
  [[nodiscard]] float at(std::int64_t b, std::int64_t channel, std::int64_t y, std::int64_t x) const {
    return values[static_cast<std::size_t>(((b * c + channel) * h + y) * w + x)];
  }
};

/// Heads by the network's names: "hm", "wh", "reg", ...
using HostHeads = std::map<std::string, HostHead>;

/// How heads lie in device memory. kSlice: channels of a wider NHWC tensor.
enum class HeadLayout : std::uint8_t { kNchw, kNhwc, kSlice };

/// Copies of the heads on a device.
class DeviceHeads {
 public:
  DeviceHeads(const Queue& queue, const HostHeads& heads, HeadLayout layout);
  [[nodiscard]] const centernet::DecodeHeads& views() const { return views_; }

 private:
  std::vector<DeviceBuffer> memory_;
  centernet::DecodeHeads views_;
};

/// One table of rows per picture, in the order that centernet::Decoder promises.
[[nodiscard]] std::vector<centernet::Rows> reference_decode(const HostHeads& heads,
                                                            const centernet::DecodeOptions& options);

/// What the device decodes, copied to the host.
[[nodiscard]] std::vector<centernet::Rows> device_decode(const Queue& queue, centernet::Decoder& decoder,
                                                         const DeviceHeads& heads);

}  // namespace dcn::test
