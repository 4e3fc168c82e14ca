/// CUDA headers go; csy.hpp comes; renamed files are included by their new names.
#include <algorithm>

#include "migrate/output_names.hpp"
#include "migrate/unit.hpp"

namespace dcn::migrate {

namespace {

bool starts_with_any(std::string_view text, std::initializer_list<const char*> heads) {
  return std::any_of(heads.begin(), heads.end(), [&](const char* head) { return text.starts_with(head); });
}

/// Between "#include" and the line's end: "name" or <name>, without the brackets; empty for a macro.
std::string included(const Source& source, const Directive& directive) {
  const std::string_view line = source.slice(directive.span.begin, directive.span.end);
  const auto open = line.find_first_of("<\"");
  if (open == std::string_view::npos) return {};
  const auto close = line.find(line[open] == '<' ? '>' : '"', open + 1);
  if (close == std::string_view::npos) return {};
  return std::string(line.substr(open + 1, close - open - 1));
}

/// The directive includes a header of CUDA, and not one of the project's with a similar name ("cuda/vision.h").
bool includes_cuda(const Unit& unit, const Directive& one) {
  const std::string name = included(unit.source, one);
  if (!is_cuda_header(name)) return false;
  const auto fact = unit.facts.includes.find(one.span.begin);
  const bool found = fact != unit.facts.includes.end() && !fact->second.resolved.empty();
  if (found && fact->second.resolved.find("/csy-stubs") == std::string::npos) return false;
  const std::string_view line = unit.source.text();
  const bool quoted = line.find('"', one.span.begin) < line.find('\n', one.span.begin);
  return !(quoted && name.starts_with("cuda/"));
}

/// Depth of conditionals at each directive, an include guard not counted.
std::vector<int> depths(const Source& source, bool& guarded, std::size_t& guard_define) {
  const auto& list = source.directives();
  guarded = false;
  guard_define = 0;
  const bool first_token = !list.empty() && list[0].first_token == 0;
  if (list.size() > 2 && first_token && (list[0].name == "ifndef" || list[0].name == "if") &&
      list[1].name == "define" && list[1].last_token - list[1].first_token <= 4)
    guarded = true, guard_define = 1;
  std::vector<int> result(list.size());
  int depth = guarded ? -1 : 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i].name == "endif") --depth;
    result[i] = depth;
    if (list[i].name.starts_with("if")) ++depth;
  }
  return result;
}

}  // namespace

bool is_cuda_header(std::string_view name) {
  if (starts_with_any(name, {"ATen/cuda/detail/", "THC/THCTensor"})) return true;
  return starts_with_any(name, {"ATen/cuda/",
                                "c10/cuda/",
                                "THC/",
                                "TH/",
                                "THCUNN/",
                                "cuda_",
                                "cublas",
                                "cusparse",
                                "cusolver",
                                "curand",
                                "cufft",
                                "cudnn",
                                "cooperative_groups",
                                "device_launch_parameters",
                                "thrust/",
                                "cub/",
                                "math_constants",
                                "vector_types",
                                "vector_functions",
                                "device_functions",
                                "device_atomic_functions",
                                "device_double_functions",
                                "math_functions",
                                "common_functions",
                                "channel_descriptor",
                                "host_defines",
                                "host_config",
                                "builtin_types",
                                "texture_",
                                "surface_",
                                "cuComplex",
                                "sm_",
                                "helper_cuda",
                                "nvToolsExt",
                                "driver_types",
                                "cuda/",
                                "mma.h",
                                "crt/"}) ||
         name == "cuda.h" || name == "cuda_runtime.h";
}

