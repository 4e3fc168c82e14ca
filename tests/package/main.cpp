// A project of its own that finds the installed package and convolves: with zero offsets and ones in the mask, a 1x1
// deformable convolution with weight 2 doubles its input.
#include <cstdio>
#include <vector>

#include "centernet/detector.hpp"
#include "dcn/deform_conv2d.hpp"
#include "dcn/status.hpp"

int main() {
  try {
    dcn::Queue queue = dcn::Queue::create();
    constexpr int kHeight = 3;
    constexpr int kWidth = 5;
    constexpr int kPixels = kHeight * kWidth;
    std::vector<float> host(kPixels * 5 + 1, 0.0F);  // input, offset (2), mask, output, weight
    for (int i = 0; i < kPixels; ++i) {
      host[i] = static_cast<float>(i);
      host[3 * kPixels + i] = 1.0F;
    }
    host[5 * kPixels] = 2.0F;
    dcn::DeviceBuffer buffer(queue, host.size() * sizeof(float));
    auto* memory = static_cast<float*>(buffer.data());
    queue.copy(memory, host.data(), host.size() * sizeof(float));

    const auto view = [&](int first, int channels) {
      return dcn::TensorView::activation(memory + first, dcn::DataType::kF32, dcn::MemoryFormat::kNchw, 1, channels,
                                         kHeight, kWidth);
    };
    const dcn::DeformConv2dParams params{.kernel_h = 1, .kernel_w = 1, .padding_h = 0, .padding_w = 0};
    const dcn::DeformConv2dTensors tensors{
        .input = view(0, 1),
        .offset = view(kPixels, 2),
        .mask = view(3 * kPixels, 1),
        .weight = dcn::TensorView::contiguous(memory + 5 * kPixels, dcn::DataType::kF32, {1, 1, 1, 1}),
        .bias = std::nullopt,
        .output = view(4 * kPixels, 1)};
    dcn::deform_conv2d(queue, params, tensors);
    queue.copy(host.data(), memory, host.size() * sizeof(float));
    queue.wait();
    for (int i = 0; i < kPixels; ++i) {
      if (host[4 * kPixels + i] != 2.0F * static_cast<float>(i)) {
        std::printf("pixel %d: %g\n", i, host[4 * kPixels + i]);
        return 1;
      }
    }
    const dcn::centernet::DetectorOptions options;
    std::printf("right on %s; top_k %d\n", queue.device().name.c_str(), options.top_k);
    return 0;
  } catch (const dcn::Error& error) {
    std::printf("%s\n", error.what());
    return 1;
  }
}
