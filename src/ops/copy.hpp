/// \file copy.hpp
/// Copies from one memory format and type to another by this library's own kernel, for devices on which oneDNN has no
/// engine. Internal.
#pragma once

#include "dcn/device.hpp"
#include "dcn/tensor.hpp"
#include "kernels/copy_args.hpp"
#include "runtime/kernel.hpp"

namespace dcn::ops {

class CopyPlan {
 public:
  /// Views of the same sizes, without data, of rank 4; of one type, or one of them f32.
  /// \throws Error kInvalidArgument when the sizes differ, kUnsupported for other pairs of types.
  CopyPlan(Queue queue, const TensorView& source, const TensorView& destination);
  /// Submits the copy.
  void run(const void* source, void* destination) const;

 private:
  Queue queue_;
  CopyArgs args_{};
  runtime::Kernel kernel_;
  std::size_t elements_ = 0;
};

}  // namespace dcn::ops
