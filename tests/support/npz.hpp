/// \file npz.hpp
/// NumPy's .npy and .npz files, as much of them as the reference data uses.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace dcn::test {

/// Row-major values, converted to double from any of f2, f4, f8, i1 to i8, u1 to u8, b1.
struct NpyArray {
  std::vector<std::int64_t> shape;
  std::vector<double> values;

  [[nodiscard]] std::vector<float> to_f32() const { return {values.begin(), values.end()}; }
};

/// Both throw std::runtime_error naming the file.
[[nodiscard]] NpyArray read_npy(const std::filesystem::path& file);

class Npz {
 public:
  explicit Npz(const std::filesystem::path& file);

  [[nodiscard]] std::vector<std::string> names() const;  ///< without ".npy"
  [[nodiscard]] bool has(const std::string& name) const { return arrays_.contains(name); }
  [[nodiscard]] const NpyArray& get(const std::string& name) const;

 private:
  std::filesystem::path file_;
  std::map<std::string, NpyArray> arrays_;
};

}  // namespace dcn::test
