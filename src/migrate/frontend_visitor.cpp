/// The walk over clang's syntax tree that fills the facts: which declarations the device needs, what each launch
/// starts, which tensors kernels only read.
#include "migrate/frontend_visitor.hpp"

#include <clang/AST/ASTContext.h>
#include <clang/AST/RecursiveASTVisitor.h>
#include <clang/Lex/Lexer.h>
#include <llvm/ADT/StringExtras.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "migrate/launch_arguments.hpp"
#include "migrate/shared_races.hpp"
#include "migrate/tensor_uses.hpp"

namespace dcn::migrate {

namespace {

using clang::Decl;
using clang::dyn_cast;
using clang::dyn_cast_or_null;
using clang::isa;

const std::set<std::string> kWarpNames = {"__shfl",
                                          "__shfl_up",
                                          "__shfl_down",
                                          "__shfl_xor",
                                          "__shfl_sync",
                                          "__shfl_up_sync",
                                          "__shfl_down_sync",
                                          "__shfl_xor_sync",
                                          "__any",
                                          "__all",
                                          "__ballot",
                                          "__any_sync",
                                          "__all_sync",
                                          "__ballot_sync",
                                          "__activemask",
                                          "__syncwarp",
                                          "__match_any_sync",
                                          "__reduce_add_sync",
                                          "__reduce_max_sync",
                                          "__reduce_min_sync",
                                          "WARP_SHFL",
                                          "WARP_SHFL_DOWN",
                                          "WARP_SHFL_UP",
                                          "WARP_SHFL_XOR",
                                          "WARP_BALLOT"};

/// What one declaration at namespace scope is and uses.
struct Node {
  const std::string* file = nullptr;
  Span span;
  bool seed = false;
  bool device = false;
  bool warp = false;
  bool dynamic_shared = false;
  bool function = false;
  bool definition = false;
  bool anything = false;
  std::string name;
  std::set<const Decl*> uses;
  std::vector<std::pair<const std::string*, Span>> bodies;
};

class Walker : public clang::RecursiveASTVisitor<Walker> {
  using Base = clang::RecursiveASTVisitor<Walker>;

 public:
  Walker(VisitorState& state, clang::ASTContext& context)
      : state_(state), context_(context), manager_(context.getSourceManager()), tensors_(context) {}

  bool shouldVisitTemplateInstantiations() const { return true; }
  bool shouldVisitImplicitCode() const { return false; }

  void run() {
    walk_scope(context_.getTranslationUnitDecl());
    close();
    publish();
    find_shared_races(context_, kernels_, [this](clang::SourceLocation at) { return place(at); }, state_.facts);
  }

  // ---- what is noted on the way
  bool TraverseStmt(clang::Stmt* statement) {
    if (statement == nullptr) return true;
    parents_.push_back(statement);
    const bool go_on = Base::TraverseStmt(statement);
    parents_.pop_back();
    return go_on;
  }

  bool TraverseFunctionDecl(clang::FunctionDecl* function) {
    return enter(function, [&] { return Base::TraverseFunctionDecl(function); });
  }
  bool TraverseCXXMethodDecl(clang::CXXMethodDecl* function) {
    return enter(function, [&] { return Base::TraverseCXXMethodDecl(function); });
  }

