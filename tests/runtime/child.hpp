/// \file child.hpp
/// What needs a process of its own (environment variables that are read once, several processes at a time): the test
/// program starts itself again with a role.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace dcn::test {

struct ChildResult {
  int status = -1;  ///< exit code, or 128 + the signal
  std::string output;
  std::string errors;
};

using Variables = std::vector<std::pair<std::string, std::string>>;

/// A started process; wait() collects it.
class Child {
 public:
  /// \param role a function of roles() in main.cpp, and its arguments.
  /// \param variables set in the child in addition to this process's; an empty value removes one.
  Child(const std::vector<std::string>& role, const Variables& variables);
  ChildResult wait();

 private:
  int pid_ = -1;
  std::string output_file_;
  std::string errors_file_;
};

inline ChildResult run_child(const std::vector<std::string>& role, const Variables& variables = {}) {
  return Child(role, variables).wait();
}

/// A fresh empty folder, removed when the test program ends.
std::string fresh_folder();

}  // namespace dcn::test
