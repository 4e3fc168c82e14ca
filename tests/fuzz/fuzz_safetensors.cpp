// The input as a safetensors file. What loads is no larger than the file and is written back to the same tensors.
#include <unistd.h>

#include <filesystem>
#include <string>

#include "checkpoint/formats.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dcn::checkpoint;
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const Checkpoint checkpoint = load_safetensors(bytes, {});
    std::size_t total = 0;
    for (const auto& [name, tensor] : checkpoint.tensors) {
      fuzz::touch(tensor);
      total += tensor.bytes();
    }
    fuzz::require(total <= size);

    static const std::filesystem::path file =
        std::filesystem::temp_directory_path() / ("fuzz_safetensors." + std::to_string(::getpid()));
    save_safetensors(file, checkpoint);
    const Checkpoint again = load(file);
    std::filesystem::remove(file);
    fuzz::require(again.metadata == checkpoint.metadata && again.tensors.size() == checkpoint.tensors.size());
    for (const auto& [name, tensor] : checkpoint.tensors) {
      const Tensor& other = again.tensors.at(name);
      fuzz::require(other.type == tensor.type && other.sizes == tensor.sizes);
      fuzz::require(std::equal(tensor.data.get(), tensor.data.get() + tensor.bytes(), other.data.get()));
    }
  } catch (const dcn::Error& error) {
    fuzz::require(error.code() == dcn::ErrorCode::kBadFile);
  }
  return 0;
}
