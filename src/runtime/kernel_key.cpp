#include "runtime/kernel_key.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

namespace dcn::runtime {

namespace {

/// A value on one line.
std::string escape(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '\n') {
      text += "\\n";
    } else {
      if (c == '\\' || c == ' ') text += '\\';
      text += c;
    }
  }
  return text;
}

}  // namespace

std::string SourceKey::to_text() const {
  return fmt::format("name={}\nsource={}\noptions={}\ntarget={}\n", escape(name), source_hash, options, escape(target));
}

std::string NativeKey::to_text() const {
  return fmt::format("{}device={}\ndriver={}\nbackend={}\nisa={}\nruntime={}\nenvironment={}\n", source.to_text(),
                     escape(device), escape(driver), escape(backend), isa, escape(runtime), escape(environment));
}

std::vector<std::string> compile_options(const std::vector<std::pair<std::string, std::string>>& macros,
                                         const std::vector<std::string>& options) {
  std::vector<std::string> list;
  list.reserve(macros.size() + options.size() + 1);
  for (const auto& [name, value] : macros) list.push_back(fmt::format("-D{}={}", name, value));
  std::sort(list.begin(), list.end());  // their order means nothing
  list.insert(list.end(), options.begin(), options.end());
  return list;
}

std::string join_options(const std::vector<std::string>& options) {
  std::string line;
  for (const std::string& option : options) {
    if (!line.empty()) line += ' ';
    line += escape(option);
  }
  return line;
}

std::string cpu_isa() {
#if defined(__x86_64__) || defined(__i386__)
  // Family and model, then the feature words of leaves 1 and 7. Leaf 1's EBX holds the number of the core that asks.
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  std::string text = "x86";
  if (__get_cpuid(1, &a, &b, &c, &d) != 0) text += fmt::format("-{:x}-{:x}-{:x}", a, c, d);
  for (unsigned leaf = 0; leaf <= 1; ++leaf) {
    if (__get_cpuid_count(7, leaf, &a, &b, &c, &d) != 0) text += fmt::format("-{:x}-{:x}-{:x}-{:x}", a, b, c, d);
  }
  return text;
#else
  return "other";
#endif
}

std::string codegen_environment() {
  constexpr const char* kNames[] = {
      "CL_CONFIG_CPU_TARGET_ARCH",           "CL_CONFIG_CPU_VECTORIZER_MODE",    "SYCL_PROGRAM_COMPILE_OPTIONS",
      "SYCL_PROGRAM_LINK_OPTIONS",           "SYCL_PROGRAM_APPEND_LINK_OPTIONS", "SYCL_PROGRAM_APPEND_COMPILE_OPTIONS",
      "SYCL_JIT_AMDGCN_PTX_TARGET_FEATURES", "SYCL_JIT_AMDGCN_PTX_TARGET_CPU",   "IGC_ExtraOCLOptions"};
  std::string text;
  for (const char* name : kNames) {
    const char* value = std::getenv(name);
    if (value != nullptr) text += fmt::format("{}={};", name, value);
  }
  return text;
}

}  // namespace dcn::runtime
