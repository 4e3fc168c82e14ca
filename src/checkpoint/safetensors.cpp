#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "checkpoint/byte_reader.hpp"
#include "checkpoint/formats.hpp"
#include "checkpoint/limits.hpp"
#include "checkpoint/memory.hpp"
#include "checkpoint/safetensors_types.hpp"
#include "checkpoint/text.hpp"
#include "dcn/status.hpp"

namespace dcn::checkpoint {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 25'000'000;  // the format's own limit is 100 MB; 100,000 tensors take 12 MB
constexpr std::size_t kMaxName = 4096;

struct Entry {
  std::optional<std::string> dtype;
  std::optional<std::vector<std::int64_t>> shape;
  std::optional<std::vector<std::int64_t>> offsets;
};

/// Takes the header's events one by one: exactly {NAME: {"dtype": .., "shape": [..], "data_offsets": [a, b]}, ...,
/// "__metadata__": {KEY: STRING}}. Anything else, including a repeated key, ends the parse, so that nothing grows
/// beyond what the format allows.
class HeaderHandler : public nlohmann::json::json_sax_t {
 public:
  std::map<std::string, Entry> entries;
  std::map<std::string, std::string> metadata;

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a bool"); }
  bool number_float(number_float_t, const string_t&) override { unexpected("a fraction"); }
  bool binary(binary_t&) override { unexpected("binary data"); }
  bool number_integer(number_integer_t value) override {
    unexpected(fmt::format("the number {}", value));  // reached for negative ones only
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (list_ == nullptr) unexpected(fmt::format("the number {}", value));
    if (value > static_cast<number_unsigned_t>(INT64_MAX)) unexpected(fmt::format("the number {}", value));
    if (list_->size() == kMaxRank) fail(fmt::format("tensor {}: more than {} dimensions", printable(name_), kMaxRank));
    list_->push_back(static_cast<std::int64_t>(value));
    return true;
  }

