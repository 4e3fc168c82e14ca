/// \file decode.hpp
/// Peaks of a heat map, the best of them, and what the other heads say there: the original's ctdet_decode,
/// multi_pose_decode and ddd_decode (src/lib/models/decode.py).
///
/// decode_peaks: each sub-group walks over a part of the heat map. It holds a list of the best peaks so far; once the
/// list has been cut to `keep`, the worst of them is a threshold, for the other sub-groups too, that few places pass:
/// the sigmoid and the eight neighbours are seldom needed. decode_rows (and decode_joints for joints) then joins the
/// lists of an image. The result does not depend on the order in which sub-groups run: keys are unique, so the best
/// `keep` are a set, and nothing of that set is below any list's threshold.
///
/// Macro: DCN_LANES, size of a sub-group and of a work-group.
#include <sycl/atomic_ref.hpp>
#include <sycl/builtins.hpp>
#include <sycl/ext/oneapi/free_function_queries.hpp>
#include <sycl/ext/oneapi/kernel_properties/properties.hpp>
#include <sycl/group_algorithm.hpp>
#include <sycl/group_barrier.hpp>
#include <sycl/sub_group.hpp>

#include "decode_args.hpp"

/// Calls cost a vector of lanes dearly.
#define DCN_INLINE inline __attribute__((always_inline))

namespace dcn_decode {

using SubGroup = sycl::sub_group;

DCN_INLINE float sigmoid(float x) { return 1.0f / (1.0f + sycl::exp(-x)); }

DCN_INLINE DecodeKey make_key(float score, unsigned place) {
  return (static_cast<DecodeKey>(sycl::bit_cast<unsigned>(score)) << 32) | (0xFFFFFFFFu - place);
}
DCN_INLINE float score_of(DecodeKey key) { return sycl::bit_cast<float>(static_cast<unsigned>(key >> 32)); }
DCN_INLINE unsigned place_of(DecodeKey key) { return 0xFFFFFFFFu - static_cast<unsigned>(key); }

/// The joint on the other side of the body: 1 and 2, 3 and 4, ... change places; 0 is the nose.
DCN_INLINE int other_side(int joint) { return joint == 0 ? 0 : ((joint - 1) ^ 1) + 1; }

/// The largest `keep` of the first `count` keys, moved to the front, order otherwise kept. All keys differ.
/// Returns the smallest one kept. Call with count > keep.
DCN_INLINE DecodeKey cut(SubGroup group, DecodeKey* keys, int count, int keep) {
  const int lane = static_cast<int>(group.get_local_linear_id());
  sycl::group_barrier(group);
  DecodeKey least = 0;
  for (int bit = 62; bit >= 0; --bit) {
    const DecodeKey trial = least | (DecodeKey{1} << bit);
    int reached = 0;
    for (int i = lane; i < count; i += DCN_LANES) {
      reached += keys[i] >= trial ? 1 : 0;
    }
    reached = sycl::reduce_over_group(group, reached, sycl::plus<int>());
    if (reached >= keep) {
      least = trial;
    }
    if (reached == keep) {
      bit = 0;
    }
  }
  int kept = 0;
  DecodeKey smallest = ~DecodeKey{0};
  for (int first = 0; first < count; first += DCN_LANES) {
    const int i = first + lane;
    const DecodeKey key = i < count ? keys[i] : 0;
    const int stays = key >= least && i < count ? 1 : 0;
    const int before = sycl::exclusive_scan_over_group(group, stays, sycl::plus<int>());
    sycl::group_barrier(group);
    if (stays != 0) {
      keys[kept + before] = key;
      smallest = key < smallest ? key : smallest;
    }
    kept += sycl::reduce_over_group(group, stays, sycl::plus<int>());
  }
  sycl::group_barrier(group);
  return sycl::reduce_over_group(group, smallest, sycl::minimum<DecodeKey>());
}

/// A list that is cut whenever it is full.
struct Best {
  DecodeKey* keys;
  int capacity, keep;
  int count;
  DecodeKey least;  ///< keys must be greater

