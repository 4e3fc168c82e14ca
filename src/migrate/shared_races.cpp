#include "migrate/shared_races.hpp"

#include <clang/AST/Attr.h>
#include <clang/AST/ParentMapContext.h>
#include <clang/Basic/SourceManager.h>
#include <clang/Lex/Lexer.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "migrate/shared_accesses.hpp"

namespace dcn::migrate {

namespace {

using clang::dyn_cast;
using clang::dyn_cast_or_null;
using clang::isa;
using clang::Stmt;

constexpr int kDeepest = 5;  // calls within calls that are followed

/// A statement on the way down, before which a barrier may be put.
struct Frame {
  const Stmt* statement = nullptr;
  Agree agree = Agree::kBlock;
  Pending before{};
  const clang::FunctionDecl* function = nullptr;
};

enum class At : unsigned char { kBefore, kInside, kHere };

/// What is done about a race, by the statement that it is done to.
struct Remedy {
  RaceFact::Remedy kind = RaceFact::Remedy::kNone;
  std::string variable{};
  const clang::FunctionDecl* function = nullptr;
};
using Remedies = std::map<std::pair<const Stmt*, At>, Remedy>;

bool is_barrier(const clang::CallExpr* call) {
  const std::string name = called_name(call);
  return name.starts_with("__syncthreads") || name == "__syncwarp" || name == "sync" || name == "__barrier_sync";
}

bool is_loop(const Stmt* statement) {
  return isa<clang::ForStmt>(statement) || isa<clang::WhileStmt>(statement) || isa<clang::DoStmt>(statement);
}

class KernelRaces {
 public:
  KernelRaces(clang::ASTContext& context, Remedies& remedies, std::map<const clang::FunctionDecl*, Agree>& entered)
      : context_(context), remedies_(remedies), entered_(entered), values_(context) {}

  void run(const clang::FunctionDecl* kernel) {
    if (!uses_shared(kernel->getBody(), 0)) return;
    // Every remedy changes what follows it: look again until nothing is found.
    for (int round = 0; round < 200; ++round) {
      found_ = false;
      pending_.clear(), frames_.clear(), guards_.clear(), pointers_.clear();
      dead_ = false, agree_ = Agree::kBlock, next_id_ = 0, ids_.clear();
      values_.begin(kernel);
      values_.enter(kernel->getBody(), Agree::kBlock);
      functions_ = {kernel};
      walk(kernel->getBody());
      if (!found_) return;
    }
  }

 private:
  // ---- what is looked at
  bool uses_shared(const Stmt* statement, int depth) {
    if (statement == nullptr || depth > kDeepest) return false;
    if (const auto* declarations = dyn_cast<clang::DeclStmt>(statement))
      for (const clang::Decl* one : declarations->decls())
        if (one->hasAttr<clang::CUDASharedAttr>()) return true;
    if (const auto* reference = dyn_cast<clang::DeclRefExpr>(statement))
      if (reference->getDecl()->hasAttr<clang::CUDASharedAttr>()) return true;
    if (const auto* call = dyn_cast<clang::CallExpr>(statement))
      if (const auto* function = called(call);
          function != nullptr && function->hasBody() && uses_shared(function->getBody(), depth + 1))
        return true;
    return std::any_of(statement->child_begin(), statement->child_end(),
                       [&](const Stmt* child) { return uses_shared(child, depth); });
  }

  // ---- places in shared memory
  static bool array_type(clang::QualType type) { return !type.isNull() && type->isArrayType(); }

