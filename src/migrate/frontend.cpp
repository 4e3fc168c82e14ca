/// clang, driven: one source is parsed with stub headers in memory, and the syntax tree is boiled down to facts.
#include <clang/Basic/Diagnostic.h>
#include <clang/Frontend/CompilerInstance.h>
#include <clang/Frontend/FrontendActions.h>
#include <clang/Frontend/Utils.h>
#include <clang/Lex/PPCallbacks.h>
#include <clang/Lex/Preprocessor.h>
#include <llvm/Support/VirtualFileSystem.h>

#include <filesystem>

#include "migrate/frontend_visitor.hpp"

namespace dcn::migrate {

namespace {

constexpr const char* kStubFolder = "/csy-stubs";

/// Collects errors, prints nothing.
class Collector : public clang::DiagnosticConsumer {
 public:
  explicit Collector(Facts& facts) : facts_(facts) {}
  void HandleDiagnostic(clang::DiagnosticsEngine::Level level, const clang::Diagnostic& info) override {
    DiagnosticConsumer::HandleDiagnostic(level, info);
    if (level < clang::DiagnosticsEngine::Error) return;
    llvm::SmallString<128> text;
    info.FormatDiagnostic(text);
    ParseMessage message;
    message.text = text.str().str();
    if (info.hasSourceManager() && info.getLocation().isValid()) {
      const auto& manager = info.getSourceManager();
      const auto place = manager.getExpansionLoc(info.getLocation());
      message.line = manager.getExpansionLineNumber(place);
      message.offset = manager.getFileOffset(place);
      if (const auto entry = manager.getFileEntryRefForID(manager.getFileID(place)))
        message.file = entry->getFileEntry().tryGetRealPathName().str();
    }
    facts_.errors.insert(message);
  }

 private:
  Facts& facts_;
};

/// Notes which header an #include found, and where macros of the project are used.
class Watcher : public clang::PPCallbacks {
 public:
  Watcher(VisitorState& state, const clang::SourceManager& manager) : state_(state), manager_(manager) {}

  void InclusionDirective(clang::SourceLocation hash, const clang::Token&, llvm::StringRef, bool,
                          clang::CharSourceRange, clang::OptionalFileEntryRef file, llvm::StringRef, llvm::StringRef,
                          const clang::Module*, bool, clang::SrcMgr::CharacteristicKind) override {
    const std::string* from = state_.project_file(manager_.getFileID(hash));
    if (from == nullptr) return;
    IncludeFact fact;
    fact.hash = manager_.getFileOffset(hash);
    if (file) fact.resolved = file->getFileEntry().tryGetRealPathName().str();
    state_.facts.files[*from].includes[fact.hash] = fact;
  }

  void MacroExpands(const clang::Token& name, const clang::MacroDefinition& definition, clang::SourceRange range,
                    const clang::MacroArgs*) override {
    const clang::MacroInfo* info = definition.getMacroInfo();
    if (info == nullptr || !info->getDefinitionLoc().isValid()) return;
    const std::string* defined = state_.project_file(manager_.getFileID(info->getDefinitionLoc()));
    if (defined == nullptr) return;
    const auto at = manager_.getExpansionLoc(range.getBegin());
    const std::string* used = state_.project_file(manager_.getFileID(at));
    if (used == nullptr) return;
    state_.macro_uses.push_back({*used, manager_.getFileOffset(at), *defined});
    (void)name;
  }

 private:
  VisitorState& state_;
  const clang::SourceManager& manager_;
};

class Action : public clang::ASTFrontendAction {
 public:
  Action(Facts& facts, const ParseSetup& setup) : state_(facts, setup) {}

 protected:
  std::unique_ptr<clang::ASTConsumer> CreateASTConsumer(clang::CompilerInstance& compiler, llvm::StringRef) override {
    state_.manager = &compiler.getSourceManager();
    compiler.getPreprocessor().addPPCallbacks(std::make_unique<Watcher>(state_, compiler.getSourceManager()));
    return make_fact_consumer(state_);
  }

