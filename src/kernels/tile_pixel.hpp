/// \file tile_pixel.hpp
/// The output pixels of the tiled kernels, and the packs in which they read and write. Part of them, with their macros.
#pragma once

#include "deform_common.hpp"

constexpr int kVector = 16 / int{sizeof(Element)};  ///< elements of the widest load

struct alignas(16) Pack {
  Element value[kVector];
};

struct OutputPixel {
  bool valid;
  Index input, output;  ///< element indices of its picture's first input element, and of itself
  Index picture;        ///< within the launch's
  Index row, column;
  int y, x;  ///< of tap (0, 0) in the input
};

/// Where an output pixel is.
struct OutputPlace {
  bool valid;
  Index picture, row, column;
};

/// \param id  counts from the first output pixel of `pictures` pictures on.
template <typename Args>
DCN_INLINE OutputPlace locate_output(const Args& args, long long pictures, Index id) {
  OutputPlace place;
  place.valid = id < static_cast<Index>(pictures * args.out_height * args.out_width);
  id = place.valid ? id : 0;
  const Index width = static_cast<Index>(args.out_width);
  const Index height = static_cast<Index>(args.out_height);
  const Index line = id / width;
  place.column = id - line * width;
  place.picture = line / height;
  place.row = line - place.picture * height;
  return place;
}

/// \param output_stride of the tensor whose pixels these are.
template <typename Args>
DCN_INLINE OutputPixel find_output_pixel(const Args& args, const long long (&output_stride)[4], long long first_picture,
                                         const OutputPlace& place) {
  OutputPixel pixel;
  pixel.valid = place.valid;
  pixel.column = place.column;
  pixel.picture = place.picture;
  pixel.row = place.row;
  const Index n = pixel.picture + static_cast<Index>(first_picture);
  pixel.input = n * static_cast<Index>(args.input_stride[0]);
  pixel.output = n * static_cast<Index>(output_stride[0]) + pixel.row * static_cast<Index>(output_stride[2]) +
                 pixel.column * static_cast<Index>(output_stride[3]);
  pixel.y = static_cast<int>(pixel.row) * args.stride_h - args.padding_h;
  pixel.x = static_cast<int>(pixel.column) * args.stride_w - args.padding_w;
  return pixel;
}
