/// \file launch_arguments.hpp
/// Template arguments of launches, as they are to be written out. Only for the files that know clang.
#pragma once

#include <clang/AST/ASTContext.h>
#include <clang/AST/ExprCXX.h>

#include "migrate/facts.hpp"

namespace dcn::migrate {

/// Types by their plain names: no "struct", no namespaces that the source leaves out.
clang::PrintingPolicy plain_printing(const clang::ASTContext& context);

/// Adds to the fact what the arguments of the call say about the template parameters of `primary` from the one with
/// number `written` on. `target`: the instance, if there is one already.
void deduce_template_arguments(clang::ASTContext& context, const clang::CUDAKernelCallExpr* call, LaunchFact& fact,
                               const clang::FunctionDecl* target, const clang::FunctionTemplateDecl* primary,
                               unsigned written);

}  // namespace dcn::migrate
