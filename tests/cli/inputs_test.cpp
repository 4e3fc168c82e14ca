#include "cli/inputs.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/outputs.hpp"
#include "dcn/status.hpp"

namespace dcn::cli {
namespace {

namespace fs = std::filesystem;

/// A folder of empty files: only names matter here.
class Inputs : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("centernet-inputs-" + std::to_string(::getpid()));
    fs::create_directories(folder_ / "photos" / "nested.jpg");
    fs::create_directories(folder_ / "other");
    fs::create_directories(folder_ / "empty");
    for (const char* name : {"photos/b.JPG", "photos/a.png", "photos/notes.txt", "photos/c[1].jpg", "other/a.png",
                             "clip.MP4", "raw", "empty/notes.txt"}) {
      std::ofstream(folder_ / name).put('x');
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::vector<Input> expand(const std::vector<std::string>& arguments, const std::string& list = "") {
    std::istringstream stream(list);
    std::vector<std::string> paths;
    for (const std::string& argument : arguments) paths.push_back(at(argument));
    return expand_inputs(paths, stream);
  }
  std::string at(const std::string& name) {
    return name == "-" || name.starts_with("camera:") ? name : (folder_ / name).string();
  }
  std::vector<std::string> names(const std::vector<std::string>& arguments, const std::string& list = "") {
    std::vector<std::string> result;
    for (const Input& input : expand(arguments, list)) result.push_back(input.name);
    return result;
  }
  std::string error(const std::vector<std::string>& arguments, const std::string& list = "") {
    try {
      (void)expand(arguments, list);
    } catch (const Error& error) {
      std::string text = error.what();
      for (auto place = text.find(folder_.string()); place != std::string::npos; place = text.find(folder_.string())) {
        text.replace(place, folder_.string().size() + 1, "");
      }
      return text;
    }
    return "no error";
  }

  fs::path folder_;
};

using Names = std::vector<std::string>;

TEST_F(Inputs, AFolderGivesItsPicturesSorted) { EXPECT_EQ(names({"photos"}), (Names{"a.png", "b.JPG", "c[1].jpg"})); }

TEST_F(Inputs, FilesKeepTheirOrderAndKinds) {
  const auto inputs = expand({"clip.MP4", "raw", "photos/b.JPG", "camera:2"});
  ASSERT_EQ(inputs.size(), 4U);
  EXPECT_EQ(inputs[0].kind, Input::Kind::kVideo);
  EXPECT_EQ(inputs[1].kind, Input::Kind::kPicture);
  EXPECT_EQ(inputs[2].kind, Input::Kind::kPicture);
  EXPECT_EQ(inputs[3].kind, Input::Kind::kCamera);
  EXPECT_EQ(inputs[3].camera, 2);
}

TEST_F(Inputs, PatternsAreExpanded) {
  EXPECT_EQ(names({"photos/*.png"}), (Names{"a.png"}));
  EXPECT_EQ(names({"photos/?.*"}), (Names{"a.png", "b.JPG"}));
  EXPECT_EQ(names({"photos/{a,b}.*g"}), (Names{"a.png"}));
}

TEST_F(Inputs, ANameWithBracketsIsAFileFirst) { EXPECT_EQ(names({"photos/c[1].jpg"}), (Names{"c[1].jpg"})); }

TEST_F(Inputs, EqualNamesAreToldApartByTheirFolders) {
  EXPECT_EQ(names({"photos/a.png", "other/a.png"}), (Names{at("photos/a.png"), at("other/a.png")}));
}

TEST_F(Inputs, AListComesFromAStream) {
  EXPECT_EQ(names({"-"}, at("photos/b.JPG") + "\r\n\n" + at("other") + "\n"), (Names{"b.JPG", "a.png"}));
  EXPECT_EQ(names({"-"}, at("photos/gone.jpg")), (Names{"gone.jpg"}));  // reported when its turn comes
}

TEST_F(Inputs, MistakesSayWhatToDo) {
  EXPECT_EQ(error({"gone.jpg"}), "gone.jpg: no such file or folder");
  EXPECT_EQ(error({"photos/*.gif"}), "photos/*.gif: no file matches this pattern");
  EXPECT_TRUE(error({"empty"}).starts_with("empty: no pictures in this folder: expected files that end in .bmp"));
  EXPECT_EQ(error({"camera:x"}), "camera:x: expected a number after \"camera:\", such as camera:0");
  EXPECT_TRUE(error({"-"}, "\n").starts_with("standard input: the list is empty"));
}

TEST_F(Inputs, OutputsAreNamedLikeTheInputs) {
  const auto inputs = expand({"photos/a.png", "other/a.png", "clip.MP4", "raw", "camera:0"});
  const OutputNames outputs("out", inputs, {View::kAnnotated, View::kHeatmap});
  EXPECT_EQ(outputs.at(0, View::kAnnotated), "out/a.png");
  EXPECT_EQ(outputs.at(1, View::kAnnotated), "out/a_2.png");
  EXPECT_EQ(outputs.at(1, View::kHeatmap), "out/a_2_heatmap.png");
  EXPECT_EQ(outputs.at(2, View::kAnnotated), "out/clip.mp4");
  EXPECT_EQ(outputs.at(3, View::kAnnotated), "out/raw.png");
  EXPECT_EQ(outputs.at(4, View::kAnnotated), "out/camera_0.mp4");
}

TEST_F(Inputs, AnOutputNeverReplacesAnInput) {
  const auto inputs = expand({"photos/a.png"});
  EXPECT_THROW(OutputNames(folder_ / "photos", inputs, {View::kAnnotated}), Error);
  EXPECT_THROW(OutputNames(folder_ / "other" / ".." / "photos", inputs, {View::kAnnotated}), Error);
  EXPECT_NO_THROW(OutputNames(folder_ / "other", inputs, {View::kAnnotated}));
}

}  // namespace
}  // namespace dcn::cli
