#include "base/text/json_depth.h"

#include <string>

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace quantlab {
namespace {

std::string Nested(int levels, const char* open, const char* close) {
  std::string text;
  for (int i = 0; i < levels; ++i) text += open;
  text += "1";
  for (int i = 0; i < levels; ++i) text += close;
  return text;
}

TEST(JsonDepthTest, AllowsWhatPeopleWrite) {
  for (const char* text : {"", "{}", "[[1, 2], {\"a\": [3]}]", "not JSON at all", "]]]]", "\"open text"})
    EXPECT_TRUE(CheckJsonDepth(text).ok()) << text;
  EXPECT_TRUE(CheckJsonDepth(Nested(kMaxJsonDepth, "[", "]")).ok());
}

TEST(JsonDepthTest, RefusesOneLevelMore) {
  EXPECT_TRUE(absl::IsInvalidArgument(CheckJsonDepth(Nested(kMaxJsonDepth + 1, "[", "]"))));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckJsonDepth(Nested(kMaxJsonDepth + 1, "{\"a\":", "}"))));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckJsonDepth(std::string(600'000, '['))));
}

TEST(JsonDepthTest, BracketsWithinTextsAreNoLevels) {
  EXPECT_TRUE(CheckJsonDepth(absl::StrCat("[\"\\\"", std::string(1000, '['), "\", 1]")).ok());
  EXPECT_TRUE(
      absl::IsInvalidArgument(CheckJsonDepth(absl::StrCat("[\"\\\\\"", std::string(1000, '['), "]"))));
}

TEST(JsonDepthTest, ManyShortArraysAreNotDeep) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "[{}],";
  EXPECT_TRUE(CheckJsonDepth(text).ok());
}

}  // namespace
}  // namespace quantlab
