/// \file csy_text.hpp
/// The text that the run-time compiler gets: a file of the library with the project's headers pasted in. Included by
/// csy_host.hpp.
#pragma once

#if !defined(CSY_DEFINES)  // the macros of the project's build, "A=1,B", for the run-time compiler
#define CSY_DEFINES ""
#endif
#if !defined(CSY_INCLUDES)  // folders of other libraries' headers, "/usr/include/eigen3:...", for the run-time compiler
#define CSY_INCLUDES ""
#endif

namespace csy::detail {

extern "C" CSY_OWN const char __start_csy_text[], __stop_csy_text[];

using texts = std::map<std::string, std::string_view>;
CSY_OWN inline const texts& embedded() {
  static const auto* const all = [] {
    auto* found = new texts;
    for (const char* at = __start_csy_text; at + 16 <= __stop_csy_text;) {
      std::uint64_t size[2];
      std::memcpy(size, at, 16);
      at += 16;
      found->emplace(std::filesystem::path(std::string(at, size[0])).lexically_normal().string(),
                     std::string_view(at + size[0], size[1]));
      at += size[0] + size[1];
      at += -reinterpret_cast<std::uintptr_t>(at) & 7;
    }
    return found;
  }();
  return *all;
}

/// The embedded file that `name`, included in `from`, means; nullptr for a file that is not embedded.
inline const texts::value_type* resolve(const std::string& name, const std::string& from) {
  const auto beside = embedded().find((std::filesystem::path(from).parent_path() / name).lexically_normal().string());
  if (beside != embedded().end()) return &*beside;
  std::string tail = std::filesystem::path(name).lexically_normal().string();
  while (tail.starts_with("../")) tail.erase(0, 3);
  for (const auto& entry : embedded()) {
    if (entry.first == tail || entry.first.ends_with("/" + tail)) return &entry;
  }
  return nullptr;
}

/// Headers that the run-time compiler reads from its own folders or, of libraries that work in kernels, from
/// CSY_INCLUDES.
CSY_OWN inline bool kept_header(const std::string& name) {
  static const std::set<std::string_view> kept{"cmath",  "math.h",      "cstdint", "stdint.h", "cstddef",  "stddef.h",
                                               "limits", "climits",     "cfloat",  "float.h",  "limits.h", "cassert",
                                               "tuple",  "type_traits", "utility", "array",    "assert.h", "algorithm"};
  for (const char* library : {"sycl/", "Eigen/", "unsupported/Eigen/", "glm/"})
    if (name.starts_with(library)) return true;
  return kept.count(name) != 0;
}

/// Appends a file with the project's headers pasted in, other #include lines but kept_headers left out, line numbers
/// kept.
inline void paste(const texts::value_type& file, std::vector<std::string>& open, std::string& out) {
  if (std::find(open.begin(), open.end(), file.first) != open.end()) return;
  open.push_back(file.first);
  const bool once = file.second.find("#pragma once") != std::string_view::npos;
  const auto index = std::to_string(std::distance(embedded().begin(), embedded().find(file.first)));
  if (once) out += "#ifndef CSY_ONCE_" + index + "\n#define CSY_ONCE_" + index + "\n";
  out += "#line 1 \"" + file.first + "\"\n";
  std::size_t number = 0;
  for (std::string_view rest = file.second; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size() - 1);
    const std::string_view line = rest.substr(0, end + 1);
    rest.remove_prefix(end + 1);
    ++number;
    const std::size_t hash = line.find_first_not_of(" \t");
    const std::size_t word =
        hash == line.npos || line[hash] != '#' ? line.npos : line.find_first_not_of(" \t", hash + 1);
    const std::string_view directive = word == line.npos ? std::string_view() : line.substr(word);
    const std::size_t begin = directive.starts_with("include") ? directive.find_first_of("\"<") : line.npos;
    if (begin != line.npos) {
      const std::size_t stop = directive.find_first_of("\">", begin + 1);
      const std::string name(directive.substr(begin + 1, stop == line.npos ? 0 : stop - begin - 1));
      if (const auto* header = resolve(name, file.first); header != nullptr) {
        paste(*header, open, out);
        out += "#line " + std::to_string(number + 1) + " \"" + file.first + "\"\n";
      } else {
        out += kept_header(name) ? std::string(line) : "\n";
      }
    } else {
      out += directive.starts_with("pragma once") ? std::string_view("\n") : line;
    }
  }
  out += once ? "\n#endif\n" : "\n";
  open.pop_back();
}

inline std::string defines() {
  std::string out = "#define CSY_CUDA_VERSION " CSY_TEXT(CSY_CUDA_VERSION) "\n";
  out += "#define EIGEN_DONT_VECTORIZE 1\n";  // the device is no x86 processor, whatever the compiler says
  std::string_view list = CSY_DEFINES;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    std::string one(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
    const std::size_t equals = one.find('=');
    one = equals == one.npos ? one + " 1" : one.replace(equals, 1, " ");
    out += "#define " + one + "\n";
  }
  return out;
}

inline std::vector<std::string> build_options() {
  // Kernels read values by pointers to other types, float as uint4, which nvcc compiles as it stands.
  std::vector<std::string> options{"-std=c++20", "-fno-strict-aliasing"};
  std::string_view list = CSY_INCLUDES;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(':'), list.size());
    options.push_back("-I" + std::string(list.substr(0, end)));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return options;
}

}  // namespace csy::detail
