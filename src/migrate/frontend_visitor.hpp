/// \file frontend_visitor.hpp
/// Between the two files that know clang: what the walk over the syntax tree needs from the preprocessor.
#pragma once

#include <clang/AST/ASTConsumer.h>
#include <clang/Basic/SourceManager.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "migrate/facts.hpp"

namespace dcn::migrate {

/// A macro of the project, used somewhere in the project.
struct MacroUse {
  std::string used_in;
  unsigned offset;
  std::string defined_in;
};

struct VisitorState {
  VisitorState(Facts& f, const ParseSetup& s) : facts(f), setup(s) {}
  Facts& facts;
  const ParseSetup& setup;
  const clang::SourceManager* manager = nullptr;
  std::vector<MacroUse> macro_uses;

  /// The project's path of a file, or null when it belongs to somebody else.
  const std::string* project_file(clang::FileID id);

 private:
  std::map<clang::FileID, const std::string*> known_;
};

/// Walks the tree when the parse is complete and fills `state.facts`.
std::unique_ptr<clang::ASTConsumer> make_fact_consumer(VisitorState& state);

}  // namespace dcn::migrate
