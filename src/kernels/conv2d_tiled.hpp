/// \file conv2d_tiled.hpp
/// Convolution in one pass, for GPUs: tile_conv.hpp, which also lists the macros, with a plain window.
#include "conv2d_args.hpp"
#include "tile_conv.hpp"

struct WindowSampler {
  static constexpr bool kAhead = true;
  struct Position {
    Index at;  ///< element index of channel 0, below 0 outside of the picture
  };
  struct Fetched {
    Pack pack;
  };
  struct Reading {};

  const Conv2dArgs& args;
  OutputPixel pixel;

  DCN_INLINE WindowSampler(const Conv2dArgs& of, const OutputPlace& place)
      : args(of), pixel(find_output_pixel(of, of.output_stride, 0, place)) {}

  [[nodiscard]] DCN_INLINE int cut_end(int, int last) const { return last; }
  [[nodiscard]] DCN_INLINE Reading read(int, int) const { return {}; }
  [[nodiscard]] DCN_INLINE Position locate(int tap, const Reading&) const {
    const int tap_y = tap / args.kernel_w;
    const int y = pixel.y + tap_y * args.dilation_h;
    const int x = pixel.x + (tap - tap_y * args.kernel_w) * args.dilation_w;
    const bool inside = pixel.valid & (y >= 0) & (y < args.height) & (x >= 0) & (x < args.width);
    return {inside ? pixel.input + static_cast<Index>(y) * static_cast<Index>(args.input_stride[2]) +
                         static_cast<Index>(x) * static_cast<Index>(args.input_stride[3])
                   : Index{-1}};
  }
  DCN_INLINE void fetch(const Position& position, int channel, int end, Fetched& fetched) const {
    const auto* input = static_cast<const Element*>(args.input);
    const auto* zeros = static_cast<const Element*>(args.zeros);
    const Index at = position.at;
    const Element* from = (at >= 0) & (kWholeSteps || channel < end) ? input + at + channel : zeros;
    fetched.pack = *reinterpret_cast<const Pack*>(from);
  }
  [[nodiscard]] DCN_INLINE StagePack blend(const Position&, const Fetched& fetched) const {
    float value[kVector];
#pragma unroll
    for (int c = 0; c < kVector; ++c) value[c] = load(fetched.pack.value[c]);
    return stage_pack(value);
  }
  [[nodiscard]] DCN_INLINE float element(const Position& position, int channel, int end) const {
    if ((position.at < 0) | (channel >= end)) return 0.0f;
    const auto* input = static_cast<const Element*>(args.input);
    return load(input[position.at + static_cast<Index>(channel) * static_cast<Index>(args.input_stride[1])]);
  }
  [[nodiscard]] DCN_INLINE const Element* residual(Index at) const {
    return args.residual == nullptr ? nullptr : static_cast<const Element*>(args.residual) + at;
  }
};

extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<2>))
    SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::sub_group_size<DCN_LANES>))
        SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::work_group_size<1, kThreads>)) void conv2d_tiled(
            Conv2dArgs args, sycl::local_accessor<sycl::vec<unsigned, 4>, 1> local) {
#if defined(DCN_REGISTERS)
  DCN_LIMIT_REGISTERS(DCN_REGISTERS);
#endif
  convolve_tiles<WindowSampler>(
      args, reinterpret_cast<unsigned char*>(local.get_multi_ptr<sycl::access::decorated::no>().get()));
}

/// See pack_weights().
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void conv2d_tiled_pack(ConvPackArgs args) {
  pack_weights(args);
}
