#include "decode_reference.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace dcn::test {
namespace {

using centernet::DecodeHeads;
using centernet::DecodeOptions;
using centernet::Rows;
using centernet::Task;

float sigmoid(float x) { return 1.0F / (1.0F + std::exp(-x)); }

std::int64_t other_side(std::int64_t joint) {
  static const std::vector<std::int64_t> kOther{0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15};
  return kOther.at(static_cast<std::size_t>(joint));
}

/// One picture's heat map after the sigmoid and, with the flip test, the average.
HostHead heat_of(const HostHead& logits, std::int64_t picture, bool flip, bool swap_sides) {
  HostHead heat(1, logits.c, logits.h, logits.w, [] { return 0.0F; });
  for (std::int64_t c = 0; c < logits.c; ++c) {
    for (std::int64_t y = 0; y < logits.h; ++y) {
      for (std::int64_t x = 0; x < logits.w; ++x) {
        float& value = heat.at(0, c, y, x);
        if (flip) {
          const std::int64_t from = swap_sides ? other_side(c) : c;
          value = (sigmoid(logits.at(2 * picture, c, y, x)) +
                   sigmoid(logits.at(2 * picture + 1, from, y, logits.w - 1 - x))) /
                  2;
        } else {
          value = sigmoid(logits.at(picture, c, y, x));
        }
      }
    }
  }
  return heat;
}

bool is_peak(const HostHead& heat, std::int64_t c, std::int64_t y, std::int64_t x) {
  const float value = heat.at(0, c, y, x);
  if (std::isnan(value)) {
    return false;
  }
  for (std::int64_t near_y = std::max<std::int64_t>(y - 1, 0); near_y <= std::min(y + 1, heat.h - 1); ++near_y) {
    for (std::int64_t near_x = std::max<std::int64_t>(x - 1, 0); near_x <= std::min(x + 1, heat.w - 1); ++near_x) {
      if (heat.at(0, c, near_y, near_x) > value) {
        return false;
      }
    }
  }
  return true;
}

struct Peak {
  float score = 0;
  std::int64_t c = 0, y = 0, x = 0;
};

/// heat * keep of some channels, best first, ties by place.
std::vector<Peak> best(const HostHead& heat, std::int64_t first_channel, std::int64_t channels, std::int64_t count) {
  std::vector<Peak> all;
  for (std::int64_t c = first_channel; c < first_channel + channels; ++c) {
    for (std::int64_t y = 0; y < heat.h; ++y) {
      for (std::int64_t x = 0; x < heat.w; ++x) {
        all.push_back({is_peak(heat, c, y, x) ? heat.at(0, c, y, x) : 0, c, y, x});
      }
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Peak& a, const Peak& b) { return a.score > b.score; });
  all.resize(static_cast<std::size_t>(std::min<std::int64_t>(count, static_cast<std::int64_t>(all.size()))));
  return all;
}

/// The value of a head at a peak, averaged with the mirrored element when `mirror` is set.
float value(const HostHead& head, std::int64_t picture, bool flip, const Peak& at, std::int64_t channel, bool mirror) {
  if (!flip) {
    return head.at(picture, channel, at.y, at.x);
  }
  const float plain = head.at(2 * picture, channel, at.y, at.x);
  return mirror ? (plain + head.at(2 * picture + 1, channel, at.y, head.w - 1 - at.x)) / 2 : plain;
}

struct Point {
  float x = 0, y = 0;
};

Point moved(const HostHeads& heads, const std::string& offset, std::int64_t picture, bool flip, const Peak& at) {
  if (!heads.contains(offset)) {
    return {static_cast<float>(at.x) + 0.5F, static_cast<float>(at.y) + 0.5F};
  }
  return {static_cast<float>(at.x) + value(heads.at(offset), picture, flip, at, 0, false),
          static_cast<float>(at.y) + value(heads.at(offset), picture, flip, at, 1, false)};
}

Point joint_at(const HostHeads& heads, const DecodeOptions& options, std::int64_t picture, const Peak& at,
               std::int64_t joint, const std::vector<float>& box, const std::vector<Peak>& candidates) {
  const HostHead& head = heads.at("hps");
  Point point;
  if (options.flip) {
    const std::int64_t other = other_side(joint), mirrored_x = head.w - 1 - at.x;
    point.x = (head.at(2 * picture, 2 * joint, at.y, at.x) - head.at(2 * picture + 1, 2 * other, at.y, mirrored_x)) / 2;
    point.y =
        (head.at(2 * picture, 2 * joint + 1, at.y, at.x) + head.at(2 * picture + 1, 2 * other + 1, at.y, mirrored_x)) /
        2;
  } else {
    point = {head.at(picture, 2 * joint, at.y, at.x), head.at(picture, 2 * joint + 1, at.y, at.x)};
  }
  point.x += static_cast<float>(at.x);
  point.y += static_cast<float>(at.y);
  float least = INFINITY;
  Point nearest;
  for (const Peak& candidate : candidates) {
    if (!(candidate.score > 0.1F)) {
      continue;
    }
    const Point place = moved(heads, "hp_offset", picture, options.flip, candidate);
    const float dx = point.x - place.x, dy = point.y - place.y;
    const float distance = std::sqrt(dx * dx + dy * dy);
    if (distance < least) {
      least = distance;
      nearest = place;
    }
  }
  const bool inside = nearest.x >= box[0] && nearest.x <= box[2] && nearest.y >= box[1] && nearest.y <= box[3];
  return inside && least <= std::max(box[3] - box[1], box[2] - box[0]) * 0.3F ? nearest : point;
}

}  // namespace

