/// The program as a user runs it: exit codes, dry runs, broken input.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "migrate/project.hpp"

namespace dcn::migrate {
namespace {

namespace fs = std::filesystem;

class MigrateProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("cuda2sycl_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "in");
  }
  void TearDown() override { fs::remove_all(folder_); }

  void put(const std::string& name, const std::string& text) { write_file(folder_ / "in" / name, text); }
  int run(const std::string& arguments) {
    const std::string log = (folder_ / "log").string();
    const int status = std::system((std::string(CUDA2SYCL_PROGRAM) + " " + arguments + " > " + log + " 2>&1").c_str());
    log_ = read_file(log);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  }
  std::string in() const { return (folder_ / "in").string(); }
  std::string out() const { return (folder_ / "out").string(); }

  fs::path folder_;
  std::string log_;
};

const char* const kKernel =
    "#include <cuda_runtime.h>\n__global__ void k(int *x) { x[0] = threadIdx.x; }\nvoid f(int *x) { k<<<1, 1>>>(x); "
    "}\n";

TEST_F(MigrateProgram, WritesTheWholeProject) {
  put("k.cu", kKernel);
  put("notes.txt", "text\n");
  put("setup.py", "from torch.utils.cpp_extension import CUDAExtension\n");
  EXPECT_EQ(run(in() + " --out " + out()), 0) << log_;
  for (const char* name : {"k.dp.cpp", "notes.txt", "setup.py", "csy/csy.hpp", "csy/csy_build.py",
                           "MainSourceFiles.yaml", "cuda2sycl-report.md", "cuda2sycl-report.json"})
    EXPECT_TRUE(fs::exists(out() + "/" + name)) << name;
  EXPECT_FALSE(fs::exists(out() + "/k.cu"));
  EXPECT_EQ(read_file(in() + "/k.cu"), kKernel);
  EXPECT_EQ(run(out() + " --check"), 1) << "its own output: " << log_;
}

TEST_F(MigrateProgram, CheckAndDiffWriteNothing) {
  put("k.cu", kKernel);
  EXPECT_EQ(run(in() + " --check"), 0) << log_;
  EXPECT_EQ(run(in() + " --diff"), 0);
  EXPECT_NE(log_.find("+void f(int *x) { csy::launch<&k>({1, 1}, x); }"), std::string::npos) << log_;
  EXPECT_FALSE(fs::exists(out()));
}

TEST_F(MigrateProgram, LeftoversAreExitCodeTwo) {
  put("k.cu", "#include <cuda_runtime.h>\nvoid f() { cudaGraphCreate(0, 0); }\n");
  EXPECT_EQ(run(in() + " --out " + out()), 2) << log_;
  EXPECT_NE(log_.find("k.cu:2: C2S1001: cudaGraphCreate"), std::string::npos) << log_;
  EXPECT_NE(read_file(out() + "/k.dp.cpp").find("#error \"C2S1001"), std::string::npos);
  EXPECT_EQ(run(in() + " --keep-going --out " + out()), 2);
  EXPECT_EQ(read_file(out() + "/k.dp.cpp").find("#error"), std::string::npos);
}

TEST_F(MigrateProgram, CodeThatIsNoCodeIsExitCodeThree) {
  put("k.cu", std::string(kKernel) + "void g(int *x) { k<<<1, 1>>> x; }\n");
  EXPECT_EQ(run(in() + " --check"), 3) << log_;
  put("k.cu", "__global__ void k( {{{ <<< \"\n#if\n" + std::string(3, '\1'));
  const int code = run(in() + " --check");
  EXPECT_TRUE(code == 2 || code == 3 || code == 1 || code == 0) << code << log_;
}

TEST_F(MigrateProgram, NothingToDo) {
  put("a.cpp", "int main() { return 0; }\n");
  EXPECT_EQ(run(in() + " --check"), 1) << log_;
}

TEST_F(MigrateProgram, UsageErrors) {
  EXPECT_EQ(run("/no/such/folder --check"), 4);
  EXPECT_NE(log_.find("there is no such file"), std::string::npos);
  EXPECT_EQ(run(in()), 4);
  EXPECT_EQ(run("--no-such-option"), 4);
  EXPECT_EQ(run("--explain C2S9999"), 4);
  EXPECT_EQ(run("--explain C2S1004"), 0);
  EXPECT_NE(log_.find("Remedy"), std::string::npos);
  EXPECT_EQ(run("--rules"), 0);
  put("k.cu", kKernel);
  EXPECT_EQ(run(in() + " --out " + in()), 4) << "onto itself";
}

// Kernels whose sizes the Python file that builds them gives: without them the launch cannot be understood.
TEST_F(MigrateProgram, MacrosFromThePythonFileThatLoads) {
  put("k.cu",
      "#include <cuda_runtime.h>\ntemplate <typename T> __global__ void k(T *x) { __shared__ T y[SIZE]; y[0] = x[0]; "
      "}\n"
      "void f(float *x) { k<<<GROUPS, dim3(SIZE)>>>(x); }\n");
  put("op.py",
      "from torch.utils.cpp_extension import load\nwidth = 32\n"
      "op = load(name='op', sources=['k.cu'], extra_cuda_cflags=['-O3', f'-DSIZE={width}', f\"-DGROUPS={width // "
      "2}\"])\n");
  EXPECT_EQ(run(in() + " --out " + out()), 0) << log_;
  EXPECT_NE(read_file(out() + "/k.dp.cpp").find("csy::launch<&k<float>>({GROUPS, csy::dim3(SIZE)}, x)"),
            std::string::npos);
}

TEST_F(MigrateProgram, FlagsFromADatabaseAndABuildLog) {
  put("k.cu",
      "#include <cuda_runtime.h>\n#include \"deep.h\"\n#ifdef WANTED\ntemplate <typename T> __global__ void k(T *x) "
      "{}\nvoid f(float *x) { k<<<1, 1>>>(x); }\n#endif\n");
  put("elsewhere/inc/deep.h", "#pragma once\n");
  put("compile_commands.json", "[{\"directory\": \"" + in() +
                                   "\", \"file\": \"k.cu\", \"command\": \"nvcc -DWANTED -Ielsewhere/inc -c k.cu\"}]");
  EXPECT_EQ(run(in() + " -p " + in() + " --diff"), 0) << log_;
  EXPECT_NE(log_.find("csy::launch<&k<float>>({1, 1}, x)"), std::string::npos) << log_;
  put("log", "nvcc -c -DWANTED k.cu -o k.o\n");
  EXPECT_EQ(run(in() + " --build-log " + in() + "/log --diff"), 0) << log_;
  EXPECT_NE(log_.find("csy::launch<&k<float>>({1, 1}, x)"), std::string::npos) << log_;
  put("log", "nothing\n");
  EXPECT_EQ(run(in() + " --build-log " + in() + "/log --check"), 4) << log_;
}

}  // namespace
}  // namespace dcn::migrate
