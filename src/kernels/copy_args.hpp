/// \file copy_args.hpp
/// Arguments of copy.hpp, for both sides. A plain struct: no includes, no host code.
#pragma once

struct CopyArgs {
  const void* source;
  void* destination;
  long long size[4];                                  ///< in the order in which work-items walk, the last fastest
  long long source_stride[4], destination_stride[4];  ///< of the same dimensions, in elements
};
