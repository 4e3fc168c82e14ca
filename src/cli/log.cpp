#include "cli/log.hpp"

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <utility>

namespace dcn::cli {

namespace {

std::mutex active_mutex;
Progress* active_progress = nullptr;

}  // namespace

/// Hides the bar on display while it lives.
class ProgressGuard {
 public:
  ProgressGuard() : active_(active_mutex) {
    if (active_progress == nullptr) return;
    lock_ = std::unique_lock(active_progress->mutex_);
    active_progress->erase();
  }
  ~ProgressGuard() {
    if (lock_.owns_lock()) active_progress->draw(true);
  }
  ProgressGuard(const ProgressGuard&) = delete;
  ProgressGuard& operator=(const ProgressGuard&) = delete;

 private:
  std::lock_guard<std::mutex> active_;
  std::unique_lock<std::mutex> lock_;
};

namespace {

class Sink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  Sink() : colors_(terminal(STDERR_FILENO).colors) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const char* color = message.level >= spdlog::level::err    ? "\x1b[1;31m"
                        : message.level >= spdlog::level::warn ? "\x1b[1;33m"
                                                               : "\x1b[1m";
    const auto level = spdlog::level::to_string_view(message.level);
    const std::string line =
        colors_ ? fmt::format("centernet: {}{}:\x1b[0m {}\n", color, fmt::string_view(level.data(), level.size()),
                              fmt::string_view(message.payload.data(), message.payload.size()))
                : fmt::format("centernet: {}: {}\n", fmt::string_view(level.data(), level.size()),
                              fmt::string_view(message.payload.data(), message.payload.size()));
    const ProgressGuard guard;
    std::fputs(line.c_str(), stderr);
  }
  void flush_() override { std::fflush(stderr); }

 private:
  bool colors_;
};

std::string clock_text(double seconds) {
  const auto whole = static_cast<long long>(std::ceil(seconds));
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string numbers(const std::string& unit, long long done, long long total, double rate) {
  std::string text = total > 0 ? fmt::format("{}/{} {}", done, total, unit) : fmt::format("{} {}", done, unit);
  if (rate > 0) {
    text += fmt::format("  {:.{}f} images/s", rate, rate < 100 ? 1 : 0);
    if (total > done) text += fmt::format("  ETA {}", clock_text(static_cast<double>(total - done) / rate));
  }
  return text;
}

}  // namespace

void start_logging() {
  auto logger = std::make_shared<spdlog::logger>("centernet", std::make_shared<Sink>());
  logger->set_level(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

Progress::Progress(std::string what, std::string unit, long long total, bool quiet)
    : what_(std::move(what)),
      unit_(std::move(unit)),
      total_(total),
      quiet_(quiet),
      terminal_(terminal(STDERR_FILENO)),
      start_(Clock::now()) {
  const std::lock_guard active(active_mutex);
  active_progress = this;
  const std::lock_guard lock(mutex_);
  if (terminal_.interactive) draw(true);
}

Progress::~Progress() {
  finish();
  const std::lock_guard active(active_mutex);
  if (active_progress == this) active_progress = nullptr;
}

void Progress::advance(long long count) {
  const std::lock_guard lock(mutex_);
  latest_ = Clock::now();
  if (done_ == 0) first_ = latest_;
  done_ += count;
  draw(false);
}

void Progress::set_total(long long total) {
  const std::lock_guard lock(mutex_);
  total_ = total;
}

void Progress::finish() {
  const std::lock_guard lock(mutex_);
  if (!finished_) erase();
  finished_ = true;
}

long long Progress::done() const {
  const std::lock_guard lock(mutex_);
  return done_;
}

double Progress::rate() const {
  const std::lock_guard lock(mutex_);
  return rate_now();
}

double Progress::rate_now() const {
  const double seconds = std::chrono::duration<double>(latest_ - first_).count();
  return done_ > 1 && seconds > 0 ? static_cast<double>(done_ - 1) / seconds : 0;
}

std::string Progress::bar(const std::string& what, const std::string& unit, long long done, long long total,
                          double rate, const Terminal& terminal) {
  const std::string tail = numbers(unit, done, total, rate);
  if (total <= 0) return fmt::format("{}  {}", what, tail);
  const double part = std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
  const std::string percent = fmt::format("{:3.0f}%", std::floor(part * 100));
  const auto taken = static_cast<int>(what.size() + percent.size() + tail.size() + 6);
  const int cells = std::clamp(terminal.width - taken - 1, 0, 40);
  if (cells < 5) return fmt::format("{} {}  {}", what, percent, tail);
  const auto filled = static_cast<int>(part * cells);
  std::string drawn;
  for (int i = 0; i < cells; ++i) {
    drawn += i < filled ? (terminal.utf8 ? "━" : "#") : (terminal.utf8 ? (i == filled ? "╺" : "─") : "-");
  }
  return fmt::format("{}  {}  {}  {}", what, drawn, percent, tail);
}

void Progress::draw(bool always) {
  if (quiet_ || finished_) return;
  const auto now = Clock::now();
  const bool complete = total_ > 0 && done_ >= total_;
  if (terminal_.interactive) {
    if (!always && !complete && now - drawn_ < std::chrono::milliseconds(80)) return;
    terminal_.width = terminal(STDERR_FILENO).width;
    std::string line = bar(what_, unit_, done_, total_, rate_now(), terminal_);
    line = shorten(line, static_cast<std::size_t>(std::max(terminal_.width - 1, 1)), terminal_.utf8);
    std::fprintf(stderr, "\r%s\x1b[K", line.c_str());
    std::fflush(stderr);
    visible_ = true;
    drawn_ = now;
    return;
  }
  if (always) return;  // a log line does not call for another line of progress
  const auto silent = now - std::max(drawn_, start_);
  const bool step = total_ > 0 && (done_ - line_at_) * 10 >= total_ && silent >= std::chrono::seconds(1);
  if (!step && silent < std::chrono::seconds(10)) return;
  std::fprintf(stderr, "%s: %s\n", what_.c_str(), numbers(unit_, done_, total_, rate_now()).c_str());
  line_at_ = done_;
  drawn_ = now;
}

void Progress::erase() {
  if (!visible_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  visible_ = false;
}

}  // namespace dcn::cli
