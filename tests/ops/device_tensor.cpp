#include "ops/device_tensor.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <numeric>
#include <stdexcept>

#include "ops/half.hpp"

namespace dcn::test {

namespace {

constexpr std::int64_t kGuardBytes = 4096;
constexpr unsigned char kPoison = 0xff;  // all ones: a NaN in every floating-point type

double decode(const unsigned char* at, DataType type) {
  switch (type) {
    case DataType::kF64: {
      double value = 0;
      std::memcpy(&value, at, sizeof(value));
      return value;
    }
    case DataType::kF32: {
      float value = 0;
      std::memcpy(&value, at, sizeof(value));
      return value;
    }
    default: {
      std::uint16_t value = 0;
      std::memcpy(&value, at, sizeof(value));
      return type == DataType::kF16 ? from_f16(value) : from_bf16(value);
    }
  }
}

void encode(unsigned char* at, DataType type, double value) {
  switch (type) {
    case DataType::kF64:
      std::memcpy(at, &value, sizeof(value));
      return;
    case DataType::kF32: {
      const auto single = static_cast<float>(value);
      std::memcpy(at, &single, sizeof(single));
      return;
    }
    default: {
      const std::uint16_t half = type == DataType::kF16 ? to_f16(value) : to_bf16(value);
      std::memcpy(at, &half, sizeof(half));
    }
  }
}

std::int64_t product(const std::vector<std::int64_t>& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
}

}  // namespace

Queue& test_queue() {
  static Queue queue = Queue::create("auto");
  return queue;
}

HostTensor::HostTensor(std::vector<std::int64_t> shape)
    : sizes(std::move(shape)), values(static_cast<std::size_t>(product(sizes))) {}

double& HostTensor::at(std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x) {
  return values[static_cast<std::size_t>(((n * sizes[1] + c) * sizes[2] + y) * sizes[3] + x)];
}

double HostTensor::at(std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x) const {
  return values[static_cast<std::size_t>(((n * sizes[1] + c) * sizes[2] + y) * sizes[3] + x)];
}

HostTensor HostTensor::rounded(DataType type) const {
  HostTensor result = *this;
  std::array<unsigned char, 8> bytes{};
  for (double& value : result.values) {
    encode(bytes.data(), type, value);
    value = decode(bytes.data(), type);
  }
  return result;
}

DeviceTensor::DeviceTensor(Queue queue, DataType type, std::vector<std::int64_t> sizes, Layout layout)
    : queue_(std::move(queue)) {
  view_.type = type;
  view_.rank = static_cast<int>(sizes.size());
  std::copy(sizes.begin(), sizes.end(), view_.sizes.begin());
  lay_out(layout);
  queue_.fill(memory_.data(), kPoison, memory_.bytes());
  queue_.wait();
}

DeviceTensor::DeviceTensor(Queue queue, DataType type, const HostTensor& values, Layout layout)
    : DeviceTensor(std::move(queue), type, values.sizes, layout) {
  std::vector<unsigned char> bytes(memory_.bytes(), kPoison);
  std::size_t i = 0;
  for_each([&](std::int64_t at) { encode(bytes.data() + at, type, values.values[i++]); });
  queue_.copy(memory_.data(), bytes.data(), bytes.size());
  queue_.wait();
}

void DeviceTensor::lay_out(Layout layout) {
  const auto element = static_cast<std::int64_t>(size_of(view_.type));
  std::int64_t reach = 1;  // elements of the memory, from element 0 on
  std::int64_t before = 0;
  if (view_.rank != 4 || layout == Layout::kNchw) {
    std::int64_t stride = 1;
    for (int d = view_.rank - 1; d >= 0; --d) {
      view_.strides[static_cast<std::size_t>(d)] = stride;
      stride *= view_.sizes[static_cast<std::size_t>(d)];
    }
    reach = stride;
  } else {
    const auto [n, c, h, w] = view_.sizes;
    if (layout == Layout::kStrided) {
      const std::int64_t row = 2;
      const std::int64_t channel = row * h + 3;
      const std::int64_t picture = channel * c + 1;
      const std::int64_t column = picture * n + 5;
      view_.strides = {picture, channel, row, column};
      reach = column * w;
    } else {
      const std::int64_t pixel = layout == Layout::kNhwcSlice ? c + 5 : c;
      before = layout == Layout::kNhwcSlice ? 3 : 0;
      view_.strides = {h * w * pixel, 1, w * pixel, pixel};
      reach = n * h * w * pixel;
    }
  }
  first_ = kGuardBytes + before * element;
  memory_ = DeviceBuffer(queue_, static_cast<std::size_t>(2 * kGuardBytes + reach * element));
  view_.data = static_cast<unsigned char*>(memory_.data()) + first_;
}

template <typename Visit>
void DeviceTensor::for_each(Visit&& visit) const {
  std::array<std::int64_t, TensorView::kMaxRank> sizes{1, 1, 1, 1};
  std::array<std::int64_t, TensorView::kMaxRank> strides{};
  const auto pad = static_cast<std::size_t>(TensorView::kMaxRank - view_.rank);
  for (std::size_t d = 0; d + pad < sizes.size(); ++d) {
    sizes[d + pad] = view_.sizes[d];
    strides[d + pad] = view_.strides[d];
  }
  const auto element = static_cast<std::int64_t>(size_of(view_.type));
  for (std::int64_t i = 0; i < sizes[0]; ++i) {
    for (std::int64_t j = 0; j < sizes[1]; ++j) {
      for (std::int64_t k = 0; k < sizes[2]; ++k) {
        for (std::int64_t l = 0; l < sizes[3]; ++l) {
          visit(first_ + (i * strides[0] + j * strides[1] + k * strides[2] + l * strides[3]) * element);
        }
      }
    }
  }
}

std::vector<unsigned char> DeviceTensor::fetch() const {
  std::vector<unsigned char> bytes(memory_.bytes());
  queue_.copy(bytes.data(), memory_.data(), bytes.size());
  queue_.wait();
  return bytes;
}

HostTensor DeviceTensor::read() const {
  const std::vector<unsigned char> bytes = fetch();
  HostTensor result({view_.sizes.begin(), view_.sizes.begin() + view_.rank});
  std::size_t i = 0;
  for_each([&](std::int64_t at) { result.values[i++] = decode(bytes.data() + at, view_.type); });
  return result;
}

std::string DeviceTensor::damage() const {
  std::vector<unsigned char> bytes = fetch();
  const auto element = size_of(view_.type);
  for_each([&](std::int64_t at) { std::memset(bytes.data() + at, kPoison, element); });
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != kPoison) {
      return fmt::format("byte {} from the first element on was overwritten ({})",
                         static_cast<std::int64_t>(i) - first_, view_.describe());
    }
  }
  return {};
}

std::int64_t DeviceTensor::unwritten() const {
  const std::vector<unsigned char> bytes = fetch();
  const auto element = size_of(view_.type);
  std::int64_t count = 0;
  for_each([&](std::int64_t at) {
    bool poison = true;
    for (std::size_t i = 0; i < element; ++i) poison &= bytes[static_cast<std::size_t>(at) + i] == kPoison;
    count += poison ? 1 : 0;
  });
  return count;
}

}  // namespace dcn::test
