/// \file formats.hpp
/// One reader per file format. Each takes the whole file and throws Error kBadFile without the file's name, which
/// load() adds.
#pragma once

#include <cstddef>
#include <span>

#include "checkpoint/checkpoint.hpp"

namespace dcn::checkpoint {

/// torch.save since PyTorch 1.6: a zip of NAME/data.pkl and NAME/data/KEY.
Checkpoint load_pth_zip(std::span<const std::byte> file, const LoadLimits& limits);
/// torch.save before: three small pickles, the object, the storages' keys, then their bytes.
Checkpoint load_pth_legacy(std::span<const std::byte> file, const LoadLimits& limits);
/// Hugging Face's format: a JSON header, then the tensors' bytes without gaps.
Checkpoint load_safetensors(std::span<const std::byte> file, const LoadLimits& limits);

}  // namespace dcn::checkpoint
