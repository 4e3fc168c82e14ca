/// \file coco_json.hpp
/// COCO's files: annotations ("instances") are read, results lists are read and written.
/// Format: https://cocodataset.org/#format-data and #format-results.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dcn::centernet::coco {

struct Image {
  std::int64_t id = 0;
  std::string file_name;
};

struct Category {
  std::int64_t id = 0;
  std::string name;
};

struct Annotation {
  std::int64_t id = 0;
  std::int64_t image_id = 0;
  std::int64_t category_id = 0;
  std::array<double, 4> bbox{};  ///< x, y, width, height in pixels
  double area = 0;               ///< of the segment where the file says so, else of the box
  bool crowd = false;            ///< "iscrowd": a region, not one object
};

/// An annotations file. Segments, key points and captions are not kept.
struct Dataset {
  std::vector<Image> images;
  std::vector<Category> categories;
  std::vector<Annotation> annotations;
};

/// What the ddd task adds to a result: camera coordinates in metres, angles in radians.
struct Box3d {
  double alpha = 0;
  std::array<double, 3> dimensions{};  ///< height, width, length
  std::array<double, 3> location{};    ///< x, y, z
  double rotation_y = 0;
};

/// One entry of a results list.
struct Result {
  std::int64_t image_id = 0;
  std::int64_t category_id = 0;
  std::array<double, 4> bbox{};  ///< x, y, width, height in pixels
  double score = 0;
  std::string file_name;
  std::string label;              ///< name of the class; empty: not written
  std::int64_t frame = 0;         ///< of a video, from 1; 0: a picture
  std::vector<double> keypoints;  ///< multi_pose: 17 x (x, y, visible), else empty
  std::optional<Box3d> box3d;     ///< ddd
};

/// \throws Error kIo when the file cannot be read; kBadFile naming the file, the entry and what is wrong with it: no
///         JSON, a missing key, a wrong type, an id that occurs twice.
[[nodiscard]] Dataset read_dataset(const std::filesystem::path& file);
/// The same from memory; `name` stands for the file in messages.
[[nodiscard]] Dataset parse_dataset(std::string_view text, const std::string& name);

/// \throws Error as read_dataset(). A number that is not finite is refused.
[[nodiscard]] std::vector<Result> read_results(const std::filesystem::path& file);
[[nodiscard]] std::vector<Result> parse_results(std::string_view text, const std::string& name);

/// One object of a results list, on one line. Bytes of names that are not UTF-8 become replacement characters.
[[nodiscard]] std::string to_json(const Result& result);
/// A results list, one object a line.
[[nodiscard]] std::string to_json(std::span<const Result> results);

/// The `double` nearest to the shortest decimal form of `value`: 0.3F becomes 0.3, not 0.300000011920929. With it the
/// numbers of a written file are the same as those in memory, and no longer than they need to be.
[[nodiscard]] double shortest(float value);

}  // namespace dcn::centernet::coco