  std::optional<Where> pointer(const clang::Expr* given) {
    const clang::Expr* expression = bare(given);
    if (expression == nullptr) return std::nullopt;
    if (const auto* reference = dyn_cast<clang::DeclRefExpr>(expression)) {
      const auto known = pointers_.find(reference->getDecl());
      if (known != pointers_.end()) return known->second;
    }
    if (array_type(expression->getType())) {
      auto at = element(expression);
      if (at) at->indices.emplace_back();
      return at;
    }
    if (const auto* unary = dyn_cast<clang::UnaryOperator>(expression);
        unary != nullptr && unary->getOpcode() == clang::UO_AddrOf) {
      auto at = element(unary->getSubExpr());
      if (at && at->indices.empty()) at->indices.emplace_back();
      return at;
    }
    if (const auto* operation = dyn_cast<clang::BinaryOperator>(expression);
        operation != nullptr && operation->isAdditiveOp()) {
      auto at = pointer(operation->getLHS());
      const bool left = at.has_value();
      if (!left && operation->getOpcode() == clang::BO_Add) at = pointer(operation->getRHS());
      if (at)
        at->indices.back().add(values_.value(left ? operation->getRHS() : operation->getLHS()).sum,
                               operation->getOpcode() == clang::BO_Add ? 1 : -1);
      return at;
    }
    if (const auto* choice = dyn_cast<clang::ConditionalOperator>(expression)) return pointer(choice->getTrueExpr());
    return std::nullopt;
  }

  std::optional<Where> element(const clang::Expr* given) {
    const clang::Expr* expression = bare(given);
    if (expression == nullptr) return std::nullopt;
    if (const auto* reference = dyn_cast<clang::DeclRefExpr>(expression)) {
      const auto* variable = dyn_cast<clang::VarDecl>(reference->getDecl());
      if (variable == nullptr) return std::nullopt;
      if (const auto known = references_.find(variable); known != references_.end()) return known->second;
      if (!variable->hasAttr<clang::CUDASharedAttr>()) return std::nullopt;
      // cub's storage, which our equivalents do not use.
      if (variable->getType().getAsString().find("TempStorage") != std::string::npos) return std::nullopt;
      return Where{variable->getCanonicalDecl()};
    }
    if (const auto* subscript = dyn_cast<clang::ArraySubscriptExpr>(expression)) {
      auto at = pointer(subscript->getBase());
      if (at) at->indices.back().add(values_.value(subscript->getIdx()).sum);
      return at;
    }
    if (const auto* unary = dyn_cast<clang::UnaryOperator>(expression);
        unary != nullptr && unary->getOpcode() == clang::UO_Deref)
      return pointer(unary->getSubExpr());
    if (const auto* member = dyn_cast<clang::MemberExpr>(expression)) {
      auto at = member->isArrow() ? pointer(member->getBase()) : element(member->getBase());
      if (at) at->part += "." + member->getMemberDecl()->getNameAsString();
      return at;
    }
    return std::nullopt;
  }

  /// A pointer that keeps a part of an array for itself: what lies behind it is another array.
  Where cut(Where at) const {
    Sum part, rest;
    for (const auto& [name, count] : at.indices.back().terms)
      (values_.term(name).agree == Agree::kBlock ? part : rest).terms[name] = count;
    (at.indices.back().constant >= 32 ? part : rest).constant = at.indices.back().constant;
    if (!(part == Sum{})) at.part += "+" + part.text();
    at.indices.back() = rest;
    return at;
  }

  // ---- accesses
  void access(const clang::Expr* expression, Access::Kind kind, const Where& where, bool known = true) {
    if (dead_) return;
    const auto [at, added] = ids_.emplace(std::pair{expression, kind}, next_id_);
    if (added) ++next_id_;
    const Access one{at->second, kind, where, guards_, expression, assignment_, known && where.known};
    for (const Access& earlier : pending_)
      if (meets(values_, pending_, earlier, one)) {
        remedy(earlier, one);
        if (found_) return;
      }
    unite(pending_, {one});
  }

