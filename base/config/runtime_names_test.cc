#include "base/config/runtime_names.h"

#include <gtest/gtest.h>

namespace quantlab {
namespace {

TEST(RuntimeNamesTest, KnownNamesAndThoseOfOwnProgramsAreNames) {
  for (const KnownRuntime& runtime : KnownRuntimes()) {
    EXPECT_TRUE(IsRuntimeName(runtime.name)) << runtime.name;
    EXPECT_FALSE(IsOwnProgramName(runtime.name)) << runtime.name;
  }
  EXPECT_TRUE(IsRuntimeName("x-tflite_2"));
  EXPECT_TRUE(IsOwnProgramName("x-" + std::string(32, 'a')));
}

// Such a name becomes the name of a program in a folder of the worker's.
TEST(RuntimeNamesTest, NothingElseIsAName) {
  for (const char* name :
       {"", "x-", "x-..", "x-a/b", "x-A", "X-a", "tflite", "x-a b", "x-\n", "onnxruntime "}) {
    EXPECT_FALSE(IsRuntimeName(name)) << name;
  }
  EXPECT_FALSE(IsRuntimeName("x-" + std::string(33, 'a')));
}

TEST(RuntimeNamesTest, AComparisonCarriesItsRuntimes) {
  RunConfig config;
  config.kind = RunKind::kComparison;
  EXPECT_TRUE(RuntimesOf(config).empty());
  SetRuntimes({"quantlab", "x-mine"}, &config);
  EXPECT_EQ(RuntimesOf(config), (std::vector<std::string>{"quantlab", "x-mine"}));
  config.kind = RunKind::kQuantization;
  EXPECT_TRUE(RuntimesOf(config).empty());
  SetRuntimes({}, &config);
  EXPECT_TRUE(config.method.params.empty());
  config.kind = RunKind::kComparison;
  config.method.params["runtimes"] = int64_t{1};
  EXPECT_TRUE(RuntimesOf(config).empty());
}

TEST(RuntimeNamesTest, AnUnknownNameIsItsOwnTitle) {
  EXPECT_EQ(RuntimeTitle("onnxruntime"), "ONNX Runtime");
  EXPECT_EQ(RuntimeTitle("x-tflite"), "x-tflite");
  EXPECT_EQ(RuntimeNames(), "quantlab, onnxruntime, openvino, pytorch, x-NAME");
}

}  // namespace
}  // namespace quantlab