  bool VisitDeclRefExpr(clang::DeclRefExpr* reference) {
    use(reference->getDecl());
    name_token(reference->getLocation(), reference->getDecl());
    tensors_.note(reference, parents_);
    if (const auto* function = dyn_cast<clang::FunctionDecl>(reference->getDecl()))
      if (function->getDeclName().isIdentifier()) external_name(function->getName().str());
    return true;
  }
  bool VisitMemberExpr(clang::MemberExpr* member) {
    use(member->getMemberDecl());
    // device.type(), scalar.type(): not the tensor's old one.
    if (const auto* method = dyn_cast<clang::CXXMethodDecl>(member->getMemberDecl()))
      if (method->getDeclName().isIdentifier() && method->getName() == "type" &&
          method->getParent()->getName() != "Tensor" && method->getParent()->getName() != "TensorBase")
        own_token(member->getMemberLoc());
    return true;
  }
  bool VisitOverloadExpr(clang::OverloadExpr* overload) {
    bool own = overload->getNumDecls() > 0;
    for (const clang::NamedDecl* candidate : overload->decls()) {
      use(candidate->getUnderlyingDecl());
      const auto* function = dyn_cast<clang::FunctionDecl>(candidate->getUnderlyingDecl());
      own = own && file_of(candidate->getUnderlyingDecl()->getLocation()) != nullptr &&
            (function == nullptr || function->getBuiltinID() == 0);
    }
    if (overload->getName().isIdentifier()) external_name(overload->getName().getAsString());
    if (own) own_token(overload->getNameLoc());
    return true;
  }
  bool VisitCXXConstructExpr(clang::CXXConstructExpr* construct) {
    use(construct->getConstructor()->getParent());
    return true;
  }
  bool VisitTypeLoc(clang::TypeLoc type) {
    const clang::Type* bare = type.getTypePtr();
    if (const auto* tag = dyn_cast<clang::TagType>(bare)) use(tag->getDecl());
    if (const auto* alias = dyn_cast<clang::TypedefType>(bare)) use(alias->getDecl());
    if (const auto* shadow = dyn_cast<clang::UsingType>(bare)) use(shadow->getFoundDecl()->getTargetDecl());
    if (const auto* injected = dyn_cast<clang::InjectedClassNameType>(bare)) use(injected->getDecl());
    if (const auto* special = dyn_cast<clang::TemplateSpecializationType>(bare))
      use(special->getTemplateName().getAsTemplateDecl());
    if (const auto* deduced = dyn_cast<clang::DeducedTemplateSpecializationType>(bare))
      use(deduced->getTemplateName().getAsTemplateDecl());
    return true;
  }
  bool VisitNamedDecl(clang::NamedDecl* named) {
    if (named->getDeclName().isIdentifier() && !isa<clang::NamespaceDecl>(named)) own_token(named->getLocation());
    return true;
  }
  bool VisitVarDecl(clang::VarDecl* variable) {
    if (variable->isLocalVarDecl() && variable->hasAttr<clang::CUDASharedAttr>()) shared(variable);
    tensors_.declare(variable);
    return true;
  }
  bool VisitCallExpr(clang::CallExpr* call) {
    const clang::Expr* callee = call->getCallee()->IgnoreParenImpCasts();
    clang::SourceLocation at;
    if (const auto* reference = dyn_cast<clang::DeclRefExpr>(callee)) {
      const auto* function = dyn_cast<clang::FunctionDecl>(reference->getDecl());
      if (file_of(reference->getDecl()->getLocation()) != nullptr &&
          (function == nullptr || function->getBuiltinID() == 0))
        return true;
      at = reference->getLocation();
    } else if (const auto* lookup = dyn_cast<clang::OverloadExpr>(callee)) {
      at = lookup->getNameLoc();
    } else {
      return true;
    }
    const auto [file, offset] = place(at);
    if (file == nullptr) return true;
    CallFact& fact = state_.facts.files[*file].calls[offset];
    fact.in_device = fact.in_device || in_device_;
    std::string signature;
    for (const clang::Expr* argument : call->arguments()) {
      if (argument->isTypeDependent()) return true;
      signature +=
          (signature.empty() ? "" : ",") + argument->getType().getCanonicalType().getUnqualifiedType().getAsString();
    }
    fact.signatures.insert(signature);
    return true;
  }
  bool VisitCUDAKernelCallExpr(clang::CUDAKernelCallExpr* call) {
    launch(call);
    return true;
  }

 private:
  template <class F>
  bool enter(clang::FunctionDecl* function, F&& inside) {
    const bool outer = in_device_;
    in_device_ = in_device_ || is_device(function);
    if (function->doesThisDeclarationHaveABody() && node_ != nullptr) {
      if (const auto [file, span] = span_of(function->getBody()->getSourceRange()); file != nullptr)
        node_->bodies.emplace_back(file, span);
      tensors_.begin(function);
    }
    // An instance is compiled by its name, which has the types that it was made for.
    if (const auto* list = function->getTemplateSpecializationArgs()) use_types(list->asArray());
    const bool go_on = inside();
    if (function->doesThisDeclarationHaveABody()) {
      tensors_.end(function, [this](clang::SourceLocation at) { return place(at); }, state_.facts);
    }
    in_device_ = outer;
    return go_on;
  }

