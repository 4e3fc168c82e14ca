#include "support/npz.hpp"

#include <gtest/gtest.h>

#include "support/paths.hpp"

namespace dcn::test {
namespace {

TEST(Npz, ReadsTheReferenceFiles) {
  const Npz file(parity_dir() / "ops" / "dcn_ref.npz");
  ASSERT_FALSE(file.names().empty());
  for (const std::string& name : file.names()) {
    const NpyArray& array = file.get(name);
    std::int64_t count = 1;
    for (const std::int64_t extent : array.shape) count *= extent;
    EXPECT_EQ(static_cast<std::size_t>(count), array.values.size()) << name;
  }
  EXPECT_THROW((void)file.get("absent"), std::runtime_error);
}

TEST(Npz, GeneratedInputsAreThere) {
  const NpyArray input = read_npy(generated_dir() / "ops" / "dcn_000_input.npy");
  EXPECT_EQ(input.shape, (std::vector<std::int64_t>{1, 4, 8, 8}));
}

}  // namespace
}  // namespace dcn::test
