// What the checkpoint tests share: files of tests/data/checkpoints, zips in memory, and a way to see what a load costs.
#pragma once

#include <gtest/gtest.h>
#include <zip.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "dcn/status.hpp"

namespace dcn::checkpoint::test {

using Bytes = std::vector<std::byte>;

inline const std::filesystem::path kData = "data/checkpoints";

inline Bytes to_bytes(std::string_view text) {
  Bytes bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

inline Bytes read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("no file " + path.string());
  return to_bytes(std::string(std::istreambuf_iterator<char>(in), {}));
}

inline nlohmann::json read_json(const std::filesystem::path& path) {
  return nlohmann::json::parse(std::ifstream(path));
}

inline Bytes from_hex(const std::string& hex) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

inline Bytes bytes_of(const Tensor& tensor) { return {tensor.data.get(), tensor.data.get() + tensor.bytes()}; }

/// A tensor of the given values.
template <typename T>
Tensor make_tensor(DataType type, std::vector<std::int64_t> sizes, const std::vector<T>& values) {
  std::shared_ptr<std::byte[]> data(new std::byte[values.size() * sizeof(T) + 1]);
  if (!values.empty()) std::memcpy(data.get(), values.data(), values.size() * sizeof(T));
  Tensor tensor{.type = type, .sizes = std::move(sizes), .data = data};
  EXPECT_EQ(tensor.bytes(), values.size() * sizeof(T));
  return tensor;
}

/// A zip archive of the given entries.
inline Bytes make_zip(const std::vector<std::pair<std::string, std::string>>& entries, bool deflate) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* target = zip_source_buffer_create(nullptr, 0, 0, &error);
  zip_t* zip = zip_open_from_source(target, ZIP_CREATE | ZIP_TRUNCATE, &error);
  zip_source_keep(target);
  for (const auto& [name, content] : entries) {
    const zip_int64_t index =
        zip_file_add(zip, name.c_str(), zip_source_buffer(zip, content.data(), content.size(), 0), 0);
    zip_set_file_compression(zip, static_cast<zip_uint64_t>(index), deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 1);
  }
  if (zip_close(zip) != 0) throw std::runtime_error("zip_close");
  zip_stat_t info;
  zip_source_stat(target, &info);
  Bytes bytes(info.size);
  zip_source_open(target);
  const zip_int64_t count = zip_source_read(target, bytes.data(), bytes.size());
  zip_source_close(target);
  zip_source_free(target);
  if (count != static_cast<zip_int64_t>(bytes.size())) throw std::runtime_error("zip_source_read");
  return bytes;
}

/// The message of the Error that loading must end in; a test failure and "" if it loads or throws something else.
inline std::string load_error(std::span<const std::byte> bytes, const std::string& name = "file.pth",
                              ErrorCode code = ErrorCode::kBadFile) {
  try {
    const Checkpoint loaded = load(bytes, name);
    ADD_FAILURE() << name << " loaded with " << loaded.tensors.size() << " tensors";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "";
}

}  // namespace dcn::checkpoint::test
