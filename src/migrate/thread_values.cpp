#include "migrate/thread_values.hpp"

#include <clang/AST/Attr.h>

#include <algorithm>

namespace dcn::migrate {

namespace {

using clang::dyn_cast;
using clang::dyn_cast_or_null;
using clang::isa;
using clang::Stmt;

constexpr long long kWarpSize = 32;

/// threadIdx.x and its relatives: the variable's name and the member's.
std::pair<std::string, std::string> index_member(const clang::Expr* expression) {
  const auto* member = dyn_cast<clang::MemberExpr>(expression);
  if (member == nullptr) return {};
  const auto* base = dyn_cast<clang::DeclRefExpr>(bare(member->getBase()));
  if (base == nullptr) return {};
  const std::string name = base->getDecl()->getNameAsString();
  if (name != "threadIdx" && name != "blockIdx" && name != "blockDim" && name != "gridDim") return {};
  return {name, member->getMemberDecl()->getNameAsString()};
}

/// The variable whose value, element or member an assignment to `target` changes.
const clang::VarDecl* changed_variable(const clang::Expr* target) {
  while (target != nullptr) {
    target = bare(target);
    if (const auto* element = dyn_cast<clang::ArraySubscriptExpr>(target))
      target = element->getBase();
    else if (const auto* member = dyn_cast<clang::MemberExpr>(target))
      target = member->getBase();
    else if (const auto* unary = dyn_cast<clang::UnaryOperator>(target);
             unary != nullptr && unary->getOpcode() == clang::UO_AddrOf)
      target = unary->getSubExpr();
    else if (const auto* call = dyn_cast<clang::CXXOperatorCallExpr>(target);
             call != nullptr && call->getOperator() == clang::OO_Subscript)
      target = call->getArg(0);
    else
      break;
  }
  const auto* reference = dyn_cast_or_null<clang::DeclRefExpr>(target);
  return reference != nullptr ? dyn_cast<clang::VarDecl>(reference->getDecl()) : nullptr;
}

Axes axis(const std::string& member) { return member == "x" ? 1 : member == "y" ? 2 : 4; }

template <class F>
void each_child(const Stmt* statement, F&& action) {
  for (const Stmt* child : statement->children())
    if (child != nullptr) action(child);
}

}  // namespace

Sum& Sum::add(const Sum& other, long long factor) {
  for (const auto& [name, count] : other.terms) {
    terms[name] += count * factor;
    if (terms[name] == 0) terms.erase(name);
  }
  constant += other.constant * factor;
  return *this;
}

Sum Sum::minus(const Sum& other) const {
  Sum result = *this;
  return result.add(other, -1);
}

std::string Sum::text() const {
  std::string result;
  for (const auto& [name, count] : terms)
    result += (result.empty() ? "" : "+") + (count == 1 ? "" : std::to_string(count) + "*") + name;
  if (constant != 0 || result.empty()) result += (result.empty() ? "" : "+") + std::to_string(constant);
  return result;
}

const clang::Expr* bare(const clang::Expr* expression) {
  while (expression != nullptr) {
    const clang::Expr* inner = expression->IgnoreParenCasts();
    if (const auto* construct = dyn_cast<clang::CXXConstructExpr>(inner);
        construct != nullptr && construct->getNumArgs() == 1)
      inner = construct->getArg(0);
    else if (const auto* unresolved = dyn_cast<clang::CXXUnresolvedConstructExpr>(inner);
             unresolved != nullptr && unresolved->getNumArgs() == 1)
      inner = unresolved->getArg(0);
    else if (const auto* temporary = dyn_cast<clang::MaterializeTemporaryExpr>(inner))
      inner = temporary->getSubExpr();
    else if (const auto* cleanups = dyn_cast<clang::ExprWithCleanups>(inner))
      inner = cleanups->getSubExpr();
    else if (const auto* bound = dyn_cast<clang::CXXBindTemporaryExpr>(inner))
      inner = bound->getSubExpr();
    if (inner == expression) break;
    expression = inner;
  }
  return expression;
}

const clang::FunctionDecl* called(const clang::CallExpr* call) {
  const clang::FunctionDecl* function = nullptr;
  const clang::Expr* callee = call->getCallee()->IgnoreParenImpCasts();
  if (const auto* reference = dyn_cast<clang::DeclRefExpr>(callee)) {
    function = dyn_cast<clang::FunctionDecl>(reference->getDecl());
  } else if (const auto* lookup = dyn_cast<clang::UnresolvedLookupExpr>(callee)) {
    for (const clang::NamedDecl* candidate : lookup->decls()) {
      const clang::NamedDecl* found = candidate->getUnderlyingDecl();
      const auto* primary = dyn_cast<clang::FunctionTemplateDecl>(found);
      const auto* one = primary != nullptr ? primary->getTemplatedDecl() : dyn_cast<clang::FunctionDecl>(found);
      if (one == nullptr || one->getNumParams() != call->getNumArgs()) continue;
      if (function != nullptr) return nullptr;
      function = one;
    }
  }
  if (function == nullptr) return nullptr;
  if (const auto* pattern = function->getTemplateInstantiationPattern()) function = pattern;
  const clang::FunctionDecl* definition = nullptr;
  return function->hasBody(definition) ? definition : function;
}

std::string called_name(const clang::CallExpr* call) {
  const clang::Expr* callee = call->getCallee()->IgnoreParenImpCasts();
  if (const auto* reference = dyn_cast<clang::DeclRefExpr>(callee)) return reference->getDecl()->getNameAsString();
  if (const auto* lookup = dyn_cast<clang::OverloadExpr>(callee)) return lookup->getName().getAsString();
  if (const auto* member = dyn_cast<clang::MemberExpr>(callee)) return member->getMemberDecl()->getNameAsString();
  if (const auto* member = dyn_cast<clang::CXXDependentScopeMemberExpr>(callee))
    return member->getMember().getAsString();
  return {};
}

void ThreadValues::begin(const clang::FunctionDecl* kernel) {
  known_.clear(), variables_.clear(), terms_.clear();
  std::set<const clang::FunctionDecl*> seen{kernel};
  used_axes_ = 0;
  find_axes(kernel->getBody(), seen);
  for (const auto& [name, bit] : {std::pair{"threadIdx.x", 1U}, {"threadIdx.y", 2U}, {"threadIdx.z", 4U}})
    terms_[name] = {Agree::kNobody, bit, true};
}

void ThreadValues::find_axes(const Stmt* statement, std::set<const clang::FunctionDecl*>& seen) {
  if (statement == nullptr) return;
  if (const auto* expression = dyn_cast<clang::Expr>(statement)) {
    const auto [index, member] = index_member(expression);
    if (index == "threadIdx") used_axes_ |= axis(member);
  }
  if (const auto* call = dyn_cast<clang::CallExpr>(statement))
    if (const auto* function = called(call); function != nullptr && seen.insert(function).second)
      find_axes(function->getBody(), seen);
  each_child(statement, [&](const Stmt* child) { find_axes(child, seen); });
}

std::string ThreadValues::name_of(const clang::VarDecl* variable) const {
  return variable->getNameAsString() + "@" + std::to_string(variable->getLocation().getRawEncoding());
}

void ThreadValues::enter(const Stmt* body, Agree where) {
  // A first look counts how often each variable changes; who agrees on it settles within a few more.
  std::map<const clang::VarDecl*, Variable> before;
  before.swap(variables_);
  bool changed = true;
  counting_ = true;
  scan(body, where, changed);
  counting_ = false;
  for (auto& [variable, facts] : variables_) facts.agree = Agree::kBlock, facts.axes = 0;
  for (int pass = 0; pass < 8 && changed; ++pass) {
    changed = false;
    scan(body, where, changed);
  }
  for (auto& [variable, facts] : before) variables_.emplace(variable, facts);
}

void ThreadValues::changed_to(const clang::Expr* target, const clang::Expr* expression, Agree where, bool add,
                              bool& changed) {
  const clang::VarDecl* variable = changed_variable(target);
  if (variable == nullptr || variable->hasAttr<clang::CUDASharedAttr>()) return;
  Variable& facts = variables_[variable];
  if (counting_) ++facts.changes;
  ThreadValue given = expression != nullptr ? value(expression) : ThreadValue{};
  if (expression == nullptr) given.sum.constant = 1;
  const ThreadValue place = value(target);
  const Agree agree =
      std::max({facts.agree, given.agree, where, isa<clang::DeclRefExpr>(bare(target)) ? where : place.agree});
  const std::string step = given.sum.text();
  const bool steps = facts.steps && add && given.agree == Agree::kBlock && (facts.step.empty() || facts.step == step);
  changed = changed || agree != facts.agree || (facts.axes | given.axes) != facts.axes;
  facts.agree = agree, facts.axes |= given.axes, facts.steps = steps, facts.step = step;
}

/// Looks at every change of a variable, and who makes it.
void ThreadValues::scan(const Stmt* statement, Agree where, bool& changed) {
  if (statement == nullptr || isa<clang::LambdaExpr>(statement)) return;
  if (const auto* declarations = dyn_cast<clang::DeclStmt>(statement)) {
    for (const clang::Decl* declaration : declarations->decls()) {
      const auto* variable = dyn_cast<clang::VarDecl>(declaration);
      if (variable == nullptr || variable->getInit() == nullptr) continue;
      const ThreadValue initial = value(variable->getInit());
      Variable& facts = variables_[variable];
      const Agree agree = std::max(facts.agree, initial.agree);
      changed = changed || agree != facts.agree || (facts.axes | initial.axes) != facts.axes;
      facts.agree = agree, facts.axes |= initial.axes;
      if (!counting_) declare(variable);
    }
  } else if (const auto* operation = dyn_cast<clang::BinaryOperator>(statement);
             operation != nullptr && operation->isAssignmentOp()) {
    const auto code = operation->getOpcode();
    changed_to(operation->getLHS(), operation->getRHS(), where,
               code == clang::BO_AddAssign || code == clang::BO_SubAssign, changed);
  } else if (const auto* unary = dyn_cast<clang::UnaryOperator>(statement)) {
    if (unary->isIncrementDecrementOp()) changed_to(unary->getSubExpr(), nullptr, where, true, changed);
  } else if (const auto* call = dyn_cast<clang::CallExpr>(statement)) {
    // What a call may write: arguments by address or by reference.
    const clang::FunctionDecl* function = called(call);
    const auto* own = dyn_cast<clang::CXXOperatorCallExpr>(call);
    const bool assigns = own != nullptr && own->isAssignmentOp();
    for (unsigned i = 0; i < call->getNumArgs(); ++i) {
      const auto* address = dyn_cast<clang::UnaryOperator>(bare(call->getArg(i)));
      bool writes = (address != nullptr && address->getOpcode() == clang::UO_AddrOf) || (assigns && i == 0);
      const unsigned shift =
          own != nullptr &&
                  isa<clang::CXXMethodDecl>(own->getCalleeDecl() != nullptr
                                                ? own->getCalleeDecl()
                                                : static_cast<const clang::Decl*>(context_.getTranslationUnitDecl()))
              ? 1
              : 0;
      if (function != nullptr && i >= shift && i - shift < function->getNumParams()) {
        const clang::QualType type = function->getParamDecl(i - shift)->getType();
        writes = writes || (type->isLValueReferenceType() && !type.getNonReferenceType().isConstQualified());
      }
      if (writes) changed_to(call->getArg(i), call, where, false, changed);
    }
  }
  const auto inside = [&](const clang::Expr* condition) {
    return condition != nullptr ? std::max(where, value(condition).agree) : where;
  };
  if (const auto* choice = dyn_cast<clang::IfStmt>(statement)) {
    const Agree agree = inside(choice->getCond());
    scan(choice->getInit(), where, changed), scan(choice->getConditionVariableDeclStmt(), where, changed);
    scan(choice->getCond(), where, changed), scan(choice->getThen(), agree, changed);
    scan(choice->getElse(), agree, changed);
    return;
  }
  const clang::Expr* condition = nullptr;
  if (const auto* loop = dyn_cast<clang::ForStmt>(statement)) {
    scan(loop->getInit(), where, changed);
    condition = loop->getCond();
  } else if (const auto* one = dyn_cast<clang::WhileStmt>(statement)) {
    condition = one->getCond();
  } else if (const auto* last = dyn_cast<clang::DoStmt>(statement)) {
    condition = last->getCond();
  } else if (const auto* cases = dyn_cast<clang::SwitchStmt>(statement)) {
    condition = cases->getCond();
  }
  Agree agree = inside(condition);
  if (condition != nullptr && !isa<clang::SwitchStmt>(statement)) agree = std::max(agree, exits(statement, false));
  each_child(statement, [&](const Stmt* child) { scan(child, agree, changed); });
}

void ThreadValues::declare(const clang::VarDecl* variable) {
  const auto found = variables_.find(variable);
  const Variable facts = found != variables_.end() ? found->second : Variable{};
  if (variable->getInit() == nullptr) return;
  ThreadValue initial = value(variable->getInit());
  if (facts.changes == 0) {
    known_[variable] = initial;
  } else if (facts.steps && initial.agree != Agree::kBlock) {
    // i = start; i += step: two loops of this form visit the same values in each thread.
    const std::string name = "steps(" + initial.sum.text() + ";" + facts.step + ")";
    terms_[name] = {initial.agree, initial.axes, told_apart(initial.sum) != 0};
    initial.sum = {.terms = {{name, 1}}};
    known_[variable] = initial;
  }
}

const Term& ThreadValues::term(const std::string& name) const {
  static const Term kNothing;
  const auto found = terms_.find(name);
  return found != terms_.end() ? found->second : kNothing;
}

Axes ThreadValues::told_apart(const Sum& sum) const {
  Axes axes = 0;
  for (const auto& [name, count] : sum.terms)
    if (term(name).distinct) axes |= term(name).axes;
  return axes;
}

bool ThreadValues::uniform(const Sum& sum) const {
  return std::all_of(sum.terms.begin(), sum.terms.end(),
                     [&](const auto& one) { return term(one.first).agree == Agree::kBlock; });
}

/// The number of the thread in its block, give or take a constant.
bool ThreadValues::thread_sum(const Sum& sum) const {
  std::map<std::string, long long> flat{{"threadIdx.x", 1}};
  if (sum.terms == flat) return (used_axes_ & ~1U) == 0;
  flat["blockDim.x*threadIdx.y"] = 1;
  return sum.terms == flat && (used_axes_ & 4U) == 0;
}

ThreadValue ThreadValues::opaque(const std::string& name, const Stmt* expression) {
  ThreadValue result;
  if (expression != nullptr)
    each_child(expression, [&](const Stmt* child) {
      if (!isa<clang::Expr>(child)) return;
      const ThreadValue part = value(child);
      result.agree = std::max(result.agree, part.agree);
      result.axes |= part.axes;
    });
  result.sum.terms[name] = 1;
  terms_[name] = {result.agree, result.axes};
  return result;
}

ThreadValue ThreadValues::product(const ThreadValue& a, const ThreadValue& b) {
  ThreadValue result{{}, std::max(a.agree, b.agree), a.axes | b.axes};
  result.sum.constant = a.sum.constant * b.sum.constant;
  result.sum.add({a.sum.terms}, b.sum.constant).add({b.sum.terms}, a.sum.constant);
  for (const auto& [left, m] : a.sum.terms)
    for (const auto& [right, n] : b.sum.terms) {
      const std::string name = left < right ? left + "*" + right : right + "*" + left;
      const Term one = term(left), other = term(right);
      Term both{std::max(one.agree, other.agree), one.axes | other.axes};
      both.distinct = (one.distinct && other.agree == Agree::kBlock) || (other.distinct && one.agree == Agree::kBlock);
      both.strided = both.distinct;
      terms_[name] = both;
      result.sum.add({{{name, 1}}}, m * n);
    }
  return result;
}

ThreadValue ThreadValues::binary(const clang::BinaryOperator* operation) {
  const auto code = operation->getOpcode();
  const ThreadValue a = value(operation->getLHS()), b = value(operation->getRHS());
  ThreadValue result{{}, std::max(a.agree, b.agree), a.axes | b.axes};
  if (code == clang::BO_Add || code == clang::BO_Sub) {
    result.sum = a.sum;
    result.sum.add(b.sum, code == clang::BO_Add ? 1 : -1);
    return result;
  }
  if (code == clang::BO_Mul) return product(a, b);
  if (code == clang::BO_Shl && b.sum.plain() && b.sum.constant >= 0 && b.sum.constant < 32)
    return product(a, {{.constant = 1LL << b.sum.constant}});
  bool quotient = false, remainder = false;
  // Threads of a warp agree on tid / 32 and on tid < 64.
  if (b.sum.plain() && thread_sum(a.sum)) {
    const long long c = b.sum.constant, off = a.sum.constant;
    const bool whole = (code == clang::BO_Div && c > 0 && c % kWarpSize == 0 && off % kWarpSize == 0) ||
                       (code == clang::BO_Shr && c >= 5 && off % kWarpSize == 0) ||
                       ((code == clang::BO_LT || code == clang::BO_GE) && (c - off) % kWarpSize == 0) ||
                       ((code == clang::BO_LE || code == clang::BO_GT) && (c - off + 1) % kWarpSize == 0);
    if (whole) result.agree = Agree::kWarp;
    quotient = code == clang::BO_Div || code == clang::BO_Shr;
    remainder = code == clang::BO_Rem || code == clang::BO_And;
  }
  const std::string name = "(" + a.sum.text() + clang::BinaryOperator::getOpcodeStr(code).str() + b.sum.text() + ")";
  result.sum.terms[name] = 1;
  terms_[name] = {result.agree, result.axes};
  terms_[name].quotient = quotient, terms_[name].remainder = remainder;
  terms_[name].modulus = (code == clang::BO_Rem || code == clang::BO_And) && !b.sum.plain();
  return result;
}

ThreadValue ThreadValues::call(const clang::CallExpr* call) {
  const std::string name = called_name(call);
  ThreadValue result = opaque(name + "@" + std::to_string(call->getBeginLoc().getRawEncoding()), call);
  const auto agree = [&](Agree all) {
    result.agree = all;
    terms_[result.sum.terms.begin()->first].agree = all;
  };
  if (name.starts_with("__syncthreads"))
    agree(Agree::kBlock);
  else if (name.starts_with("__ballot") || name.starts_with("__any") || name.starts_with("__all"))
    agree(Agree::kWarp);
  else if (name.starts_with("atomic") || name.starts_with("__shfl") || name.starts_with("WARP_") ||
           name == "thread_rank" || name.starts_with("shfl") || name == "thread_index" || name == "__activemask" ||
           name.starts_with("clock"))
    agree(Agree::kNobody);
  else if (const auto* function = called(call); function != nullptr && function->hasBody()) {
    const Axes used = used_axes_;
    std::set<const clang::FunctionDecl*> seen{function};
    used_axes_ = 0;
    find_axes(function->getBody(), seen);
    const Axes asks = used_axes_;
    used_axes_ = used | asks;
    if (asks != 0) agree(Agree::kNobody);
  }
  return result;
}

ThreadValue ThreadValues::value(const Stmt* statement) {
  const auto* given = dyn_cast_or_null<clang::Expr>(statement);
  if (given == nullptr) return {};
  const clang::Expr* expression = bare(given);
  const std::string place = "@" + std::to_string(expression->getBeginLoc().getRawEncoding()) + "." +
                            std::to_string(expression->getEndLoc().getRawEncoding());
  if (!expression->isValueDependent() && !expression->isTypeDependent() && !expression->containsErrors() &&
      expression->getType()->isIntegralOrEnumerationType()) {
    clang::Expr::EvalResult constant;
    if (expression->EvaluateAsInt(constant, context_)) {
      const auto number = constant.Val.getInt().tryExtValue();
      if (number) return {{.constant = *number}};
    }
  }
  if (const auto [index, member] = index_member(expression); !index.empty()) {
    ThreadValue result{{.terms = {{index + "." + member, 1}}}};
    if (index == "threadIdx") result.agree = Agree::kNobody, result.axes = axis(member);
    return result;
  }
  if (const auto* reference = dyn_cast<clang::DeclRefExpr>(expression)) {
    const auto* variable = dyn_cast<clang::VarDecl>(reference->getDecl());
    if (variable == nullptr) return {{.terms = {{reference->getDecl()->getNameAsString(), 1}}}};
    if (variable->getNameAsString() == "warpSize") return {{.constant = kWarpSize}};
    if (variable->getNameAsString() == "threadIdx") return {{.terms = {{"threadIdx", 1}}}, Agree::kNobody, 7};
    if (const auto known = known_.find(variable); known != known_.end()) return known->second;
    const auto facts = variables_.find(variable);
    const std::string name = name_of(variable);
    Term& term = terms_[name];
    if (facts != variables_.end()) term.agree = facts->second.agree, term.axes = facts->second.axes;
    return {{.terms = {{name, 1}}}, term.agree, term.axes};
  }
  if (const auto* unary = dyn_cast<clang::UnaryOperator>(expression)) {
    if (unary->getOpcode() == clang::UO_Minus) return product(value(unary->getSubExpr()), {{.constant = -1}});
    if (unary->getOpcode() == clang::UO_Plus || unary->isIncrementDecrementOp()) return value(unary->getSubExpr());
  }
  if (const auto* operation = dyn_cast<clang::BinaryOperator>(expression)) {
    if (operation->isAssignmentOp()) return value(operation->getRHS());
    return binary(operation);
  }
  if (const auto* function_call = dyn_cast<clang::CallExpr>(expression)) return call(function_call);
  return opaque(std::string(expression->getStmtClassName()) + place, expression);
}

std::vector<Guard> ThreadValues::guards(const clang::Expr* condition, bool holds) {
  const clang::Expr* expression = condition != nullptr ? bare(condition) : nullptr;
  if (expression == nullptr) return {};
  if (const auto* unary = dyn_cast<clang::UnaryOperator>(expression);
      unary != nullptr && unary->getOpcode() == clang::UO_LNot)
    return guards(unary->getSubExpr(), !holds);
  const auto* operation = dyn_cast<clang::BinaryOperator>(expression);
  if (operation != nullptr && operation->getOpcode() == (holds ? clang::BO_LAnd : clang::BO_LOr)) {
    std::vector<Guard> both = guards(operation->getLHS(), holds);
    for (Guard& one : guards(operation->getRHS(), holds)) both.push_back(std::move(one));
    return both;
  }
  const ThreadValue all = value(expression);
  if (all.agree == Agree::kBlock) return {};
  Guard guard{.text = (holds ? "" : "!") + all.sum.text(), .axes = all.axes};
  if (operation == nullptr) {
    if (!holds) guard.kind = Guard::Kind::kIs, guard.left = all.sum;
    return {guard};
  }
  auto code = operation->getOpcode();
  if (!holds && operation->isComparisonOp()) code = clang::BinaryOperator::negateComparisonOp(code);
  ThreadValue a = value(operation->getLHS()), b = value(operation->getRHS());
  if (code == clang::BO_GT || code == clang::BO_GE) {
    std::swap(a, b);
    code = code == clang::BO_GT ? clang::BO_LT : clang::BO_LE;
  }
  if (code == clang::BO_EQ && a.agree == Agree::kBlock) std::swap(a, b);
  guard.left = a.sum, guard.right = b.sum;
  if (code == clang::BO_LE) ++guard.right.constant;
  if (code == clang::BO_EQ && b.agree == Agree::kBlock)
    guard.kind = Guard::Kind::kIs;
  else if (code == clang::BO_LT || code == clang::BO_LE)
    guard.kind = Guard::Kind::kBelow;
  return {guard};
}

Agree ThreadValues::exits(const Stmt* statement, bool returns_only) {
  if (statement == nullptr || isa<clang::LambdaExpr>(statement)) return Agree::kBlock;
  // Whether a way out lies inside, and who agrees on the conditions around it.
  struct Finder {
    ThreadValues& values;
    bool returns_only;
    Agree worst = Agree::kBlock;
    void look(const Stmt* at, Agree where, bool own_loop) {
      if (at == nullptr || isa<clang::Expr>(at)) return;
      const bool leaves = isa<clang::ReturnStmt>(at) ||
                          (!returns_only && own_loop && (isa<clang::BreakStmt>(at) || isa<clang::ContinueStmt>(at)));
      if (leaves) worst = std::max(worst, where);
      if (const auto* choice = dyn_cast<clang::IfStmt>(at))
        where = std::max(where, values.value(choice->getCond()).agree);
      const bool loop = isa<clang::ForStmt>(at) || isa<clang::WhileStmt>(at) || isa<clang::DoStmt>(at);
      if (loop) {
        const clang::Expr* condition = isa<clang::ForStmt>(at)     ? clang::cast<clang::ForStmt>(at)->getCond()
                                       : isa<clang::WhileStmt>(at) ? clang::cast<clang::WhileStmt>(at)->getCond()
                                                                   : clang::cast<clang::DoStmt>(at)->getCond();
        where = std::max(where, values.value(condition).agree);
      }
      each_child(at, [&](const Stmt* child) { look(child, where, own_loop && !loop); });
    }
  } finder{*this, returns_only};
  if (const bool loop =
          isa<clang::ForStmt>(statement) || isa<clang::WhileStmt>(statement) || isa<clang::DoStmt>(statement);
      loop && !returns_only)
    each_child(statement, [&](const Stmt* child) { finder.look(child, Agree::kBlock, true); });
  else
    finder.look(statement, Agree::kBlock, true);
  return finder.worst;
}

std::set<std::string> ThreadValues::changing(const Stmt* loop, bool counters) const {
  std::set<std::string> names;
  const auto add = [&](const clang::Expr* target) {
    const clang::VarDecl* variable = changed_variable(target);
    const auto facts = variables_.find(variable);
    if (facts != variables_.end() && (counters || !facts->second.steps)) names.insert(name_of(variable));
  };
  std::vector<const Stmt*> open{loop};
  while (!open.empty()) {
    const Stmt* at = open.back();
    open.pop_back();
    if (const auto* operation = dyn_cast<clang::BinaryOperator>(at);
        operation != nullptr && operation->isAssignmentOp())
      add(operation->getLHS());
    if (const auto* unary = dyn_cast<clang::UnaryOperator>(at); unary != nullptr && unary->isIncrementDecrementOp())
      add(unary->getSubExpr());
    each_child(at, [&](const Stmt* child) { open.push_back(child); });
  }
  return names;
}

}  // namespace dcn::migrate
