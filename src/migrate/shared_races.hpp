/// \file shared_races.hpp
/// Finds where threads of a block use shared memory that others of them write with no barrier between: on a GPU the
/// threads of a warp used to run in step, in SYCL they do not. Part of the frontend: it speaks clang.
#pragma once

#include <clang/AST/ASTContext.h>
#include <clang/AST/Decl.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "migrate/facts.hpp"

namespace dcn::migrate {

/// Where a piece of text is spelled: the project's file and the offset; null for a file of somebody else.
using SpelledAt = std::function<std::pair<const std::string*, unsigned>(clang::SourceLocation)>;

/// Looks at all kernels of a source together: a function that several of them call gets its barriers once.
void find_shared_races(clang::ASTContext& context, const std::vector<const clang::FunctionDecl*>& kernels,
                       const SpelledAt& spelled, Facts& facts);

}  // namespace dcn::migrate
