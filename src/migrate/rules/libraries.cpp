/// cooperative groups, cub and thrust: their names are kept, in namespaces of csy_groups.hpp and csy_aten.hpp.
#include <set>

#include "migrate/unit.hpp"

namespace dcn::migrate {

namespace {

const std::set<std::string_view> kCub = {"BlockReduce",
                                         "BlockScan",
                                         "WarpReduce",
                                         "WarpScan",
                                         "Sum",
                                         "Max",
                                         "Min",
                                         "BlockReduceAlgorithm",
                                         "BLOCK_REDUCE_RAKING_COMMUTATIVE_ONLY",
                                         "BLOCK_REDUCE_RAKING",
                                         "BLOCK_REDUCE_WARP_REDUCTIONS",
                                         "BlockScanAlgorithm",
                                         "BLOCK_SCAN_RAKING",
                                         "BLOCK_SCAN_RAKING_MEMOIZE",
                                         "BLOCK_SCAN_WARP_SCANS"};

/// The parts of cub that csy_block_io.hpp has.
const std::set<std::string_view> kCubBlockIo = {"BlockLoad",
                                                "BlockStore",
                                                "BlockExchange",
                                                "BlockLoadAlgorithm",
                                                "BLOCK_LOAD_DIRECT",
                                                "BLOCK_LOAD_STRIPED",
                                                "BLOCK_LOAD_VECTORIZE",
                                                "BLOCK_LOAD_TRANSPOSE",
                                                "BLOCK_LOAD_WARP_TRANSPOSE",
                                                "BLOCK_LOAD_WARP_TRANSPOSE_TIMESLICED",
                                                "BlockStoreAlgorithm",
                                                "BLOCK_STORE_DIRECT",
                                                "BLOCK_STORE_STRIPED",
                                                "BLOCK_STORE_VECTORIZE",
                                                "BLOCK_STORE_TRANSPOSE",
                                                "BLOCK_STORE_WARP_TRANSPOSE",
                                                "BLOCK_STORE_WARP_TRANSPOSE_TIMESLICED"};

const std::set<std::string_view> kCubDevice = {"DeviceReduce::Reduce",
                                               "DeviceReduce::Sum",
                                               "DeviceReduce::Max",
                                               "DeviceReduce::Min",
                                               "DeviceScan::InclusiveSum",
                                               "DeviceScan::ExclusiveSum",
                                               "DeviceRadixSort::SortPairs",
                                               "DeviceRadixSort::SortKeys",
                                               "DeviceRadixSort::SortPairsDescending",
                                               "DeviceRadixSort::SortKeysDescending"};

const std::set<std::string_view> kThrust = {"device",
                                            "host",
                                            "cuda",
                                            "device_ptr",
                                            "device_vector",
                                            "host_vector",
                                            "device_pointer_cast",
                                            "raw_pointer_cast",
                                            "plus",
                                            "multiplies",
                                            "greater",
                                            "less",
                                            "maximum",
                                            "minimum",
                                            "fill",
                                            "fill_n",
                                            "sequence",
                                            "copy",
                                            "reduce",
                                            "sort",
                                            "stable_sort",
                                            "sort_by_key",
                                            "stable_sort_by_key",
                                            "inclusive_scan",
                                            "exclusive_scan",
                                            "transform",
                                            "copy_if",
                                            "unique",
                                            "count",
                                            "max_element",
                                            "min_element"};

/// Groups that SYCL has no equivalent for.
const std::set<std::string_view> kOtherGroups = {
    "this_grid",       "this_multi_grid", "this_cluster",      "coalesced_threads", "grid_group", "multi_grid_group",
    "coalesced_group", "cluster_group",   "labeled_partition", "binary_partition",  "invoke_one"};

/// What a grid can be asked for without waiting for its other blocks.
const std::set<std::string_view> kGridMembers = {"thread_rank", "size",        "num_threads", "block_rank",
                                                 "num_blocks",  "block_index", "group_dim",   "dim_blocks"};

/// The grid named at `token` (this_grid, grid_group) is only asked for numbers, directly or by way of a variable.
bool only_asks_grid(const Source& source, std::size_t token) {
  const auto asks = [&](std::size_t dot) {
    return source.is(dot, ".") && kGridMembers.count(source.word(dot + 1)) > 0 && source.is(dot + 2, "(");
  };
  std::size_t variable = 0;
  if (source.is(token, "grid_group")) {
    variable = token + 1;
  } else {
    if (!source.is(token + 1, "(") || !source.is(token + 2, ")")) return false;
    if (asks(token + 3)) return true;
    const std::size_t first = source.qualified_begin(token);
    if (first < 2 || !source.is(token + 3, ";")) return false;
    variable = first - 2;
    if (!source.is(first - 1, "=")) return false;
  }
  if (!source.is_word(variable)) return false;
  const auto name = source.word(variable);
  int depth = 0;
  for (std::size_t i = variable + 1; i < source.size() && depth >= 0; ++i) {
    if (source.is(i, "{")) ++depth;
    if (source.is(i, "}")) --depth;
    const bool member = source.is(i - 1, ".") || source.is(i - 1, "->");
    if (source.is(i, name) && !member && !asks(i + 1)) return false;
  }
  return true;
}

}  // namespace

void rule_libraries(Unit& unit) {
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  bool groups = false;
  for (std::size_t i = 0; i + 1 < source.size(); ++i) groups = groups || source.is(i, "cooperative_groups");
  // thrust's algorithms work on pointers and device_vector here; a file that has its other iterators stays as it is.
  bool pointers = true;
  for (std::size_t i = 0; i + 2 < source.size(); ++i)
    if (source.is(i, "thrust") && source.is(i + 1, "::") && kThrust.count(source.word(i + 2)) == 0 &&
        !source.is(i + 2, "complex"))
      pointers = false;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (!source.is_word(i)) continue;
    const auto w = source.word(i);
    if (groups && kOtherGroups.count(w) > 0 && (!unit.own(i) || source.is(i - 1, "::"))) {
      if ((w == "this_grid" || w == "grid_group") && only_asks_grid(source, i)) continue;
      unit.find(1012, i, std::string(w));
      continue;
    }
    // at::cuda::blas::gemm<float>(...)
    if (w == "blas" && i > 1 && source.is(i - 2, "cuda") && (source.is(i + 2, "gemm") || source.is(i + 2, "gemv"))) {
      unit.edits.replace({tokens[source.qualified_begin(i)].begin, tokens[i].end}, "csy::blas", "blas", true);
      continue;
    }
    if (unit.own(i) && !(w == "cooperative_groups" || w == "cub" || w == "thrust")) continue;
    if (source.qualified_begin(i) != i && !(source.qualified_begin(i) + 1 == i && source.is(i - 1, "::"))) continue;
    const std::size_t first = source.qualified_begin(i);
    if (w == "cooperative_groups") {
      const bool opens = i > 0 && source.is(i - 1, "namespace") && source.is(i + 1, "{");
      if (tokens[i].directive && !source.is(i + 1, "::")) continue;  // #include <cooperative_groups.h>
      if (!opens) unit.edits.replace({tokens[first].begin, tokens[i].end}, "csy::cg", "groups", true);
      continue;
    }
    if ((w != "cub" && w != "thrust") || !source.is(i + 1, "::")) continue;
    const std::string name(source.word(i + 2));
    if (w == "thrust") {
      if (pointers && kThrust.count(name) > 0)
        unit.edits.replace({tokens[first].begin, tokens[i + 2].end}, "csy::thrust::" + name, "algorithms", true);
      else if (name != "complex")
        unit.find(1013, i, "thrust::" + name);
      continue;
    }
    const bool block_io = kCubBlockIo.count(name) > 0;
    if (block_io || kCub.count(name) > 0) {
      unit.edits.replace({tokens[first].begin, tokens[i + 2].end}, "csy::cub::" + name,
                         block_io ? "block-io" : "groups", true);
    } else if (source.is(i + 3, "::") && kCubDevice.count(name + "::" + std::string(source.word(i + 4))) > 0) {
      const std::string whole = name + "::" + std::string(source.word(i + 4));
      unit.edits.replace({tokens[first].begin, tokens[i + 4].end}, "csy::cub::" + whole, "algorithms", true);
    } else {
      unit.find(1013, i, "cub::" + name);
    }
  }
}

}  // namespace dcn::migrate
