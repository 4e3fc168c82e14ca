/// \file facts.hpp
/// What the parser tells the rules about a project, in plain data: no rule sees the compiler's own types.
/// Places are byte offsets into the file as it lies on disk; text that comes out of a macro is placed where its token
/// is spelled, so a macro's body is edited once, however often it is used.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace dcn::migrate {

struct Span {
  unsigned begin = 0;
  unsigned end = 0;  ///< one past the last byte
  bool operator<(const Span& other) const { return begin != other.begin ? begin < other.begin : end < other.end; }
  bool operator==(const Span& other) const = default;
};

/// One declaration at namespace scope, from its first attribute to its semicolon or brace.
struct TopDecl {
  Span span;
  bool device = false;    ///< a kernel or something that a kernel needs
  bool anything = false;  ///< may stay for both compilers (using directives of namespaces both know)
  bool definition = false;
  bool function = false;
  std::string name;
};

/// A kernel's definition or declaration.
struct KernelFact {
  unsigned name = 0;  ///< where its name is spelled
  Span span;
  std::string qualified;  ///< with its namespaces
  bool is_template = false;
  bool is_definition = false;
  bool uses_warp = false;            ///< itself or what it calls talks to the lanes of its warp
  bool uses_dynamic_shared = false;  ///< itself or what it calls has an extern __shared__ array
  bool uses_yz = false;              ///< itself or what it calls asks for a y or z index
};

/// A launch, keyed by the place of its "<<<".
struct LaunchFact {
  std::string kernel;  ///< qualified; empty when it goes through a variable
  bool through_variable = false;
  bool is_template = false;
  bool explicit_arguments = false;  ///< template arguments are all written out
  bool uses_warp = false;
  bool uses_dynamic_shared = false;
  bool other_unit = false;        ///< the kernel is only declared here
  std::set<std::string> deduced;  ///< "<float, 4>" as to be written; more than one: instances disagree
  /// Those in terms of the surrounding template's parameters: for all instances.
  std::set<std::string> deduced_in_template{};
  bool overloaded = false;                         ///< the name alone does not say which function is meant
  std::vector<std::string> template_parameters{};  ///< their names
  std::string signature{};                         ///< parameter types, in terms of the template's: "T *, int"
};

/// A call of something that the project does not declare, keyed by the place of the function's name.
struct CallFact {
  std::set<std::string> signatures;  ///< canonical types of the arguments, "float,int", one for each instance
  bool in_device = false;            ///< in a kernel or device function
};

/// A __shared__ variable.
struct SharedFact {
  Span span;  ///< the declarator's statement, without the semicolon
  unsigned name = 0;
  std::string variable;
  std::string type;     ///< element type as written
  std::string extents;  ///< "[32][33]", empty for a scalar
  bool dynamic = false;
  bool declares_several = false;
};

/// A namespace-scope __device__ or __constant__ variable.
struct GlobalFact {
  Span span;
  unsigned name = 0;
  std::string variable, type, extents;
  bool constant = false;
};

/// x.data_ptr<T>() whose pointer is only read: the tensor should be contiguous.
struct DataPointerFact {
  unsigned object_end = 0;  ///< one past the tensor's expression
  std::string object;
  bool direct = false;     ///< a function's argument; false: kept in a variable
  unsigned statement = 0;  ///< when kept in a variable: where its declaration begins, and its name
  std::string pointer{};
};

/// t.view(...) whose result is only read and whose base may have any strides; keyed by the place of "view".
struct IncludeFact {
  unsigned hash = 0;
  std::string resolved;  ///< real path; empty when nothing was found
};

/// Threads use shared memory that others write, with no barrier between; keyed by where the statement begins.
struct RaceFact {
  enum class Remedy : unsigned char {
    kBlockBarrier,  ///< one for the block before the statement
    kWarpBarrier,   ///< one for the warp before the statement
    kSplit,         ///< between what an assignment reads and what it writes, for the warp
    kNone,          ///< not all threads that matter arrive here
    kDoubt          ///< nor is it sure that they meet
  };
  Remedy remedy = Remedy::kNone;
  std::string variable{};
  Span operation{};     ///< kSplit: the assignment's operator
  unsigned end = 0;     ///< kSplit: the statement's semicolon; else where a body without braces ends, or 0
  Span open{}, then{};  ///< kSplit under a condition: "if (", and ")" to where the assignment begins
  Span close{};         ///< and its closing brace, if any
};

struct FileFacts {
  std::vector<TopDecl> decls;
  std::vector<KernelFact> kernels;
  std::map<unsigned, LaunchFact> launches;
  std::map<unsigned, CallFact> calls;
  std::vector<SharedFact> shared;
  std::vector<GlobalFact> globals;
  std::vector<DataPointerFact> reads;
  std::set<unsigned> views;      ///< places of "view" that may become "reshape"
  std::set<unsigned> own_names;  ///< tokens that mean something of the project's own, whatever their spelling
  std::set<Span> device_code;    ///< bodies of kernels and device functions
  std::map<unsigned, IncludeFact> includes;
  std::map<unsigned, std::vector<RaceFact>> races;
  bool device_needed = false;  ///< the device compiler has to see this file
  bool has_kernel = false;     ///< defines a kernel
};

struct ParseMessage {
  std::string file;
  unsigned line = 0;
  unsigned offset = 0;
  std::string text;
  bool operator<(const ParseMessage& other) const {
    return file != other.file ? file < other.file : offset != other.offset ? offset < other.offset : text < other.text;
  }
};

/// All files of a project, by real path. Translation units add to it one after the other.
struct Facts {
  std::map<std::string, FileFacts> files;
  std::set<ParseMessage> errors;
  void merge(const Facts& other);
  /// The device compiler starts from a source, not from a header: sources that get kernels from their headers need it
  /// too, and so do headers on the way from such a source to what its kernels use.
  void spread_device_need();
};

/// One source to parse.
struct ParseJob {
  std::string file;                       ///< real path
  std::vector<std::string> include_dirs;  ///< in order
  std::vector<std::string> defines;       ///< NAME or NAME=VALUE
  std::vector<std::string> extra;         ///< further arguments for clang
};

/// What all jobs share.
struct ParseSetup {
  std::set<std::string> project_files;                ///< real paths that may be rewritten
  std::map<std::string, std::string> stubs;           ///< header name ("ATen/ATen.h") -> text
  std::map<std::string, std::string> replaced_files;  ///< real path -> text of equal length that clang can read
  std::string torch_include;                          ///< real PyTorch headers instead of stubs; empty: stubs
};

/// Parses one source and tells what it found. Never throws for what the source holds; a fatal trouble is an error in
/// the facts.
Facts parse(const ParseJob& job, const ParseSetup& setup);

}  // namespace dcn::migrate
