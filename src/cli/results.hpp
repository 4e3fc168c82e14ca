/// \file results.hpp
/// From detections to the files --json and --csv.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "centernet/coco_json.hpp"
#include "centernet/detection.hpp"
#include "centernet/model.hpp"
#include "cli/files.hpp"

namespace dcn::cli {

/// Numbers of pictures and classes, as an annotations file has them.
class CocoIds {
 public:
  /// Pictures are numbered from 1 in the order of their turn, classes by their place in the model, from 1.
  explicit CocoIds(const std::vector<std::string>& labels);
  /// Pictures by file name, classes by name. Classes that the file lacks have no number: their objects are left out of
  /// the results; a warning names them.
  /// \throws Error kInvalidArgument when no class of the model has a name of the file.
  CocoIds(const std::vector<std::string>& labels, const centernet::coco::Dataset& dataset, const std::string& file);

  /// \param path   of the picture; its end must be a file name of the annotations
  /// \param turn   from 1
  /// \return nothing when the annotations lack it
  [[nodiscard]] std::optional<std::int64_t> image(const std::filesystem::path& path, std::int64_t turn) const;
  [[nodiscard]] std::optional<std::int64_t> category(int label) const;

 private:
  std::vector<std::optional<std::int64_t>> categories_;
  bool from_file_ = false;
  std::unordered_map<std::string, std::int64_t> images_;  // by file name
};

/// What the rows of one picture have in common.
struct PictureOfResults {
  std::int64_t image_id = 0;
  std::string file_name;
  std::int64_t frame = 0;  ///< of a video, from 1; 0: a picture
};

/// One detection as an entry of a COCO results list.
[[nodiscard]] centernet::coco::Result to_result(const centernet::Detection& detection, const PictureOfResults& picture,
                                                std::int64_t category_id, const std::string& label,
                                                centernet::Task task);

/// Writes rows as they come; the files get their names with commit().
class ResultFiles {
 public:
  struct Options {
    std::string json, csv;  ///< empty: not wanted; "-": standard output
    double json_threshold = 0, csv_threshold = 0;
  };

  /// \throws Error kIo at once when a file cannot be written.
  ResultFiles(const Options& options, centernet::Task task, std::vector<std::string> labels);
  void add(const PictureOfResults& picture, const std::vector<centernet::Detection>& detections, const CocoIds& ids);
  void commit();

 private:
  Options options_;
  centernet::Task task_;
  std::vector<std::string> labels_;
  std::unique_ptr<OutputFile> json_, csv_;
  bool first_ = true;
};

/// A field of a CSV file (RFC 4180).
[[nodiscard]] std::string csv_field(const std::string& text);

}  // namespace dcn::cli