  // ---- remedies
  void remedy(const Access& first, const Access& second) {
    const std::string name = second.where.array->getNameAsString();
    for (const Agree wanted : {Agree::kBlock, Agree::kWarp})
      for (const Frame& frame : frames_) {
        if (frame.agree != wanted || remedies_.count({frame.statement, At::kBefore}) > 0) continue;
        if (std::none_of(frame.before.begin(), frame.before.end(),
                         [&](const Access& one) { return one.id == first.id; }))
          continue;
        if (wanted == Agree::kWarp && (!first.known || !second.known)) continue;
        if (!insertable(frame.statement)) continue;
        remedies_[{frame.statement, At::kBefore}] = {
            wanted == Agree::kBlock ? RaceFact::Remedy::kBlockBarrier : RaceFact::Remedy::kWarpBarrier, name,
            frame.function};
        found_ = true;
        return;
      }
    if (first.statement != nullptr && first.statement == second.statement && !first.before) {
      if (!in_step(values_, first, second) || remedies_.count({second.statement, At::kInside}) > 0) return;
      const bool possible = std::any_of(frames_.begin(), frames_.end(), [&](const Frame& frame) {
        return frame.agree != Agree::kNobody && splittable(frame.statement, second.statement);
      });
      remedies_[{second.statement, At::kInside}] = {possible ? RaceFact::Remedy::kSplit
                                                    : sure(values_, first, second) && by_number(second.guards)
                                                        ? RaceFact::Remedy::kNone
                                                        : RaceFact::Remedy::kDoubt,
                                                    name, functions_.back()};
      found_ = true;
      return;
    }
    using Kind = RaceFact::Remedy;
    if (!first.known || !second.known) return;
    const bool left =
        first.kind == Access::Kind::kWrite && second.kind == Access::Kind::kRead && sure(values_, first, second);
    if (remedies_
            .emplace(std::pair{second.expression, At::kHere},
                     Remedy{left ? Kind::kNone : Kind::kDoubt, name, functions_.back()})
            .second)
      found_ = true;
  }

  /// The conditions ask for the thread's number only, not for data: who comes by is known.
  bool by_number(const std::vector<Guard>& guards) const {
    const auto known = [&](const Sum& sum) {
      return std::all_of(sum.terms.begin(), sum.terms.end(), [&](const auto& one) {
        const Term& term = values_.term(one.first);
        return term.agree == Agree::kBlock || term.distinct || term.quotient || term.remainder;
      });
    };
    return std::all_of(guards.begin(), guards.end(), [&](const Guard& guard) {
      return guard.kind != Guard::Kind::kOther && known(guard.left) && known(guard.right);
    });
  }

  bool insertable(const Stmt* statement) const {
    const auto begin = statement->getBeginLoc();
    return begin.isFileID() ||
           clang::Lexer::isAtStartOfMacroExpansion(begin, context_.getSourceManager(), context_.getLangOpts());
  }
  /// The frame's statement is the assignment, or "if (c)" and the assignment.
  bool splittable(const Stmt* frame, const Stmt* assignment) const {
    if (!isa<clang::BinaryOperator>(assignment) || assignment->getBeginLoc().isMacroID() ||
        assignment->getEndLoc().isMacroID())
      return false;
    const auto* choice = dyn_cast<clang::IfStmt>(frame);
    if (choice == nullptr) return frame == assignment;
    if (choice->getBeginLoc().isMacroID() || choice->getElse() != nullptr || choice->getInit() != nullptr ||
        choice->isConstexpr())
      return false;
    const Stmt* then = choice->getThen();
    if (const auto* block = dyn_cast<clang::CompoundStmt>(then))
      then = block->size() == 1 ? block->body_front() : nullptr;
    return then == assignment;
  }

  // ---- statements
  void walk(const Stmt* statement) {
    if (statement == nullptr || found_ || dead_) return;
    if (const auto* block = dyn_cast<clang::CompoundStmt>(statement)) return walk_block(block);
    if (const auto* choice = dyn_cast<clang::IfStmt>(statement)) return walk_if(choice);
    if (is_loop(statement)) return walk_loop(statement);
    if (const auto* cases = dyn_cast<clang::SwitchStmt>(statement)) return walk_switch(cases);
    if (const auto* declarations = dyn_cast<clang::DeclStmt>(statement)) return walk_declarations(declarations);
    if (const auto* leave = dyn_cast<clang::ReturnStmt>(statement)) {
      walk(leave->getRetValue());
      if (!returns_.empty()) unite(returns_.back(), pending_);
      dead_ = true;
      return;
    }
    if (isa<clang::BreakStmt>(statement) || isa<clang::ContinueStmt>(statement)) {
      auto& list = isa<clang::BreakStmt>(statement) ? breaks_ : continues_;
      if (!list.empty()) unite(list.back(), pending_);
      dead_ = true;
      return;
    }
    if (const auto* expression = dyn_cast<clang::Expr>(statement)) return evaluate(expression);
    for (const Stmt* child : statement->children()) walk(child);
  }

