/// centernet devices: what SYCL offers on this machine.
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>

#include "cli/commands.hpp"
#include "cli/json.hpp"
#include "cli/table.hpp"
#include "dcn/device.hpp"
#include "dcn/status.hpp"

namespace dcn::cli {
namespace {

int devices(bool json) {
  const std::vector<DeviceInfo> all = list_devices();
  int chosen = -1;
  std::string none;
  try {
    chosen = Queue::create("auto").device().index;
  } catch (const Error& error) {
    none = error.what();
  }
  if (json) {
    Json document = Json::array();
    for (const DeviceInfo& device : all) {
      Json entry{{"index", device.index},         {"name", device.name},
                 {"vendor", device.vendor},       {"kind", device.kind},
                 {"backend", device.backend},     {"driver", device.driver},
                 {"memory", device.memory},       {"compute_units", device.compute_units},
                 {"fp16", device.fp16},           {"bf16", device.bf16},
                 {"fp64", device.fp64},           {"usable", device.usable},
                 {"auto", device.index == chosen}};
      if (!device.usable) entry["why_unusable"] = device.why_unusable;
      document.push_back(std::move(entry));
    }
    write_json("-", document);
  } else {
    const Terminal screen = terminal(STDOUT_FILENO);
    Table table({{"index", Align::kRight, false},
                 {"device", Align::kLeft, true},
                 {"kind", Align::kLeft, false},
                 {"backend", Align::kLeft, false},
                 {"memory", Align::kRight, false},
                 {"units", Align::kRight, false},
                 {"fp16", Align::kLeft, false},
                 {"bf16", Align::kLeft, false},
                 {"fp64", Align::kLeft, false},
                 {"driver", Align::kLeft, true},
                 {"state", Align::kLeft, false}});
    const auto yes = [](bool value) { return value ? "yes" : "no"; };
    for (const DeviceInfo& device : all) {
      table.add({fmt::to_string(device.index), device.name, device.kind, device.backend,
                 bytes_text(static_cast<double>(device.memory)), fmt::to_string(device.compute_units), yes(device.fp16),
                 yes(device.bf16), yes(device.fp64), device.driver,
                 !device.usable           ? "unusable"
                 : device.index == chosen ? "auto"
                                          : "usable"});
    }
    if (!table.empty()) std::fputs(table.text(screen).c_str(), stdout);
    for (const DeviceInfo& device : all) {
      if (!device.usable) fmt::print("\n{}: {}: {}\n", device.index, device.name, device.why_unusable);
    }
  }
  if (chosen < 0) throw Error(ErrorCode::kNoDevice, none);
  if (const std::string problem = discovery_problem(); !problem.empty()) spdlog::warn("{}", problem);
  return kSuccess;
}

}  // namespace

void add_devices(CLI::App& app, Run& run) {
  auto json = std::make_shared<bool>(false);
  CLI::App* sub = app.add_subcommand("devices", "list the devices that --device can name");
  sub->add_flag("--json", *json, "as JSON on standard output");
  auto install = std::make_shared<bool>(false);
  sub->add_flag(
      "--install-cuda-builtins", *install,
      "NVIDIA GPUs, once, as root: write the file that the run-time compiler needs (" + cuda_builtins_path() + ")");
  sub->footer("`auto` marks the device that is used when none is named.\n\nExample:\n  centernet devices");
  sub->callback([json, install, &run] {
    run = [json, install] {
      if (*install) fmt::print("{} written\n", install_cuda_builtins());
      return devices(*json);
    };
  });
}

}  // namespace dcn::cli
