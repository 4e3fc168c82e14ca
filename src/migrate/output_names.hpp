/// \file output_names.hpp
/// How files are called after the migration, and what they are.
#pragma once

#include <string>
#include <string_view>

namespace dcn::migrate {

/// x.cu -> x.dp.cpp, x.cuh -> x.dp.hpp; other names stay.
inline std::string output_name(const std::string& name) {
  if (name.ends_with(".cu")) return name.substr(0, name.size() - 3) + ".dp.cpp";
  if (name.ends_with(".cuh")) return name.substr(0, name.size() - 4) + ".dp.hpp";
  return name;
}

/// A file that is compiled by itself, not included.
inline bool is_main_source(std::string_view name) {
  return name.ends_with(".cu") || name.ends_with(".cpp") || name.ends_with(".cc") || name.ends_with(".cxx") ||
         name.ends_with(".c");
}

inline bool is_header(std::string_view name) {
  return name.ends_with(".cuh") || name.ends_with(".h") || name.ends_with(".hpp") || name.ends_with(".hh") ||
         name.ends_with(".hxx") || name.ends_with(".inl") || name.ends_with(".inc");
}

/// A header of CUDA's toolkit or of PyTorch's CUDA side.
bool is_cuda_header(std::string_view name);

}  // namespace dcn::migrate