  void walk_block(const clang::CompoundStmt* block) {
    const Agree outer = agree_;
    const std::size_t guards = guards_.size();
    Agree left = Agree::kBlock;
    for (const Stmt* child : block->body()) {
      if (found_ || dead_) break;
      step(child);
      // Behind "if (tid >= n) return;" go those with tid < n.
      left = std::max(left, values_.exits(child, false));
      agree_ = std::max(agree_, left);
      if (const auto* choice = dyn_cast<clang::IfStmt>(child);
          choice != nullptr && choice->getElse() == nullptr && contains_way_out(choice->getThen()))
        for (Guard& one : values_.guards(choice->getCond(), false)) guards_.push_back(std::move(one));
      returned_ = std::max(returned_, values_.exits(child, true));
    }
    guards_.resize(guards);
    agree_ = std::max(outer, returned_);
  }

  void walk_body(const Stmt* body) {
    if (body == nullptr || isa<clang::CompoundStmt>(body)) return walk(body);
    step(body);
  }

  /// A statement before which a barrier can stand, within braces where it is a body without.
  void step(const Stmt* statement) {
    if (remedies_.count({statement, At::kBefore}) > 0) pending_.clear();
    frames_.push_back({statement, agree_, pending_, functions_.back()});
    walk(statement);
    frames_.pop_back();
  }

  void walk_if(const clang::IfStmt* choice) {
    walk(choice->getInit());
    walk(choice->getConditionVariableDeclStmt());
    walk(choice->getCond());
    if (found_) return;
    const Agree outer = agree_;
    const Agree condition = values_.value(choice->getCond()).agree;
    const Pending before = pending_;
    const auto branch = [&](const Stmt* body, bool holds) {
      const std::size_t guards = guards_.size();
      for (Guard& one : values_.guards(choice->getCond(), holds)) guards_.push_back(std::move(one));
      agree_ = std::max(outer, condition);
      dead_ = false, pending_ = before;
      walk_body(body);
      guards_.resize(guards);
      return std::pair{dead_, pending_};
    };
    const auto [then_dead, then_pending] = branch(choice->getThen(), true);
    if (found_) return;
    const auto [else_dead, else_pending] = branch(choice->getElse(), false);
    if (found_) return;
    pending_.clear();
    if (!then_dead) unite(pending_, then_pending);
    if (!else_dead) unite(pending_, else_pending);
    dead_ = then_dead && else_dead;
    agree_ = std::max(outer, returned_);
  }

  void walk_switch(const clang::SwitchStmt* cases) {
    walk(cases->getCond());
    const Agree outer = agree_;
    agree_ = std::max(agree_, values_.value(cases->getCond()).agree);
    const Pending before = pending_;
    breaks_.emplace_back(before);
    if (const auto* block = dyn_cast_or_null<clang::CompoundStmt>(cases->getBody()))
      for (const Stmt* child : block->body()) {
        if (found_) break;
        if (isa<clang::SwitchCase>(child)) unite(pending_, before), dead_ = false;
        walk(child);
      }
    if (!dead_) unite(breaks_.back(), pending_);
    pending_ = std::move(breaks_.back());
    breaks_.pop_back();
    dead_ = false;
    agree_ = std::max(outer, returned_);
  }