  bool string(string_t& value) override {
    if (depth_ != 2 || list_ != nullptr) unexpected("a string");
    if (in_metadata_) {
      metadata[key_] = value;
    } else if (key_ == "dtype") {
      entry_->dtype = value;
    } else {
      unexpected("a string");
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (depth_ >= 2 || list_ != nullptr) unexpected("an object");
    ++depth_;
    return true;
  }
  bool end_object() override {
    --depth_;
    return true;
  }

  bool key(string_t& key) override {
    if (key.size() > kMaxName) fail(fmt::format("header: a name of {} bytes", key.size()));
    if (depth_ == 1) {
      name_ = key;
      in_metadata_ = key == "__metadata__";
      if (in_metadata_ ? seen_metadata_ : entries.contains(key)) fail(fmt::format("{} occurs twice", printable(key)));
      seen_metadata_ = seen_metadata_ || in_metadata_;
      entry_ = in_metadata_ ? nullptr : &entries[key];
      if (entries.size() > kMaxTensors) fail(fmt::format("more than {} tensors", kMaxTensors));
      return true;
    }
    key_ = key;
    const bool repeated = in_metadata_            ? metadata.contains(key)
                          : key == "dtype"        ? entry_->dtype.has_value()
                          : key == "shape"        ? entry_->shape.has_value()
                          : key == "data_offsets" ? entry_->offsets.has_value()
                                                  : unknown_field();
    if (repeated) fail(fmt::format("{}: {} occurs twice", printable(name_), printable(key)));
    return true;
  }

  bool start_array(std::size_t) override {
    if (depth_ != 2 || list_ != nullptr || in_metadata_) unexpected("a list");
    if (key_ == "dtype") unexpected("a list");
    auto& list = key_ == "shape" ? entry_->shape : entry_->offsets;
    list_ = &list.emplace();
    return true;
  }
  bool end_array() override {
    list_ = nullptr;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fail(fmt::format("the header is not JSON at byte {}", position + sizeof(std::uint64_t)));
  }

 private:
  [[noreturn]] void unexpected(std::string_view what) const {
    if (depth_ == 0) fail(fmt::format("header: {}, expected an object of tensors", what));
    fail(depth_ == 1 ? fmt::format("header: {} under {}", what, printable(name_))
                     : fmt::format("header: {} under {}/{}", what, printable(name_), printable(key_)));
  }
  [[noreturn]] bool unknown_field() const {
    fail(fmt::format("tensor {}: unknown field {}", printable(name_), printable(key_)));
  }

  int depth_ = 0;
  bool in_metadata_ = false;
  bool seen_metadata_ = false;
  std::string name_;
  std::string key_;
  Entry* entry_ = nullptr;
  std::vector<std::int64_t>* list_ = nullptr;
};

struct Place {
  std::int64_t begin;
  std::int64_t end;
  const std::string* name;
};

Tensor describe_tensor(const std::string& name, const Entry& entry, Place& place) {
  const std::string shown = printable(name);
  if (!entry.dtype || !entry.shape || !entry.offsets || entry.offsets->size() != 2) {
    fail(fmt::format("tensor {}: expected dtype, shape and two data_offsets", shown));
  }
  const std::optional<DataType> type = safetensors_type(*entry.dtype);
  if (!type) {
    fail(
        fmt::format("tensor {}: dtype {} is not supported, expected F16, BF16, F32 or F64 (or I64, I32, I16, I8, U8, "
                    "BOOL)",
                    shown, printable(*entry.dtype)));
  }
  Tensor tensor{.type = *type, .sizes = *entry.shape, .data = nullptr};
  const std::int64_t bytes =
      checked_elements(tensor.sizes, size_of(*type), name) * static_cast<std::int64_t>(size_of(*type));
  place = {.begin = (*entry.offsets)[0], .end = (*entry.offsets)[1], .name = &name};
  if (place.end < place.begin || place.end - place.begin != bytes) {
    fail(fmt::format("tensor {}: data_offsets [{}, {}] do not hold {} {}, which takes {} bytes", shown, place.begin,
                     place.end, *entry.dtype, bracketed(tensor.sizes), bytes));
  }
  return tensor;
}

/// The format has no gaps and no overlaps, so that no byte of a file goes unseen.
void check_coverage(std::vector<Place> places, std::size_t data_bytes) {
  std::sort(places.begin(), places.end(),
            [](const Place& a, const Place& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
  std::int64_t expected = 0;
  for (const Place& place : places) {
    if (place.begin != expected) {
      fail(fmt::format("tensor {}: data_offsets [{}, {}] {} (expected to begin at {})", printable(*place.name),
                       place.begin, place.end, place.begin < expected ? "overlap another tensor" : "leave a gap",
                       expected));
    }
    expected = place.end;
  }
  if (static_cast<std::uint64_t>(expected) != data_bytes) {
    fail(
        fmt::format("truncated or damaged: the header describes {} bytes of tensors, the file holds {}; copy or "
                    "download the file again",
                    expected, data_bytes));
  }
}

}  // namespace

Checkpoint load_safetensors(std::span<const std::byte> file, const LoadLimits& limits) {
  ByteReader reader(file);
  const auto header_bytes = reader.number<std::uint64_t>("the header's length");
  if (header_bytes > kMaxHeaderBytes) {
    fail(fmt::format("a header of {} bytes, at most {} are accepted", header_bytes, kMaxHeaderBytes));
  }
  const std::string_view header = reader.text(header_bytes, "the header");
  if (!header.starts_with('{')) fail("the header does not begin with {");

  HeaderHandler handler;
  nlohmann::json::sax_parse(header.begin(), header.end(), &handler);

  Checkpoint checkpoint{.tensors = {}, .metadata = std::move(handler.metadata), .format = "safetensors"};
  std::vector<Place> places;
  for (const auto& [name, entry] : handler.entries) {
    Place place{};
    checkpoint.tensors.emplace(name, describe_tensor(name, entry, place));
    places.push_back(place);
  }
  const std::span<const std::byte> data = reader.take(reader.left(), "the tensors");
  check_coverage(places, data.size());

  MemoryBudget budget(limits, file.size());
  auto place = places.begin();  // in the order of the tensors' names, too
  for (auto& [name, tensor] : checkpoint.tensors) {
    const std::size_t bytes = tensor.bytes();
    const std::shared_ptr<std::byte[]> copy = budget.allocate(bytes, fmt::format("tensor {}", name));
    if (bytes != 0) std::memcpy(copy.get(), data.data() + place->begin, bytes);
    tensor.data = copy;
    ++place;
  }
  return checkpoint;
}

}  // namespace dcn::checkpoint
