#include "platform/paths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab {
namespace {

using ::testing::HasSubstr;

TEST(RelativePathTest, PathsThatLeaveTheirFolderAreNotSafe) {
  for (const char* path : {"a", "a/b.txt", "..a", "a..", "a b", "语言.csv"})
    EXPECT_TRUE(IsSafeRelativePath(path)) << path;
  for (const char* path :
       {"", "/a", "/", "..", "a/../b", "a//b", "a/", "./a", "a\nb", "a\\b", "a\x7f", "\xff"}) {
    EXPECT_FALSE(IsSafeRelativePath(path)) << path;
  }
}

TEST(RelativePathTest, LengthsAreLimited) {
  EXPECT_TRUE(IsSafeRelativePath(std::string(255, 'a')));
  EXPECT_FALSE(IsSafeRelativePath(std::string(256, 'a')));
  std::string deep = "a";
  while (deep.size() < 1023) deep += "/a";
  EXPECT_TRUE(IsSafeRelativePath(deep)) << deep.size();
  EXPECT_FALSE(IsSafeRelativePath(deep + "/a"));
}

TEST(RelativePathTest, TheProblemIsNamed) {
  EXPECT_THAT(RelativePathProblem("a/../b"), HasSubstr("'..'"));
  EXPECT_THAT(RelativePathProblem("/etc/passwd"), HasSubstr("relative"));
  EXPECT_EQ(RelativePathProblem("model/config.json"), "");
  EXPECT_FALSE(PathPartProblem("a/b").empty());
}

TEST(EscapeNameTest, EscapedNamesAreOneHarmlessPart) {
  EXPECT_EQ(EscapeName("quick-k3f9a2/baseline"), "quick-k3f9a2%2Fbaseline");
  EXPECT_EQ(EscapeName(".."), "%2E.");
  EXPECT_EQ(EscapeName("a%2Fb"), "a%252Fb");
  EXPECT_EQ(EscapeName(""), "%");
}

}  // namespace
}  // namespace quantlab