  void walk_loop(const Stmt* loop) {
    const auto* counting = dyn_cast<clang::ForStmt>(loop);
    const auto* asking = dyn_cast<clang::WhileStmt>(loop);
    const auto* first = dyn_cast<clang::DoStmt>(loop);
    if (counting != nullptr) walk(counting->getInit());
    const clang::Expr* condition = counting != nullptr ? counting->getCond()
                                   : asking != nullptr ? asking->getCond()
                                                       : first->getCond();
    const Stmt* body = counting != nullptr ? counting->getBody()
                       : asking != nullptr ? asking->getBody()
                                           : first->getBody();
    const Agree outer = agree_;
    const std::size_t guards = guards_.size();
    if (first == nullptr) walk(condition);
    Agree rounds = values_.exits(loop, false);
    if (condition != nullptr) rounds = std::max(rounds, values_.value(condition).agree);
    const bool sure = first != nullptr || has_barrier(body);
    Pending none = pending_, after = sure ? Pending{} : pending_;
    breaks_.emplace_back();
    if (condition != nullptr)
      for (Guard& one : values_.guards(condition, true)) guards_.push_back(std::move(one));
    for (int round = 0; round < 2 && !found_; ++round) {
      continues_.emplace_back();
      agree_ = std::max(outer, rounds);
      dead_ = false;
      walk_body(body);
      if (!dead_) unite(continues_.back(), pending_);
      pending_ = std::move(continues_.back());
      continues_.pop_back();
      dead_ = false;
      if (found_) break;
      if (gets_barrier(body)) pending_.clear();
      if (counting != nullptr) walk(counting->getInc());
      if (round == 0) next_round(loop);
      walk(condition);
      unite(after, pending_);
      if (round == 0) unite(pending_, none);
    }
    guards_.resize(guards);
    unite(after, breaks_.back());
    breaks_.pop_back();
    pending_ = std::move(after);
    dead_ = false;
    agree_ = std::max(outer, returned_);
  }

  /// What is pending at the end of a loop's body is of the round before now.
  void next_round(const Stmt* loop) {
    const auto rename = [](Sum& sum, const std::set<std::string>& names) {
      Sum result{.constant = sum.constant};
      for (const auto& [name, count] : sum.terms) {
        bool changes = names.count(name) > 0;
        for (const std::string& one : names) changes = changes || name.find(one) != std::string::npos;
        result.terms[name + (changes ? "'" : "")] += count;
      }
      sum = result;
    };
    const auto counters = values_.changing(loop, true), others = values_.changing(loop, false);
    for (Access& one : pending_) {
      one.before = true;
      for (Sum& index : one.where.indices) {
        for (const auto& [name, count] : index.terms) values_.primed(name);
        rename(index, others);
      }
      for (Guard& guard : one.guards) {
        for (const auto& [name, count] : guard.left.terms) values_.primed(name);
        const std::string was = guard.left.text() + guard.right.text();
        rename(guard.left, counters), rename(guard.right, counters);
        if (guard.left.text() + guard.right.text() != was)
          guard.text += "'";
        else
          for (const std::string& name : counters)
            if (guard.text.find(name) != std::string::npos) {
              guard.text += "'";
              break;
            }
      }
    }
  }

  void walk_declarations(const clang::DeclStmt* declarations) {
    for (const clang::Decl* declaration : declarations->decls()) {
      const auto* variable = dyn_cast<clang::VarDecl>(declaration);
      if (variable == nullptr || variable->hasAttr<clang::CUDASharedAttr>()) continue;
      values_.declare(variable);
      if (variable->getInit() == nullptr) continue;
      follow(variable, variable->getInit());
    }
  }

  /// A variable gets a value, or an address in shared memory.
  void follow(const clang::VarDecl* variable, const clang::Expr* initial) {
    const clang::QualType type = variable->getType();
    if (type->isReferenceType()) {
      if (const auto at = element(initial)) {
        references_[variable] = *at;
        return;
      }
    } else if (type->isPointerType() || isa<clang::AutoType>(type.getTypePtr()->getUnqualifiedDesugaredType()) ||
               type->isUndeducedType() || type->isDependentType()) {
      if (const auto at = type->isPointerType() || pointer_like(initial) ? pointer(initial) : std::nullopt) {
        pointers_[variable] = cut(*at);
        return;
      }
    }
    evaluate(initial);
  }
  static bool pointer_like(const clang::Expr* expression) {
    const clang::QualType type = bare(expression)->getType();
    return !type.isNull() && (type->isPointerType() || type->isArrayType());
  }

