/// \file deform_conv2d_tiled.hpp
/// Deformable convolution in one pass, for GPUs: tile_conv.hpp, which also lists the macros, with bilinear sampling.
#include "deform_conv2d_args.hpp"
#include "tile_conv.hpp"
#include "tile_sample.hpp"

struct BilinearSampler {
  static constexpr bool kAhead = DCN_AHEAD != 0;  ///< four packs of each item take many registers
  struct Position {
    Corners corners;
    Weights weights;
  };
  /// A pack of each corner.
  struct Fetched {
    Pack corner[4];
  };

  const DeformConv2dArgs& args;
  Pixel pixel;

  DCN_INLINE BilinearSampler(const DeformConv2dArgs& of, const OutputPlace& place)
      : args(of), pixel(find_pixel(of, of.output_stride, 0, place)) {}

  [[nodiscard]] DCN_INLINE int deformable_channels() const {
    return static_cast<int>(args.in_channels) / args.deformable_groups;
  }
  [[nodiscard]] DCN_INLINE int cut_end(int channel, int last) const {
    const int next = (channel / deformable_channels() + 1) * deformable_channels();
    return next < last ? next : last;
  }
  [[nodiscard]] DCN_INLINE Reading read(int tap, int channel) const {
    return read_tap(args, pixel, tap, channel / deformable_channels());
  }
  [[nodiscard]] DCN_INLINE Position locate(int tap, const Reading& reading) const {
    const Sample sample = ::locate(args, pixel, tap, reading);
    return {sample.corners, sample.weights};
  }
  DCN_INLINE void fetch(const Position& position, int channel, int end, Fetched& fetched) const {
    const auto* input = static_cast<const Element*>(args.input);
    const auto* zeros = static_cast<const Element*>(args.zeros);
    const Corners corners = position.corners;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const Index at = corners.at[j];
      const Element* from = (at >= 0) & (kWholeSteps || channel < end) ? input + at + channel : zeros;
      fetched.corner[j] = *reinterpret_cast<const Pack*>(from);
    }
  }
  [[nodiscard]] DCN_INLINE StagePack blend(const Position& position, const Fetched& fetched) const {
    const Weights weights = position.weights;
    float value[kVector];
#pragma unroll
    for (int c = 0; c < kVector; ++c) {
      value[c] = weigh(weights, load(fetched.corner[0].value[c]), load(fetched.corner[1].value[c]),
                       load(fetched.corner[2].value[c]), load(fetched.corner[3].value[c]));
    }
    return stage_pack(value);
  }
  [[nodiscard]] DCN_INLINE float element(const Position& position, int channel, int end) const {
    const auto* input = static_cast<const Element*>(args.input);
    const Index at = static_cast<Index>(channel) * static_cast<Index>(args.input_stride[1]);
    float corner[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    if (channel < end) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (position.corners.at[j] >= 0) corner[j] = load(input[position.corners.at[j] + at]);
      }
    }
    return weigh(position.weights, corner[0], corner[1], corner[2], corner[3]);
  }
  [[nodiscard]] DCN_INLINE const Element* residual(Index) const { return nullptr; }
};

extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<2>))
    SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::sub_group_size<DCN_LANES>))
        SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::work_group_size<1, kThreads>)) void deform_conv2d_tiled(
            DeformConv2dArgs args, sycl::local_accessor<sycl::vec<unsigned, 4>, 1> local) {
#if defined(DCN_REGISTERS)
  DCN_LIMIT_REGISTERS(DCN_REGISTERS);
#endif
  convolve_tiles<BilinearSampler>(
      args, reinterpret_cast<unsigned char*>(local.get_multi_ptr<sycl::access::decorated::no>().get()));
}

/// See pack_weights().
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void deform_conv2d_tiled_pack(
    ConvPackArgs args) {
  pack_weights(args);
}