  /// Called by the whole sub-group; a lane with nothing to add gives 0. True when `least` is a new one.
  DCN_INLINE bool add(SubGroup group, DecodeKey key) {
    const int taken = key > least ? 1 : 0;
    const int before = sycl::exclusive_scan_over_group(group, taken, sycl::plus<int>());
    if (taken != 0) {
      keys[count + before] = key;
    }
    count += sycl::reduce_over_group(group, taken, sycl::plus<int>());
    if (count + DCN_LANES <= capacity) {
      return false;
    }
    finish(group);
    return true;
  }
  DCN_INLINE void finish(SubGroup group) {
    if (count > keep) {
      least = cut(group, keys, count, keep);
      count = keep;
    }
  }
};

/// No logit below this has a sigmoid of `score` or more, in this file's arithmetic.
DCN_INLINE float logit_floor(float score) {
  if (!(score > 0.0f)) {
    return -__builtin_inff();
  }
  const float p = score < 0.9999f ? score : 0.9999f;  // beyond, 1 - p has too few digits
  const float logit = sycl::log(p / (1.0f - p));
  return logit - 0.02f - 1e-4f * sycl::fabs(logit);
}

/// The heat map of one image: one array, or the mean of a picture's and of its mirror image's. One image's elements are
/// addressed in 32 bits.
struct Heat {
  const float* plain;
  const float* mirrored;  ///< starts at the last column
  int stride_c, stride_y, stride_x;
  int height, width, flip, swap_sides;

  DCN_INLINE float logit(int c, int y, int x) const { return plain[c * stride_c + y * stride_y + x * stride_x]; }
  DCN_INLINE float at(int c, int y, int x) const {
    const float here = sigmoid(logit(c, y, x));
    if (flip == 0) {
      return here;
    }
    const int other = swap_sides != 0 ? other_side(c) : c;
    return (here + sigmoid(mirrored[other * stride_c + y * stride_y - x * stride_x])) * 0.5f;
  }

  /// True when no neighbour is greater. A neighbour that is a NaN is not. At the border the nearest place stands in for
  /// what is missing: it is among the places looked at anyway.
  DCN_INLINE bool is_peak(int c, int y, int x, float score) const {
    const int up = y > 0 ? y - 1 : y, down = y + 1 < height ? y + 1 : y;
    const int left = x > 0 ? x - 1 : x, right = x + 1 < width ? x + 1 : x;
    if (flip == 0) {
      // The sigmoid keeps the order, but not every difference: equal values are equal peaks.
      float greatest = -__builtin_inff();
      greatest = greater(greatest, logit(c, up, left));
      greatest = greater(greatest, logit(c, up, x));
      greatest = greater(greatest, logit(c, up, right));
      greatest = greater(greatest, logit(c, y, left));
      greatest = greater(greatest, logit(c, y, right));
      greatest = greater(greatest, logit(c, down, left));
      greatest = greater(greatest, logit(c, down, x));
      greatest = greater(greatest, logit(c, down, right));
      return !(sigmoid(greatest) > score);
    }
    float greatest = 0.0f;
    for (int near_y = up; near_y <= down; ++near_y) {
      for (int near_x = left; near_x <= right; ++near_x) {
        greatest = greater(greatest, at(c, near_y, near_x));
      }
    }
    return !(greatest > score);
  }

  /// The second unless it is a NaN or not greater.
  static DCN_INLINE float greater(float a, float b) { return b > a ? b : a; }
};

/// Thresholds are shared as bits of a score: not negative, so they order as integers.
using SharedThreshold = sycl::atomic_ref<unsigned, sycl::memory_order::relaxed, sycl::memory_scope::device,
                                         sycl::access::address_space::global_space>;

/// Vectors of places that are compared with the threshold together.
constexpr int kBlock = 4;

/// Places that reached the threshold and are still to be looked at: y in the high half, the place in the row in the low
/// half. Few lanes of a vector reach it at a time; waiting for whole vectors keeps all lanes at work.
struct Waiting {
  DecodeKey* places;  ///< room for kDecodeWaiting sub-groups
  int count;