  // ---- expressions
  void evaluate(const clang::Expr* given) {
    if (given == nullptr || found_ || dead_ || isa<clang::LambdaExpr>(given)) return;
    const clang::Expr* expression = bare(given);
    if (const auto* operation = dyn_cast<clang::BinaryOperator>(expression);
        operation != nullptr && operation->isAssignmentOp())
      return assign(operation, operation->getLHS(), operation->getRHS(), operation->getOpcode() != clang::BO_Assign);
    if (const auto* unary = dyn_cast<clang::UnaryOperator>(expression)) {
      if (unary->isIncrementDecrementOp()) return assign(unary, unary->getSubExpr(), nullptr, true);
      if (unary->getOpcode() == clang::UO_AddrOf) return indices(unary->getSubExpr());
    }
    if (const auto* call = dyn_cast<clang::CallExpr>(expression)) return walk_call(call);
    if (const auto at = element(expression)) {
      indices(expression);
      if (!array_type(expression->getType())) access(expression, Access::Kind::kRead, *at);
      return;
    }
    for (const Stmt* child : expression->children())
      if (const auto* part = dyn_cast_or_null<clang::Expr>(child)) evaluate(part);
  }

  /// What an element's indices read.
  void indices(const clang::Expr* given) {
    const clang::Expr* expression = bare(given);
    if (const auto* subscript = dyn_cast<clang::ArraySubscriptExpr>(expression)) {
      indices(subscript->getBase());
      evaluate(subscript->getIdx());
    } else if (const auto* member = dyn_cast<clang::MemberExpr>(expression)) {
      indices(member->getBase());
    } else if (const auto* unary = dyn_cast<clang::UnaryOperator>(expression);
               unary != nullptr && (unary->getOpcode() == clang::UO_Deref || unary->getOpcode() == clang::UO_AddrOf)) {
      indices(unary->getSubExpr());
    } else if (const auto* operation = dyn_cast<clang::BinaryOperator>(expression);
               operation != nullptr && !operation->isAssignmentOp()) {
      indices(operation->getLHS()), indices(operation->getRHS());
    } else if (!isa<clang::DeclRefExpr>(expression)) {
      evaluate(expression);
    }
  }

  void assign(const clang::Expr* whole, const clang::Expr* target, const clang::Expr* value, bool reads) {
    const Stmt* outer = assignment_;
    assignment_ = whole;
    evaluate(value);
    const auto at = element(target);
    if (at && !array_type(bare(target)->getType())) {
      indices(target);
      if (reads) access(target, Access::Kind::kRead, *at);
      if (const auto known = remedies_.find({whole, At::kInside});
          known != remedies_.end() && known->second.kind == RaceFact::Remedy::kSplit)
        pending_.clear();
      access(target, Access::Kind::kWrite, *at);
    } else {
      evaluate(target);
      const auto* reference = dyn_cast<clang::DeclRefExpr>(bare(target));
      const auto* variable = reference != nullptr ? dyn_cast<clang::VarDecl>(reference->getDecl()) : nullptr;
      if (variable != nullptr && value != nullptr && variable->getType()->isPointerType())
        if (auto place = pointer(value)) {
          Where now = cut(*place);
          const auto was = pointers_.find(variable);
          if (was != pointers_.end() && (was->second.array != now.array || was->second.part != now.part ||
                                         was->second.indices != now.indices || !was->second.known))
            now.known = false;
          pointers_[variable] = now;
        }
    }
    assignment_ = outer;
  }

