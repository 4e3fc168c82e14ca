/// \file checkpoint.hpp
/// Reading PyTorch checkpoints (.pth, zip and legacy) and safetensors. No code of a file is ever executed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dcn/tensor.hpp"

namespace dcn::checkpoint {

/// A host tensor, dense and row-major. Tensors that shared storage in the file may share it here.
struct Tensor {
  DataType type = DataType::kF32;
  std::vector<std::int64_t> sizes;
  std::shared_ptr<const std::byte[]> data;

  [[nodiscard]] std::int64_t elements() const noexcept;
  [[nodiscard]] std::size_t bytes() const noexcept { return static_cast<std::size_t>(elements()) * size_of(type); }
  /// The values as fp32, converted from any floating-point type. \throws Error kBadFile for other types.
  [[nodiscard]] std::vector<float> to_f32() const;
};

/// Named tensors plus the strings a safetensors file carries in `__metadata__`.
struct Checkpoint {
  std::map<std::string, Tensor> tensors;  ///< names without a `module.` prefix
  std::map<std::string, std::string> metadata;
  std::string format;  ///< "pth-zip", "pth-legacy", "safetensors": what the file was
};

/// Refuses, before allocating, whatever would need more than this.
struct LoadLimits {
  std::uint64_t max_tensor_bytes = std::uint64_t{8} << 30;  ///< all tensors together
  std::uint64_t max_objects = 1'000'000;                    ///< objects a pickle may build
};

/// Recognises the format by content, not by name. \throws Error kIo or kBadFile naming the file, and the offset where
/// that helps; an unknown pickle global is named.
[[nodiscard]] Checkpoint load(const std::filesystem::path& file, const LoadLimits& limits = {});
/// The same from memory; `name` stands for the file in messages. This is what the fuzzers call.
[[nodiscard]] Checkpoint load(std::span<const std::byte> bytes, const std::string& name, const LoadLimits& limits = {});

/// Writes a safetensors file: first under a temporary name beside it, then renamed, so that nothing half-written ever
/// has the final name. \throws Error kIo with the remedy (full disk, unwritable folder).
void save_safetensors(const std::filesystem::path& file, const Checkpoint& checkpoint);

/// Floating-point tensors of two or more dimensions converted to `type` (kF32, kF16 or kBf16); one-dimensional ones
/// (biases, batch-norm statistics) to f32; counters such as num_batches_tracked dropped.
[[nodiscard]] Checkpoint convert(const Checkpoint& checkpoint, DataType type);

}  // namespace dcn::checkpoint
