#include "nn/onednn.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdlib>
#include <numeric>
#include <oneapi/dnnl/dnnl_sycl.hpp>
#include <sycl/sycl.hpp>

#include "dcn/status.hpp"
#include "nn/plan.hpp"
#include "runtime/verbose.hpp"

namespace dcn::nn {

bool is_emulated(const Queue& queue, DataType type) {
  if (type != DataType::kBf16 || queue.device().kind != "cpu") return false;
  // The values of cpu_isa are sets of instructions: a superset has all bits of its subsets.
  constexpr auto kNative = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & kNative) != kNative;
}

dnnl::memory::data_type to_onednn(DataType type) {
  switch (type) {
    case DataType::kF32:
      return dnnl::memory::data_type::f32;
    case DataType::kBf16:
      return dnnl::memory::data_type::bf16;
    default:
      throw Error(ErrorCode::kInternal, fmt::format("{} activations are not planned", to_string(type)));
  }
}

dnnl::memory::desc activation_desc(const Sizes& sizes, DataType type, MemoryFormat format) {
  return {{sizes.begin(), sizes.end()},
          to_onednn(type),
          format == MemoryFormat::kNhwc ? dnnl::memory::format_tag::nhwc : dnnl::memory::format_tag::nchw};
}

std::string format_name(const dnnl::memory::desc& desc, std::string_view letters) {
  if (desc.get_ndims() == 0) return "";
  if (desc.get_format_kind() != dnnl::memory::format_kind::blocked) return "opaque";
  const auto strides = desc.get_strides();
  const auto blocks = desc.get_inner_blks();
  const auto block_dims = desc.get_inner_idxs();
  const auto is_blocked = [&](std::size_t dim) {
    return std::find(block_dims.begin(), block_dims.end(), static_cast<std::int64_t>(dim)) != block_dims.end();
  };
  const auto sizes = desc.get_dims();
  if (letters == "nchw" && blocks.empty()) {
    for (const auto& [tag, name] :
         {std::pair{dnnl::memory::format_tag::nhwc, "nhwc"}, std::pair{dnnl::memory::format_tag::nchw, "nchw"}}) {
      if (desc == dnnl::memory::desc(sizes, desc.get_data_type(), tag)) return name;
    }
  }
  std::vector<std::size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return strides[a] > strides[b]; });
  std::string name;
  for (const std::size_t dim : order) {
    const char letter = letters.at(dim);
    name += is_blocked(dim) ? static_cast<char>(std::toupper(static_cast<unsigned char>(letter))) : letter;
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    name += std::to_string(blocks[i]) + letters.at(static_cast<std::size_t>(block_dims[i]));
  }
  return name;
}

void rethrow(const dnnl::error& error, const std::string& what) {
  const ErrorCode code = error.status == dnnl_unimplemented   ? ErrorCode::kUnsupported
                         : error.status == dnnl_out_of_memory ? ErrorCode::kOutOfMemory
                                                              : ErrorCode::kDevice;
  throw Error(code, fmt::format("{}: oneDNN: {}", what, error.what()));
}

OneDnn::OneDnn(const Queue& queue, const dnnl::engine& engine)
    : queue_(queue), engine_(engine), stream_(dnnl::sycl_interop::make_stream(engine_, queue.native())) {}

std::optional<OneDnn> OneDnn::make(const Queue& queue) {
  // Errors are reported as such; by itself oneDNN also prints them, on standard output, where results go.
  if (std::getenv("ONEDNN_VERBOSE") == nullptr) dnnl::set_verbose(0);
  try {
    return OneDnn(queue, dnnl::sycl_interop::make_engine(queue.native().get_device(), queue.native().get_context()));
  } catch (const dnnl::error& error) {
    runtime::verbose(runtime::Topic::kDispatch, "{}: oneDNN has no engine: {}", queue.device().name, error.what());
    return std::nullopt;
  } catch (const sycl::exception& error) {
    // oneDNN looks its device up in the runtime's list, which a backend that fails takes away from all.
    const std::string problem = discovery_problem();
    throw Error(ErrorCode::kDevice, fmt::format("{}: oneDNN finds no device: {}", queue.device().name,
                                                problem.empty() ? error.what() : problem));
  }
}

dnnl::memory OneDnn::memory(const dnnl::memory::desc& desc, void* data) const {
  return dnnl::sycl_interop::make_memory(desc, engine_, dnnl::sycl_interop::memory_kind::usm, data);
}

void OneDnn::reorder(const dnnl::memory& source, const dnnl::memory& destination) {
  const dnnl::reorder primitive(source, destination);
  primitive.execute(stream_, {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, destination}});
}

}  // namespace dcn::nn
