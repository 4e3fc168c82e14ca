/// \file thread_values.hpp
/// What the values of a kernel have to do with the thread that computes them: as a sum of known things where they are
/// one, and whether the threads of a block, or of a warp, all have the same. Part of the frontend: it speaks clang.
#pragma once

#include <clang/AST/ASTContext.h>
#include <clang/AST/Decl.h>
#include <clang/AST/Expr.h>
#include <clang/AST/ExprCXX.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace dcn::migrate {

/// Who agrees on a value, or arrives at a place together: all threads of the block, those of each warp, nobody.
enum class Agree : unsigned char { kBlock, kWarp, kNobody };

/// Numbers of threadIdx's members, as bits.
using Axes = unsigned;

/// A sum of named terms with factors, and a constant.
struct Sum {
  std::map<std::string, long long> terms{};
  long long constant = 0;

  bool operator==(const Sum& other) const = default;
  bool plain() const { return terms.empty(); }
  Sum& add(const Sum& other, long long factor = 1);
  Sum minus(const Sum& other) const;
  std::string text() const;
};

struct ThreadValue {
  Sum sum{};
  Agree agree = Agree::kBlock;
  Axes axes = 0;  ///< the indices that it depends on
};

/// What is known of a term of a sum.
struct Term {
  Agree agree = Agree::kBlock;
  Axes axes = 0;
  bool distinct = false;  ///< threads that differ in `axes` have different ones
  bool strided = false;   ///< and these are more than one apart: each thread has a piece of its own
  bool quotient = false;  ///< of the thread's number by a constant, and
  bool remainder = false;
  bool modulus = false;  ///< a remainder by something that changes
};

/// A condition that holds where a statement runs, when threads may disagree on it.
struct Guard {
  enum class Kind : unsigned char { kIs, kBelow, kOther };
  Kind kind = Kind::kOther;
  Sum left{}, right{};  ///< left == right, left < right
  std::string text{};
  Axes axes = 0;
  bool operator==(const Guard& other) const { return text == other.text; }
};

/// The values of one kernel. Functions that it calls are followed with their arguments.
class ThreadValues {
 public:
  explicit ThreadValues(clang::ASTContext& context) : context_(context) {}

  /// Forgets everything; `kernel` is looked at next.
  void begin(const clang::FunctionDecl* kernel);
  /// A body is entered whose parameters are bound: who agrees on what its variables hold.
  void enter(const clang::Stmt* body, Agree where);
  void bind(const clang::VarDecl* variable, ThreadValue value) { known_[variable] = std::move(value); }
  /// A variable's declaration is passed.
  void declare(const clang::VarDecl* variable);

  ThreadValue value(const clang::Stmt* expression);
  const Term& term(const std::string& name) const;
  /// A term of a loop's round before has the nature of today's.
  void primed(const std::string& name) { terms_[name + "'"] = term(name); }
  Axes used_axes() const { return used_axes_; }
  /// The axes in which threads with equal sums may differ no more.
  Axes told_apart(const Sum& sum) const;
  bool uniform(const Sum& sum) const;
  /// What holds where `condition` does (or does not, with `holds` false).
  std::vector<Guard> guards(const clang::Expr* condition, bool holds);
  /// Who still arrives together behind the ways out of `statement`: returns only, or all that leave a loop's round.
  Agree exits(const clang::Stmt* statement, bool returns_only);
  /// The names of terms that change from round to round of a loop; `counters`: those that go up or down in steps too.
  std::set<std::string> changing(const clang::Stmt* loop, bool counters) const;

 private:
  struct Variable {
    int changes = 0;
    bool steps = true;  ///< all changes add or subtract
    std::string step;
    Agree agree = Agree::kBlock;
    Axes axes = 0;
  };

  void scan(const clang::Stmt* statement, Agree where, bool& changed);
  void changed_to(const clang::Expr* target, const clang::Expr* value, Agree where, bool add, bool& changed);
  void find_axes(const clang::Stmt* statement, std::set<const clang::FunctionDecl*>& seen);
  bool thread_sum(const Sum& sum) const;
  ThreadValue opaque(const std::string& name, const clang::Stmt* expression);
  ThreadValue product(const ThreadValue& a, const ThreadValue& b);
  ThreadValue binary(const clang::BinaryOperator* operation);
  ThreadValue call(const clang::CallExpr* call);
  std::string name_of(const clang::VarDecl* variable) const;

  clang::ASTContext& context_;
  std::map<const clang::VarDecl*, ThreadValue> known_;
  std::map<const clang::VarDecl*, Variable> variables_;
  std::map<std::string, Term> terms_;
  Axes used_axes_ = 0;
  bool counting_ = false;
};

/// The function that a call means, as its own text has it: of a template, the template. Null when unknown.
const clang::FunctionDecl* called(const clang::CallExpr* call);
/// The plain name of what is called, a member's too.
std::string called_name(const clang::CallExpr* call);
/// An expression without parentheses, casts and what the compiler adds.
const clang::Expr* bare(const clang::Expr* expression);

}  // namespace dcn::migrate
