#include "centernet/coco_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <unordered_set>

#include "dcn/status.hpp"

namespace dcn::centernet::coco {
namespace {

using nlohmann::json;

std::string read_text(const std::filesystem::path& file) {
  std::error_code status;
  if (std::filesystem::is_directory(file, status)) {
    throw Error(ErrorCode::kIo, fmt::format("{}: a folder, expected a JSON file", file.string()));
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    throw Error(ErrorCode::kIo, fmt::format("{}: cannot be read: {}", file.string(), std::strerror(errno)));
  }
  std::ostringstream text;
  text << stream.rdbuf();
  if (stream.bad()) throw Error(ErrorCode::kIo, fmt::format("{}: reading failed half-way", file.string()));
  return std::move(text).str();
}

/// Reads one object of a JSON list and knows its place in the file, for messages.
class Entry {
 public:
  Entry(const json& value, const std::string& file, std::string place)
      : value_(value), file_(file), place_(std::move(place)) {
    if (!value.is_object()) fail(fmt::format("is {}, expected an object", shown(value)));
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::kBadFile, fmt::format("{}: {}: {}", file_, place_, what));
  }
  [[nodiscard]] bool has(const char* key) const { return value_.contains(key) && !value_.at(key).is_null(); }
  [[nodiscard]] std::int64_t whole(const char* key) const {
    const json& value = at(key);
    if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
    if (value.is_number_integer()) return value.get<std::int64_t>();
    // Tools that go through tables of floating-point numbers write 7.0.
    if (value.is_number_float()) {
      const auto number = value.get<double>();
      if (std::abs(number) < 9e15 && number == std::floor(number)) return static_cast<std::int64_t>(number);
    }
    fail(fmt::format("\"{}\" is {}, expected a whole number", key, shown(value)));
  }
  [[nodiscard]] double number(const char* key) const { return finite(at(key), key); }
  [[nodiscard]] std::string text(const char* key) const {
    const json& value = at(key);
    if (!value.is_string()) fail(fmt::format("\"{}\" is {}, expected a text", key, shown(value)));
    return value.get<std::string>();
  }
  [[nodiscard]] std::vector<double> numbers(const char* key) const {
    const json& value = at(key);
    if (!value.is_array()) fail(fmt::format("\"{}\" is {}, expected a list of numbers", key, shown(value)));
    std::vector<double> result;
    result.reserve(value.size());
    for (const json& item : value) result.push_back(finite(item, key));
    return result;
  }
  template <std::size_t N>
  [[nodiscard]] std::array<double, N> numbers(const char* key) const {
    const std::vector<double> values = numbers(key);
    if (values.size() != N) fail(fmt::format("\"{}\" has {} numbers, expected {}", key, values.size(), N));
    std::array<double, N> result{};
    std::copy(values.begin(), values.end(), result.begin());
    return result;
  }

 private:
  [[nodiscard]] const json& at(const char* key) const {
    if (!has(key)) fail(fmt::format("\"{}\" is missing", key));
    return value_.at(key);
  }
  [[nodiscard]] double finite(const json& value, const char* key) const {
    if (!value.is_number()) fail(fmt::format("\"{}\" has {}, expected a number", key, shown(value)));
    const auto number = value.get<double>();
    if (!std::isfinite(number)) fail(fmt::format("\"{}\" has a number that is not finite", key));
    return number;
  }
  static std::string shown(const json& value) {
    std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
    if (text.size() > 40) text = text.substr(0, 37) + "...";
    return text;
  }

  const json& value_;
  const std::string& file_;
  std::string place_;
};

/// Parses, leaving out what is not needed: the polygons of COCO's training annotations are most of half a gigabyte.
json parse(std::string_view text, const std::string& name) {
  const auto keep = [](int /*depth*/, json::parse_event_t event, json& parsed) {
    return event != json::parse_event_t::key || parsed != "segmentation";
  };
  try {
    return json::parse(text.begin(), text.end(), keep);
  } catch (const json::parse_error& error) {
    throw Error(ErrorCode::kBadFile, fmt::format("{}: not JSON, or damaged (at byte {})", name, error.byte));
  } catch (const json::exception& error) {  // such as a number out of range
    throw Error(ErrorCode::kBadFile, fmt::format("{}: {}", name, error.what()));
  }
}

/// Calls read(Entry) for each entry of a list and checks that its id is new.
template <class T, class Read>
std::vector<T> read_entries(const json& root, const char* key, const std::string& name, const Read& read) {
  std::vector<T> result;
  if (!root.contains(key)) return result;
  const json& entries = root.at(key);
  if (!entries.is_array()) throw Error(ErrorCode::kBadFile, fmt::format("{}: \"{}\" is not a list", name, key));
  std::unordered_set<std::int64_t> ids;
  result.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Entry entry(entries[i], name, fmt::format("{}[{}]", key, i));
    result.push_back(read(entry));
    if (!ids.insert(result.back().id).second) entry.fail(fmt::format("id {} occurs twice", result.back().id));
  }
  return result;
}

