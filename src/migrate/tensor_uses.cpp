#include "migrate/tensor_uses.hpp"

#include <clang/Basic/SourceManager.h>
#include <clang/Lex/Lexer.h>

namespace dcn::migrate {

namespace {

using clang::dyn_cast;
using clang::isa;
using clang::Stmt;

bool is_tensor(clang::QualType type) {
  type = type.getNonReferenceType().getUnqualifiedType();
  const auto* record = type->getAsCXXRecordDecl();
  return record != nullptr && record->getNameAsString() == "Tensor";
}

/// Methods that hand out a part or another look of the same storage.
const std::set<std::string> kSlices = {"select",  "narrow",  "slice", "index",     "transpose", "permute",
                                       "t",       "expand",  "view",  "squeeze",   "detach",    "unsqueeze",
                                       "flatten", "view_as", "data",  "expand_as", "operator[]"};

std::string method_of(const Stmt* statement) {
  if (const auto* call = dyn_cast<clang::CXXMemberCallExpr>(statement)) {
    if (const auto* method = call->getMethodDecl()) return method->getNameAsString();
  }
  if (const auto* member = dyn_cast<clang::MemberExpr>(statement)) return member->getMemberDecl()->getNameAsString();
  if (const auto* member = dyn_cast<clang::CXXDependentScopeMemberExpr>(statement))
    return member->getMember().getAsString();
  return {};
}

bool transparent(const Stmt* statement) {
  return isa<clang::ImplicitCastExpr>(statement) || isa<clang::ParenExpr>(statement) ||
         isa<clang::ExprWithCleanups>(statement) || isa<clang::MaterializeTemporaryExpr>(statement) ||
         isa<clang::CXXBindTemporaryExpr>(statement) ||
         (isa<clang::CXXConstructExpr>(statement) &&
          clang::cast<clang::CXXConstructExpr>(statement)->getNumArgs() == 1);
}

/// The variable whose storage an expression shares, or null for something new.
const clang::VarDecl* shared_storage(const clang::Expr* expression) {
  while (expression != nullptr) {
    expression = expression->IgnoreImplicit()->IgnoreParens();
    if (const auto* construct = dyn_cast<clang::CXXConstructExpr>(expression);
        construct != nullptr && construct->getNumArgs() == 1) {
      expression = construct->getArg(0);
    } else if (const auto* reference = dyn_cast<clang::DeclRefExpr>(expression)) {
      return dyn_cast<clang::VarDecl>(reference->getDecl());
    } else if (const auto* call = dyn_cast<clang::CXXMemberCallExpr>(expression)) {
      if (kSlices.count(method_of(call)) == 0) return nullptr;
      expression = call->getImplicitObjectArgument();
    } else if (const auto* index = dyn_cast<clang::CXXOperatorCallExpr>(expression);
               index != nullptr && index->getOperator() == clang::OO_Subscript) {
      expression = index->getArg(0);
    } else if (const auto* function = dyn_cast<clang::CallExpr>(expression);
               function != nullptr && function->getNumArgs() > 0) {
      const auto* callee = function->getDirectCallee();
      if (callee == nullptr || kSlices.count(callee->getNameAsString()) == 0) return nullptr;
      expression = function->getArg(0);
    } else {
      return nullptr;
    }
  }
  return nullptr;
}

bool const_pointee(clang::QualType type) {
  const auto* pointer = type->getAs<clang::PointerType>();
  return pointer != nullptr && pointer->getPointeeType().isConstQualified();
}

}  // namespace

void TensorUses::begin(const clang::FunctionDecl* function) {
  functions_.push_back(function);
  for (const clang::ParmVarDecl* parameter : function->parameters())
    if (is_tensor(parameter->getType())) tensors_[parameter].parameter = true;
}

void TensorUses::declare(const clang::VarDecl* variable) {
  if (functions_.empty() || isa<clang::ParmVarDecl>(variable) || !variable->hasInit()) return;
  if (!is_tensor(variable->getType())) return;
  Tensor& tensor = tensors_[variable];
  tensor.base = shared_storage(variable->getInit());
  tensor.fresh = tensor.base == nullptr;
}

void TensorUses::note(const clang::DeclRefExpr* reference, const std::vector<const Stmt*>& parents) {
  if (functions_.empty()) return;
  const auto* variable = dyn_cast<clang::VarDecl>(reference->getDecl());
  if (variable != nullptr && pointers_.count(variable) > 0) note_pointer(reference, parents);
  if (variable == nullptr || !is_tensor(variable->getType())) return;
  Tensor& tensor = tensors_[variable];
  const clang::Expr* object = reference;  // the tensor expression that the method is called on
  const clang::CXXMemberCallExpr* view = nullptr;
  bool sliced = false;
  for (std::size_t i = parents.size() - 1; i-- > 0;) {
    const Stmt* parent = parents[i];
    if (isa<clang::MemberExpr>(parent) || isa<clang::CXXDependentScopeMemberExpr>(parent) || transparent(parent))
      continue;
    if (const auto* call = dyn_cast<clang::CXXMemberCallExpr>(parent)) {
      const std::string method = method_of(call);
      const bool on_it = call->getImplicitObjectArgument() != nullptr &&
                         call->getImplicitObjectArgument()->IgnoreImplicit()->IgnoreParens() ==
                             object->IgnoreImplicit()->IgnoreParens();
      if (!on_it) break;  // an argument of a tensor's method: read
      // Who asks for strides computes with them.
      if (method == "is_contiguous" || method == "stride" || method == "strides") tensor.checked = true;
      if (method.size() > 1 && method.back() == '_') tensor.written = true;
      if (method.find("accessor") != std::string::npos && view != nullptr) tensor.written = true;
      if (method == "data_ptr" || method == "data" || method == "mutable_data_ptr") {
        // Follow the pointer: an argument, perhaps after "+ offset", or a variable.
        bool constant = false, direct = false, kept = false;
        const clang::Expr* value = call;
        for (std::size_t j = i; j-- > 0;) {
          const Stmt* outer = parents[j];
          if (transparent(outer)) {
            if (const auto* cast = dyn_cast<clang::ImplicitCastExpr>(outer))
              constant = constant || const_pointee(cast->getType());
            value = clang::cast<clang::Expr>(outer);
            continue;
          }
          if (const auto* sum = dyn_cast<clang::BinaryOperator>(outer); sum != nullptr && sum->isAdditiveOp()) {
            value = sum;
            continue;
          }
          if (const auto* user = dyn_cast<clang::CallExpr>(outer)) {
            direct = true;
            if (const auto* callee = user->getDirectCallee())
              for (unsigned a = 0; a < std::min(user->getNumArgs(), callee->getNumParams()); ++a)
                if (user->getArg(a)->IgnoreImplicit()->IgnoreParens() == value->IgnoreImplicit()->IgnoreParens())
                  constant = const_pointee(callee->getParamDecl(a)->getType());
            if (user->getDirectCallee() == nullptr) direct = constant = false;
          }
          if (const auto* statement = dyn_cast<clang::DeclStmt>(outer);
              statement != nullptr && statement->isSingleDecl())
            if (const auto* pointer = dyn_cast<clang::VarDecl>(statement->getSingleDecl());
                pointer != nullptr && pointer->getType()->isPointerType() && view == nullptr) {
              const bool alone = object == reference && j > 0 && isa<clang::CompoundStmt>(parents[j - 1]);
              pointers_.insert(
                  {pointer, {variable, object->getBeginLoc(), object->getEndLoc(), statement->getBeginLoc(), alone}});
              kept = true;
            }
          break;
        }
        if (view != nullptr || (!constant && !kept)) tensor.written = true;
        if (constant && direct && view == nullptr)
          reads_.push_back({variable, object->getBeginLoc(), object->getEndLoc(), direct});
        break;
      }
      if (method == "view" && view == nullptr && !sliced) {
        view = call;
        views_.push_back({variable, nullptr,
                          clang::cast<clang::MemberExpr>(call->getCallee()->IgnoreParens())->getMemberLoc(), true});
      }
      if (!is_tensor(call->getType())) break;
      if (kSlices.count(method) == 0) {
        object = nullptr;  // something new from here on
        break;
      }
      sliced = true;
      object = call;
      continue;
    }
    if (const auto* assign = dyn_cast<clang::CXXOperatorCallExpr>(parent)) {
      const auto kind = assign->getOperator();
      const bool left = assign->getNumArgs() > 0 &&
                        assign->getArg(0)->IgnoreImplicit()->IgnoreParens() == object->IgnoreImplicit()->IgnoreParens();
      if (kind == clang::OO_Subscript && left) {
        object = assign;
        sliced = true;
        continue;
      }
      if (kind == clang::OO_Equal && left && object == reference && assign->getNumArgs() > 1) {
        const auto* base = shared_storage(assign->getArg(1));
        if (base == nullptr)
          tensor.fresh = true;
        else if (base != variable)
          tensor.base = base, tensor.fresh = false;
      } else if (left && assign->isAssignmentOp()) {
        tensor.written = true;
      }
      if (kind == clang::OO_Equal && !left && view != nullptr) {
        // x = y.view(...)
        if (const auto* target = dyn_cast<clang::DeclRefExpr>(assign->getArg(0)->IgnoreImplicit()))
          views_.back().result = dyn_cast<clang::VarDecl>(target->getDecl());
      }
      break;
    }
    if (const auto* user = dyn_cast<clang::CallExpr>(parent)) {
      // A view handed to a function of the project may be written there.
      const auto* callee = user->getDirectCallee();
      const bool own = callee == nullptr ||
                       (callee->isDefined() && !context_.getSourceManager().isInSystemHeader(callee->getLocation()));
      if (own && view != nullptr) views_.back().read_only = false;
      break;
    }
    if (const auto* statement = dyn_cast<clang::DeclStmt>(parent)) {
      if (view != nullptr && statement->isSingleDecl())
        views_.back().result = dyn_cast<clang::VarDecl>(statement->getSingleDecl());
      break;
    }
    break;
  }
  // A call that the parser could not resolve may do anything with its arguments.
  if (view != nullptr)
    for (const Stmt* parent : parents)
      if (isa<clang::RecoveryExpr>(parent)) views_.back().read_only = false;
}

void TensorUses::note_pointer(const clang::DeclRefExpr* reference, const std::vector<const Stmt*>& parents) {
  const auto* variable = clang::cast<clang::VarDecl>(reference->getDecl());
  if (const_pointee(variable->getType())) return;
  const clang::Expr* value = reference;
  for (std::size_t i = parents.size() - 1; i-- > 0;) {
    const Stmt* parent = parents[i];
    const auto* sum = dyn_cast<clang::BinaryOperator>(parent);
    if (transparent(parent) || (sum != nullptr && sum->isAdditiveOp())) {
      value = clang::cast<clang::Expr>(parent);
      continue;
    }
    const auto* user = dyn_cast<clang::CallExpr>(parent);
    const auto* callee = user != nullptr ? user->getDirectCallee() : nullptr;
    if (callee != nullptr)
      for (unsigned a = 0; a < std::min(user->getNumArgs(), callee->getNumParams()); ++a)
        if (user->getArg(a)->IgnoreImplicit()->IgnoreParens() == value->IgnoreImplicit()->IgnoreParens() &&
            const_pointee(callee->getParamDecl(a)->getType()))
          return;
    break;
  }
  pointers_.at(variable).written = true;
}

bool TensorUses::any_strides(const clang::VarDecl* variable, int depth) const {
  const auto found = tensors_.find(variable);
  if (found == tensors_.end() || depth > 8) return false;
  const Tensor& tensor = found->second;
  if (tensor.checked || tensor.fresh) return false;
  if (tensor.base != nullptr) return any_strides(tensor.base, depth + 1);
  return tensor.parameter;
}

bool TensorUses::written(const clang::VarDecl* variable) const {
  const auto found = tensors_.find(variable);
  return found == tensors_.end() || found->second.written;
}

void TensorUses::end(const clang::FunctionDecl* function, const Place& place, Facts& facts) {
  if (functions_.empty() || functions_.back() != function) return;
  functions_.pop_back();
  if (!functions_.empty()) return;  // a lambda belongs to the function around it
  for (const Read& read : reads_) {
    if (!any_strides(read.tensor)) continue;
    const auto end = clang::Lexer::getLocForEndOfToken(context_.getSourceManager().getSpellingLoc(read.object_end), 0,
                                                       context_.getSourceManager(), context_.getLangOpts());
    const auto [file, offset] = place(end);
    if (file == nullptr) continue;
    bool known = false;
    for (const DataPointerFact& other : facts.files[*file].reads) known = known || other.object_end == offset;
    if (!known) facts.files[*file].reads.push_back({offset, read.tensor->getNameAsString(), read.direct});
  }
  for (const auto& [pointer, use] : pointers_)
    if (use.written) tensors_[use.tensor].written = true;
  for (const auto& [pointer, use] : pointers_) {
    if (use.written || !use.plain || written(use.tensor) || !any_strides(use.tensor)) continue;
    const auto [file, offset] = place(use.object);
    const auto [statement_file, statement] = place(use.statement);
    if (file == nullptr || statement_file != file) continue;
    auto& reads = facts.files[*file].reads;
    const auto end = offset + static_cast<unsigned>(use.tensor->getName().size());
    if (std::none_of(reads.begin(), reads.end(), [&](const DataPointerFact& other) { return other.object_end == end; }))
      reads.push_back({end, use.tensor->getNameAsString(), false, statement, pointer->getNameAsString()});
  }
  for (const View& view : views_) {
    if (!view.read_only || !any_strides(view.base)) continue;
    if (view.result != nullptr && written(view.result)) continue;
    if (const auto [file, offset] = place(view.name); file != nullptr) facts.files[*file].views.insert(offset);
  }
  tensors_.clear();
  pointers_.clear();
  reads_.clear();
  views_.clear();
}

}  // namespace dcn::migrate
