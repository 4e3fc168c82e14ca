/// \file shared_accesses.hpp
/// What threads do with shared memory, and whether two of them may meet at one place. Part of the frontend: it speaks
/// clang.
#pragma once

#include <string>
#include <vector>

#include "migrate/thread_values.hpp"

namespace dcn::migrate {

/// A place in shared memory, or a pointer to one: then the last index is where it points to.
struct Where {
  const clang::VarDecl* array = nullptr;
  std::string part{};  ///< of an array that is cut into several by pointers, and members
  std::vector<Sum> indices{};
  bool known = true;  ///< false: through a pointer that points to several
};

struct Access {
  enum class Kind : unsigned char { kRead, kWrite, kAtomic };
  int id = 0;
  Kind kind = Kind::kRead;
  Where where{};
  std::vector<Guard> guards{};
  const clang::Expr* expression = nullptr;
  const clang::Stmt* statement = nullptr;  ///< the assignment that it belongs to
  bool known = true;                       ///< false: somewhere in the array
  bool before = false;                     ///< of a loop's round before
};

using Pending = std::vector<Access>;

/// Adds what is not there yet.
void unite(Pending& to, const Pending& from);

/// Two threads may meet at one place, one of them writing. `pending`: what else was done since the last barrier.
bool meets(const ThreadValues& values, const Pending& pending, const Access& first, const Access& second);

/// An assignment that counts on all lanes to read before any writes.
bool in_step(const ThreadValues& values, const Access& read, const Access& write);

/// They do meet: s[tid] and s[tid + 1].
bool sure(const ThreadValues& values, const Access& first, const Access& second);

/// The statement leaves a loop's round or the function, in some place.
bool contains_way_out(const clang::Stmt* statement);
/// A loop's body that comes to a __syncthreads() in every round.
bool has_barrier(const clang::Stmt* body);
/// rule_races puts a barrier at the end of the loop's body: variables are used before its first barrier and behind
/// its last, and written.
bool gets_barrier(const clang::Stmt* body);

}  // namespace dcn::migrate
