#include "migrate/launch_arguments.hpp"

#include <clang/AST/DeclTemplate.h>
#include <llvm/ADT/StringExtras.h>

#include <algorithm>
#include <map>

namespace dcn::migrate {

namespace {

using clang::dyn_cast;
using clang::isa;

class Deduction {
 public:
  explicit Deduction(clang::ASTContext& context) : context_(context) {}

  void deduce(const clang::CUDAKernelCallExpr* call, LaunchFact& fact, const clang::FunctionDecl* target,
              const clang::FunctionTemplateDecl* primary, unsigned written) {
    const clang::FunctionDecl* pattern = primary->getTemplatedDecl();
    const clang::TemplateParameterList* parameters = primary->getTemplateParameters();
    std::map<unsigned, clang::QualType> bound;
    std::string pack;  // what a last parameter "A... rest" gets
    bool dependent = false;
    for (unsigned i = 0; i < std::min(call->getNumArgs(), pattern->getNumParams()); ++i) {
      const clang::Expr* argument = call->getArg(i)->IgnoreImplicit();
      dependent = dependent || argument->isTypeDependent();
      if (isa<clang::PackExpansionType>(pattern->getParamDecl(i)->getOriginalType())) {
        if (!spell_pack(call, i, pack)) return;
        continue;
      }
      if (const auto* construct = dyn_cast<clang::CXXConstructExpr>(argument);
          construct != nullptr && construct->getNumArgs() == 1)
        argument = construct->getArg(0)->IgnoreImplicit();
      bind(pattern->getParamDecl(i)->getOriginalType(), written_type(argument), bound);
    }
    const auto* arguments = target != nullptr ? target->getTemplateSpecializationArgs() : nullptr;
    std::string list;
    for (unsigned i = written; i < parameters->size(); ++i) {
      std::string one;
      const auto found = bound.find(i);
      const bool usable = found != bound.end() && !found->second->isUndeducedType() &&
                          (found->second->isDependentType() ? spelled_in_scope(found->second) : true);
      if (isa<clang::TemplateTypeParmDecl>(parameters->getParam(i)) && usable) {
        one = found->second.getUnqualifiedType().getAsString(plain_printing(context_));
      } else if (parameters->getParam(i)->isTemplateParameterPack() && !pack.empty()) {
        one = pack;
      } else if (arguments != nullptr && i < arguments->size()) {
        const clang::TemplateArgument& value = arguments->get(i);
        if (value.getKind() == clang::TemplateArgument::Type)
          one = value.getAsType().getAsString(plain_printing(context_));
        if (value.getKind() == clang::TemplateArgument::Integral) one = llvm::toString(value.getAsIntegral(), 10);
      }
      if (parameters->getParam(i)->isTemplateParameterPack() && pack.empty()) break;  // gets nothing
      if (one.empty() || one.find("type-parameter") != std::string::npos ||
          one.find("dependent") != std::string::npos || one.find("(lambda") != std::string::npos)
        return;
      list += (list.empty() ? "" : ", ") + one;
    }
    if (list.empty()) return;
    fact.deduced.insert(list);
    if (dependent) fact.deduced_in_template.insert(list);
  }

