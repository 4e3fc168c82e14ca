/// \file library.cpp
/// Our operator, our networks and oneDNN's plain convolution as C functions, so that peers.py and gpu.py time them in
/// the process of the others, in turn. Tensors are copied to the device when work is made; the plain convolution runs
/// on the CPU device, all else on any.
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "centernet/model.hpp"
#include "dcn/deform_conv2d.hpp"
#include "dcn/deform_conv2d_backward.hpp"
#include "dcn/device.hpp"
#include "nn/plan.hpp"
#include "plain_network.hpp"

extern "C" {
/// A 3x3 layer of stride 1 and padding 1.
struct DcnBenchLayer {
  long long batch, in_channels, out_channels, height, width;
  int type;  ///< of all tensors: 0 f32, 1 bf16, 2 f16, 3 f32 with products in tf32
};
}

namespace {

using dcn::DataType;
using dcn::MemoryFormat;
using dcn::TensorView;

constexpr int kBf16 = 1, kTf32 = 3;  // of DcnBenchLayer::type

thread_local std::string last_error;

dcn::Queue& cpu_queue() {
  static auto* queue = new dcn::Queue(dcn::Queue::create("cpu"));  // leaked: drivers unload in an order not ours
  return *queue;
}

std::size_t bytes_of(const TensorView& view) { return static_cast<std::size_t>(view.elements()) * size_of(view.type); }

dcn::Queue queue_on(const std::string& device) { return device == "cpu" ? cpu_queue() : dcn::Queue::create(device); }

/// Something that can be run again and again.
struct Work {
  explicit Work(dcn::Queue on) : queue(std::move(on)) {}
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  virtual ~Work() = default;
  virtual void start() = 0;
  dcn::Queue queue;
};

struct Deformable : Work {
  using Work::Work;
  void start() override { plan->run(desc.tensors); }

  /// Device memory for what `view` describes, with the values at `from` if there are any.
  TensorView placed(TensorView view, const void* from) {
    memory.emplace_back(queue, bytes_of(view));
    view.data = memory.back().data();
    if (from != nullptr) queue.copy(view.data, from, memory.back().bytes());
    return view;
  }

  std::vector<dcn::DeviceBuffer> memory;
  dcn::DeformConv2dDesc desc;
  std::unique_ptr<dcn::DeformConv2dPlan> plan;
};

struct Network : Work {
  using Work::Work;
  void start() override { executor->run(); }
  std::unique_ptr<dcn::nn::Executor> executor;
};

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

dcn::DeformConv2dDesc describe(const DcnBenchLayer& layer) {
  constexpr DataType kTypes[] = {DataType::kF32, DataType::kBf16, DataType::kF16, DataType::kF32};
  const DataType type = kTypes[layer.type];
  const auto nhwc = [&](std::int64_t channels) {
    return TensorView::activation(nullptr, type, MemoryFormat::kNhwc, layer.batch, channels, layer.height, layer.width);
  };
  dcn::DeformConv2dDesc desc;
  desc.params.padding_h = desc.params.padding_w = 1;
  desc.allow_tf32 = layer.type == kTf32;
  desc.tensors = {.input = nhwc(layer.in_channels),
                  .offset = nhwc(18),
                  .mask = nhwc(9),
                  .weight = TensorView::contiguous(nullptr, type, {layer.out_channels, layer.in_channels, 3, 3}),
                  .bias = TensorView::contiguous(nullptr, type, {layer.out_channels}),
                  .output = nhwc(layer.out_channels)};
  return desc;
}

/// Whether `call` came to its end; else dcn_bench_error says why not.
template <typename Call>
bool attempt(Call call) {
  try {
    call();
    return true;
  } catch (const std::exception& error) {
    last_error = error.what();
    return false;
  }
}

/// What `make` makes, run once; nullptr on failure. As Work*: run and free cast back to that.
template <typename Make>
Work* ready(Make make) {
  Work* work = nullptr;
  attempt([&] {
    auto made = make();
    made->start();
    made->queue.wait();
    work = made.release();
  });
  return work;
}

}  // namespace