  static bool is_device(const clang::FunctionDecl* function) {
    if (function->hasAttr<clang::CUDAGlobalAttr>()) return true;
    const auto* device = function->getAttr<clang::CUDADeviceAttr>();
    return device != nullptr && !device->isImplicit();
  }

  // ---- places
  const std::string* file_of(clang::SourceLocation at) {
    if (at.isInvalid()) return nullptr;
    return state_.project_file(manager_.getFileID(manager_.getExpansionLoc(at)));
  }
  std::pair<const std::string*, unsigned> place(clang::SourceLocation at) {
    if (at.isInvalid()) return {nullptr, 0};
    const auto spelled = manager_.getSpellingLoc(at);
    return {state_.project_file(manager_.getFileID(spelled)), manager_.getFileOffset(spelled)};
  }
  std::pair<const std::string*, Span> span_of(clang::SourceRange range) {
    if (range.isInvalid()) return {nullptr, {}};
    const auto begin = manager_.getExpansionLoc(range.getBegin());
    const auto end = manager_.getExpansionRange(range.getEnd()).getEnd();
    const std::string* file = state_.project_file(manager_.getFileID(begin));
    if (file == nullptr || manager_.getFileID(begin) != manager_.getFileID(end)) return {nullptr, {}};
    const unsigned length = clang::Lexer::MeasureTokenLength(end, manager_, context_.getLangOpts());
    return {file, {manager_.getFileOffset(begin), manager_.getFileOffset(end) + length}};
  }
  void own_token(clang::SourceLocation at) {
    if (const auto [file, offset] = place(at); file != nullptr) state_.facts.files[*file].own_names.insert(offset);
  }
  void name_token(clang::SourceLocation at, const Decl* target) {
    // A builtin is declared where it is first used.
    if (const auto* function = dyn_cast<clang::FunctionDecl>(target);
        function != nullptr && function->getBuiltinID() != 0)
      return;
    if (file_of(target->getLocation()) != nullptr) own_token(at);
  }
  void external_name(const std::string& name) {
    if (node_ != nullptr && kWarpNames.count(name) > 0) node_->warp = true;
  }

  // ---- the graph of declarations
  static const Decl* top_of(const Decl* declaration) {
    if (declaration == nullptr) return nullptr;
    if (const auto* function = dyn_cast<clang::FunctionDecl>(declaration)) {
      if (const auto* pattern = function->getTemplateInstantiationPattern()) declaration = pattern;
    } else if (const auto* record = dyn_cast<clang::CXXRecordDecl>(declaration)) {
      if (const auto* pattern = record->getTemplateInstantiationPattern()) declaration = pattern;
    } else if (const auto* variable = dyn_cast<clang::VarDecl>(declaration)) {
      if (const auto* pattern = variable->getTemplateInstantiationPattern()) declaration = pattern;
    }
    while (true) {
      const clang::DeclContext* scope = declaration->getDeclContext();
      if (scope == nullptr) return declaration->getCanonicalDecl();
      if (scope->isFileContext() || isa<clang::LinkageSpecDecl>(scope)) break;
      declaration = clang::cast<Decl>(scope);
    }
    if (const auto* function = dyn_cast<clang::FunctionDecl>(declaration)) {
      if (const auto* described = function->getDescribedFunctionTemplate())
        declaration = described;
      else if (const auto* pattern = function->getTemplateInstantiationPattern())
        return top_of(pattern);
    } else if (const auto* record = dyn_cast<clang::CXXRecordDecl>(declaration)) {
      if (const auto* described = record->getDescribedClassTemplate())
        declaration = described;
      else if (const auto* pattern = record->getTemplateInstantiationPattern(); pattern != nullptr && pattern != record)
        return top_of(pattern);
    } else if (const auto* variable = dyn_cast<clang::VarDecl>(declaration)) {
      if (const auto* described = variable->getDescribedVarTemplate()) declaration = described;
    } else if (const auto* alias = dyn_cast<clang::TypeAliasDecl>(declaration)) {
      if (const auto* described = alias->getDescribedAliasTemplate()) declaration = described;
    }
    return declaration->getCanonicalDecl();
  }
  void use(const Decl* target) {
    if (node_ == nullptr || target == nullptr || file_of(target->getLocation()) == nullptr) return;
    node_->uses.insert(top_of(target));
  }

