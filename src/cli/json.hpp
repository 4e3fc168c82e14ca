/// \file json.hpp
/// JSON documents that the commands write.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cli/files.hpp"

namespace dcn::cli {

/// Keys in the order in which they were put in.
using Json = nlohmann::ordered_json;

/// To a file, or to standard output for "-".
inline void write_json(const std::string& name, const Json& document) {
  write_file(name, document.dump(2, ' ', false, Json::error_handler_t::replace) + '\n');
}

}  // namespace dcn::cli
