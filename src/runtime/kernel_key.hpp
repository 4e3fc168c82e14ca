/// \file kernel_key.hpp
/// Everything that changes what code a compiled kernel file is, in one struct. Free of SYCL headers.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dcn::runtime {

/// What the compiler is given: decides the portable code.
struct SourceKey {
  std::string name;         ///< for people only
  std::string source_hash;  ///< SHA-256 of the whole text, includes pasted in
  std::string options;      ///< macros and further options as one line
  std::string target;       ///< what portable code is made for: "spirv", "ptx", ...

  /// "field=value" lines; equal exactly when the keys are equal.
  [[nodiscard]] std::string to_text() const;
};

/// What the driver makes native code from.
struct NativeKey {
  SourceKey source;
  std::string device;       ///< name of the device
  std::string driver;       ///< version of its driver
  std::string backend;      ///< "opencl", "level_zero", ...
  std::string isa;          ///< instruction sets of the CPU; empty for other devices
  std::string runtime;      ///< version of the SYCL runtime
  std::string environment;  ///< variables that change the drivers' code generation

  [[nodiscard]] std::string to_text() const;
};

/// Macros and options as the compiler takes them: "-DDCN_T=float", ...
[[nodiscard]] std::vector<std::string> compile_options(const std::vector<std::pair<std::string, std::string>>& macros,
                                                       const std::vector<std::string>& options);

/// Options as one line for keys and messages; each is escaped, so that no two lists give the same line.
[[nodiscard]] std::string join_options(const std::vector<std::string>& options);

/// Instruction sets of this processor, as it reports them. Two machines may share a home folder and a CPU name, and
/// differ here.
[[nodiscard]] std::string cpu_isa();

/// Values of the variables that change how drivers compile, "" when none is set.
[[nodiscard]] std::string codegen_environment();

}  // namespace dcn::runtime
