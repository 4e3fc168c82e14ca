/// The small parts: tables, text, files, options, the channel between threads, sampling points.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "cli/channel.hpp"
#include "cli/files.hpp"
#include "cli/log.hpp"
#include "cli/model_args.hpp"
#include "cli/offsets.hpp"
#include "cli/results.hpp"
#include "cli/table.hpp"
#include "dcn/status.hpp"
#include "support/files.hpp"

namespace dcn::cli {
namespace {

namespace fs = std::filesystem;

std::string message_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

class Files : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("centernet-files-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  [[nodiscard]] std::ptrdiff_t entries() const {
    return std::distance(fs::directory_iterator(folder_), fs::directory_iterator());
  }

  fs::path folder_;
};

TEST_F(Files, AFileHasItsNameOnlyWhenComplete) {
  const fs::path name = folder_ / "a.json";
  {
    OutputFile file(name.string());
    file.write("half");
    EXPECT_FALSE(fs::exists(name));
  }
  EXPECT_EQ(entries(), 0) << "what was not committed is gone";
  write_file(name.string(), "whole");
  EXPECT_EQ(test::read_file(name), "whole");
  {
    OutputFile file(name.string());
    file.write("other");
  }
  EXPECT_EQ(test::read_file(name), "whole") << "the older file stays";
  EXPECT_EQ(entries(), 1);
}

TEST_F(Files, ALinkStaysALink) {
  std::ofstream(folder_ / "real.json") << "old";
  fs::create_symlink(folder_ / "real.json", folder_ / "link.json");
  write_file((folder_ / "link.json").string(), "new");
  EXPECT_TRUE(fs::is_symlink(folder_ / "link.json"));
  EXPECT_EQ(test::read_file(folder_ / "real.json"), "new");
}

TEST_F(Files, AFullDiskIsNamed) {
  EXPECT_EQ(message_of([] { write_file("/dev/full", "text"); }),
            "/dev/full: cannot be written: No space left on device: free some space there, or choose another place");
}

TEST_F(Files, WrongPlacesAreNamed) {
  const std::string folder = folder_.string();
  EXPECT_EQ(message_of([&] { write_file(folder + "/no/a.json", ""); }),
            folder +
                "/no/a.json: cannot be written: No such file or directory: make the folder first, or choose another "
                "one");
  EXPECT_EQ(message_of([&] { write_file(folder, ""); }),
            folder + ": cannot be written: Is a directory: give the name of a file");
  std::ofstream(folder_ / "file") << "x";
  EXPECT_TRUE(message_of([&] { prepare_folder(folder_ / "file"); }).find("a file has the name of a folder") !=
              std::string::npos);
  EXPECT_TRUE(message_of([&] { prepare_folder(folder_ / "file" / "deeper"); }).starts_with(folder + "/file/deeper"));
  prepare_folder(folder_ / "new" / "deeper");
  EXPECT_TRUE(fs::is_empty(folder_ / "new" / "deeper"));
}

TEST_F(Files, ALimitOnFileSizes) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 1000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string message = message_of([&] { write_file((folder_ / "a").string(), std::string(5000, 'x')); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_NE(message.find("File too large"), std::string::npos) << message;
  EXPECT_EQ(entries(), 0);
}

TEST(Text, WidthsAndShortening) {
  EXPECT_EQ(display_width("fish"), 4U);
  EXPECT_EQ(display_width("\xC3\xA9t\xC3\xA9"), 3U);
  EXPECT_EQ(shorten("photograph.jpg", 9, false), "phot~.jpg");
  EXPECT_EQ(shorten("photograph.jpg", 14, true), "photograph.jpg");
  EXPECT_EQ(shorten("abc", 1, false), "~");
  EXPECT_EQ(printable("a\nb\x1b[31m"), "a?b?[31m");
}

TEST(Text, NumbersAndSizes) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(grouped(-1000), "-1,000");
  EXPECT_EQ(bytes_text(12), "12 B");
  EXPECT_EQ(bytes_text(28948368), "28.9 MB");
}

TEST(Text, ATableFitsItsTerminal) {
  Table table({{"image", Align::kLeft, true}, {"ms", Align::kRight, false}});
  table.add({"a_very_long_name_of_a_picture.jpg", "1.5"});
  table.rule();
  table.add({"two", "20.0"});
  Terminal file;
  file.width = 0;
  EXPECT_EQ(table.text(file),
            "image                                ms\n"
            "---------------------------------  ----\n"
            "a_very_long_name_of_a_picture.jpg   1.5\n"
            "---------------------------------  ----\n"
            "two                                20.0\n");
  Terminal narrow;
  narrow.width = 20;
  EXPECT_EQ(table.text(narrow),
            "image             ms\n"
            "--------------  ----\n"
            "a_very_~re.jpg   1.5\n"
            "--------------  ----\n"
            "two             20.0\n");
}

TEST(Text, TheBarTellsRateAndRest) {
  Terminal screen;
  screen.width = 80;
  EXPECT_EQ(Progress::bar("Detecting", "images", 5, 20, 2.5, screen),
            "Detecting  ######-------------------   25%  5/20 images  2.5 images/s  ETA 0:06");
  EXPECT_EQ(Progress::bar("Detecting", "images", 5, 0, 2.5, screen), "Detecting  5 images  2.5 images/s");
  EXPECT_EQ(Progress::bar("Detecting", "images", 0, 20, 0, screen).substr(0, 16), "Detecting  -----");
  for (int width = 1; width < 120; ++width) {
    screen.width = width;
    (void)Progress::bar("Detecting", "images", 20, 20, 2.5, screen);
  }
}

TEST(Options, InputSizes) {
  EXPECT_EQ(parse_input_size("384x1280"), (std::array<std::int64_t, 2>{384, 1280}));
  EXPECT_EQ(parse_input_size("512"), (std::array<std::int64_t, 2>{512, 512}));
  for (const char* bad : {"", "x", "512x", "512x512x3", "-1x5", "0x512", "5.5x5", "99999x1"}) {
    EXPECT_TRUE(message_of([&] { (void)parse_input_size(bad); }).starts_with("--input-size: \"")) << bad;
  }
}

TEST(Options, Scales) {
  EXPECT_EQ(parse_scales("0.5,1,1.5"), (std::vector<double>{0.5, 1, 1.5}));
  for (const char* bad : {"", "a", "1,", "0", "-1", "nan", "inf", "1;2", "1e9"}) {
    EXPECT_TRUE(message_of([&] { (void)parse_scales(bad); }).starts_with("--scales: \"")) << bad;
  }
}

TEST(Options, CameraMatrices) {
  const auto camera = parse_camera_matrix("1,2,3,4,5,6,7,8,9,10,11,12");
  EXPECT_EQ(camera[0], 1);
  EXPECT_EQ(camera[11], 12);
  EXPECT_EQ(message_of([] { (void)parse_camera_matrix("1,2"); }),
            "--camera-matrix: 2 numbers, expected 12: the rows of the 3 x 4 projection matrix");
  EXPECT_EQ(message_of([] { (void)parse_camera_matrix("gone.txt"); }),
            "--camera-matrix: gone.txt: no such file, nor 12 numbers");
  const fs::path file = fs::temp_directory_path() / ("centernet-calib-" + std::to_string(::getpid()));
  std::ofstream(file) << "P1: 9 9 9\nP2: 7.07e+02 0 604 45 0 707 180 -0.3 0 0 1 0.005\nP3: 1\n";
  EXPECT_EQ(parse_camera_matrix(file.string())[0], 707);
  fs::remove(file);
}

TEST(Options, Labels) {
  const fs::path file = fs::temp_directory_path() / ("centernet-labels-" + std::to_string(::getpid()));
  const auto labels = [&](const char* text) {
    std::ofstream(file) << text;
    return read_labels(file.string());
  };
  const std::vector<std::string> two{"red cell", "b"};
  EXPECT_EQ(labels("red cell\r\nb\n\n"), two);
  EXPECT_EQ(labels(" [\"red cell\", \"b\"]"), two);
  EXPECT_THROW((void)labels(""), Error);
  EXPECT_THROW((void)labels("a\n\nb\n"), Error);
  EXPECT_THROW((void)labels("[1]"), Error);
  EXPECT_THROW((void)labels("[\"a\""), Error);
  fs::remove(file);
  EXPECT_EQ(message_of([&] { (void)read_labels("gone.txt"); }), "--labels: gone.txt: No such file or directory");
}

TEST(Results, IdsFromAnnotations) {
  centernet::coco::Dataset dataset;
  dataset.images = {{31, "a.jpg"}, {32, "deep/b.jpg"}};
  dataset.categories = {{5, "fish"}, {9, "shark"}};
  const CocoIds ids({"shark", "boat", "fish"}, dataset, "t.json");
  EXPECT_EQ(ids.image("/x/y/a.jpg", 1), 31);
  EXPECT_EQ(ids.image("x/deep/b.jpg", 1), 32);
  EXPECT_EQ(ids.image("b.jpg", 1), std::nullopt);
  EXPECT_EQ(ids.category(0), 9);
  EXPECT_EQ(ids.category(1), std::nullopt);
  EXPECT_EQ(ids.category(2), 5);
  EXPECT_EQ(ids.category(3), std::nullopt);
  EXPECT_THROW(CocoIds({"boat"}, dataset, "t.json"), Error);
  const CocoIds plain({"shark", "boat"});
  EXPECT_EQ(plain.image("a.jpg", 4), 4);
  EXPECT_EQ(plain.category(1), 2);
}

TEST(Results, CsvFields) {
  EXPECT_EQ(csv_field("a.jpg"), "a.jpg");
  EXPECT_EQ(csv_field("a,b\"c"), "\"a,b\"\"c\"");
}

TEST(Channel, OrderIsKeptAndRoomIsBounded) {
  Channel<int> channel(2);
  std::atomic<int> pushed = 0;
  std::thread producer([&] {
    for (int i = 0; i < 100; ++i) {
      if (channel.push(i)) ++pushed;
    }
    channel.close();
  });
  for (int i = 0; i < 100; ++i) {
    EXPECT_LE(pushed.load(), i + 3);
    EXPECT_EQ(channel.pop(), i);
  }
  EXPECT_EQ(channel.pop(), std::nullopt);
  producer.join();
  EXPECT_EQ(pushed.load(), 100);
}

TEST(Channel, CancelWakesWhoWaits) {
  Channel<int> full(1);
  EXPECT_TRUE(full.push(1));
  std::thread producer([&] { EXPECT_FALSE(full.push(2)); });
  Channel<int> empty(1);
  std::thread consumer([&] { EXPECT_EQ(empty.pop(), std::nullopt); });
  full.cancel();
  empty.cancel();
  producer.join();
  consumer.join();
  EXPECT_EQ(full.pop(), std::nullopt);
}

TEST(Offsets, PointsOfOnePosition) {
  nn::Layer layer;
  layer.kernel_h = layer.kernel_w = 3;
  layer.padding_h = layer.padding_w = 1;
  constexpr std::int64_t kHeight = 4;
  constexpr std::int64_t kWidth = 5;
  std::vector<float> values(27 * kHeight * kWidth, 0.0F);
  const auto set = [&](std::int64_t channel, std::int64_t x, std::int64_t y, float value) {
    values[static_cast<std::size_t>((channel * kHeight + y) * kWidth + x)] = value;
  };
  set(2 * 0, 3, 2, 0.5F);       // tap 0: half a row down
  set(2 * 0 + 1, 3, 2, -1.0F);  // one column to the left
  set(18 + 8, 3, 2, 100.0F);    // tap 8 counts fully
  // One step is 8 x 4 pixels of the input; the picture is twice as large and moved by (10, 20).
  const auto points = sampling_at(layer, values, kHeight, kWidth, {3, 2}, {8, 4}, {2, 0, 10, 0, 2, 20});
  ASSERT_EQ(points.points.size(), 9U);
  EXPECT_EQ(points.center, (std::array<float, 2>{3 * 8 * 2 + 10, 2 * 4 * 2 + 20}));
  EXPECT_EQ(points.regular[0], (std::array<float, 2>{2 * 8 * 2 + 10, 1 * 4 * 2 + 20}));
  EXPECT_EQ(points.points[0], (std::array<float, 2>{1 * 8 * 2 + 10, 1.5F * 4 * 2 + 20}));
  EXPECT_EQ(points.points[5], points.regular[5]);
  EXPECT_EQ(points.weights[0], 0.5F);
  EXPECT_EQ(points.weights[8], 1.0F);
}

TEST(Offsets, LayersAreFoundByName) {
  nn::Network network;
  nn::Layer offsets;
  offsets.name = "up.a.conv_offset_mask";
  offsets.output = 1;
  nn::Layer deform;
  deform.kind = nn::LayerKind::kDeformConv;
  deform.name = "up.a";
  deform.inputs = {0, 1};
  deform.weight = {1, 2, 3};
  network.layers = {offsets, deform};
  deform.name = "up.b";
  network.layers.push_back(deform);
  const auto layers = deform_layers(network);
  ASSERT_EQ(layers.size(), 2U);
  EXPECT_EQ(layers[0].offset_layer, "up.a.conv_offset_mask");
  EXPECT_TRUE(layers[0].geometry.weight.empty());
  EXPECT_EQ(choose_layer(layers, "").name, "up.b");
  EXPECT_EQ(choose_layer(layers, "up.a").name, "up.a");
  EXPECT_EQ(choose_layer(layers, ".b").name, "up.b");
  EXPECT_EQ(message_of([&] { (void)choose_layer(layers, "x"); }),
            "--show-offsets: there is no layer \"x\"; the deformable layers are: up.a, up.b");
  EXPECT_TRUE(
      message_of([&] { (void)choose_layer(layers, "up"); }).starts_with("--show-offsets: there is more than one"));
  EXPECT_THROW((void)choose_layer({}, ""), Error);
}

}  // namespace
}  // namespace dcn::cli
