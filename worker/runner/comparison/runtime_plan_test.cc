#include "worker/runner/comparison/runtime_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/temp_folder.h"

namespace quantlab::runner {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(RuntimePlanTest, WhatIsWrittenIsRead) {
  const TempFolder folder;
  const std::string path = folder.path() + "/plan.json";
  const RuntimePlan plan = {{"onnxruntime", {"python3", "serve.py"}, {{"/a b", "onnx"}, {"/c", "onnx"}}},
                            {"x-mine", {"/own/x-mine"}, {}}};
  ASSERT_TRUE(WriteRuntimePlan(plan, path).ok());
  const auto read = ReadRuntimePlan(path);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 2u);
  EXPECT_EQ(read->at(0).name, "onnxruntime");
  EXPECT_THAT(read->at(0).argv, ElementsAre("python3", "serve.py"));
  EXPECT_EQ(read->at(0).models.at(0).folder, "/a b");
  EXPECT_EQ(read->at(0).models.at(1).format, "onnx");
  EXPECT_THAT(read->at(1).models, ElementsAre());
}

TEST(RuntimePlanTest, MalformedFilesAreRefusedByName) {
  const TempFolder folder;
  const std::string path = folder.path() + "/plan.json";
  EXPECT_FALSE(ReadRuntimePlan(path).ok());
  for (const char* text :
       {"", "[]", "{}", R"({"version":2,"runtimes":[]})", R"({"version":1})",
        R"({"version":1,"runtimes":[1]})",
        R"({"version":1,"runtimes":[{"name":"a","argv":[1],"models":[]}]})",
        R"({"version":1,"runtimes":[{"name":"a","argv":["a"],"models":[{"folder":"/a"}]}]})"}) {
    ASSERT_TRUE(WriteFileAtomically(path, text).ok());
    EXPECT_THAT(std::string(ReadRuntimePlan(path).status().message()), HasSubstr(path)) << text;
  }
}

}  // namespace
}  // namespace quantlab::runner
