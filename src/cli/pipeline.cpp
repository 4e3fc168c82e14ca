#include "cli/pipeline.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "cli/channel.hpp"
#include "cli/interrupt.hpp"
#include "cli/media.hpp"
#include "dcn/status.hpp"

namespace dcn::cli {
namespace {

using Clock = std::chrono::steady_clock;

/// Goes through the inputs and puts their pictures into a channel.
class Reader {
 public:
  Reader(const centernet::Detector& detector, const PipelineOptions& options, Channel<Work>& out)
      : detector_(detector), options_(options), out_(out) {}

  void run(const std::vector<Input>& inputs) {
    for (std::size_t i = 0; i < inputs.size() && open_ && !interrupted(); ++i) {
      input_ = i;
      if (inputs[i].kind == Input::Kind::kPicture) {
        read_one(inputs[i]);
        continue;
      }
      Work end;
      end.error = read_frames(inputs[i]);
      end.input = i;
      end.end_of_video = true;
      open_ = open_ && out_.push(std::move(end));
    }
  }

 private:
  Work next() {
    Work work;
    work.input = input_;
    work.turn = ++turn_;
    return work;
  }

  void read_one(const Input& input) {
    Work work = next();
    try {
      work.picture = read_picture(input.path, &work.damage);
      work.prepared = detector_.prepare(work.picture);
    } catch (const Error& error) {
      work.error = error.what();
    } catch (const cv::Exception& error) {
      work.error = error.what();
    }
    open_ = out_.push(std::move(work));
  }

  /// Returns why it ended, "" at its proper end.
  std::string read_frames(const Input& input) {
    try {
      const auto video = input.kind == Input::Kind::kCamera ? open_camera(input.camera) : open_video(input.path);
      long long count = video->frame_count();
      if (options_.max_frames > 0) count = count > 0 ? std::min(count, options_.max_frames) : options_.max_frames;
      if (options_.on_open) options_.on_open(input_, count);
      cv::Mat picture;
      for (std::int64_t frame = 1; open_ && !interrupted(); ++frame) {
        if (options_.max_frames > 0 && frame > options_.max_frames) break;
        if (!video->read(picture)) {
          if (frame == 1) return "holds no frame that can be decoded";
          break;
        }
        Work work = next();
        work.frame = frame;
        work.frames_per_second = video->frames_per_second();
        work.picture = picture.clone();  // the reader uses its own again
        work.prepared = detector_.prepare(work.picture);
        open_ = out_.push(std::move(work));
      }
    } catch (const Error& error) {
      return error.what();
    } catch (const cv::Exception& error) {
      return error.what();
    }
    return "";
  }

  const centernet::Detector& detector_;
  const PipelineOptions& options_;
  Channel<Work>& out_;
  std::size_t input_ = 0;
  std::int64_t turn_ = 0;
  bool open_ = true;
};

/// Feeds the detector.
class Runner {
 public:
  Runner(centernet::Detector& detector, const PipelineOptions& options, Channel<Work>& in, Channel<Work>& out)
      : detector_(detector), options_(options), in_(in), out_(out) {}

  void run() {
    for (std::vector<Work> works = fetch(); !works.empty(); works = fetch()) {
      detect(works);
      for (Work& work : works) {
        if (!out_.push(std::move(work))) return;  // nobody takes results any more
      }
    }
  }

 private:
  static bool readable(const Work& work) { return !work.end_of_video && work.error.empty(); }

  /// A batch of pictures, and the news that came between them; less at the end.
  std::vector<Work> fetch() {
    std::vector<Work> works;
    for (int pictures = 0; pictures < options_.batch;) {
      std::optional<Work> work = in_.pop();
      if (!work) break;
      pictures += readable(*work) ? 1 : 0;
      works.push_back(std::move(*work));
      if (pictures == 0) break;  // news need not wait for a picture
    }
    return works;
  }

  void detect(std::vector<Work>& works) {
    std::vector<centernet::PreparedInput> inputs;
    for (Work& work : works) {
      if (readable(work)) inputs.push_back(std::move(work.prepared));
    }
    if (inputs.empty()) return;
    const auto start = Clock::now();
    auto outputs = detector_.run(inputs);
    const auto busy = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    auto output = outputs.begin();
    for (Work& work : works) {
      if (!readable(work)) continue;
      work.detections = std::move((output++)->detections);
      work.milliseconds = busy / static_cast<double>(inputs.size());
      if (options_.on_device) options_.on_device(work);
    }
  }

  centernet::Detector& detector_;
  const PipelineOptions& options_;
  Channel<Work>& in_;
  Channel<Work>& out_;
};

}  // namespace

void run_pipeline(const std::vector<Input>& inputs, centernet::Detector& detector, const PipelineOptions& options,
                  const std::function<void(Work&&)>& consume) {
  const auto capacity = static_cast<std::size_t>(2 * std::max(options.batch, 1));
  Channel<Work> read(capacity);
  Channel<Work> done(capacity);
  std::mutex mutex;
  std::exception_ptr failure;
  const auto fail = [&] {
    const std::lock_guard lock(mutex);
    if (!failure) failure = std::current_exception();
    read.cancel();
    done.cancel();
  };

  std::thread reader([&] {
    try {
      Reader(detector, options, read).run(inputs);
    } catch (...) {
      fail();
    }
    read.close();
  });
  std::thread consumer([&] {
    try {
      while (auto work = done.pop()) consume(std::move(*work));
    } catch (...) {
      fail();
    }
  });
  try {
    Runner(detector, options, read, done).run();
  } catch (...) {
    fail();
  }
  done.close();
  read.cancel();
  reader.join();
  consumer.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace dcn::cli
