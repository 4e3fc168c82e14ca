#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>

#include "child.hpp"
#include "dcn/device.hpp"
#include "dcn/status.hpp"
#include "kernels.hpp"
#include "runtime/disk_cache.hpp"
#include "runtime/kernel.hpp"
#include "support/files.hpp"

namespace dcn::test {

namespace {

namespace fs = std::filesystem;

/// The folder of this process and its children, gone when main() returns.
fs::path& root() {
  static auto* path = new fs::path;
  return *path;
}

using Arguments = std::vector<std::string>;

int say(const std::string& text) {
  std::puts(text.c_str());
  return 0;
}

/// create WORD: the name of the device, or the error.
int create(const Arguments& arguments) {
  try {
    return say(Queue::create(arguments.at(1)).device().kind);
  } catch (const Error& error) {
    return say(std::string(to_string(error.code())) + ": " + error.what());
  }
}

int discovery_problem(const Arguments&) { return say(dcn::discovery_problem()); }

/// probe_origin: where the built-in kernel came from.
int probe_origin(const Arguments&) {
  const Queue queue = Queue::create("cpu");
  const runtime::Kernel kernel = runtime::get_kernel(queue, {.source = "probe.hpp", .entry = "probe"});
  return say(std::string(to_string(kernel.origin)));
}

/// scale FACTOR: compiles (or finds) a kernel, runs it, says where it came from.
int scale(const Arguments& arguments) {
  const Queue queue = Queue::create("cpu");
  const runtime::Kernel kernel = get_scale_kernel(queue, arguments.at(1));
  const float got = run_scale(queue, kernel, 5.0F);
  if (got != 5.0F * std::stof(arguments.at(1))) return say("wrong result") + 1;
  return say(std::string(to_string(kernel.origin)));
}

/// hammer FOLDER SEED: stores and loads the same few entries again and again; what was stored once is always there, and
/// whole.
int hammer(const Arguments& arguments) {
  const runtime::DiskCache cache(arguments.at(1));
  unsigned state = static_cast<unsigned>(std::stoul(arguments.at(2)));
  std::array<bool, 4> stored{};
  for (int i = 0; i < 400; ++i) {
    state = state * 1664525U + 1013904223U;
    const std::size_t which = (state >> 16U) % stored.size();
    const std::string key = "key " + std::to_string(which);
    if ((state >> 24U) % 2 == 0) {
      // Everyone writes its own length and letter: a mixture would be neither.
      cache.store(key, std::vector<char>(1000 + state % 20000, static_cast<char>('a' + state % 26)));
      stored[which] = true;
    } else if (const auto content = cache.load(key)) {
      for (const char c : *content) {
        if (c != content->front()) return say("a torn entry was loaded") + 1;
      }
    } else if (stored[which]) {
      return say("an entry that was stored is not there") + 1;
    }
  }
  return 0;
}

/// A queue and memory that outlive main(), with work in flight.
struct Late {
  std::optional<Queue> queue;
  std::optional<DeviceBuffer> memory;
};
Late late;

int exit_with_live_queue(const Arguments&) {
  late.queue = Queue::create("cpu");
  late.memory.emplace(*late.queue, 4096);
  static const Queue other = Queue::create("cpu");
  static const DeviceBuffer other_memory(other, 4096);
  return say("alive");
}

int run_role(const Arguments& arguments) {
  const std::map<std::string, std::function<int(const Arguments&)>> roles{
      {"create", create},
      {"discovery_problem", discovery_problem},
      {"probe_origin", probe_origin},
      {"scale", scale},
      {"hammer", hammer},
      {"exit_with_live_queue", exit_with_live_queue}};
  try {
    return roles.at(arguments.at(0))(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "child: %s\n", error.what());
    return 1;
  }
}

}  // namespace

std::string fresh_folder() {
  static int count = 0;
  fs::path path = root() / std::to_string(count++);
  fs::create_directories(path);
  return path;
}

Child::Child(const std::vector<std::string>& role, const Variables& variables) {
  const std::string folder = fresh_folder();
  output_file_ = folder + "/stdout";
  errors_file_ = folder + "/stderr";
  std::vector<std::string> words{"/proc/self/exe", "--child"};
  words.insert(words.end(), role.begin(), role.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ > 0) return;
  for (const auto& [name, value] : variables) {
    value.empty() ? ::unsetenv(name.c_str()) : ::setenv(name.c_str(), value.c_str(), 1);
  }
  ::dup2(::open(output_file_.c_str(), O_CREAT | O_WRONLY, 0600), STDOUT_FILENO);
  ::dup2(::open(errors_file_.c_str(), O_CREAT | O_WRONLY, 0600), STDERR_FILENO);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

ChildResult Child::wait() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_file(output_file_),
          read_file(errors_file_)};
}

}  // namespace dcn::test

int main(int argc, char** argv) {
  if (argc > 2 && std::string(argv[1]) == "--child") return dcn::test::run_role({argv + 2, argv + argc});
  testing::InitGoogleTest(&argc, argv);
  std::string pattern = std::filesystem::temp_directory_path() / "sycl-dcn-test-XXXXXX";
  dcn::test::root() = ::mkdtemp(pattern.data());
  // No test touches, or profits from, the cache of the user.
  ::setenv("DCN_CACHE_DIR", (dcn::test::root() / "cache").c_str(), 1);
  ::unsetenv("DCN_VERBOSE");
  const int result = RUN_ALL_TESTS();
  std::error_code error;
  std::filesystem::remove_all(dcn::test::root(), error);
  return result;
}
