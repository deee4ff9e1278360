#include "client/results/marker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"

namespace quantlab::client {
namespace {

using ::testing::ElementsAre;

TEST(MarkerTest, IsReadAsWritten) {
  const TempFolder folder;
  folder.Write(kMarker, MarkerText({"quick-b2", "quick", "SUCCEEDED", {"a.txt", kMarker}, {}}));
  const auto marker = ReadMarker(folder.path());
  ASSERT_TRUE(marker.has_value());
  EXPECT_EQ(marker->id, "quick-b2");
  EXPECT_EQ(marker->name, "quick");
  EXPECT_EQ(marker->state, "SUCCEEDED");
  EXPECT_THAT(marker->files, ElementsAre("a.txt", kMarker));
}

TEST(MarkerTest, MalformedOneIsNone) {
  const TempFolder folder;
  EXPECT_FALSE(ReadMarker(folder.path()).has_value()) << "there is no file";
  for (const char* text : {"", "{", "[]", "{}", "{\"id\": 3}", "{\"id\": \"\"}"}) {
    folder.Write(kMarker, text);
    EXPECT_FALSE(ReadMarker(folder.path()).has_value()) << text;
  }
  folder.Write(kMarker, "{\"id\": \"quick-b2\", \"files\": [1, \"a.txt\"]}");
  EXPECT_THAT(ReadMarker(folder.path())->files, ElementsAre("a.txt"));
  folder.Write(kMarker, "{\"id\": \"quick-b2\", \"files\": \"a.txt\"}");
  EXPECT_TRUE(ReadMarker(folder.path())->files.empty());
}

}  // namespace
}  // namespace quantlab::client
