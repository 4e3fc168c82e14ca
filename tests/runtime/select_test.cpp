#include "runtime/select.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dcn/status.hpp"

namespace dcn::runtime {
namespace {

DeviceInfo device(int index, const std::string& kind, const std::string& backend, const std::string& vendor) {
  DeviceInfo info;
  info.index = index;
  info.name = vendor + " " + kind;
  info.kind = kind;
  info.backend = backend;
  info.vendor = vendor;
  return info;
}

/// A machine with everything: CPU, FPGA emulator, an Intel GPU shown twice, an NVIDIA GPU.
std::vector<DeviceInfo> full_machine() {
  return {device(0, "accelerator", "opencl", "Intel(R) Corporation"),
          device(1, "cpu", "opencl", "Intel(R) Corporation"), device(2, "gpu", "opencl", "Intel(R) Corporation"),
          device(3, "gpu", "level_zero", "Intel(R) Corporation"), device(4, "gpu", "cuda", "NVIDIA Corporation")};
}

std::string works(const DeviceInfo&) { return {}; }

std::string error_of(std::string_view wanted, const std::vector<DeviceInfo>& devices, const Probe& probe = works) {
  try {
    return "picked " + std::to_string(select_device(wanted, devices, probe));
  } catch (const Error& error) {
    return std::string(to_string(error.code())) + ": " + error.what();
  }
}

TEST(Select, EachWordFindsItsDevice) {
  const std::vector<DeviceInfo> devices = full_machine();
  EXPECT_EQ(select_device("auto", devices, works), 3U);
  EXPECT_EQ(select_device("gpu", devices, works), 3U);
  EXPECT_EQ(select_device("xpu", devices, works), 3U);
  EXPECT_EQ(select_device("cuda", devices, works), 4U);
  EXPECT_EQ(select_device("cpu", devices, works), 1U);
  EXPECT_EQ(select_device("0", devices, works), 0U);
  EXPECT_EQ(select_device("2", devices, works), 2U);
}

TEST(Select, AutoSkipsGpusThatDoNotWork) {
  const std::vector<DeviceInfo> devices = full_machine();
  const auto only = [](int index) {
    return [index](const DeviceInfo& info) { return info.index == index ? std::string() : std::string("no driver"); };
  };
  EXPECT_EQ(select_device("auto", devices, only(4)), 4U);
  EXPECT_EQ(select_device("auto", devices, only(2)), 2U);
  EXPECT_EQ(select_device("auto", devices, only(-1)), 1U);
  EXPECT_EQ(select_device("xpu", devices, only(2)), 2U);
}

TEST(Select, OnlyCandidatesAreProbed) {
  std::vector<int> probed;
  const Probe probe = [&](const DeviceInfo& info) {
    probed.push_back(info.index);
    return std::string();
  };
  const std::vector<DeviceInfo> devices = full_machine();
  (void)select_device("cpu", devices, probe);
  (void)select_device("4", devices, probe);
  EXPECT_TRUE(probed.empty());
  (void)select_device("auto", devices, probe);
  EXPECT_EQ(probed, std::vector<int>{3});
}

TEST(Select, NoDeviceAtAllNamesThePackages) {
  const std::string error = error_of("auto", {});
  EXPECT_TRUE(error.starts_with("no_device: device 'auto'")) << error;
  EXPECT_NE(error.find("There is no SYCL device at all."), std::string::npos) << error;
  EXPECT_NE(error.find("pip install intel-opencl-rt"), std::string::npos) << error;
  EXPECT_NE(error.find("libze-intel-gpu1"), std::string::npos) << error;
  EXPECT_NE(error.find("oneAPI plugin for NVIDIA GPUs"), std::string::npos) << error;
}

TEST(Select, MissingKindNamesWhatThereIsAndWhatToInstall) {
  const std::vector<DeviceInfo> cpu_only{device(0, "cpu", "opencl", "Intel(R) Corporation")};
  const std::string cuda = error_of("cuda", cpu_only);
  EXPECT_TRUE(cuda.starts_with("no_device: device 'cuda': an NVIDIA GPU was asked for")) << cuda;
  EXPECT_NE(cuda.find("Devices here: 0: Intel(R) Corporation cpu (cpu, opencl)."), std::string::npos) << cuda;
  EXPECT_NE(cuda.find("libur_adapter_cuda.so"), std::string::npos) << cuda;
  EXPECT_EQ(cuda.find("libze"), std::string::npos) << cuda;

  const std::string xpu = error_of("xpu", cpu_only);
  EXPECT_NE(xpu.find("libze-intel-gpu1"), std::string::npos) << xpu;
  EXPECT_EQ(xpu.find("NVIDIA"), std::string::npos) << xpu;

  const std::string cpu = error_of("cpu", {device(0, "gpu", "cuda", "NVIDIA Corporation")});
  EXPECT_NE(cpu.find("pip install intel-opencl-rt"), std::string::npos) << cpu;
}

TEST(Select, GpuThatFailsTheProbeIsNamedWithItsReason) {
  const std::vector<DeviceInfo> devices = full_machine();
  const std::string error = error_of("cuda", devices, [](const DeviceInfo&) { return std::string("no PTX compiler"); });
  EXPECT_TRUE(error.starts_with("no_device")) << error;
  EXPECT_NE(error.find("Device 4 does not work: no PTX compiler."), std::string::npos) << error;
}

TEST(Select, WordsAndIndicesThatMeanNothing) {
  const std::vector<DeviceInfo> devices = full_machine();
  for (const std::string word : {"", "CPU", "gpu0", "-1", "1 ", "0x1", "99999999999999999999"}) {
    EXPECT_TRUE(error_of(word, devices).starts_with("invalid_argument: device '" + word + "'"))
        << error_of(word, devices);
  }
  const std::string error = error_of("5", devices);
  EXPECT_TRUE(error.starts_with("no_device: device '5': index 5 was asked for")) << error;
}

}  // namespace
}  // namespace dcn::runtime