  void use_types(llvm::ArrayRef<clang::TemplateArgument> arguments) {
    for (const clang::TemplateArgument& argument : arguments) {
      if (argument.getKind() == clang::TemplateArgument::Pack) use_types(argument.getPackAsArray());
      if (argument.getKind() != clang::TemplateArgument::Type) continue;
      const auto* record = argument.getAsType()->getAsCXXRecordDecl();
      if (record == nullptr) continue;
      use(record);
      if (const auto* special = dyn_cast<clang::ClassTemplateSpecializationDecl>(record))
        use_types(special->getTemplateArgs().asArray());
    }
  }

  void walk_scope(const clang::DeclContext* scope) {
    for (Decl* declaration : scope->decls()) {
      if (isa<clang::NamespaceDecl>(declaration) || isa<clang::LinkageSpecDecl>(declaration)) {
        if (declaration->isImplicit()) continue;
        if (const auto* linkage = dyn_cast<clang::LinkageSpecDecl>(declaration);
            linkage != nullptr && !linkage->hasBraces()) {
          // extern "C" void f(...): one declaration; the linkage belongs to its text.
          for (Decl* inner : linkage->decls()) visit_top(inner, declaration->getSourceRange());
          continue;
        }
        walk_scope(clang::cast<clang::DeclContext>(declaration));
      } else if (!declaration->isImplicit()) {
        visit_top(declaration, declaration->getSourceRange());
      }
    }
  }

  void visit_top(Decl* declaration, clang::SourceRange range) {
    if (file_of(declaration->getLocation()) == nullptr) return;
    const auto [file, span] = span_of(range);
    if (file == nullptr) return;
    if (const auto* special = dyn_cast<clang::ClassTemplateSpecializationDecl>(declaration))
      if (special->getSpecializationKind() == clang::TSK_ImplicitInstantiation) return;
    if (const auto* function = dyn_cast<clang::FunctionDecl>(declaration))
      if (function->getTemplateSpecializationKind() == clang::TSK_ImplicitInstantiation) return;
    nodes_.emplace_back(declaration, Node{});
    node_ = &nodes_.back().second;
    node_->file = file;
    node_->span = span;
    if (const auto* named = dyn_cast<clang::NamedDecl>(declaration)) node_->name = named->getQualifiedNameAsString();
    describe(declaration);
    TraverseDecl(declaration);
    node_ = nullptr;
  }

