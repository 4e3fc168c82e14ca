/// \file cuda_code.hpp
/// What the SYCL runtime's way to code for NVIDIA GPUs needs help with. Each function says what goes wrong without it.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dcn::runtime {

/// 8-byte words that an entry takes after split_entries() when the size of its argument struct cannot be read off.
inline constexpr std::size_t kMostEntryWords = 96;

/// Rewrites the entry points of an expanded kernel file: the argument struct becomes words, and the local accessor the
/// dynamic shared memory of the work-group. The compiler (2026.2) crashes on entry points that take a struct, which a
/// local accessor becomes, too, when it writes PTX.
/// \throws Error kInternal for an entry of another form than kernel.hpp asks for.
[[nodiscard]] std::string split_entries(std::string_view text);

/// How many words each entry of a text that split_entries() has written takes, by name. Every word costs host time with
/// every launch.
[[nodiscard]] std::map<std::string, std::size_t, std::less<>> entry_words(std::string_view split_text);

/// Mends the content of a bundle of PTX (ext_oneapi_get_content): the compiler (2026.2) names the target as no reader
/// of the runtime expects it, so that the bundle would read as empty. Any other content is left alone.
void mend_target(std::vector<char>& content);

/// In the same content, names the state "executable" where it is "object": PTX needs no link, and the runtime (2026.2)
/// finds no entries in what it links.
void mark_executable(std::vector<char>& content);

/// In the same content, gives each entry that contains the comment "dcn-registers N" (kernels/registers.hpp) the
/// directive .maxnreg N: the compiler (2026.2) hands on neither the work-group's size nor any other bound, so that the
/// driver spends all registers on one work-group.
void limit_registers(std::vector<char>& content);

/// In the same content, names sm_90a as the target of code for sm_90 with instructions of that processor alone, which
/// stand in comments "//dcn-sm_90a" (kernels/tile_warpgroup.hpp), and brings these out of the comments: the compiler
/// (2026.2) knows no such target, and has the driver build what it made before anything can be mended.
void raise_target(std::vector<char>& content);

}  // namespace dcn::runtime
