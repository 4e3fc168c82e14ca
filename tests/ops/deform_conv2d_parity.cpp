#include "ops/deform_conv2d_parity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/npz.hpp"
#include "support/paths.hpp"

namespace dcn::test {

namespace {

HostTensor to_host(const NpyArray& array) {
  HostTensor tensor(array.shape);
  tensor.values = array.values;
  return tensor;
}

std::vector<ParityCase> read_parity_cases() {
  const auto folder = parity_dir() / "ops";
  std::ifstream stream(folder / "dcn_cases.json");
  const nlohmann::json json = nlohmann::json::parse(stream);
  const Npz results(folder / "dcn_ref.npz");
  std::vector<ParityCase> cases;
  for (const auto& entry : json.at("cases")) {
    ParityCase c;
    c.id = entry.at("id").get<std::string>();
    DeformConv2dCase& shape = c.shape;
    shape.batch = entry.at("N");
    shape.in_channels = entry.at("C");
    shape.height = entry.at("H");
    shape.width = entry.at("W");
    shape.out_channels = entry.at("O");
    const auto pair = [&](const char* key, std::int64_t& h, std::int64_t& w) {
      h = entry.at(key).at(0);
      w = entry.at(key).at(1);
    };
    pair("kernel", shape.kernel_h, shape.kernel_w);
    pair("stride", shape.stride_h, shape.stride_w);
    pair("padding", shape.padding_h, shape.padding_w);
    pair("dilation", shape.dilation_h, shape.dilation_w);
    shape.groups = entry.at("groups");
    shape.deformable_groups = entry.at("deformable_groups");
    shape.bias = entry.at("bias");
    const auto input = [&](const char* name) {
      return to_host(read_npy(generated_dir() / "ops" / fmt::format("{}_{}.npy", c.id, name)));
    };
    c.inputs = {input("input"), input("offset"), input("mask"), input("weight"), input("bias")};
    c.grad_output = input("grad_output");
    const auto tensor = [&](std::string_view name) {
      const auto& summary = entry.at("ref").at(name);
      ParityTensor result;
      result.samples = results.get(fmt::format("{}/{}", c.id, name)).values;
      result.indices = results.get(fmt::format("{}/{}_idx", c.id, name)).values;
      result.sum = summary.at("sum");
      result.abs_sum = summary.at("abs_sum");
      result.largest = summary.at("max_abs");
      return result;
    };
    c.output = tensor("output");
    for (std::size_t i = 0; i < kGradientNames.size(); ++i) {
      if (entry.at("ref").contains(kGradientNames[i])) c.gradients[i] = tensor(kGradientNames[i]);
    }
    cases.push_back(std::move(c));
  }
  return cases;
}

}  // namespace

double ParityTensor::difference(const HostTensor& tensor) const {
  double most = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double value = tensor.values.at(static_cast<std::size_t>(indices[i]));
    most = std::max(most, std::isnan(value) ? HUGE_VAL : std::abs(value - samples[i]));
  }
  return most;
}

const std::vector<ParityCase>& parity_cases() {
  static const std::vector<ParityCase> kCases = read_parity_cases();
  return kCases;
}

double multiplications(const DeformConv2dCase& c) {
  return static_cast<double>(c.batch * c.params().output_h(c.height) * c.params().output_w(c.width)) *
         static_cast<double>(c.out_channels * c.in_channels / c.groups * c.kernel_h * c.kernel_w);
}

}  // namespace dcn::test