void rule_includes(Unit& unit) {
  const Source& source = unit.source;
  const auto& list = source.directives();
  bool guarded = false;
  std::size_t guard_define = 0;
  const std::vector<int> depth = depths(source, guarded, guard_define);
  bool wanted = unit.facts.device_needed, present = false;
  for (const Edit& edit : unit.edits.all())
    wanted = wanted || edit.text.find("csy::") != std::string::npos || edit.text.find("CSY_") != std::string::npos;
  const bool binds = source.text().find("PYBIND11_MODULE") != std::string::npos;
  bool extension = false;
  for (const Directive& one : list) {
    const std::string name = one.name == "include" ? included(source, one) : "";
    extension = extension || name == "torch/extension.h";
    present = present || name == "csy.hpp";
  }
  std::optional<std::size_t> place, first_include;
  bool inside_conditional = false;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i].name != "include") continue;
    const std::string name = included(source, list[i]);
    if (!first_include) first_include = i;
    if (includes_cuda(unit, list[i])) {
      wanted = true;
      if (!place) {
        place = i;
        inside_conditional = depth[i] > 0;
      }
    } else if (name == "torch/torch.h" && binds && !extension) {
      const auto at = source.text().find(name, list[i].span.begin);
      unit.edits.replace({static_cast<unsigned>(at), static_cast<unsigned>(at + name.size())}, "torch/extension.h",
                         "torch-old");
    }
    // Renamed files of the project.
    const std::string renamed = output_name(name);
    const auto fact = unit.facts.includes.find(list[i].span.begin);
    const bool ours = fact == unit.facts.includes.end() || !fact->second.resolved.empty();
    if (renamed != name && !includes_cuda(unit, list[i]) && ours) {
      const auto at = source.text().find(name, list[i].span.begin);
      unit.edits.replace({static_cast<unsigned>(at), static_cast<unsigned>(at + name.size())}, renamed, "includes");
    }
  }
  bool aten = false, vectors = false, groups = false, block_io = false, random = false, info = false;
  for (const Edit& edit : unit.edits.all()) {
    for (const char* name : {"csy::thc::", "csy::th::", "csy::blas", "csy::thrust::", "csy::cub::Device"})
      aten = aten || edit.text.find(name) != std::string::npos;
    for (const char* name : {"csy::thrust::device_vector", "csy::thrust::host_vector"})
      vectors = vectors || edit.text.find(name) != std::string::npos;
    block_io = block_io || edit.rule == "block-io";
    groups = groups || edit.rule == "groups" || block_io;
    random = random || edit.rule == "random";
    info = info || edit.rule == "tensor-info";
  }
  const std::string line =
      std::string("#include \"csy.hpp\"\n") +
      (unit.facts.device_needed && !is_main_source(source.path()) ? "CSY_SOURCE\n" : "") +
      (groups ? "#include \"csy_groups.hpp\"\n" : "") + (block_io ? "#include \"csy_block_io.hpp\"\n" : "") +
      (aten ? "#include \"csy_aten.hpp\"\n" : "") + (vectors ? "#include \"csy_vector.hpp\"\n" : "") +
      (random ? "#include \"csy_random.hpp\"\n" : "") + (info ? "#include \"csy_tensor_info.hpp\"\n" : "");
  const auto delete_line = [&](const Directive& one) {
    const unsigned begin = source.line_begin(one.span.begin);
    unit.edits.replace(
        {begin, std::min<unsigned>(source.line_end(one.span.end) + 1, static_cast<unsigned>(source.text().size()))}, "",
        "includes", true);
  };
  bool placed = present || !wanted;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i].name != "include" || !includes_cuda(unit, list[i])) continue;
    if (!placed && place == i && !inside_conditional) {
      const unsigned end =
          std::min<unsigned>(source.line_end(list[i].span.end) + 1, static_cast<unsigned>(source.text().size()));
      unit.edits.replace({source.line_begin(list[i].span.begin), end}, line, "includes", true);
      placed = true;
    } else {
      delete_line(list[i]);
    }
  }
  if (placed) return;
  // Before the first include, or the conditional around it; after #pragma once and include guards.
  unsigned at = 0;
  if (first_include) {
    std::size_t before = *first_include;
    while (before > 0 && depth[before] > 0) --before;
    at = source.line_begin(list[before].span.begin);
  } else if (guarded) {
    at = std::min<unsigned>(source.line_end(list[guard_define].span.end) + 1,
                            static_cast<unsigned>(source.text().size()));
  } else {
    for (const Directive& one : list)
      if (one.name == "pragma" && source.is(one.first_token + 2, "once"))
        at = std::min<unsigned>(source.line_end(one.span.end) + 1, static_cast<unsigned>(source.text().size()));
    if (at == 0 && !source.tokens().empty()) at = source.line_begin(source.tokens()[0].begin);
  }
  unit.edits.insert(at, line, "includes", -20);
}

}  // namespace dcn::migrate