  void walk_call(const clang::CallExpr* call) {
    if (is_barrier(call)) {
      pending_.clear();
      return;
    }
    const std::string name = called_name(call);
    if (const auto* own = dyn_cast<clang::CXXOperatorCallExpr>(call);
        own != nullptr && own->isAssignmentOp() && own->getNumArgs() == 2)
      return assign(own, own->getArg(0), own->getArg(1), own->getOperator() != clang::OO_Equal);
    if (name.starts_with("atomic") || name.starts_with("gpuAtomic")) {
      for (unsigned i = 1; i < call->getNumArgs(); ++i) evaluate(call->getArg(i));
      if (call->getNumArgs() > 0) {
        if (const auto at = pointer(call->getArg(0))) access(call->getArg(0), Access::Kind::kAtomic, *at);
        evaluate(call->getArg(0));
      }
      return;
    }
    const clang::FunctionDecl* function = called(call);
    const bool inside = function != nullptr && function->hasBody() && functions_.size() < kDeepest &&
                        std::find(functions_.begin(), functions_.end(), function) == functions_.end();
    const bool method = isa<clang::CXXOperatorCallExpr>(call);
    if (!inside || method || function->getNumParams() < call->getNumArgs()) {
      if (!isa<clang::DeclRefExpr>(bare(call->getCallee()))) evaluate(call->getCallee());
      for (const clang::Expr* argument : call->arguments()) {
        const auto at = pointer_like(argument) ? pointer(argument) : std::nullopt;
        if (at)
          access(argument, Access::Kind::kWrite, *at, false);
        else
          evaluate(argument);
      }
      return;
    }
    std::vector<const clang::ParmVarDecl*> later;
    for (unsigned i = 0; i < call->getNumArgs(); ++i) {
      const clang::ParmVarDecl* parameter = function->getParamDecl(i);
      pointers_.erase(parameter), references_.erase(parameter);
      const ThreadValue value = values_.value(call->getArg(i));
      follow(parameter, call->getArg(i));
      values_.bind(parameter, value);
    }
    if (found_ || !relevant(function)) return;
    enter(function);
  }

  /// The function has something to do with shared memory or barriers.
  bool relevant(const clang::FunctionDecl* function) {
    for (const clang::ParmVarDecl* parameter : function->parameters())
      if (pointers_.count(parameter) > 0 || references_.count(parameter) > 0) return true;
    return uses_shared(function->getBody(), 1) || syncs(function->getBody(), 0);
  }
  static bool syncs(const Stmt* statement, int depth) {
    if (statement == nullptr || depth > kDeepest) return false;
    if (const auto* call = dyn_cast<clang::CallExpr>(statement)) {
      if (is_barrier(call)) return true;
      if (const auto* function = called(call);
          function != nullptr && function->hasBody() && syncs(function->getBody(), depth + 1))
        return true;
    }
    return std::any_of(statement->child_begin(), statement->child_end(),
                       [&](const Stmt* child) { return syncs(child, depth); });
  }

  void enter(const clang::FunctionDecl* function) {
    const auto [worst, fresh] = entered_.emplace(function, agree_);
    worst->second = std::max(worst->second, agree_);
    const Agree outer = agree_, returned = returned_;
    const Stmt* assignment = assignment_;
    assignment_ = nullptr;
    const std::size_t guards = guards_.size();
    functions_.push_back(function);
    returns_.emplace_back();
    values_.enter(function->getBody(), agree_);
    walk(function->getBody());
    if (!dead_) unite(returns_.back(), pending_);
    pending_ = std::move(returns_.back());
    returns_.pop_back();
    functions_.pop_back();
    guards_.resize(guards);
    assignment_ = assignment;
    dead_ = false, agree_ = outer, returned_ = returned;
  }