 private:
  VisitorState state_;
};

std::string resource_folder() {
  for (const char* folder : {CUDA2SYCL_CLANG_RESOURCES, "/usr/lib/llvm-19/lib/clang/19", "/usr/lib/clang/19"})
    if (std::filesystem::exists(std::string(folder) + "/include/stddef.h")) return folder;
  return CUDA2SYCL_CLANG_RESOURCES;
}

std::vector<std::string> arguments(const ParseJob& job, const ParseSetup& setup) {
  std::vector<std::string> words = {
      "clang++",          "-fsyntax-only",   "-x",         "cuda",
      "--cuda-host-only", "-nocudainc",      "-nocudalib", "--cuda-path=/nonexistent",
      "-std=c++20",       "-ferror-limit=0", "-w",         "-fno-caret-diagnostics",
      "-resource-dir",    resource_folder(), "-Xclang",    "-fcuda-allow-variadic-functions",
      "-Wno-error"};
  for (const std::string& define : job.defines) words.push_back("-D" + define);
  for (const std::string& folder : job.include_dirs) words.push_back("-I" + folder);
  if (!setup.torch_include.empty()) {
    words.push_back("-isystem" + setup.torch_include);
    words.push_back("-isystem" + setup.torch_include + "/torch/csrc/api/include");
  }
  words.push_back(std::string("-isystem") + kStubFolder);
  words.insert(words.end(), {"-include", "csy_cuda.h"});
  words.insert(words.end(), job.extra.begin(), job.extra.end());
  words.push_back(job.file);
  return words;
}

}  // namespace

const std::string* VisitorState::project_file(clang::FileID id) {
  if (const auto found = known_.find(id); found != known_.end()) return found->second;
  const std::string* name = nullptr;
  if (const auto entry = manager->getFileEntryRefForID(id)) {
    const auto found = setup.project_files.find(entry->getFileEntry().tryGetRealPathName().str());
    if (found != setup.project_files.end()) name = &*found;
  }
  known_[id] = name;
  return name;
}

Facts parse(const ParseJob& job, const ParseSetup& setup) {
  Facts facts;
  auto memory = llvm::makeIntrusiveRefCnt<llvm::vfs::InMemoryFileSystem>();
  for (const auto& [name, text] : setup.stubs)
    memory->addFile(std::string(kStubFolder) + "/" + name, 0, llvm::MemoryBuffer::getMemBuffer(text));
  auto files = llvm::makeIntrusiveRefCnt<llvm::vfs::OverlayFileSystem>(llvm::vfs::getRealFileSystem());
  files->pushOverlay(memory);

  const std::vector<std::string> words = arguments(job, setup);
  std::vector<const char*> pointers;
  pointers.reserve(words.size());
  for (const std::string& word : words) pointers.push_back(word.c_str());

  Collector collector(facts);
  clang::CreateInvocationOptions options;
  options.VFS = files;
  options.RecoverOnError = true;
  options.Diags = clang::CompilerInstance::createDiagnostics(new clang::DiagnosticOptions, &collector, false);
  std::shared_ptr<clang::CompilerInvocation> invocation = clang::createInvocation(pointers, options);
  if (invocation == nullptr) {
    facts.errors.insert({job.file, 0, 0, "clang does not accept the arguments of this source"});
    return facts;
  }
  invocation->getFrontendOpts().DisableFree = false;
  invocation->getLangOpts().SpellChecking = false;
  clang::CompilerInstance compiler;
  compiler.setInvocation(std::move(invocation));
  compiler.createDiagnostics(&collector, false);
  compiler.getDiagnostics().setFatalsAsError(true);
  compiler.getDiagnostics().setErrorLimit(0);
  compiler.createFileManager(files);
  compiler.createSourceManager(compiler.getFileManager());
  for (const auto& [path, text] : setup.replaced_files) {
    if (const auto entry = compiler.getFileManager().getOptionalFileRef(path))
      compiler.getSourceManager().overrideFileContents(*entry, llvm::MemoryBuffer::getMemBuffer(text));
  }
  Action action(facts, setup);
  compiler.ExecuteAction(action);
  return facts;
}

}  // namespace dcn::migrate