extern "C" {

const char* dcn_bench_error() { return last_error.c_str(); }

/// \param input NHWC \param offset [N, H, W, 18] \param mask [N, H, W, 9] \param weight [out, in, 3, 3]
void* dcn_bench_deformable(const DcnBenchLayer* layer, const char* device, const void* input, const void* offset,
                           const void* mask, const void* weight, const void* bias) {
  return ready([&] {
    auto work = std::make_unique<Deformable>(queue_on(device));
    work->desc = describe(*layer);
    dcn::DeformConv2dTensors& tensors = work->desc.tensors;
    tensors.input = work->placed(tensors.input, input);
    tensors.offset = work->placed(tensors.offset, offset);
    tensors.mask = work->placed(*tensors.mask, mask);
    tensors.weight = work->placed(tensors.weight, weight);
    tensors.bias = work->placed(*tensors.bias, bias);
    tensors.output = work->placed(tensors.output, nullptr);
    work->plan = std::make_unique<dcn::DeformConv2dPlan>(work->queue, work->desc);
    work->plan->set_weights(tensors.weight, tensors.bias);
    return work;
  });
}

/// Its output, NHWC in the layer's type.
void dcn_bench_output(void* work, void* values) {
  auto* layer = static_cast<Deformable*>(static_cast<Work*>(work));
  const TensorView& output = layer->desc.tensors.output;
  layer->queue.copy(values, output.data, bytes_of(output));
  layer->queue.wait();
}

/// Bytes that plans of the layer hold on the CPU device beside tensors and packed weights: local memory of a work-group
/// (a thread holds one), what the forward plan allocates, what the backward plan allocates.
int dcn_bench_memory(const DcnBenchLayer* layer, double* group, double* forward, double* backward) {
  return static_cast<int>(attempt([&] {
    const dcn::DeformConv2dDesc desc = describe(*layer);
    const dcn::DeformConv2dPlan forward_plan(cpu_queue(), desc);
    const dcn::DeformConv2dTensors& tensors = desc.tensors;
    const dcn::DeformConv2dBackwardPlan backward_plan(cpu_queue(), {.params = desc.params,
                                                                    .tensors = {.grad_output = tensors.output,
                                                                                .input = tensors.input,
                                                                                .offset = tensors.offset,
                                                                                .mask = tensors.mask,
                                                                                .weight = tensors.weight,
                                                                                .grad_input = tensors.input,
                                                                                .grad_offset = tensors.offset,
                                                                                .grad_mask = tensors.mask,
                                                                                .grad_weight = tensors.weight,
                                                                                .grad_bias = tensors.bias}});
    *group = static_cast<double>(forward_plan.local_bytes());
    *forward = static_cast<double>(forward_plan.scratch_bytes());
    *backward = static_cast<double>(backward_plan.scratch_bytes());
  }));
}

/// oneDNN's plain convolution in NHWC, as the networks run it. All pointers to f32, whatever the layer's type.
void* dcn_bench_plain(const DcnBenchLayer* layer, const float* input, const float* weight, const float* bias) {
  return ready([&] {
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
    const dcn::nn::PlanOptions options{.type = layer->type == kBf16 ? DataType::kBf16 : DataType::kF32,
                                       .format = dcn::nn::FormatChoice::kNhwc};
    work->executor = std::make_unique<dcn::nn::Executor>(cpu_queue(), std::move(network), options);
    work->executor->prepare(layer->batch, layer->height, layer->width);
    const TensorView view = work->executor->input();
    work->queue.copy(view.data, input, bytes_of(view));
    return work;
  });
}

/// A checkpoint's network. \param device as `centernet --device` takes it
/// \param plain with ordinary convolutions in place of the deformable ones
/// \param input f32 NCHW picture of height x width
void* dcn_bench_network(const char* checkpoint, const char* device, int plain, int bf16, long long batch,
                        long long height, long long width, const float* input) {
  return ready([&] {
    dcn::nn::Network network = dcn::centernet::load_model(checkpoint).network;
    if (plain != 0) network = dcn::bench::without_deformation(std::move(network));
    auto work = std::make_unique<Network>(queue_on(device));
    work->executor = std::make_unique<dcn::nn::Executor>(
        work->queue, std::move(network), dcn::nn::PlanOptions{.type = bf16 != 0 ? DataType::kBf16 : DataType::kF32});
    work->executor->prepare(batch, height, width);
    const TensorView view = work->executor->input();
    std::vector<float> picture(static_cast<std::size_t>(view.elements()));
    for_each(view, [&](std::size_t place) { picture[place] = *input++; });
    work->queue.copy(view.data, picture.data(), bytes_of(view));
    return work;
  });
}

/// A head's values as dense f32 NCHW into `values`; 0 when there is no such head.
int dcn_bench_head(void* work, const char* head, float* values) {
  return static_cast<int>(attempt([&] {
    auto* network = static_cast<Network*>(static_cast<Work*>(work));
    const TensorView view = network->executor->output(head);
    std::vector<float> copy(static_cast<std::size_t>(view.elements()));
    network->queue.copy(copy.data(), view.data, bytes_of(view));
    network->queue.wait();
    for_each(view, [&](std::size_t place) { *values++ = copy[place]; });
  }));
}

/// `times` back to back, and waits for the last.
void dcn_bench_run(void* work, int times) {
  auto* started = static_cast<Work*>(work);
  for (int i = 0; i < times; ++i) started->start();
  started->queue.wait();
}
void dcn_bench_free(void* work) { delete static_cast<Work*>(work); }
}
