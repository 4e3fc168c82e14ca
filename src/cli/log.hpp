/// \file log.hpp
/// What the program tells while it works, on standard error: log lines and progress.
#pragma once

#include <chrono>
#include <mutex>
#include <string>

#include "cli/terminal.hpp"

namespace dcn::cli {

/// Lines of the default spdlog logger become "centernet: warning: ..." on standard error; a progress bar on display
/// makes way for them.
void start_logging();

/// A bar with rate and remaining time on a terminal, else a plain line now and then. Thread-safe. One at a time.
class Progress {
 public:
  /// \param what   what is done, such as "Detecting"
  /// \param unit   plural of what is counted, such as "pictures"
  /// \param total  0: not known (a camera, some videos)
  Progress(std::string what, std::string unit, long long total, bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(long long count = 1);
  /// Another total, when more becomes known.
  void set_total(long long total);
  /// Takes the bar off the screen for good.
  void finish();

  [[nodiscard]] long long done() const;
  /// Per second, from the first one on (what comes before it is start-up); 0: not known yet.
  [[nodiscard]] double rate() const;

  /// One line of the bar, without control characters; for the tests.
  [[nodiscard]] static std::string bar(const std::string& what, const std::string& unit, long long done,
                                       long long total, double rate, const Terminal& terminal);

 private:
  friend class ProgressGuard;
  using Clock = std::chrono::steady_clock;

  void draw(bool always);
  void erase();
  [[nodiscard]] double rate_now() const;

  std::string what_, unit_;
  long long total_ = 0, done_ = 0;
  bool quiet_ = false, finished_ = false, visible_ = false;
  Terminal terminal_;
  Clock::time_point start_, first_, latest_, drawn_;
  long long line_at_ = 0;
  mutable std::mutex mutex_;
};

}  // namespace dcn::cli
