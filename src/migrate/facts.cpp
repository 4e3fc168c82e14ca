#include "migrate/facts.hpp"

#include <algorithm>

#include "migrate/output_names.hpp"

namespace dcn::migrate {

namespace {

template <class List, class Same>
void add_missing(List& to, const List& from, Same&& same) {
  for (const auto& item : from)
    if (std::none_of(to.begin(), to.end(), [&](const auto& known) { return same(known, item); })) to.push_back(item);
}

void merge_file(FileFacts& to, const FileFacts& from) {
  for (const TopDecl& decl : from.decls) {
    const auto known =
        std::find_if(to.decls.begin(), to.decls.end(), [&](const TopDecl& d) { return d.span == decl.span; });
    if (known == to.decls.end())
      to.decls.push_back(decl);
    else {
      known->device = known->device || decl.device;
      known->definition = known->definition || decl.definition;
    }
  }
  for (const KernelFact& kernel : from.kernels) {
    const auto known =
        std::find_if(to.kernels.begin(), to.kernels.end(), [&](const KernelFact& k) { return k.name == kernel.name; });
    if (known == to.kernels.end())
      to.kernels.push_back(kernel);
    else {
      known->uses_warp = known->uses_warp || kernel.uses_warp;
      known->uses_dynamic_shared = known->uses_dynamic_shared || kernel.uses_dynamic_shared;
    }
  }
  for (const auto& [offset, launch] : from.launches) {
    const auto [at, added] = to.launches.emplace(offset, launch);
    if (added) continue;
    at->second.deduced.insert(launch.deduced.begin(), launch.deduced.end());
    at->second.deduced_in_template.insert(launch.deduced_in_template.begin(), launch.deduced_in_template.end());
    if (at->second.kernel.empty()) at->second.kernel = launch.kernel;
    at->second.explicit_arguments = at->second.explicit_arguments || launch.explicit_arguments;
    at->second.other_unit = at->second.other_unit && launch.other_unit;
    if (launch.overloaded && !at->second.overloaded) {
      at->second.overloaded = true;
      at->second.template_parameters = launch.template_parameters;
      at->second.signature = launch.signature;
    }
  }
  for (const auto& [offset, call] : from.calls) {
    CallFact& known = to.calls[offset];
    known.signatures.insert(call.signatures.begin(), call.signatures.end());
    known.in_device = known.in_device || call.in_device;
  }
  add_missing(to.shared, from.shared, [](const auto& a, const auto& b) { return a.name == b.name; });
  add_missing(to.globals, from.globals, [](const auto& a, const auto& b) { return a.name == b.name; });
  add_missing(to.reads, from.reads, [](const auto& a, const auto& b) { return a.object_end == b.object_end; });
  to.views.insert(from.views.begin(), from.views.end());
  to.own_names.insert(from.own_names.begin(), from.own_names.end());
  to.device_code.insert(from.device_code.begin(), from.device_code.end());
  for (const auto& [hash, include] : from.includes) {
    IncludeFact& known = to.includes[hash];
    if (known.resolved.empty()) known = include;
  }
  for (const auto& [offset, races] : from.races)
    add_missing(to.races[offset], races,
                [](const auto& a, const auto& b) { return a.remedy == b.remedy && a.variable == b.variable; });
  to.device_needed = to.device_needed || from.device_needed;
  to.has_kernel = to.has_kernel || from.has_kernel;
}

}  // namespace

void Facts::merge(const Facts& other) {
  for (const auto& [path, file] : other.files) merge_file(files[path], file);
  errors.insert(other.errors.begin(), other.errors.end());
}

void Facts::spread_device_need() {
  // The files that include one that `wanted` accepts, at once or by way of others.
  const auto reaching = [this](auto&& wanted) {
    std::set<std::string> found;
    for (bool changed = true; changed;) {
      changed = false;
      for (const auto& [path, file] : files)
        for (const auto& [hash, include] : file.includes) {
          const auto target = files.find(include.resolved);
          if (target == files.end() || found.count(path) > 0) continue;
          if (wanted(target->second) || found.count(include.resolved) > 0) changed = found.insert(path).second;
        }
    }
    return found;
  };
  for (const std::string& path : reaching([](const FileFacts& file) { return file.has_kernel; }))
    if (is_main_source(path)) files[path].device_needed = true;
  const std::set<std::string> on_the_way = reaching([](const FileFacts& file) { return file.device_needed; });
  std::vector<std::string> open;
  for (const auto& [path, file] : files)
    if (file.device_needed && is_main_source(path)) open.push_back(path);
  std::set<std::string> seen(open.begin(), open.end());
  while (!open.empty()) {
    FileFacts& file = files[open.back()];
    open.pop_back();
    for (const auto& [hash, include] : file.includes)
      if (on_the_way.count(include.resolved) > 0 && seen.insert(include.resolved).second) {
        files[include.resolved].device_needed = true;
        open.push_back(include.resolved);
      }
  }
}

}  // namespace dcn::migrate
