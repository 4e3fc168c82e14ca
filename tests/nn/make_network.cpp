#include "make_network.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace dcn::test {

namespace {

std::size_t element(const TensorView& view, std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x) {
  return static_cast<std::size_t>(n * view.strides[0] + c * view.strides[1] + y * view.strides[2] +
                                  x * view.strides[3]);
}

}  // namespace

void load_input(nn::Executor& executor, const Queue& queue, const HostTensor& picture) {
  const TensorView view = executor.input();
  std::vector<float> values(picture.values.size());
  for (std::int64_t n = 0; n < picture.n; ++n) {
    for (std::int64_t c = 0; c < picture.c; ++c) {
      for (std::int64_t y = 0; y < picture.h; ++y) {
        for (std::int64_t x = 0; x < picture.w; ++x) {
          values.at(element(view, n, c, y, x)) = static_cast<float>(picture.at(n, c, y, x));
        }
      }
    }
  }
  queue.copy(view.data, values.data(), values.size() * sizeof(float));
  queue.wait();
}

void run(nn::Executor& executor, const Queue& queue, const HostTensor& picture) {
  executor.prepare(picture.n, picture.h, picture.w);
  load_input(executor, queue, picture);
  executor.run();
  queue.wait();
}

HostTensor read_output(const nn::Executor& executor, const Queue& queue, const std::string& head) {
  const TensorView view = executor.output(head);
  HostTensor tensor(view.sizes[0], view.sizes[1], view.sizes[2], view.sizes[3]);
  std::vector<float> values(tensor.values.size());
  queue.copy(values.data(), view.data, values.size() * sizeof(float));
  queue.wait();
  for (std::int64_t n = 0; n < tensor.n; ++n) {
    for (std::int64_t c = 0; c < tensor.c; ++c) {
      for (std::int64_t y = 0; y < tensor.h; ++y) {
        for (std::int64_t x = 0; x < tensor.w; ++x) {
          tensor.at(n, c, y, x) = static_cast<double>(values.at(element(view, n, c, y, x)));
        }
      }
    }
  }
  return tensor;
}

double max_difference(const HostTensor& a, const HostTensor& b) {
  if (a.n != b.n || a.c != b.c || a.h != b.h || a.w != b.w) throw std::runtime_error("tensors of different sizes");
  double largest = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const double difference = std::abs(a.values[i] - b.values[i]);
    if (!(difference <= largest)) largest = difference;  // NaN too
  }
  return largest;
}

double max_magnitude(const HostTensor& tensor) {
  double largest = 0;
  for (const double value : tensor.values) largest = std::max(largest, std::abs(value));
  return largest;
}

}  // namespace dcn::test
