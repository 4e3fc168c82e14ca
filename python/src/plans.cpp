#include "plans.hpp"

#include <cstdlib>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <sycl/sycl.hpp>

namespace dcn::torch_binding {

namespace {

/// Layers of a large network; above that the plan that was used longest ago goes.
constexpr std::size_t kKeptPlans = 64;

void append(std::string& key, const TensorView& view) {
  key.push_back(static_cast<char>(view.type));
  key.push_back(static_cast<char>(view.rank));
  key.append(reinterpret_cast<const char*>(view.sizes.data()), sizeof(view.sizes));
  key.append(reinterpret_cast<const char*>(view.strides.data()), sizeof(view.strides));
}

void append(std::string& key, const std::optional<TensorView>& view) { append(key, view.value_or(TensorView{})); }

/// Everything that a plan depends on but the tensors, as bytes.
std::string key_of(const Queue& queue, const DeformConv2dParams& params, const char* force_variable) {
  std::string key;
  key.reserve(1024);
  const std::size_t id = std::hash<sycl::queue>{}(queue.native());
  key.append(reinterpret_cast<const char*>(&id), sizeof(id));
  for (const std::int64_t value :
       {params.kernel_h, params.kernel_w, params.stride_h, params.stride_w, params.padding_h, params.padding_w,
        params.dilation_h, params.dilation_w, params.groups, params.deformable_groups}) {
    key.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  const char* forced = std::getenv(force_variable);
  if (forced != nullptr) key.append(forced);
  return key;
}

/// Plans that no call uses at the moment, the one used last in front. A plan in use belongs to one call: two threads
/// never share one.
template <typename Plan>
class Pool {
 public:
  struct Kept {
    std::string key;
    Plan plan;
  };

  /// Leaked: plans that are destroyed while the process exits meet drivers that are already gone.
  static Pool& get() {
    static auto* pool = new Pool;
    return *pool;
  }

  /// Calls use(plan) with a plan of that key, made by make() if there is none at rest.
  template <typename Make, typename Use>
  void with(const std::string& key, const Make& make, const Use& use) {
    std::list<Kept> taken = take(key);
    if (taken.empty()) taken.push_back({key, make()});
    use(taken.front().plan);
    give_back(taken);
  }

 private:
  std::list<Kept> take(const std::string& key) {
    std::list<Kept> taken;
    const std::scoped_lock lock(mutex_);
    for (auto it = plans_.begin(); it != plans_.end(); ++it) {
      if (it->key != key) continue;
      taken.splice(taken.begin(), plans_, it);
      break;
    }
    return taken;
  }

  void give_back(std::list<Kept>& used) {
    std::list<Kept> surplus;  // freed after the lock is: that waits for the device
    const std::scoped_lock lock(mutex_);
    plans_.splice(plans_.begin(), used);
    while (plans_.size() > kKeptPlans) surplus.splice(surplus.begin(), plans_, std::prev(plans_.end()));
  }

  std::mutex mutex_;
  std::list<Kept> plans_;
};

}  // namespace

void run_deform_conv2d(Queue& queue, const DeformConv2dParams& params, const DeformConv2dTensors& tensors) {
  std::string key = key_of(queue, params, "DCN_FORCE_VARIANT");
  append(key, tensors.input);
  append(key, tensors.offset);
  append(key, tensors.mask);
  append(key, tensors.weight);
  append(key, tensors.bias);
  append(key, tensors.output);
  Pool<DeformConv2dPlan>::get().with(
      key, [&] { return DeformConv2dPlan(queue, {.params = params, .tensors = tensors}); },
      [&](DeformConv2dPlan& plan) {
        // In order on one queue: a later call that packs into the same memory comes after this one's run.
        plan.set_weights(tensors.weight, tensors.bias);
        plan.run(tensors);
      });
}

void run_deform_conv2d_backward(Queue& queue, const DeformConv2dParams& params,
                                const DeformConv2dBackwardTensors& tensors, bool deterministic) {
  std::string key = key_of(queue, params, "DCN_FORCE_VARIANT_BACKWARD");
  key.push_back(deterministic ? 'd' : ' ');
  append(key, tensors.grad_output);
  append(key, tensors.input);
  append(key, tensors.offset);
  append(key, tensors.mask);
  append(key, tensors.weight);
  append(key, tensors.grad_input);
  append(key, tensors.grad_offset);
  append(key, tensors.grad_mask);
  append(key, tensors.grad_weight);
  append(key, tensors.grad_bias);
  Pool<DeformConv2dBackwardPlan>::get().with(
      key,
      [&] {
        return DeformConv2dBackwardPlan(queue, {.params = params, .tensors = tensors, .deterministic = deterministic});
      },
      [&](DeformConv2dBackwardPlan& plan) { plan.run(tensors); });
}

}  // namespace dcn::torch_binding