HostHead::HostHead(std::int64_t batch, std::int64_t channels, std::int64_t height, std::int64_t width,
                   const std::function<float()>& next)
    : n(batch), c(channels), h(height), w(width), values(static_cast<std::size_t>(batch * channels * height * width)) {
  std::generate(values.begin(), values.end(), next);
}

DeviceHeads::DeviceHeads(const Queue& queue, const HostHeads& heads, HeadLayout layout) {
  for (const auto& [name, head] : heads) {
    const std::int64_t extra = layout == HeadLayout::kSlice ? 3 : 0, first = extra == 0 ? 0 : 1;
    TensorView all = TensorView::activation(nullptr, DataType::kF32,
                                            layout == HeadLayout::kNchw ? MemoryFormat::kNchw : MemoryFormat::kNhwc,
                                            head.n, head.c + extra, head.h, head.w);
    // Around a slice lie values that would win everywhere.
    std::vector<float> host(static_cast<std::size_t>(all.elements()), 1e3F);
    for (std::int64_t n = 0; n < head.n; ++n) {
      for (std::int64_t c = 0; c < head.c; ++c) {
        for (std::int64_t y = 0; y < head.h; ++y) {
          for (std::int64_t x = 0; x < head.w; ++x) {
            host[static_cast<std::size_t>(n * all.strides[0] + (c + first) * all.strides[1] + y * all.strides[2] +
                                          x * all.strides[3])] = head.at(n, c, y, x);
          }
        }
      }
    }
    memory_.emplace_back(queue, host.size() * sizeof(float));
    all.data = memory_.back().data();
    queue.copy(all.data, host.data(), host.size() * sizeof(float));
    queue.wait();
    const TensorView view = all.channels(first, head.c);
    const std::map<std::string, std::optional<TensorView>*> places{{"wh", &views_.size},
                                                                   {"reg", &views_.offset},
                                                                   {"hps", &views_.joints},
                                                                   {"hm_hp", &views_.joint_heat},
                                                                   {"hp_offset", &views_.joint_offset},
                                                                   {"rot", &views_.rotation},
                                                                   {"dep", &views_.depth},
                                                                   {"dim", &views_.dimensions}};
    if (name == "hm") {
      views_.heat = view;
    } else {
      *places.at(name) = view;
    }
  }
}

std::vector<Rows> reference_decode(const HostHeads& heads, const DecodeOptions& options) {
  const HostHead& logits = heads.at("hm");
  const std::int64_t pictures = logits.n / (options.flip ? 2 : 1);
  std::vector<Rows> result;
  for (std::int64_t picture = 0; picture < pictures; ++picture) {
    const std::int64_t joints = options.task == Task::kMultiPose ? heads.at("hps").c / 2 : 0;
    std::vector<std::vector<Peak>> candidates(static_cast<std::size_t>(joints));
    if (joints > 0 && heads.contains("hm_hp")) {
      const HostHead heat = heat_of(heads.at("hm_hp"), picture, options.flip, true);
      for (std::int64_t joint = 0; joint < joints; ++joint) {
        candidates[static_cast<std::size_t>(joint)] = best(heat, joint, 1, options.top_k);
      }
    }
    Rows rows{decoded_columns(options.task, joints), {}};
    for (const Peak& at : best(heat_of(logits, picture, options.flip, false), 0, logits.c, options.top_k)) {
      const Point center = moved(heads, "reg", picture, options.flip, at);
      const auto read = [&](const char* name, std::int64_t channel, bool mirror) {
        return value(heads.at(name), picture, options.flip, at, channel, mirror);
      };
      std::vector<float> row;
      if (options.task == Task::kDdd) {
        row = {center.x, center.y, at.score};
        for (int i = 0; i < 8; ++i) {
          row.push_back(read("rot", i, false));
        }
        row.push_back(1.0F / (sigmoid(read("dep", 0, false)) + 1e-6F) - 1.0F);
        for (int i = 0; i < 3; ++i) {
          row.push_back(read("dim", i, false));
        }
        for (int i = 0; i < 2; ++i) {
          row.push_back(heads.contains("wh") ? read("wh", i, false) : 0);
        }
      } else {
        const bool per_class = options.task == Task::kCtdet && heads.at("wh").c == 2 * logits.c;
        const float w = read("wh", per_class ? 2 * at.c : 0, true), h = read("wh", per_class ? 2 * at.c + 1 : 1, true);
        row = {center.x - w / 2, center.y - h / 2, center.x + w / 2, center.y + h / 2, at.score};
        const std::vector<float> box = row;
        for (std::int64_t joint = 0; joint < joints; ++joint) {
          const Point point =
              joint_at(heads, options, picture, at, joint, box, candidates[static_cast<std::size_t>(joint)]);
          row.push_back(point.x);
          row.push_back(point.y);
        }
      }
      row.push_back(static_cast<float>(at.c));
      rows.values.insert(rows.values.end(), row.begin(), row.end());
    }
    result.push_back(std::move(rows));
  }
  return result;
}

std::vector<Rows> device_decode(const Queue& queue, centernet::Decoder& decoder, const DeviceHeads& heads) {
  decoder.run(heads.views());
  const TensorView view = decoder.rows();
  std::vector<Rows> result;
  const auto count = static_cast<std::size_t>(view.sizes[1] * view.sizes[2]);
  for (std::int64_t picture = 0; picture < view.sizes[0]; ++picture) {
    Rows rows{view.sizes[2], std::vector<float>(count)};
    queue.copy(rows.values.data(), static_cast<const float*>(view.data) + picture * view.strides[0],
               count * sizeof(float));
    queue.wait();
    result.push_back(std::move(rows));
  }
  return result;
}

}  // namespace dcn::test
