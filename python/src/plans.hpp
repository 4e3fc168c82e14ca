/// \file plans.hpp
/// Plans of deformable convolution that are kept between calls, so that a training step allocates nothing on the device
/// and looks up no kernel.
#pragma once

#include "dcn/deform_conv2d.hpp"
#include "dcn/deform_conv2d_backward.hpp"

namespace dcn::torch_binding {

/// Submits one call. Any thread may call it at any time. The weights are packed anew in every call, because nothing
/// tells that they are the same as before.
void run_deform_conv2d(Queue& queue, const DeformConv2dParams& params, const DeformConv2dTensors& tensors);
/// The same for the gradients.
void run_deform_conv2d_backward(Queue& queue, const DeformConv2dParams& params,
                                const DeformConv2dBackwardTensors& tensors, bool deterministic);

}  // namespace dcn::torch_binding