  void describe(Decl* declaration) {
    const clang::FunctionDecl* function = dyn_cast<clang::FunctionDecl>(declaration);
    if (const auto* primary = dyn_cast<clang::FunctionTemplateDecl>(declaration))
      function = primary->getTemplatedDecl();
    if (function != nullptr) {
      node_->function = true;
      node_->definition = function->isThisDeclarationADefinition();
      node_->seed = is_device(function);
      if (function->hasAttr<clang::CUDAGlobalAttr>()) kernel(function);
      if (const auto* general = function->getPrimaryTemplate())
        extra_edges_.emplace_back(top_of(general), top_of(function));
    }
    const clang::CXXRecordDecl* record = dyn_cast<clang::CXXRecordDecl>(declaration);
    if (const auto* primary = dyn_cast<clang::ClassTemplateDecl>(declaration)) record = primary->getTemplatedDecl();
    if (record != nullptr && record->isThisDeclarationADefinition()) {
      node_->definition = true;
      for (const auto* method : record->methods())
        node_->seed = node_->seed || (!method->isImplicit() && is_device(method));
      for (const auto* inner : record->decls())
        if (const auto* member = dyn_cast<clang::FunctionTemplateDecl>(inner))
          node_->seed = node_->seed || is_device(member->getTemplatedDecl());
    }
    if (const auto* special = dyn_cast<clang::ClassTemplateSpecializationDecl>(declaration))
      extra_edges_.emplace_back(top_of(special->getSpecializedTemplate()), special->getCanonicalDecl());
    if (const auto* variable = dyn_cast<clang::VarDecl>(declaration)) {
      node_->definition = true;
      if (variable->hasAttr<clang::CUDADeviceAttr>() || variable->hasAttr<clang::CUDAConstantAttr>()) {
        const auto* attribute = variable->getAttr<clang::CUDADeviceAttr>();
        const bool constant = variable->hasAttr<clang::CUDAConstantAttr>();
        if (constant || (attribute != nullptr && !attribute->isImplicit())) {
          node_->seed = true;
          GlobalFact fact;
          fact.span = node_->span;
          fact.variable = variable->getNameAsString();
          // A constant that is initialised where it is declared stays one, for kernels too.
          fact.constant =
              variable->hasInit() && (constant || context_.getBaseElementType(variable->getType()).isConstQualified());
          fact.name = place(variable->getLocation()).second;
          split_type(variable->getType(), fact.type, fact.extents);
          state_.facts.files[*node_->file].globals.push_back(fact);
        }
      }
    }
    if (const auto* directive = dyn_cast<clang::UsingDirectiveDecl>(declaration)) {
      const std::string name = directive->getNominatedNamespaceAsWritten()->getQualifiedNameAsString();
      node_->anything =
          name == "std" || name == "at" || name == "torch" || name == "c10" || name == "cooperative_groups";
    }
    if (const auto* alias = dyn_cast<clang::NamespaceAliasDecl>(declaration))
      node_->anything = alias->getNamespace()->getQualifiedNameAsString() == "cooperative_groups";
    if (isa<clang::EmptyDecl>(declaration) || isa<clang::StaticAssertDecl>(declaration)) node_->anything = true;
  }

  void split_type(clang::QualType type, std::string& element, std::string& extents) {
    const auto policy = plain_printing(context_);
    while (const auto* array = context_.getAsArrayType(type)) {
      if (const auto* fixed = dyn_cast<clang::ConstantArrayType>(array)) {
        const clang::Expr* written = fixed->getSizeExpr();
        extents +=
            "[" +
            (written != nullptr ? text(written->getSourceRange()) : std::to_string(fixed->getSize().getZExtValue())) +
            "]";
      } else if (const auto* dependent = dyn_cast<clang::DependentSizedArrayType>(array)) {
        extents +=
            "[" + (dependent->getSizeExpr() != nullptr ? text(dependent->getSizeExpr()->getSourceRange()) : "") + "]";
      } else {
        extents += "[]";
      }
      type = array->getElementType();
    }
    element = type.getUnqualifiedType().getAsString(policy);
  }
  std::string text(clang::SourceRange range) const {
    const auto from = manager_.getExpansionLoc(range.getBegin());
    const auto to = manager_.getExpansionRange(range.getEnd()).getEnd();
    return clang::Lexer::getSourceText(clang::CharSourceRange::getTokenRange(from, to), manager_,
                                       context_.getLangOpts())
        .str();
  }

  void kernel(const clang::FunctionDecl* function) {
    KernelFact fact;
    fact.name = place(function->getLocation()).second;
    fact.span = node_->span;
    fact.qualified = function->getQualifiedNameAsString();
    fact.is_template = function->getDescribedFunctionTemplate() != nullptr;
    fact.is_definition = function->isThisDeclarationADefinition();
    auto& file = state_.facts.files[*node_->file];
    file.kernels.push_back(fact);
    if (fact.is_definition) kernels_.push_back(function);
    file.has_kernel = file.has_kernel || fact.is_definition;
  }

  void shared(const clang::VarDecl* variable) {
    const auto [file, span] = span_of(variable->getSourceRange());
    if (file == nullptr) return;
    const bool dynamic = variable->hasExternalStorage();
    if (dynamic && node_ != nullptr) node_->dynamic_shared = true;
    SharedFact fact;
    fact.span = span;
    fact.name = place(variable->getLocation()).second;
    fact.variable = variable->getNameAsString();
    fact.dynamic = dynamic;
    auto& list = state_.facts.files[*file].shared;
    for (const SharedFact& known : list)
      if (known.name == fact.name) return;  // the template's own text comes before its instances
    split_type(variable->getType(), fact.type, fact.extents);
    list.push_back(fact);
  }

