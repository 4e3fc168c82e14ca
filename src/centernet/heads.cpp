#include "centernet/heads.hpp"

#include <fmt/format.h>

#include <string_view>
#include <vector>

namespace dcn::centernet {

namespace {

constexpr std::int64_t kDefaultHeadConv = 64;  // only said of heads that are not there at all

struct HeadRule {
  std::string_view name;
  std::int64_t channels;  ///< 0: any number
  bool required;
};

/// What the decoders of the original read (src/lib/models/decode.py).
std::vector<HeadRule> rules(Task task) {
  switch (task) {
    case Task::kCtdet:
      return {{"hm", 0, true}, {"wh", 0, true}, {"reg", 2, false}};
    case Task::kMultiPose:
      return {{"hm", 0, true},   {"wh", 2, true},      {"hps", 34, true},
              {"reg", 2, false}, {"hm_hp", 17, false}, {"hp_offset", 2, false}};
    case Task::kDdd:
      return {{"hm", 0, true},  {"dep", 1, true}, {"rot", 8, true},
              {"dim", 3, true}, {"wh", 2, false}, {"reg", 2, false}};
  }
  return {};
}

bool is_known(const std::string& name) {
  for (const Task task : {Task::kCtdet, Task::kMultiPose, Task::kDdd}) {
    for (const HeadRule& rule : rules(task)) {
      if (rule.name == name) return true;
    }
  }
  return false;
}

bool is_head(const checkpoint::Checkpoint& checkpoint, const std::string& module) {
  const auto rank = [&](const std::string& tensor) {
    const auto found = checkpoint.tensors.find(module + tensor);
    return found == checkpoint.tensors.end() ? std::size_t{0} : found->second.sizes.size();
  };
  const auto conv = [&](const std::string& part) { return rank(part + ".weight") == 4 && rank(part + ".bias") == 1; };
  return conv("") || (conv(".0") && conv(".2"));
}

void check_channels(NetworkBuilder& builder, const HeadRule& rule, const std::string& last, std::int64_t classes) {
  const Shape* shape = builder.shape(last + ".weight");
  if (shape == nullptr || shape->size() != 4) return;
  Shape expected = *shape;
  if (rule.channels != 0) expected[0] = rule.channels;
  // ctdet's sizes may be one pair for each class (--cat_spec_wh).
  if (rule.name == "wh" && rule.channels == 0 && expected[0] != 2 * classes) expected[0] = 2;
  builder.expect_shape(last + ".weight", expected);
}

}  // namespace

std::set<std::string> find_heads(const checkpoint::Checkpoint& checkpoint, const std::set<std::string>& backbone) {
  std::set<std::string> heads;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    const std::string module = name.substr(0, name.find('.'));
    if (module == name || backbone.contains(module) || heads.contains(module)) continue;
    if (is_known(module) || is_head(checkpoint, module)) heads.insert(module);
  }
  return heads;
}

Task infer_task(const std::set<std::string>& heads) {
  if (heads.contains("hps")) return Task::kMultiPose;
  if (heads.contains("dep") || heads.contains("rot") || heads.contains("dim")) return Task::kDdd;
  return Task::kCtdet;
}

std::map<std::string, std::int64_t> build_heads(NetworkBuilder& builder, const std::set<std::string>& heads, Task task,
                                                int features) {
  std::map<std::string, std::int64_t> channels;
  for (const std::string& head : heads) {
    const bool single = builder.has(head + ".weight") || builder.has(head + ".bias");
    const std::string last = single ? head : head + ".2";
    const auto kernel_of = [&](const std::string& module, std::int64_t otherwise) {
      return builder.width({{module + ".weight", 2}, {module + ".weight", 3}}, otherwise);
    };
    int x = features;
    if (!single) {
      const std::int64_t kernel = kernel_of(head + ".0", 3);
      x = builder.conv(
          {.name = head + ".0",
           .batch_norm = "",
           .input = x,
           .out_channels = builder.width({{head + ".0.weight", 0}, {head + ".0.bias", 0}, {head + ".2.weight", 1}},
                                         kDefaultHeadConv),
           .kernel = kernel,
           .padding = kernel / 2,
           .bias = true,
           .activation = Activation::kRelu});
    }
    const std::int64_t kernel = kernel_of(last, 1);
    const std::int64_t outputs = builder.width({{last + ".weight", 0}, {last + ".bias", 0}}, 1);
    x = builder.conv({.name = last,
                      .batch_norm = "",
                      .input = x,
                      .out_channels = outputs,
                      .kernel = kernel,
                      .padding = kernel / 2,
                      .bias = true});
    builder.output(head, x);
    channels[head] = outputs;
  }
  const std::int64_t classes = channels.contains("hm") ? channels.at("hm") : 1;
  for (const HeadRule& rule : rules(task)) {
    const std::string name(rule.name);
    if (heads.contains(name)) {
      check_channels(builder, rule, builder.has(name + ".weight") ? name : name + ".2", classes);
    } else if (rule.required) {
      builder.require(name, fmt::format("(the whole head; {} needs it)", to_string(task)));
    }
  }
  return channels;
}

}  // namespace dcn::centernet
