#include "support/npz.hpp"

#include <zip.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string_view>

namespace dcn::test {
namespace {

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& what) {
  throw std::runtime_error(file.string() + ": " + what);
}

double half_to_double(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  double value = NAN;
  if (exponent == 0) {
    value = std::ldexp(fraction, -24);
  } else if (exponent < 31) {
    value = std::ldexp(1024 + fraction, exponent - 25);
  } else if (fraction == 0) {
    value = INFINITY;
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

template <typename T>
void append(std::vector<double>& out, std::string_view bytes, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    out.push_back(static_cast<double>(value));
  }
}

std::string header_field(std::string_view header, std::string_view key, char open, char close) {
  const auto at = header.find(key);
  const auto begin = at == std::string_view::npos ? at : header.find(open, at + key.size());
  const auto end = begin == std::string_view::npos ? begin : header.find(close, begin + 1);
  if (end == std::string_view::npos) return {};
  return std::string(header.substr(begin + 1, end - begin - 1));
}

NpyArray parse_npy(std::string_view bytes, const std::filesystem::path& file) {
  if (bytes.size() < 12 || bytes.substr(0, 6) != "\x93NUMPY") fail(file, "not an .npy file");
  const bool wide = bytes[6] >= 2;
  std::uint32_t length = 0;
  std::memcpy(&length, bytes.data() + 8, wide ? 4 : 2);
  const std::size_t start = wide ? 12 : 10;
  if (bytes.size() < start + length) fail(file, "truncated header");
  const std::string_view header = bytes.substr(start, length);
  if (header.find("'fortran_order': True") != std::string_view::npos) fail(file, "Fortran order is not supported");

  NpyArray array;
  const std::string shape = header_field(header, "'shape':", '(', ')');
  std::size_t count = 1;
  for (std::size_t at = 0; at < shape.size();) {
    std::size_t used = 0;
    if (shape.find_first_of("0123456789", at) == std::string::npos) break;
    at = shape.find_first_of("0123456789", at);
    array.shape.push_back(std::stoll(shape.substr(at), &used));
    count *= static_cast<std::size_t>(array.shape.back());
    at += used;
  }
  const std::string type = header_field(header, "'descr':", '\'', '\'');
  if (type.size() < 3 || bytes.size() - start - length < count * std::stoul(type.substr(2)))
    fail(file, "truncated data");
  const std::string_view data = bytes.substr(start + length);
  array.values.reserve(count);
  const std::string kind = type.substr(1);
  if (kind == "f8")
    append<double>(array.values, data, count);
  else if (kind == "f4")
    append<float>(array.values, data, count);
  else if (kind == "i8")
    append<std::int64_t>(array.values, data, count);
  else if (kind == "i4")
    append<std::int32_t>(array.values, data, count);
  else if (kind == "i2")
    append<std::int16_t>(array.values, data, count);
  else if (kind == "u4")
    append<std::uint32_t>(array.values, data, count);
  else if (kind == "u2")
    append<std::uint16_t>(array.values, data, count);
  else if (kind == "u1" || kind == "b1")
    append<std::uint8_t>(array.values, data, count);
  else if (kind == "i1")
    append<std::int8_t>(array.values, data, count);
  else if (kind == "f2") {
    std::vector<double> bits;
    append<std::uint16_t>(bits, data, count);
    for (const double b : bits) array.values.push_back(half_to_double(static_cast<std::uint16_t>(b)));
  } else {
    fail(file, "unsupported type " + type);
  }
  return array;
}

}  // namespace

NpyArray read_npy(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) fail(file, "cannot be opened");
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  return parse_npy(bytes, file);
}

Npz::Npz(const std::filesystem::path& file) : file_(file) {
  const std::unique_ptr<zip_t, void (*)(zip_t*)> archive(zip_open(file.c_str(), ZIP_RDONLY, nullptr), zip_discard);
  if (!archive) fail(file, "cannot be opened as .npz");
  const zip_int64_t entries = zip_get_num_entries(archive.get(), 0);
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(entries); ++i) {
    zip_stat_t stat;
    if (zip_stat_index(archive.get(), i, 0, &stat) != 0) fail(file, "unreadable entry");
    const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> entry(zip_fopen_index(archive.get(), i, 0), zip_fclose);
    std::string bytes(stat.size, '\0');
    if (!entry || zip_fread(entry.get(), bytes.data(), stat.size) != static_cast<zip_int64_t>(stat.size)) {
      fail(file, std::string("unreadable entry ") + stat.name);
    }
    std::string name = stat.name;
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    arrays_.emplace(name, parse_npy(bytes, file));
  }
}

std::vector<std::string> Npz::names() const {
  std::vector<std::string> result;
  for (const auto& [name, array] : arrays_) result.push_back(name);
  return result;
}

const NpyArray& Npz::get(const std::string& name) const {
  const auto it = arrays_.find(name);
  if (it == arrays_.end()) fail(file_, "no array " + name);
  return it->second;
}

}  // namespace dcn::test
