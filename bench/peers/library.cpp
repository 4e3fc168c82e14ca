/// \file library.cpp
/// Our operator, our networks and oneDNN's plain convolution as C functions, so that peers.py times them in the process
/// of the others, in turn. All memory is the caller's ordinary memory; layers run on the CPU device, networks on any.
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../plain_network.hpp"
#include "centernet/model.hpp"
#include "dcn/deform_conv2d.hpp"
#include "dcn/device.hpp"
#include "nn/plan.hpp"

namespace {

using dcn::DataType;
using dcn::MemoryFormat;
using dcn::TensorView;

thread_local std::string last_error;

dcn::Queue& cpu_queue() {
  static auto* queue = new dcn::Queue(dcn::Queue::create("cpu"));  // leaked: drivers unload in an order not ours
  return *queue;
}

/// Something that can be run again and again.
struct Work {
  Work() = default;
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  virtual ~Work() = default;
  virtual void run() = 0;
};

struct Deformable : Work {
  void run() override {
    plan->run(desc.tensors);
    cpu_queue().wait();
  }
  dcn::DeformConv2dDesc desc;
  std::unique_ptr<dcn::DeformConv2dPlan> plan;
};

struct Network : Work {
  explicit Network(dcn::Queue on) : queue(std::move(on)) {}
  void run() override {
    executor->run();
    queue.wait();
  }
  dcn::Queue queue;
  std::unique_ptr<dcn::nn::Executor> executor;
};

std::size_t bytes_of(const TensorView& view) { return static_cast<std::size_t>(view.elements()) * sizeof(float); }

/// Calls `visit` with the place of each element in a dense f32 tensor of the view's strides, in the order N, C, H, W.
template <typename Visit>
void for_each(const TensorView& view, Visit visit) {
  for (std::int64_t n = 0; n < view.sizes[0]; ++n) {
    for (std::int64_t c = 0; c < view.sizes[1]; ++c) {
      for (std::int64_t y = 0; y < view.sizes[2]; ++y) {
        for (std::int64_t x = 0; x < view.sizes[3]; ++x) {
          visit(static_cast<std::size_t>(n * view.strides[0] + c * view.strides[1] + y * view.strides[2] +
                                         x * view.strides[3]));
        }
      }
    }
  }
}

template <typename Make>
Work* guarded(Make make) {
  try {
    return make().release();  // as Work*: run and free cast back to that
  } catch (const std::exception& error) {
    last_error = error.what();
    return nullptr;
  }
}

}  // namespace

extern "C" {

/// The sizes of a 3x3 layer of stride 1 and padding 1.
struct DcnBenchLayer {
  long long batch, in_channels, out_channels, height, width;
  int bf16;  ///< all but weight and bias of the plain convolution, which it takes in f32
};

const char* dcn_bench_error() { return last_error.c_str(); }

/// \param input,output NHWC \param offset [N, H, W, 18] \param mask [N, H, W, 9] \param weight [out, in, 3, 3]
void* dcn_bench_deformable(const DcnBenchLayer* layer, void* input, void* offset, void* mask, void* weight, void* bias,
                           void* output) {
  return guarded([&] {
    const DataType type = layer->bf16 != 0 ? DataType::kBf16 : DataType::kF32;
    const auto nhwc = [&](void* data, std::int64_t channels) {
      return TensorView::activation(data, type, MemoryFormat::kNhwc, layer->batch, channels, layer->height,
                                    layer->width);
    };
    auto work = std::make_unique<Deformable>();
    work->desc.params.padding_h = work->desc.params.padding_w = 1;
    work->desc.tensors = {
        .input = nhwc(input, layer->in_channels),
        .offset = nhwc(offset, 18),
        .mask = nhwc(mask, 9),
        .weight = TensorView::contiguous(weight, type, {layer->out_channels, layer->in_channels, 3, 3}),
        .bias = TensorView::contiguous(bias, type, {layer->out_channels}),
        .output = nhwc(output, layer->out_channels)};
    work->plan = std::make_unique<dcn::DeformConv2dPlan>(cpu_queue(), work->desc);
    work->plan->set_weights(work->desc.tensors.weight, work->desc.tensors.bias);
    work->run();
    return work;
  });
}

/// oneDNN's plain convolution in NHWC, as the networks run it. \param input NHWC f32
void* dcn_bench_plain(const DcnBenchLayer* layer, const float* input, const float* weight, const float* bias) {
  return guarded([&] {
    dcn::nn::Layer conv;
    conv.name = "plain";
    conv.inputs = {0};
    conv.output = 1;
    conv.in_channels = layer->in_channels;
    conv.out_channels = layer->out_channels;
    conv.kernel_h = conv.kernel_w = 3;
    conv.padding_h = conv.padding_w = 1;
    conv.weight.assign(weight, weight + layer->out_channels * layer->in_channels * 9);
    conv.bias.assign(bias, bias + layer->out_channels);
    dcn::nn::Network network;
    network.layers = {conv};
    network.outputs = {{"out", 1}};
    network.value_count = 2;
    network.input_channels = layer->in_channels;
    network.size_divisor = 1;
    auto work = std::make_unique<Network>(cpu_queue());
    const dcn::nn::PlanOptions options{.type = layer->bf16 != 0 ? DataType::kBf16 : DataType::kF32,
                                       .format = dcn::nn::FormatChoice::kNhwc};
    work->executor = std::make_unique<dcn::nn::Executor>(cpu_queue(), std::move(network), options);
    work->executor->prepare(layer->batch, layer->height, layer->width);
    const TensorView view = work->executor->input();
    cpu_queue().copy(view.data, input, bytes_of(view));
    work->run();
    return work;
  });
}

/// A checkpoint's network. \param device as `centernet --device` takes it
/// \param plain with ordinary convolutions in place of the deformable ones
/// \param input f32 NCHW picture of height x width
void* dcn_bench_network(const char* checkpoint, const char* device, int plain, int bf16, long long batch,
                        long long height, long long width, const float* input) {
  return guarded([&] {
    dcn::nn::Network network = dcn::centernet::load_model(checkpoint).network;
    if (plain != 0) network = dcn::bench::without_deformation(std::move(network));
    auto work = std::make_unique<Network>(std::string(device) == "cpu" ? cpu_queue() : dcn::Queue::create(device));
    work->executor = std::make_unique<dcn::nn::Executor>(
        work->queue, std::move(network), dcn::nn::PlanOptions{.type = bf16 != 0 ? DataType::kBf16 : DataType::kF32});
    work->executor->prepare(batch, height, width);
    const TensorView view = work->executor->input();
    std::vector<float> picture(static_cast<std::size_t>(view.elements()));
    for_each(view, [&](std::size_t place) { picture[place] = *input++; });
    work->queue.copy(view.data, picture.data(), bytes_of(view));
    work->run();
    return work;
  });
}

/// A head's values as dense f32 NCHW into `values`; 0 when there is no such head.
int dcn_bench_head(void* work, const char* head, float* values) {
  try {
    auto* network = static_cast<Network*>(work);
    const TensorView view = network->executor->output(head);
    std::vector<float> copy(static_cast<std::size_t>(view.elements()));
    network->queue.copy(copy.data(), view.data, bytes_of(view));
    network->queue.wait();
    for_each(view, [&](std::size_t place) { *values++ = copy[place]; });
    return 1;
  } catch (const std::exception& error) {
    last_error = error.what();
    return 0;
  }
}

void dcn_bench_run(void* work) { static_cast<Work*>(work)->run(); }
void dcn_bench_free(void* work) { delete static_cast<Work*>(work); }
}