  // ---- launches
  void launch(clang::CUDAKernelCallExpr* call) {
    const auto [file, offset] = place(call->getConfig()->getBeginLoc());
    if (file == nullptr) return;
    LaunchFact& fact = state_.facts.files[*file].launches[offset];
    const clang::Expr* callee = call->getCallee()->IgnoreParenImpCasts();
    const clang::FunctionDecl* target = nullptr;
    const clang::FunctionTemplateDecl* primary = nullptr;
    unsigned written = 0;
    if (const auto* reference = dyn_cast<clang::DeclRefExpr>(callee)) {
      target = dyn_cast<clang::FunctionDecl>(reference->getDecl());
      fact.through_variable = target == nullptr;
      written = reference->getNumTemplateArgs();
      if (target != nullptr) primary = target->getPrimaryTemplate();
    } else if (const auto* lookup = dyn_cast<clang::UnresolvedLookupExpr>(callee)) {
      written = lookup->getNumTemplateArgs();
      for (const clang::NamedDecl* candidate : lookup->decls())
        if (const auto* found = dyn_cast<clang::FunctionTemplateDecl>(candidate->getUnderlyingDecl());
            found != nullptr && found->getTemplatedDecl()->getNumParams() == call->getNumArgs())
          primary = found;
        else if (const auto* plain = dyn_cast<clang::FunctionDecl>(candidate->getUnderlyingDecl()))
          target = plain;
      if (primary == nullptr && target == nullptr && lookup->getNumDecls() > 0)
        primary = dyn_cast<clang::FunctionTemplateDecl>((*lookup->decls_begin())->getUnderlyingDecl());
    } else {
      fact.through_variable = true;
    }
    const clang::FunctionDecl* pattern = primary != nullptr ? primary->getTemplatedDecl() : target;
    if (pattern == nullptr) return;
    fact.kernel = pattern->getQualifiedNameAsString();
    launched_.emplace_back(&fact, top_of(pattern));
    fact.is_template = primary != nullptr;
    note_overloads(pattern, primary, fact);
    if (primary == nullptr) {
      fact.explicit_arguments = true;
      return;
    }
    const clang::TemplateParameterList* parameters = primary->getTemplateParameters();
    if (written >= parameters->getMinRequiredArguments() && written > 0) fact.explicit_arguments = true;
    if (fact.explicit_arguments) {
      // The rest may be deduced or defaulted; defaults go on to work, deduction does not.
      bool all = true;
      for (unsigned i = written; i < parameters->size(); ++i) all = all && has_default(parameters->getParam(i));
      if (all) return;
      fact.explicit_arguments = false;
    }
    deduce_template_arguments(context_, call, fact, target, primary, written);
  }

  /// Other functions of the kernel's name, and by which parameter types this one is told from them.
  void note_overloads(const clang::FunctionDecl* pattern, const clang::FunctionTemplateDecl* primary,
                      LaunchFact& fact) const {
    std::set<const Decl*> functions;
    for (const clang::NamedDecl* found : pattern->getDeclContext()->lookup(pattern->getDeclName()))
      if (isa<clang::FunctionDecl>(found) || isa<clang::FunctionTemplateDecl>(found))
        functions.insert(found->getCanonicalDecl());
    fact.overloaded = functions.size() > 1;
    if (!fact.overloaded) return;
    clang::PrintingPolicy policy = plain_printing(context_);
    policy.SuppressElaboration = true;  // prints all namespaces
    fact.signature.clear();
    for (const clang::ParmVarDecl* parameter : pattern->parameters())
      fact.signature +=
          (fact.signature.empty() ? "" : ", ") + parameter->getType().getUnqualifiedType().getAsString(policy);
    fact.template_parameters.clear();
    if (primary == nullptr) return;
    for (const clang::NamedDecl* parameter : *primary->getTemplateParameters())
      fact.template_parameters.push_back(parameter->getNameAsString());
  }

  static bool has_default(const clang::NamedDecl* parameter) {
    if (const auto* type = dyn_cast<clang::TemplateTypeParmDecl>(parameter)) return type->hasDefaultArgument();
    if (const auto* value = dyn_cast<clang::NonTypeTemplateParmDecl>(parameter)) return value->hasDefaultArgument();
    return false;
  }

