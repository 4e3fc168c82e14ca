/// \file tensor_uses.hpp
/// Follows tensors through one function: which of them hand a pointer to something that only reads, which views are
/// only read, and which tensors may have any strides. Part of the frontend: it speaks clang.
#pragma once

#include <clang/AST/ASTContext.h>
#include <clang/AST/Decl.h>
#include <clang/AST/Expr.h>
#include <clang/AST/ExprCXX.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "migrate/facts.hpp"

namespace dcn::migrate {

class TensorUses {
 public:
  using Place = std::function<std::pair<const std::string*, unsigned>(clang::SourceLocation)>;

  explicit TensorUses(clang::ASTContext& context) : context_(context) {}

  /// A function's body begins; functions nest (lambdas, local classes).
  void begin(const clang::FunctionDecl* function);
  /// A variable, with its initialiser.
  void declare(const clang::VarDecl* variable);
  /// A use of a variable; `parents` ends with the reference itself.
  void note(const clang::DeclRefExpr* reference, const std::vector<const clang::Stmt*>& parents);
  /// The body ends: what is known now is published.
  void end(const clang::FunctionDecl* function, const Place& place, Facts& facts);

 private:
  struct Tensor {
    bool parameter = false;
    bool fresh = false;                    ///< made here, or contiguous
    bool checked = false;                  ///< somebody asks is_contiguous()
    bool written = false;                  ///< something may write through it
    const clang::VarDecl* base = nullptr;  ///< a slice or view of this one
  };
  struct Read {
    const clang::VarDecl* tensor;
    clang::SourceLocation object, object_end;
    bool direct;
  };
  /// A variable that holds a tensor's pointer.
  struct Pointer {
    const clang::VarDecl* tensor;
    clang::SourceLocation object, object_end, statement;
    bool plain;            ///< the tensor is a variable, the declaration a statement of its own
    bool written = false;  ///< something may write through it
  };
  struct View {
    const clang::VarDecl* base;
    const clang::VarDecl* result;  ///< null when used in place
    clang::SourceLocation name;
    bool read_only;
  };

  void note_pointer(const clang::DeclRefExpr* reference, const std::vector<const clang::Stmt*>& parents);
  bool any_strides(const clang::VarDecl* variable, int depth = 0) const;
  bool written(const clang::VarDecl* variable) const;

  clang::ASTContext& context_;
  std::vector<const clang::FunctionDecl*> functions_;
  std::map<const clang::VarDecl*, Tensor> tensors_;
  std::vector<Read> reads_;
  std::map<const clang::VarDecl*, Pointer> pointers_;
  std::vector<View> views_;
};

}  // namespace dcn::migrate
