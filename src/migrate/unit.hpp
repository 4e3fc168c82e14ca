/// \file unit.hpp
/// What a rule works on: one file's tokens and facts in, edits and diagnostics out.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "migrate/facts.hpp"
#include "migrate/source.hpp"

namespace dcn::migrate {

struct Finding {
  int number = 0;  ///< of diagnostics.def
  unsigned offset = 0;
  std::string detail;  ///< the name or the parser's message
};

/// What rules may know of the other files.
struct ProjectView {
  std::set<std::string> cpu_libraries;                          ///< namespaces with a TORCH_LIBRARY_IMPL(ns, CPU, ...)
  std::map<std::string, std::set<std::string>> cuda_operators;  ///< what TORCH_LIBRARY_IMPL(ns, CUDA, ...) registers
  std::set<std::string> kernels;                                ///< plain names of all kernels
  std::set<std::string> template_kernels;                       ///< those that are templates
  std::set<std::string> overloaded_kernels;                     ///< those that one file defines more than once
  std::set<std::string> device_globals;  ///< names of __device__ and __constant__ variables that became CSY_GLOBAL
  std::set<std::string> overloads;       ///< names of CUDA's functions that the project overloads
  std::vector<std::string> paths;        ///< all C++ files
  std::set<std::string> own_macros;      ///< macros that the project defines
};

struct Unit {
  const Source& source;
  const FileFacts& facts;
  const ProjectView& project;
  Edits& edits;
  std::vector<Finding>& findings;

  /// The token means something of the project's own, or is a member after "." or "->".
  bool own(std::size_t token) const;
  bool member(std::size_t token) const {
    return token > 0 && (source.is(token - 1, ".") || source.is(token - 1, "->"));
  }
  /// The place is in a kernel or device function, or in a macro that these use.
  bool device(std::size_t token) const;
  /// Replaces one token, and says who did.
  void rename(std::size_t token, std::string text, const char* rule);
  /// Deletes [first, last] with the blanks behind, or the whole lines when nothing else is on them.
  void remove(std::size_t first, std::size_t last, const char* rule);
  void find(int number, std::size_t token, std::string detail);
};

struct Rule {
  const char* name;
  void (*apply)(Unit&);
};

/// All rules for C++ files, in the order in which they run. The last ones need to see what the others left.
const std::vector<Rule>& source_rules();

/// A TORCH_LIBRARY_IMPL at `token`: its namespace, the token of its key, its braces; nothing when it is not written
/// out.
struct Registration {
  std::string space;
  std::size_t key = 0, open = 0, close = 0;
};
std::optional<Registration> registration_at(const Source& source, std::size_t token);
/// Tokens of "m" of each m.impl("name", ...) in a registration, with the name.
std::vector<std::pair<std::size_t, std::string>> registered_operators(const Source& source, const Registration& one);

/// A list of types with its names by `own`, else by the words that replace CUDA's.
std::string replaced_words(std::string_view types, const std::map<std::string, std::string>& own);

/// A device function of CUDA that a project may overload for its own types.
bool cuda_function(std::string_view name);

/// Lets the threads that return before a barrier of the body [first, last) go along to it. `varying`: words whose
/// values differ between threads. False, and no edit, where that is too hard.
bool keep_threads_to_barriers(Unit& unit, std::size_t first, std::size_t last, const std::set<std::string>& varying);

void rule_attributes(Unit&);
void rule_launches(Unit&);
void rule_shared(Unit&);
void rule_globals(Unit&);
void rule_libraries(Unit&);
void rule_api(Unit&);
void rule_errors(Unit&);
void rule_arch(Unit&);
void rule_torch_device(Unit&);
void rule_torch_old(Unit&);
void rule_torch_library(Unit&);
void rule_tensors(Unit&);
void rule_barrier_check(Unit&);
void rule_races(Unit&);
void rule_leftovers(Unit&);
void rule_includes(Unit&);
void rule_regions(Unit&);

struct DiagnosticText {
  int number;
  const char* what;
  const char* remedy;
};
const std::vector<DiagnosticText>& diagnostics();
const DiagnosticText& diagnostic(int number);

struct RuleText {
  const char* name;
  const char* what;
};
const std::vector<RuleText>& rule_texts();

}  // namespace dcn::migrate
