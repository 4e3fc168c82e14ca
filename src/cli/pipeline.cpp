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

/// Pictures that share a run of the network, with everything that came between them, in order.
struct Batch {
  std::vector<Work> works;
  std::vector<std::size_t> readable;
  std::optional<centernet::Pending> pending;
  Clock::time_point submitted;
};

/// Feeds the detector. One batch computes while the next is fetched.
class Runner {
 public:
  Runner(centernet::Detector& detector, const PipelineOptions& options, Channel<Work>& in, Channel<Work>& out)
      : detector_(detector), options_(options), in_(in), out_(out) {}

  void run() {
    std::optional<Batch> ahead;
    while (true) {
      std::optional<Batch> batch = fetch(ahead.has_value());
      if (batch) submit(*batch);
      if (ahead && !finish(*ahead)) return;
      const bool over = !batch && !ahead;
      ahead = std::move(batch);
      if (over) return;
    }
  }

 private:
  /// Waits for pictures, unless something is computing whose result is wanted sooner.
  std::optional<Batch> fetch(bool computing) {
    std::optional<Work> work = computing ? in_.try_pop() : in_.pop();
    if (!work) return std::nullopt;
    Batch batch;
    while (work) {
      if (!work->end_of_video && work->error.empty()) batch.readable.push_back(batch.works.size());
      batch.works.push_back(std::move(*work));
      if (batch.readable.size() >= static_cast<std::size_t>(options_.batch)) break;
      if (options_.batch == 1 || batch.readable.empty()) break;  // news must not wait for pictures
      work = in_.pop();
    }
    return batch;
  }

  void submit(Batch& batch) {
    batch.submitted = Clock::now();
    if (batch.readable.empty()) return;
    std::vector<centernet::PreparedInput> inputs;
    for (const std::size_t index : batch.readable) inputs.push_back(std::move(batch.works[index].prepared));
    batch.pending.emplace(detector_.submit(inputs));
  }

  /// False when nobody takes the results any more.
  bool finish(Batch& batch) {
    if (batch.pending) {
      auto outputs = detector_.collect(std::move(*batch.pending));
      const auto now = Clock::now();
      const auto busy = now - std::max(batch.submitted, finished_);
      finished_ = now;
      for (std::size_t i = 0; i < batch.readable.size(); ++i) {
        Work& work = batch.works[batch.readable[i]];
        work.detections = std::move(outputs.at(i).detections);
        work.milliseconds =
            std::chrono::duration<double, std::milli>(busy).count() / static_cast<double>(batch.readable.size());
        if (options_.on_device) options_.on_device(work);
      }
      if (options_.on_device) finished_ = Clock::now();
    }
    for (Work& work : batch.works) {
      if (!out_.push(std::move(work))) return false;
    }
    return true;
  }

  centernet::Detector& detector_;
  const PipelineOptions& options_;
  Channel<Work>& in_;
  Channel<Work>& out_;
  Clock::time_point finished_{};
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
