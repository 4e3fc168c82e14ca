#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "dcn/device.hpp"
#include "dcn/status.hpp"
#include "runtime/sycl_library.hpp"

namespace dcn::runtime {

namespace {

/// Below the compiler's prefix, which it forgets when it looks for the file.
constexpr std::string_view kBelow = "/lib/clang/23/lib/nvptx64-nvidia-cuda/libspirv.l64.signed_char.bc";
constexpr std::string_view kPrefix = "/sycl-jit-toolchain";
constexpr std::string_view kBitcode = "BC\xc0\xde";

/// A file inside the compiler: a row of its table of files.
struct Row {
  std::uint64_t path, path_size;
  std::uint64_t data, data_size;
};

template <typename T>
std::optional<T> read_at(std::span<const char> file, std::uint64_t offset) {
  if (offset > file.size() || file.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, file.data() + offset, sizeof(T));
  return value;
}

/// The parts of an ELF library that the search needs.
class Library {
 public:
  explicit Library(std::span<const char> file) : file_(file) {
    const auto header = read_at<Elf64_Ehdr>(file, 0);
    if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64)
      return;
    for (unsigned i = 0; i < header->e_shnum; ++i) {
      const auto section = read_at<Elf64_Shdr>(file, header->e_shoff + std::uint64_t{i} * header->e_shentsize);
      if (section) sections_.push_back(*section);
    }
  }

  /// Where an address of the loaded library lies in the file.
  [[nodiscard]] std::optional<std::uint64_t> offset(std::uint64_t address) const {
    for (const Elf64_Shdr& section : sections_) {
      if (section.sh_type != SHT_PROGBITS || address < section.sh_addr) continue;
      if (address - section.sh_addr < section.sh_size) return address - section.sh_addr + section.sh_offset;
    }
    return std::nullopt;
  }

  [[nodiscard]] std::optional<std::uint64_t> address(std::uint64_t offset) const {
    for (const Elf64_Shdr& section : sections_) {
      if (section.sh_type != SHT_PROGBITS || offset < section.sh_offset) continue;
      if (offset - section.sh_offset < section.sh_size) return offset - section.sh_offset + section.sh_addr;
    }
    return std::nullopt;
  }

  /// Calls visit(place, target) for every pointer that the loader sets.
  template <typename Visit>
  void for_pointers(const Visit& visit) const {
    for (const Elf64_Shdr& section : sections_) {
      if (section.sh_type != SHT_RELA) continue;
      for (std::uint64_t at = 0; at + sizeof(Elf64_Rela) <= section.sh_size; at += sizeof(Elf64_Rela)) {
        const auto entry = read_at<Elf64_Rela>(file_, section.sh_offset + at);
        if (entry && ELF64_R_TYPE(entry->r_info) == R_X86_64_RELATIVE) {
          visit(entry->r_offset, static_cast<std::uint64_t>(entry->r_addend));
        }
      }
    }
  }

  /// The file with that path inside the library; empty when there is none.
  [[nodiscard]] std::span<const char> find(std::string_view path) const {
    const auto found = std::search(file_.begin(), file_.end(), path.begin(), path.end());
    if (found == file_.end()) return {};
    const auto name = address(static_cast<std::uint64_t>(found - file_.begin()));
    if (!name) return {};
    std::uint64_t row = 0;  // the table's pointer to the path
    for_pointers([&](std::uint64_t place, std::uint64_t target) {
      if (target == *name) row = place;
    });
    std::uint64_t data = 0;
    for_pointers([&](std::uint64_t place, std::uint64_t target) {
      if (row != 0 && place == row + offsetof(Row, data)) data = target;
    });
    const auto row_offset = offset(row);
    const auto data_offset = offset(data);
    if (!row_offset || !data_offset) return {};
    const auto values = read_at<Row>(file_, *row_offset);
    if (!values || values->path_size != path.size() || *data_offset > file_.size() ||
        values->data_size > file_.size() - *data_offset) {
      return {};
    }
    return file_.subspan(*data_offset, values->data_size);
  }

 private:
  std::span<const char> file_;
  std::vector<Elf64_Shdr> sections_;
};

std::vector<char> read_compiler(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) {
    throw Error(ErrorCode::kIo, fmt::format("{}: the run-time compiler cannot be read: reinstall the wheel "
                                            "intel-sycl-rt",
                                            path.string()));
  }
  std::vector<char> content(static_cast<std::size_t>(file.tellg()));
  file.seekg(0);
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  return content;
}

}  // namespace
}  // namespace dcn::runtime

namespace dcn {

std::string cuda_builtins_path() { return std::string(runtime::kBelow); }

std::string install_cuda_builtins(const std::string& root) {
  const std::filesystem::path compiler = runtime::sycl_library().parent_path() / "libsycl-jit.so";
  const std::vector<char> content = runtime::read_compiler(compiler);
  const std::span<const char> builtins =
      runtime::Library(content).find(std::string(runtime::kPrefix) + std::string(runtime::kBelow));
  if (builtins.size() < runtime::kBitcode.size() ||
      !std::equal(runtime::kBitcode.begin(), runtime::kBitcode.end(), builtins.begin())) {
    throw Error(ErrorCode::kBadFile, fmt::format("{}: has no {} inside: another release of intel-sycl-rt than the one "
                                                 "this library was made for (requirements.txt)",
                                                 compiler.string(), runtime::kBelow));
  }
  const std::filesystem::path target = std::filesystem::path(root) / runtime::kBelow.substr(1);
  const std::filesystem::path unfinished = target.string() + ".part";
  std::error_code error;
  std::filesystem::create_directories(target.parent_path(), error);
  {
    std::ofstream out(unfinished, std::ios::binary);
    out.write(builtins.data(), static_cast<std::streamsize>(builtins.size()));
    if (!out.flush()) {
      std::filesystem::remove(unfinished, error);
      throw Error(ErrorCode::kIo, fmt::format("{}: cannot be written: run this as root", target.string()));
    }
  }
  std::filesystem::rename(unfinished, target);
  return target.string();
}

}  // namespace dcn