  // ---- what the device needs
  void close() {
    std::multimap<const Decl*, Node*> by_decl;
    for (auto& [declaration, node] : nodes_) by_decl.emplace(top_of(declaration), &node);
    std::multimap<const Decl*, const Decl*> more(extra_edges_.begin(), extra_edges_.end());
    std::vector<const Decl*> open;
    std::set<const Decl*> seen;
    const auto mark = [&](const Decl* declaration) {
      if (seen.insert(declaration).second) open.push_back(declaration);
    };
    for (auto& [declaration, node] : nodes_)
      if (node.seed) mark(top_of(declaration));
    while (!open.empty()) {
      const Decl* declaration = open.back();
      open.pop_back();
      for (auto [at, last] = by_decl.equal_range(declaration); at != last; ++at) {
        at->second->device = true;
        for (const Decl* target : at->second->uses) mark(target);
      }
      for (auto [at, last] = more.equal_range(declaration); at != last; ++at) mark(at->second);
    }
    // Properties that callers inherit.
    for (bool changed = true; changed;) {
      changed = false;
      for (auto& [declaration, node] : nodes_) {
        if (!node.device) continue;
        for (const Decl* target : node.uses)
          for (auto [at, last] = by_decl.equal_range(target); at != last; ++at) {
            if (at->second->warp && !node.warp) changed = node.warp = true;
            if (at->second->dynamic_shared && !node.dynamic_shared) changed = node.dynamic_shared = true;
          }
      }
    }
    for (auto& [fact, declaration] : launched_) {
      bool defined = false;
      for (auto [at, last] = by_decl.equal_range(declaration); at != last; ++at) {
        fact->uses_warp = fact->uses_warp || at->second->warp;
        fact->uses_dynamic_shared = fact->uses_dynamic_shared || at->second->dynamic_shared;
        defined = defined || at->second->definition;
      }
      fact->other_unit = !defined;
    }
  }

  void publish() {
    for (auto& [declaration, node] : nodes_) {
      FileFacts& file = state_.facts.files[*node.file];
      TopDecl top;
      top.span = node.span;
      top.device = node.device;
      top.anything = node.anything;
      top.definition = node.definition;
      top.function = node.function;
      top.name = node.name;
      file.decls.push_back(top);
      if (!node.device) continue;
      file.device_needed = true;
      for (KernelFact& kernel : file.kernels)
        if (kernel.span == node.span) {
          kernel.uses_warp = node.warp;
          kernel.uses_dynamic_shared = node.dynamic_shared;
        }
      for (const auto& [body_file, span] : node.bodies) state_.facts.files[*body_file].device_code.insert(span);
    }
    for (const MacroUse& use : state_.macro_uses) {
      const FileFacts& file = state_.facts.files[use.used_in];
      for (const TopDecl& top : file.decls)
        if (top.device && top.span.begin <= use.offset && use.offset < top.span.end) {
          state_.facts.files[use.defined_in].device_needed = true;
          break;
        }
    }
  }

  VisitorState& state_;
  clang::ASTContext& context_;
  const clang::SourceManager& manager_;
  TensorUses tensors_;
  std::vector<const clang::Stmt*> parents_;
  std::vector<std::pair<Decl*, Node>> nodes_;
  std::vector<std::pair<const Decl*, const Decl*>> extra_edges_;
  std::vector<std::pair<LaunchFact*, const Decl*>> launched_;
  std::vector<const clang::FunctionDecl*> kernels_;  ///< definitions
  Node* node_ = nullptr;
  bool in_device_ = false;
};

class Consumer : public clang::ASTConsumer {
 public:
  explicit Consumer(VisitorState& state) : state_(state) {}
  void HandleTranslationUnit(clang::ASTContext& context) override { Walker(state_, context).run(); }

 private:
  VisitorState& state_;
};

}  // namespace

std::unique_ptr<clang::ASTConsumer> make_fact_consumer(VisitorState& state) {
  return std::make_unique<Consumer>(state);
}

}  // namespace dcn::migrate
