/// \file inputs.hpp
/// From what the user names to a list of pictures, videos and cameras.
#pragma once

#include <filesystem>
#include <istream>
#include <string>
#include <vector>

namespace dcn::cli {

struct Input {
  enum class Kind : unsigned char { kPicture, kVideo, kCamera };

  Kind kind = Kind::kPicture;
  std::filesystem::path path;  ///< empty for a camera
  int camera = 0;
  std::string name;  ///< in results and tables: the bare file name, or the path as given where two share that name
};

/// Expands, in the order given:
///   - a file, by its extension a picture or a video (an unknown extension counts as a picture),
///   - a folder: its pictures, sorted by name,
///   - a pattern with * ? or [...] that the shell did not expand, sorted,
///   - "camera:N",
///   - "-": one of the above per line of `list`, empty lines skipped. A missing file in the list is kept, so that it is
///     reported when its turn comes.
/// \throws Error kInvalidArgument for a name that does not exist, a folder without pictures, a pattern that matches
///         nothing; always with the remedy.
[[nodiscard]] std::vector<Input> expand_inputs(const std::vector<std::string>& arguments, std::istream& list);

[[nodiscard]] bool has_picture_extension(const std::filesystem::path& path);
[[nodiscard]] bool has_video_extension(const std::filesystem::path& path);

}  // namespace dcn::cli
