#include "nn/backend.hpp"

#include "nn/step.hpp"
#include "ops/copy.hpp"
#include "runtime/verbose.hpp"

namespace dcn::nn {

Backend::Backend(const Queue& queue, bool own_kernels) : queue_(queue) {
  if (!own_kernels) onednn_ = OneDnn::make(queue);
  if (!onednn_) {
    runtime::verbose(runtime::Topic::kDispatch, "{}: without oneDNN, all layers by own kernels", queue.device().name);
  }
}

void Backend::reorder(const dnnl::memory::desc& from, void* source, const dnnl::memory::desc& to, void* destination) {
  if (onednn_) {
    onednn_->reorder(onednn_->memory(from, source), onednn_->memory(to, destination));
  } else {
    ops::CopyPlan(queue_, to_view(from, nullptr), to_view(to, nullptr)).run(source, destination);
  }
}

}  // namespace dcn::nn