  clang::ASTContext& context_;
  Remedies& remedies_;
  std::map<const clang::FunctionDecl*, Agree>& entered_;
  ThreadValues values_;
  Pending pending_;
  std::vector<Frame> frames_;
  std::vector<Guard> guards_;
  std::vector<Pending> breaks_, continues_, returns_;
  std::vector<const clang::FunctionDecl*> functions_;
  std::map<const clang::ValueDecl*, Where> pointers_, references_;
  std::map<std::pair<const clang::Expr*, Access::Kind>, int> ids_;
  const Stmt* assignment_ = nullptr;
  Agree agree_ = Agree::kBlock, returned_ = Agree::kBlock;
  bool dead_ = false, found_ = false;
  int next_id_ = 0;
};

/// A body without braces of a loop or a condition.
bool bare_body(clang::ASTContext& context, const Stmt* statement) {
  const auto parents = context.getParents(*statement);
  const Stmt* parent = parents.empty() ? nullptr : parents[0].get<Stmt>();
  return parent != nullptr && (isa<clang::IfStmt>(parent) || is_loop(parent));
}

}  // namespace

void find_shared_races(clang::ASTContext& context, const std::vector<const clang::FunctionDecl*>& kernels,
                       const SpelledAt& spelled, Facts& facts) {
  const clang::SourceManager& manager = context.getSourceManager();
  const clang::LangOptions& options = context.getLangOpts();
  Remedies remedies;
  std::map<const clang::FunctionDecl*, Agree> entered;
  for (const clang::FunctionDecl* kernel : kernels) KernelRaces(context, remedies, entered).run(kernel);
  const auto token = [&](clang::SourceLocation at) {
    const unsigned begin = spelled(at).second;
    return Span{begin, begin + clang::Lexer::MeasureTokenLength(manager.getSpellingLoc(at), manager, options)};
  };
  for (auto& [place, remedy] : remedies) {
    const Stmt* statement = place.first;
    using Kind = RaceFact::Remedy;
    // All callers of a function must come to it together.
    const auto caller = entered.find(remedy.function);
    const Agree together = caller != entered.end() ? caller->second : Agree::kBlock;
    if (together == Agree::kNobody && remedy.kind != Kind::kDoubt) remedy.kind = Kind::kNone;
    if (together == Agree::kWarp && remedy.kind == Kind::kBlockBarrier) remedy.kind = Kind::kWarpBarrier;
    RaceFact fact;
    fact.remedy = remedy.kind, fact.variable = remedy.variable;
    clang::SourceLocation begin = statement->getBeginLoc();
    if (begin.isMacroID()) begin = manager.getExpansionLoc(begin);
    if (remedy.kind == Kind::kSplit) {
      const auto* assignment = clang::cast<clang::BinaryOperator>(statement);
      fact.operation = token(assignment->getOperatorLoc());
      const auto semicolon = clang::Lexer::findNextToken(assignment->getEndLoc(), manager, options);
      if (semicolon) fact.end = spelled(semicolon->getLocation()).second;
      const auto parents = context.getParents(*assignment);
      const Stmt* above = parents.empty() ? nullptr : parents[0].get<Stmt>();
      if (const auto* block = dyn_cast_or_null<clang::CompoundStmt>(above); block != nullptr && block->size() == 1) {
        const auto outer = context.getParents(*block);
        if (const auto* choice = outer.empty() ? nullptr : outer[0].get<clang::IfStmt>(); choice != nullptr) {
          fact.close = token(block->getRBracLoc());
          above = choice;
        }
      }
      if (const auto* choice = dyn_cast_or_null<clang::IfStmt>(above)) {
        fact.open = {token(choice->getIfLoc()).begin, token(choice->getLParenLoc()).end};
        fact.then = {token(choice->getRParenLoc()).begin, token(assignment->getBeginLoc()).begin};
      }
    }
    if (place.second == At::kBefore && bare_body(context, statement)) {
      auto end = statement->getEndLoc();
      if (end.isMacroID()) end = manager.getExpansionRange(end).getEnd();
      const auto next = clang::Lexer::findNextToken(end, manager, options);
      const bool semicolon = isa<clang::Expr>(statement) && next && next->is(clang::tok::semi);
      fact.end = semicolon ? token(next->getLocation()).end : token(end).end;
    }
    const auto [file, offset] = spelled(begin);
    if (file != nullptr) facts.files[*file].races[offset].push_back(fact);
  }
}

}  // namespace dcn::migrate
