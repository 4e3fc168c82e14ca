/// The program `centernet`. Nothing here touches a device: --help and --version answer at once.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <sstream>
#include <string>
#include <utility>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/interrupt.hpp"
#include "cli/log.hpp"
#include "dcn/status.hpp"

namespace {

using dcn::cli::kFailure;
using dcn::cli::kSuccess;

constexpr std::size_t kNameColumns = 30;
constexpr std::size_t kHelpColumns = 110;

/// Words in lines of at most `width` columns, each but the first after `indent` blanks.
std::string wrap(const std::string& text, std::size_t indent, std::size_t width) {
  std::istringstream words(text);
  std::string result;
  std::size_t used = 0;
  for (std::string word; words >> word;) {
    if (used > 0 && used + 1 + word.size() > width) {
      result += '\n' + std::string(indent, ' ');
      used = 0;
    }
    if (used > 0) result += ' ';
    result += word;
    used += word.size() + (used > 0 ? 1 : 0);
  }
  return result;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at)) text.replace(at, from.size(), to);
}

/// CLI11's help, wrapped to lines that fit, without the braces that mark an optional value.
class Formatter : public CLI::Formatter {
 public:
  Formatter() { column_width(kNameColumns); }

  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    std::string name = "  " + make_option_name(option, is_positional) + make_option_opts(option);
    name.resize(std::max(name.size(), kNameColumns), ' ');
    const std::string text = wrap(option->get_description(), kNameColumns, kHelpColumns - kNameColumns);
    return name + (name.size() > kNameColumns ? '\n' + std::string(kNameColumns, ' ') : "") + text + '\n';
  }
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    std::string name = CLI::Formatter::make_option_name(option, is_positional);
    if (const auto braces = name.find('{'); braces != std::string::npos)
      name.erase(braces, name.find('}') - braces + 1);
    return name;
  }
  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string type = option->get_type_name();
    std::string text;
    if (!type.empty()) text += type.front() == '[' ? type : ' ' + type.substr(0, type.find(':'));
    if (!option->get_default_str().empty()) text += " [" + option->get_default_str() + "]";
    if (option->get_expected_max() > 1 && option->get_positional()) text += " ...";
    return text;
  }
  std::string make_usage(const CLI::App* app, std::string name) const override {
    std::string usage = CLI::Formatter::make_usage(app, std::move(name));
    if (const auto word = usage.find("SUBCOMMAND"); word != std::string::npos) usage.replace(word, 10, "COMMAND ...");
    return '\n' + usage;
  }
  /// One empty line between the parts is enough.
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
    std::string text = CLI::Formatter::make_help(app, std::move(name), mode);
    replace_all(text, "\n\n\n", "\n\n");
    replace_all(text, "\nSubcommands:", "\nCommands:");
    if (!text.ends_with('\n')) text += '\n';
    return text;
  }
};

/// What CLI11 found wrong, as one line that also says where to look.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error, const std::string& first_argument) {
  std::string command = "centernet";
  for (const CLI::App* sub : app.get_subcommands()) command += " " + sub->get_name();
  std::string message = error.what();
  if (const auto end = message.find('\n'); end != std::string::npos) message.erase(end);
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    if (command == "centernet") {
      message = first_argument.empty() || first_argument.starts_with('-')
                    ? "no command given"
                    : fmt::format("there is no command \"{}\"", first_argument);
    } else if (message.starts_with("INPUT")) {
      message = "no input given: name pictures, folders, videos, camera:0, or - for a list on standard input";
    }
  }
  replace_all(message, "The following argument was not expected: ", "unknown option or too many names: ");
  replace_all(message, "The following arguments were not expected: ", "unknown options or too many names: ");
  return fmt::format("{}; see {} --help", message, command);
}

int report(const std::string& message) {
  // What tells of a person's file names may hold line breaks; the message stays one line unless it is a list.
  spdlog::error(message);
  return kFailure;
}

int run(int argc, char** argv) {
  CLI::App app{"CenterNet on SYCL: finds objects in pictures and videos.", "centernet"};
  app.formatter(std::make_shared<Formatter>());
  app.set_version_flag("--version", "centernet " CENTERNET_VERSION, "print the version");
  app.set_help_flag("-h,--help", "print this help");
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  centernet detect photos/ --model model.safetensors --output out\n"
      "  centernet eval --images val/ --annotations val.json --model model.safetensors\n"
      "  centernet inspect model.pth\n"
      "  centernet COMMAND --help\n\n"
      "Exit code: 0 all done; 1 done, but some inputs could not be read; 2 an error, told in one line;\n"
      "128 + signal after an interrupt.");

  dcn::cli::Run command;
  dcn::cli::add_detect(app, command);
  dcn::cli::add_eval(app, command);
  dcn::cli::add_inspect(app, command);
  dcn::cli::add_convert(app, command);
  dcn::cli::add_devices(app, command);
  dcn::cli::add_bench(app, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    app.exit(success);
    dcn::cli::flush_standard_output();
    return kSuccess;
  } catch (const CLI::ParseError& error) {
    return report(usage_message(app, error, argc > 1 ? argv[1] : ""));
  }
  const int code = command();
  dcn::cli::flush_standard_output();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  // A limit on file sizes shall be an error that names the file, not the end of the program. Blocked in all threads to
  // come, not ignored: the compiler inside the SYCL runtime installs a handler of its own, which would print.
  sigset_t limit;
  ::sigemptyset(&limit);
  ::sigaddset(&limit, SIGXFSZ);
  ::pthread_sigmask(SIG_BLOCK, &limit, nullptr);
  try {
    dcn::cli::start_logging();
    dcn::cli::catch_interrupts();
    return run(argc, argv);
  } catch (const dcn::Error& error) {
    return report(error.what());
  } catch (const std::bad_alloc&) {
    return report("out of memory: use smaller pictures, a smaller --batch or --input-size");
  } catch (const std::exception& error) {
    return report(error.what());
  }
}