 private:
  /// Binds template parameters to types as they are written at the call: T of "const T*" to "scalar_t".
  static void bind(clang::QualType parameter, clang::QualType argument, std::map<unsigned, clang::QualType>& bound) {
    parameter = parameter.getNonReferenceType();
    argument = argument.getNonReferenceType();
    if (const auto* type = parameter->getAs<clang::TemplateTypeParmType>()) {
      bound.emplace(type->getIndex(), argument.getUnqualifiedType());
      return;
    }
    if (const auto* pointer = parameter->getAs<clang::PointerType>()) {
      if (const auto* given = argument->getAs<clang::PointerType>())
        bind(pointer->getPointeeType().getUnqualifiedType(), given->getPointeeType().getUnqualifiedType(), bound);
      else if (const auto* array = argument->getAsArrayTypeUnsafe())
        bind(pointer->getPointeeType().getUnqualifiedType(), array->getElementType().getUnqualifiedType(), bound);
      return;
    }
    const auto* pattern = parameter->getAs<clang::TemplateSpecializationType>();
    const auto* given = argument->getAs<clang::TemplateSpecializationType>();
    if (pattern == nullptr || given == nullptr) return;
    const auto left = pattern->template_arguments();
    const auto right = given->template_arguments();
    for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i)
      if (left[i].getKind() == clang::TemplateArgument::Type && right[i].getKind() == clang::TemplateArgument::Type)
        bind(left[i].getAsType(), right[i].getAsType(), bound);
  }
  /// An expression's type as the source spells it: scalar_t* for x.data_ptr<scalar_t>() + 4, also by way of a variable.
  clang::QualType written_type(const clang::Expr* expression) {
    const clang::Expr* bare = expression->IgnoreParenImpCasts();
    if (const auto* sum = dyn_cast<clang::BinaryOperator>(bare);
        sum != nullptr && sum->isAdditiveOp() && sum->getType()->isPointerType())
      return written_type(sum->getLHS()->getType()->isPointerType() ? sum->getLHS() : sum->getRHS());
    if (const auto* reference = dyn_cast<clang::DeclRefExpr>(bare))
      if (const auto* variable = dyn_cast<clang::VarDecl>(reference->getDecl());
          variable != nullptr && variable->hasInit() && variable->getType()->isPointerType() &&
          (variable->getType()->getContainedAutoType() != nullptr))
        return written_type(variable->getInit());
    if (const auto* call = dyn_cast<clang::CXXMemberCallExpr>(bare);
        call != nullptr && call->getType()->isPointerType())
      if (const auto* member = dyn_cast<clang::MemberExpr>(call->getCallee()->IgnoreParens());
          member != nullptr && member->hasExplicitTemplateArgs() && member->getNumTemplateArgs() == 1 &&
          member->getTemplateArgs()[0].getArgument().getKind() == clang::TemplateArgument::Type)
        return context_.getPointerType(member->getTemplateArgs()[0].getTypeSourceInfo()->getType());
    return expression->getType();
  }

  /// Types of the arguments from `first` on, by commas; "Args..." for "args...".
  bool spell_pack(const clang::CUDAKernelCallExpr* call, unsigned first, std::string& list) {
    for (unsigned i = first; i < call->getNumArgs(); ++i) {
      const clang::Expr* argument = call->getArg(i)->IgnoreImplicit();
      const auto* expansion = dyn_cast<clang::PackExpansionExpr>(argument);
      const clang::QualType type =
          written_type(expansion != nullptr ? expansion->getPattern() : argument).getNonReferenceType();
      if (type->isUndeducedType() || type->isArrayType() || (type->isDependentType() && !spelled_in_scope(type)))
        return false;
      list += (list.empty() ? "" : ", ") + type.getUnqualifiedType().getAsString(plain_printing(context_)) +
              (expansion != nullptr ? "..." : "");
    }
    return true;
  }
  /// A dependent type whose printed form means the same at the launch: made of named parameters only.
  static bool spelled_in_scope(clang::QualType type) {
    if (isa<clang::TemplateTypeParmType>(type.getTypePtr()) || type->getAs<clang::TypedefType>() != nullptr ||
        type->getAs<clang::TemplateTypeParmType>() != nullptr)
      return true;
    const auto* special = type->getAs<clang::TemplateSpecializationType>();
    if (special == nullptr) return false;
    for (const clang::TemplateArgument& one : special->template_arguments()) {
      if (one.getKind() == clang::TemplateArgument::Expression) continue;
      if (one.getKind() != clang::TemplateArgument::Type) return false;
      if (one.getAsType()->isDependentType() && !spelled_in_scope(one.getAsType())) return false;
    }
    return true;
  }

  clang::ASTContext& context_;
};

}  // namespace

clang::PrintingPolicy plain_printing(const clang::ASTContext& context) {
  clang::PrintingPolicy policy(context.getLangOpts());
  policy.SuppressTagKeyword = true;
  policy.Bool = true;
  policy.SuppressUnwrittenScope = true;
  return policy;
}

void deduce_template_arguments(clang::ASTContext& context, const clang::CUDAKernelCallExpr* call, LaunchFact& fact,
                               const clang::FunctionDecl* target, const clang::FunctionTemplateDecl* primary,
                               unsigned written) {
  Deduction(context).deduce(call, fact, target, primary, written);
}

}  // namespace dcn::migrate