  DCN_INLINE void add(SubGroup group, bool reached, DecodeKey place) {
    const int one = reached ? 1 : 0;
    const int before = sycl::exclusive_scan_over_group(group, one, sycl::plus<int>());
    if (reached) {
      places[count + before] = place;
    }
    count += sycl::reduce_over_group(group, one, sycl::plus<int>());
  }
};

/// Looks at the last waiting places, a vector of them. True when the list's threshold rose.
DCN_INLINE bool examine(SubGroup group, const DecodePeaksArgs& args, const Heat& heat, Best& best, Waiting& waiting) {
  const int lane = static_cast<int>(group.get_local_linear_id());
  sycl::group_barrier(group);
  const int used = waiting.count < DCN_LANES ? waiting.count : DCN_LANES;
  waiting.count -= used;
  const DecodeKey place = lane < used ? waiting.places[waiting.count + lane] : 0;
  sycl::group_barrier(group);

  const int y = static_cast<int>(place >> 32);
  const unsigned in_row = static_cast<unsigned>(place);
  const unsigned divisor = static_cast<unsigned>(args.run_channels != 0 ? args.heat.channels : args.width);
  const int quotient = static_cast<int>(in_row / divisor);
  const int rest = static_cast<int>(in_row % divisor);
  const int c = args.run_channels != 0 ? rest : quotient;
  const int x = args.run_channels != 0 ? quotient : rest;
  const float score = heat.at(c, y, x);
  bool good = lane < used && score >= score_of(best.least);
  if (sycl::any_of_group(group, good)) {
    good = heat.is_peak(c, y, x, score) && good;
  }
  return best.add(group, good ? make_key(score, static_cast<unsigned>((c * args.height + y) * args.width + x)) : 0);
}

/// True when a lane's place in one of the vectors of a block reaches the threshold.
DCN_INLINE bool reaches(const float* at, float least) {
  static_assert(kBlock == 4);
  return (at[0] >= least) | (at[DCN_LANES] >= least) | (at[2 * DCN_LANES] >= least) | (at[3 * DCN_LANES] >= least);
}

/// Walks over one piece of the heat map. kPlain: places of a run follow each other in memory, in the mirror image as
/// well, and there are at least kBlock vectors of them.
template <bool kPlain, bool kFlip>
DCN_INLINE int find_peaks(SubGroup group, const DecodePeaksArgs& args, long list) {
  const int lane = static_cast<int>(group.get_local_linear_id());
  const int piece_y = static_cast<int>(list % args.pieces_y);
  const int piece_run = static_cast<int>(list / args.pieces_y % args.pieces_runs);
  const long image = list / args.pieces_y / args.pieces_runs;
  const int first_y = static_cast<int>(static_cast<long>(args.height) * piece_y / args.pieces_y);
  const int last_y = static_cast<int>(static_cast<long>(args.height) * (piece_y + 1) / args.pieces_y);
  const int first_run = static_cast<int>(static_cast<long>(args.runs) * piece_run / args.pieces_runs);
  const int last_run = static_cast<int>(static_cast<long>(args.runs) * (piece_run + 1) / args.pieces_runs);

  Heat heat;
  heat.flip = args.flip;
  heat.swap_sides = args.swap_sides;
  heat.height = args.height;
  heat.width = args.width;
  heat.stride_c = static_cast<int>(args.heat.stride_c);
  heat.stride_y = static_cast<int>(args.heat.stride_y);
  heat.stride_x = static_cast<int>(args.heat.stride_x);
  heat.plain = args.heat.data + image * (args.flip != 0 ? 2 : 1) * args.heat.stride_n;
  heat.mirrored = heat.plain + args.heat.stride_n + (args.width - 1) * args.heat.stride_x;
  // In a mirror image columns run backwards, channels do not.
  const int step = static_cast<int>(args.step);
  const int mirrored_step = args.run_channels != 0 ? step : -step;
  const int run_stride = static_cast<int>(args.run_stride);
  const int mirrored_stride = args.run_channels != 0 ? -run_stride : run_stride;
  const bool swap_runs = args.swap_sides != 0 && args.run_channels == 0;
  const bool swap_places = args.swap_sides != 0 && args.run_channels != 0;

  SharedThreshold shared(args.thresholds[image]);
  DecodeKey* keys = args.keys + list * args.capacity;
  const int room = args.capacity - kDecodeWaiting * DCN_LANES;
  Best best{keys, room, args.keep, 0, args.floor > 0.0f ? make_key(args.floor, 0) : 0};
  Waiting waiting{keys + room, 0};
  float least = logit_floor(score_of(best.least));

  // These loops have bounds that no lane can change: what a collective returns counts as a lane's own for the CPU's
  // vectoriser, and an address that depends on it would become a gather.
  constexpr int kVectors = kPlain ? kBlock : 1, kPlaces = kVectors * DCN_LANES;
  for (int y = first_y; y < last_y; ++y) {
    const DecodeKey known = static_cast<DecodeKey>(shared.load()) << 32;
    if (known > best.least) {
      best.least = known;
      least = logit_floor(score_of(known));
    }
    for (int run = first_run; run < last_run; ++run) {
      const float* plain = heat.plain + (y * heat.stride_y + run * run_stride);
      const float* mirrored =
          heat.mirrored + (y * heat.stride_y + (swap_runs ? other_side(run) : run) * mirrored_stride);
      for (int begin = 0; begin < args.run_length; begin += kPlaces) {
        // The last block of a run ends with it, and looks at some places again.
        const int first = kPlain && begin + kPlaces > args.run_length ? args.run_length - kPlaces : begin;
        bool reached = false;
        if (kPlain) {
          reached = reaches(plain + first + lane, least) || (kFlip && reaches(mirrored + first + lane, least));
        } else if (first + lane < args.run_length) {
          const int place = first + lane;
          reached = plain[place * step] >= least;
          if (kFlip) {
            reached = reached || mirrored[(swap_places ? other_side(place) : place) * mirrored_step] >= least;
          }
        }
        const bool last = y + 1 == last_y && run + 1 == last_run && begin + kPlaces >= args.run_length;
        if (last || sycl::any_of_group(group, reached)) {
          const DecodeKey before = (static_cast<DecodeKey>(y) << 32) | static_cast<unsigned>(run * args.run_length);
          for (int i = 0; i < kVectors; ++i) {
            const int place = first + i * DCN_LANES + lane;
            bool one = reached;
            if (kPlain) {
              one = place >= begin && (plain[place] >= least || (kFlip && mirrored[place] >= least));
            }
            waiting.add(group, one, before + static_cast<unsigned>(place));
          }
          while (waiting.count >= (last ? 1 : DCN_LANES)) {
            if (examine(group, args, heat, best, waiting)) {
              least = logit_floor(score_of(best.least));
              if (lane == 0) {
                shared.fetch_max(static_cast<unsigned>(best.least >> 32));
              }
            }
          }
        }
      }
    }
  }
  return best.count;
}

}  // namespace dcn_decode

extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((sycl::ext::oneapi::experimental::nd_range_kernel<1>))
    SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((sycl::ext::oneapi::experimental::sub_group_size<DCN_LANES>)) void decode_peaks(
        DecodePeaksArgs args) {
  using namespace dcn_decode;
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const SubGroup group = item.get_sub_group();
  const long list = static_cast<long>(item.get_group(0));
  const bool plain = args.step == 1 && args.run_length >= kBlock * DCN_LANES;
  int count = 0;
  if (args.flip == 0) {
    count = plain ? find_peaks<true, false>(group, args, list) : find_peaks<false, false>(group, args, list);
  } else {
    // Columns of a mirror image run backwards.
    count = plain && args.run_channels != 0 && args.swap_sides == 0 ? find_peaks<true, true>(group, args, list)
                                                                    : find_peaks<false, true>(group, args, list);
  }
  if (group.get_local_linear_id() == 0) {
    args.counts[list] = count;
  }
}

namespace dcn_decode {

/// Merges an image's candidates with places in [first_place, last_place) into args.sorted, best first. Returns how many
/// there are.
DCN_INLINE int merge(SubGroup group, const DecodeMergeArgs& args, long group_index, long image, unsigned first_place,
                     unsigned last_place) {
  const int lane = static_cast<int>(group.get_local_linear_id());
  DecodeKey* keys = args.merged + group_index * args.merged_capacity;
  Best best{keys, args.merged_capacity, args.keep, 0, 0};
  for (long list = image * args.lists; list < (image + 1) * args.lists; ++list) {
    const DecodeKey* from = args.keys + list * args.capacity;
    const int count = args.counts[list];
    for (int first = 0; first < count; first += DCN_LANES) {
      const int i = first + lane;
      DecodeKey key = i < count ? from[i] : 0;
      key = place_of(key) >= first_place && place_of(key) < last_place ? key : 0;
      if (sycl::any_of_group(group, key > best.least)) {
        best.add(group, key);
      }
    }
  }
  best.finish(group);
  sycl::group_barrier(group);
  DecodeKey* sorted = args.sorted + group_index * args.keep;
  for (int first = 0; first < best.count; first += DCN_LANES) {
    const int i = first + lane;
    const DecodeKey key = i < best.count ? keys[i] : 0;
    int better = 0;
    for (int other = 0; other < best.count; ++other) {
      better += keys[other] > key ? 1 : 0;
    }
    if (i < best.count) {
      sorted[better] = key;
    }
  }
  if (lane == 0) {
    args.sorted_counts[group_index] = best.count;
    args.thresholds[image] = 0;
  }
  sycl::group_barrier(group);
  return best.count;
}

/// Where there are fewer peaks than rows, the rest have score 0, as the original's `heat * keep` has between peaks: the
/// first places that hold no peak.
DCN_INLINE void fill(SubGroup group, DecodeKey* sorted, int count, int rows) {
  const int lane = static_cast<int>(group.get_local_linear_id());
  int filled = count;
  for (unsigned first = 0; filled < rows; first += DCN_LANES) {
    const unsigned place = first + static_cast<unsigned>(lane);
    int empty = 1;
    for (int i = 0; i < count; ++i) {
      if (place_of(sorted[i]) == place) {
        empty = 0;
      }
    }
    const int to = filled + sycl::exclusive_scan_over_group(group, empty, sycl::plus<int>());
    if (empty != 0 && to < rows) {
      sorted[to] = make_key(0.0f, place);
    }
    filled += sycl::reduce_over_group(group, empty, sycl::plus<int>());
  }
  sycl::group_barrier(group);
}

/// One image's view of the heads at one place.
struct Place {
  long image, elements;  ///< elements per image: 2 with a mirrored one
  int y, x, width;

