/// \file pipeline.hpp
/// Pictures through the detector with three threads: one reads, decodes and warps, one keeps the device busy, one takes
/// what is done. The queues between them are short, so that memory stays bounded however many pictures there are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "centernet/detector.hpp"
#include "centernet/draw.hpp"
#include "cli/inputs.hpp"

namespace dcn::cli {

/// One picture on its way, or the news that a video is over.
struct Work {
  std::size_t input = 0;      ///< index of the input it comes from
  std::int64_t turn = 0;      ///< pictures and frames of all inputs, from 1; unreadable ones count
  std::int64_t frame = 0;     ///< of a video, from 1; 0: a picture
  bool end_of_video = false;  ///< nothing else in it but `error`
  std::string error;          ///< why this picture or input could not be read
  std::string damage;         ///< what is missing of a picture that was read in part
  double frames_per_second = 0;
  cv::Mat picture;
  centernet::PreparedInput prepared;

  // Filled on the way
  std::vector<centernet::Detection> detections;
  double milliseconds = 0;  ///< its share of the batch's time in the detector
  cv::Mat heat;
  std::vector<centernet::SamplingPoints> sampling;
};

struct PipelineOptions {
  int batch = 1;
  long long max_frames = 0;  ///< of each video or camera; 0: all
  /// Runs on the device's thread after a picture's detections are known, with the queue free to use.
  std::function<void(Work&)> on_device;
  /// Called before reading with the number of frames of a video that was opened; 0: not known.
  std::function<void(std::size_t input, long long frames)> on_open;
};

/// Calls `consume` for every picture in order, unreadable ones included, and at the end of every video or camera.
/// `consume` runs
/// on a thread of its own. Stops early after Ctrl-C: pictures in work are finished.
/// \throws what any stage throws, after all threads have ended.
void run_pipeline(const std::vector<Input>& inputs, centernet::Detector& detector, const PipelineOptions& options,
                  const std::function<void(Work&&)>& consume);

}  // namespace dcn::cli
