/// \file interrupt.hpp
/// Ctrl-C: the first one asks the program to stop after the pictures in work, the second one ends it at once.
#pragma once

namespace dcn::cli {

void catch_interrupts();
[[nodiscard]] bool interrupted() noexcept;
/// 128 + the signal's number, as a shell reports it.
[[nodiscard]] int interrupt_exit_code() noexcept;

}  // namespace dcn::cli