  float plain(const DecodeHead& head, int channel) const {
    return head
        .data[image * elements * head.stride_n + channel * head.stride_c + y * head.stride_y + x * head.stride_x];
  }
  float mirrored(const DecodeHead& head, int channel) const {
    return head.data[(image * elements + 1) * head.stride_n + channel * head.stride_c + y * head.stride_y +
                     (width - 1 - x) * head.stride_x];
  }
  float averaged(const DecodeHead& head, int channel) const {
    return elements == 1 ? plain(head, channel) : (plain(head, channel) + mirrored(head, channel)) * 0.5f;
  }
};

/// A point of the grid: the cell plus what the head says, or plus a half without such a head.
DCN_INLINE void locate(const DecodeHead& offset, const Place& place, float& x, float& y) {
  x = static_cast<float>(place.x) + (offset.channels != 0 ? place.plain(offset, 0) : 0.5f);
  y = static_cast<float>(place.y) + (offset.channels != 0 ? place.plain(offset, 1) : 0.5f);
}

DCN_INLINE void write_box(const DecodeRowsArgs& args, const Place& place, int category, float* row) {
  float x, y;
  locate(args.offset, place, x, y);
  const int first = args.size_per_class != 0 ? 2 * category : 0;
  const float half_w = place.averaged(args.size, first) / 2, half_h = place.averaged(args.size, first + 1) / 2;
  row[0] = x - half_w;
  row[1] = y - half_h;
  row[2] = x + half_w;
  row[3] = y + half_h;
}

/// A joint where its regression points, or at the nearest peak of the joint's heat map if that lies in the box and not
/// farther away than 0.3 of the box's longer side.
DCN_INLINE void write_joint(const DecodeRowsArgs& args, const Place& place, int joint, const float* box, float* to) {
  const bool flip = place.elements != 1;
  float x = place.plain(args.joints, 2 * joint), y = place.plain(args.joints, 2 * joint + 1);
  if (flip) {
    const int other = other_side(joint);
    x = (x - place.mirrored(args.joints, 2 * other)) * 0.5f;
    y = (y + place.mirrored(args.joints, 2 * other + 1)) * 0.5f;
  }
  x += static_cast<float>(place.x);
  y += static_cast<float>(place.y);
  to[0] = x;
  to[1] = y;
  if (args.joint_points == nullptr) {
    return;
  }
  const long list = place.image * args.joint_count + joint;
  const float* points = args.joint_points + list * args.merge.keep * 2;
  const int count = args.joint_counts[list];
  float nearest = -1.0f, peak_x = 0.0f, peak_y = 0.0f;
  for (int i = 0; i < count; ++i) {
    const float dx = x - points[2 * i], dy = y - points[2 * i + 1];
    const float distance = sycl::sqrt(dx * dx + dy * dy);
    if (nearest < 0.0f ? distance >= 0.0f : distance < nearest) {
      nearest = distance;
      peak_x = points[2 * i];
      peak_y = points[2 * i + 1];
    }
  }
  const float reach = sycl::fmax(box[3] - box[1], box[2] - box[0]) * 0.3f;
  const bool outside = peak_x < box[0] || peak_x > box[2] || peak_y < box[1] || peak_y > box[3];
  if (nearest >= 0.0f && !outside && !(nearest > reach)) {
    to[0] = peak_x;
    to[1] = peak_y;
  }
}

}  // namespace dcn_decode

extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((sycl::ext::oneapi::experimental::nd_range_kernel<1>))
    SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((sycl::ext::oneapi::experimental::sub_group_size<DCN_LANES>)) void decode_joints(
        DecodeJointsArgs args) {
  using namespace dcn_decode;
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const SubGroup group = item.get_sub_group();
  const long list = static_cast<long>(item.get_group(0));
  const unsigned plane = static_cast<unsigned>(args.height) * static_cast<unsigned>(args.width);
  const unsigned first_place = static_cast<unsigned>(list % args.joints) * plane;
  const int count = merge(group, args.merge, list, list / args.joints, first_place, first_place + plane);
  const DecodeKey* sorted = args.merge.sorted + list * args.merge.keep;
  float* points = args.points + list * args.merge.keep * 2;
  for (int i = static_cast<int>(group.get_local_linear_id()); i < count; i += DCN_LANES) {
    const unsigned cell = place_of(sorted[i]) % plane;
    const Place place{list / args.joints, args.flip != 0 ? 2 : 1, static_cast<int>(cell / args.width),
                      static_cast<int>(cell % args.width), args.width};
    locate(args.offset, place, points[2 * i], points[2 * i + 1]);
  }
}

extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((sycl::ext::oneapi::experimental::nd_range_kernel<1>))
    SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((sycl::ext::oneapi::experimental::sub_group_size<DCN_LANES>)) void decode_rows(
        DecodeRowsArgs args) {
  using namespace dcn_decode;
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const SubGroup group = item.get_sub_group();
  const long image = static_cast<long>(item.get_group(0));
  const int count = merge(group, args.merge, image, image, 0, 0xFFFFFFFFu);
  DecodeKey* sorted = args.merge.sorted + image * args.merge.keep;
  fill(group, sorted, count, args.rows);
  const unsigned plane = static_cast<unsigned>(args.height) * static_cast<unsigned>(args.width);
  for (int r = static_cast<int>(group.get_local_linear_id()); r < args.rows; r += DCN_LANES) {
    float* row = args.out + (image * args.rows + r) * args.columns;
    const DecodeKey key = sorted[r];
    const unsigned cell = place_of(key) % plane;
    const int category = static_cast<int>(place_of(key) / plane);
    const Place place{image, args.flip != 0 ? 2 : 1, static_cast<int>(cell / args.width),
                      static_cast<int>(cell % args.width), args.width};
    row[args.columns - 1] = static_cast<float>(category);
    if (args.task == 2) {
      locate(args.offset, place, row[0], row[1]);
      row[2] = score_of(key);
      for (int i = 0; i < 8; ++i) {
        row[3 + i] = place.plain(args.rotation, i);
      }
      row[11] = 1.0f / (sigmoid(place.plain(args.depth, 0)) + 1e-6f) - 1.0f;
      for (int i = 0; i < 3; ++i) {
        row[12 + i] = place.plain(args.dimensions, i);
      }
      for (int i = 0; i < 2; ++i) {
        row[15 + i] = args.size.channels != 0 ? place.plain(args.size, i) : 0.0f;
      }
    } else {
      write_box(args, place, category, row);
      row[4] = score_of(key);
      for (int joint = 0; joint < args.joint_count; ++joint) {
        write_joint(args, place, joint, row, row + 5 + 2 * joint);
      }
    }
  }
}
