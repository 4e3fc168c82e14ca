/// The program `centernet`. Nothing here touches a device: --help and --version answer at once.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/interrupt.hpp"
#include "cli/log.hpp"
#include "dcn/status.hpp"

namespace {

using dcn::cli::kFailure;
using dcn::cli::kSuccess;

/// CLI11's help with wider columns, and without the braces that mark an optional value.
class Formatter : public CLI::Formatter {
 public:
  Formatter() { column_width(30); }

  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    std::string name = CLI::Formatter::make_option_name(option, is_positional);
    if (const auto braces = name.find('{'); braces != std::string::npos)
      name.erase(braces, name.find('}') - braces + 1);
    return name;
  }
  std::string make_option_opts(const CLI::Option* option) const override {
    std::string text;
    if (option->get_type_size() != 0 && !option->get_type_name().empty()) text += " " + plain_type(option);
    if (option->get_type_size() == 0 && !option->get_type_name().empty()) text += option->get_type_name();
    if (!option->get_default_str().empty()) text += " [" + option->get_default_str() + "]";
    if (option->get_expected_max() > 1) text += " ...";
    return text;
  }

 private:
  /// CLI11 puts what is checked behind the type's name; the descriptions say it better.
  static std::string plain_type(const CLI::Option* option) {
    const std::string name = option->get_type_name();
    return name.substr(0, name.find(':'));
  }
};

/// What CLI11 found wrong, as one line that also says where to look.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  std::string command = "centernet";
  for (const CLI::App* sub : app.get_subcommands()) command += " " + sub->get_name();
  std::string message = error.what();
  if (const auto end = message.find('\n'); end != std::string::npos) message.erase(end);
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    if (command == "centernet") {
      message = "no command given";
    } else if (message.starts_with("INPUT")) {
      message = "no input given: name pictures, folders, videos, camera:0, or - for a list on standard input";
    }
  }
  while (!message.empty() && (message.back() == '.' || message.back() == ' ')) message.pop_back();
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
  app.option_defaults()->always_capture_default(false);
  app.get_formatter()->label("REQUIRED", "");
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
    return report(usage_message(app, error));
  }
  const int code = command();
  dcn::cli::flush_standard_output();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  // A limit on file sizes shall be an error that names the file, not the end of the program.
  std::signal(SIGXFSZ, SIG_IGN);
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
