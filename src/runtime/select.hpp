/// \file select.hpp
/// Which device a word of the user means. Pure: touches no device.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "dcn/device.hpp"

namespace dcn::runtime {

/// Says why a device cannot be used, empty when it can. Called only for devices that would be picked.
using Probe = std::function<std::string(const DeviceInfo&)>;

/// Position in `devices` of what `wanted` means (see Queue::create). "auto" takes the first GPU that passes the probe,
/// native drivers before OpenCL, else the CPU; "gpu", "xpu" and "cuda" take the first of their kind that passes; "cpu"
/// and an index are taken at their word.
/// \param problem  why devices may be missing (discovery_problem()): part of the error when none can be used
/// \throws Error kInvalidArgument for a word that means nothing, kNoDevice with what was asked for, what there is, and
///         what to install.
[[nodiscard]] std::size_t select_device(std::string_view wanted, std::span<const DeviceInfo> devices,
                                        const Probe& probe, std::string_view problem = {});

}  // namespace dcn::runtime
