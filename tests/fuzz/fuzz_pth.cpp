// Any file, as load() gets it: both .pth formats, safetensors, and the recognition of all others. Any outcome but a
// Checkpoint or one Error of a stated kind is a finding.
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dcn::checkpoint;
  try {
    const Checkpoint checkpoint = load(std::as_bytes(std::span(data, size)), "fuzz");
    for (const auto& [name, tensor] : checkpoint.tensors) fuzz::touch(tensor);
    static_cast<void>(convert(checkpoint, dcn::DataType::kF16));
  } catch (const dcn::Error& error) {
    // convert() refuses values beyond f16 with kInvalidArgument.
    fuzz::require(error.code() == dcn::ErrorCode::kBadFile || error.code() == dcn::ErrorCode::kInvalidArgument);
    constexpr std::size_t kLongestMessage = 3000;
    fuzz::require(std::string_view(error.what()).size() < kLongestMessage);
  }
  return 0;
}
