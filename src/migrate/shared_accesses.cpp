#include "migrate/shared_accesses.hpp"

#include <clang/AST/Attr.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>

namespace dcn::migrate {

namespace {

using clang::dyn_cast;
using clang::dyn_cast_or_null;
using clang::isa;
using clang::Stmt;

constexpr long long kMostThreads = 1024;  // of a block

bool subset(const std::vector<Guard>& of, const std::vector<Guard>& all) {
  return std::all_of(of.begin(), of.end(),
                     [&](const Guard& g) { return std::find(all.begin(), all.end(), g) != all.end(); });
}

bool changing_remainder(const ThreadValues& values, const Guard& guard) {
  return std::any_of(guard.left.terms.begin(), guard.left.terms.end(),
                     [&](const auto& one) { return values.term(one.first).modulus; });
}

/// Axes that conditions on both sides hold to one value.
Axes held(const ThreadValues& values, const Access& a, const Access& b) {
  Axes axes = 0;
  for (const Guard& one : a.guards)
    if (one.kind == Guard::Kind::kIs && std::find(b.guards.begin(), b.guards.end(), one) != b.guards.end()) {
      axes |= values.told_apart(one.left);
      if (changing_remainder(values, one)) axes |= one.axes;
    }
  return axes;
}
/// Both hold the lane (tid % 32 == 0), say, and the index has the warp (tid / 32).
bool held_rest(const ThreadValues& values, const Access& a, const Access& b, const Sum& index) {
  for (const Guard& one : a.guards) {
    if (one.kind != Guard::Kind::kIs || std::find(b.guards.begin(), b.guards.end(), one) == b.guards.end()) continue;
    for (const auto& [name, count] : index.terms)
      if (values.term(name).axes != 0 && one.left.terms.count(name) == 0 && (values.term(name).axes & ~one.axes) == 0)
        return true;
  }
  return false;
}

/// The sum where a guard fixes one of its terms: s[tid] where tid == 0 is s[0].
Sum fixed(Sum sum, const std::vector<Guard>& guards) {
  for (const Guard& one : guards)
    if (one.kind == Guard::Kind::kIs && one.left.terms.size() == 1 && one.left.terms.begin()->second == 1) {
      const auto at = sum.terms.find(one.left.terms.begin()->first);
      if (at == sum.terms.end()) continue;
      const long long count = at->second;
      sum.terms.erase(at);
      sum.add(one.right, count);
      sum.constant -= one.left.constant * count;
    }
  return sum;
}

/// Both indices belong to one thread's own piece of the array.
bool own_piece(const ThreadValues& values, const Sum& a, const Sum& b) {
  const Sum gap = a.minus(b);
  bool strided = false, block = false;
  for (const auto& [name, count] : gap.terms) {
    if (values.term(name).agree != Agree::kBlock) return false;
    block = block || name.find("blockDim") != std::string::npos;
  }
  if (block) return true;
  for (const auto& [name, count] : a.terms) {
    const Term& term = values.term(name);
    if (term.agree == Agree::kBlock) continue;
    if (!term.strided && (count == 1 || count == -1)) return false;
    if (!term.strided && !(gap.plain() && std::abs(gap.constant) < std::abs(count))) return false;
    strided = true;
  }
  return strided;
}

/// 3 * tid + 1 is no multiple of 3.
bool never_zero(const Sum& sum) {
  long long divisor = 0;
  for (const auto& [name, count] : sum.terms) divisor = std::gcd(divisor, count);
  return divisor > 1 && sum.constant % divisor != 0;
}

/// s[tid] where tid < n, and s[tid + n]: never the same.
bool beyond(const Access& low, const Sum& low_index, const Sum& high_index) {
  for (const Guard& one : low.guards) {
    if (one.kind != Guard::Kind::kBelow) continue;
    const Sum shift = low_index.minus(one.left);  // low index = left + shift < right + shift
    if (!shift.plain()) continue;
    Sum above = high_index.minus(one.left).minus(one.right);
    above.add(shift, -1);
    if (above.plain() && above.constant >= 0) return true;
  }
  return false;
}

void shared_uses(const Stmt* statement, std::map<const clang::Decl*, bool>& uses) {
  if (const auto* reference = dyn_cast<clang::DeclRefExpr>(statement);
      reference != nullptr && reference->getDecl()->hasAttr<clang::CUDASharedAttr>() &&
      !reference->getBeginLoc().isMacroID())
    uses.emplace(reference->getDecl(), false);
  const auto* operation = dyn_cast<clang::BinaryOperator>(statement);
  if (operation != nullptr && operation->isAssignmentOp()) {
    const clang::Expr* target = bare(operation->getLHS());
    while (const auto* element = dyn_cast<clang::ArraySubscriptExpr>(target)) target = bare(element->getBase());
    if (const auto* reference = dyn_cast<clang::DeclRefExpr>(target);
        reference != nullptr && reference->getDecl()->hasAttr<clang::CUDASharedAttr>() &&
        !reference->getBeginLoc().isMacroID())
      uses[reference->getDecl()] = true;
  }
  for (const Stmt* child : statement->children())
    if (child != nullptr) shared_uses(child, uses);
}

}  // namespace

bool contains_way_out(const Stmt* statement) {
  if (isa<clang::BreakStmt>(statement) || isa<clang::ContinueStmt>(statement) || isa<clang::ReturnStmt>(statement))
    return true;
  return std::any_of(statement->child_begin(), statement->child_end(),
                     [](const Stmt* child) { return child != nullptr && contains_way_out(child); });
}

bool has_barrier(const Stmt* body) {
  const auto* block = dyn_cast_or_null<clang::CompoundStmt>(body);
  return block != nullptr && std::any_of(block->body_begin(), block->body_end(), [](const Stmt* child) {
           const auto* call = dyn_cast<clang::CallExpr>(child);
           return call != nullptr && called_name(call) == "__syncthreads";
         });
}

bool gets_barrier(const Stmt* body) {
  if (!has_barrier(body)) return false;
  std::map<const clang::Decl*, bool> before, after;
  bool first = true;
  for (const Stmt* child : clang::cast<clang::CompoundStmt>(body)->body()) {
    const auto* call = dyn_cast<clang::CallExpr>(child);
    if (call != nullptr && called_name(call) == "__syncthreads") {
      first = false;
      after.clear();
    } else {
      shared_uses(child, first ? before : after);
      if (!first && contains_way_out(child)) after.clear(), after.emplace(nullptr, false);
    }
  }
  if (after.count(nullptr) > 0) return false;
  return std::any_of(before.begin(), before.end(), [&](const auto& one) {
    const auto other = after.find(one.first);
    return other != after.end() && (one.second || other->second);
  });
}

void unite(Pending& to, const Pending& from) {
  for (const Access& one : from)
    if (std::none_of(to.begin(), to.end(), [&](const Access& known) {
          return known.id == one.id && known.guards == one.guards && known.where.indices == one.where.indices;
        }))
      to.push_back(one);
}

bool meets(const ThreadValues& values, const Pending& pending, const Access& first, const Access& second) {
  using Kind = Access::Kind;
  if (first.where.array != second.where.array || first.where.part != second.where.part) return false;
  if (first.kind == second.kind) return false;  // reads; writes (of equal values, or of others' elements); atomics
  if (first.id == second.id) return false;
  const Axes all = values.used_axes();
  const Axes fixed_axes = held(values, first, second);
  if (all != 0 && (fixed_axes & all) == all) return false;  // one thread does both
  if (!first.known || !second.known) return true;
  const auto& a = first.where.indices;
  const auto& b = second.where.indices;
  const std::size_t count = std::min(a.size(), b.size());
  bool equal = a.size() == b.size();
  Axes covered = fixed_axes, quotients = 0, remainders = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Sum gap = a[i].minus(b[i]);
    if (gap == Sum{}) {
      covered |= values.told_apart(a[i]);
      for (const auto& [name, terms] : a[i].terms) {
        quotients |= values.term(name).quotient ? values.term(name).axes : 0;
        remainders |= values.term(name).remainder ? values.term(name).axes : 0;
      }
      if (held_rest(values, first, second, a[i])) return false;
      continue;
    }
    equal = false;
    if (gap.plain() && values.uniform(a[i])) return false;  // s[0] and s[1]
    if (gap.plain() && std::abs(gap.constant) >= kMostThreads) return false;
    if (never_zero(gap) || own_piece(values, a[i], b[i])) return false;
    if (beyond(first, a[i], b[i]) || beyond(second, b[i], a[i])) return false;
  }
  covered |= quotients & remainders;         // s[tid / 32][tid % 32]
  if ((covered & all) == all) return false;  // each thread has its own
  if (equal && first.kind != Kind::kRead && subset(first.guards, second.guards)) return false;  // it wrote that itself
  // Where a thread's number is fixed, its own element is that one.
  bool same = a.size() == b.size();
  for (std::size_t i = 0; same && i < count; ++i) same = fixed(a[i], second.guards) == fixed(b[i], first.guards);
  if (same && (!second.guards.empty() || !first.guards.empty()) && !equal) return false;
  // A read of what this thread wrote last, too.
  if (second.kind == Kind::kRead)
    for (const Access& mine : pending)
      if (mine.kind == Kind::kWrite && mine.known && mine.where.array == second.where.array &&
          mine.where.part == second.where.part && mine.where.indices == b && subset(mine.guards, second.guards) &&
          mine.id != first.id && !equal)
        return false;
  return true;
}

bool in_step(const ThreadValues& values, const Access& read, const Access& write) {
  return read.known && write.known &&
         std::any_of(write.where.indices.begin(), write.where.indices.end(),
                     [&](const Sum& index) { return values.told_apart(index) != 0; });
}

bool sure(const ThreadValues& values, const Access& first, const Access& second) {
  if (!first.known || !second.known || first.where.indices.size() != second.where.indices.size()) return false;
  for (std::size_t i = 0; i < first.where.indices.size(); ++i) {
    const Sum gap = first.where.indices[i].minus(second.where.indices[i]);
    if (!(gap == Sum{}) && values.uniform(gap) && values.told_apart(first.where.indices[i]) != 0) return true;
  }
  return false;
}

}  // namespace dcn::migrate