std::string quoted(const std::string& text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);  // file names need not be UTF-8
}

}  // namespace

Dataset parse_dataset(std::string_view text, const std::string& name) {
  const json root = parse(text, name);
  if (!root.is_object() || !root.contains("images")) {
    throw Error(ErrorCode::kBadFile,
                fmt::format("{}: no COCO annotations: expected an object with \"images\", \"categories\" and "
                            "\"annotations\"{}",
                            name, root.is_array() ? " (this is a list: a results file?)" : ""));
  }
  Dataset dataset;
  dataset.images = read_entries<Image>(
      root, "images", name, [](const Entry& entry) { return Image{entry.whole("id"), entry.text("file_name")}; });
  dataset.categories = read_entries<Category>(
      root, "categories", name, [](const Entry& entry) { return Category{entry.whole("id"), entry.text("name")}; });
  dataset.annotations = read_entries<Annotation>(root, "annotations", name, [](const Entry& entry) {
    Annotation annotation;
    annotation.id = entry.whole("id");
    annotation.image_id = entry.whole("image_id");
    annotation.category_id = entry.whole("category_id");
    annotation.bbox = entry.numbers<4>("bbox");
    annotation.area = entry.has("area") ? entry.number("area") : annotation.bbox[2] * annotation.bbox[3];
    annotation.crowd = entry.has("iscrowd") && entry.whole("iscrowd") != 0;
    return annotation;
  });
  return dataset;
}

Dataset read_dataset(const std::filesystem::path& file) { return parse_dataset(read_text(file), file.string()); }

std::vector<Result> parse_results(std::string_view text, const std::string& name) {
  const json root = parse(text, name);
  if (!root.is_array()) {
    const bool annotations = root.is_object() && root.contains("images");
    throw Error(ErrorCode::kBadFile, fmt::format("{}: no COCO results: expected a list of objects{}", name,
                                                 annotations ? " (this looks like an annotations file)" : ""));
  }
  std::vector<Result> results;
  results.reserve(root.size());
  for (std::size_t i = 0; i < root.size(); ++i) {
    const Entry entry(root[i], name, fmt::format("[{}]", i));
    Result& result = results.emplace_back();
    result.image_id = entry.whole("image_id");
    result.category_id = entry.whole("category_id");
    result.bbox = entry.numbers<4>("bbox");
    result.score = entry.number("score");
    if (entry.has("file_name")) result.file_name = entry.text("file_name");
    if (entry.has("label")) result.label = entry.text("label");
    if (entry.has("frame")) result.frame = entry.whole("frame");
    if (entry.has("keypoints")) result.keypoints = entry.numbers("keypoints");
    if (entry.has("dim")) {
      result.box3d =
          Box3d{entry.number("alpha"), entry.numbers<3>("dim"), entry.numbers<3>("loc"), entry.number("rot_y")};
    }
  }
  return results;
}

std::vector<Result> read_results(const std::filesystem::path& file) {
  return parse_results(read_text(file), file.string());
}

std::string to_json(const Result& result) {
  std::string text;
  auto out = std::back_inserter(text);
  fmt::format_to(out, "{{\"image_id\": {}, \"category_id\": {}, \"bbox\": [{}], \"score\": {}", result.image_id,
                 result.category_id, fmt::join(result.bbox, ", "), result.score);
  if (!result.keypoints.empty()) fmt::format_to(out, ", \"keypoints\": [{}]", fmt::join(result.keypoints, ", "));
  if (result.box3d) {
    fmt::format_to(out, ", \"alpha\": {}, \"dim\": [{}], \"loc\": [{}], \"rot_y\": {}", result.box3d->alpha,
                   fmt::join(result.box3d->dimensions, ", "), fmt::join(result.box3d->location, ", "),
                   result.box3d->rotation_y);
  }
  fmt::format_to(out, ", \"file_name\": {}", quoted(result.file_name));
  if (result.frame > 0) fmt::format_to(out, ", \"frame\": {}", result.frame);
  if (!result.label.empty()) fmt::format_to(out, ", \"label\": {}", quoted(result.label));
  text += '}';
  return text;
}

std::string to_json(std::span<const Result> results) {
  std::string text = "[";
  for (std::size_t i = 0; i < results.size(); ++i) text += (i == 0 ? "\n" : ",\n") + to_json(results[i]);
  text += results.empty() ? "]\n" : "\n]\n";
  return text;
}

double shortest(float value) {
  if (!std::isfinite(value)) return value;
  std::array<char, 32> digits{};
  const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  double result = 0;
  std::from_chars(digits.data(), end, result);
  return result;
}

}  // namespace dcn::centernet::coco
