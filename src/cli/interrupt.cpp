#include "cli/interrupt.hpp"

#include <csignal>

namespace dcn::cli {
namespace {

volatile std::sig_atomic_t received = 0;

extern "C" void on_signal(int signal) { received = signal; }

}  // namespace

void catch_interrupts() {
  struct sigaction action{};
  action.sa_handler = on_signal;
  // The next one has its usual effect; calls that wait go on.
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() noexcept { return received != 0; }

int interrupt_exit_code() noexcept { return 128 + received; }

}  // namespace dcn::cli
