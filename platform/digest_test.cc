#include "platform/digest.h"

#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/sha256.h"
#include "base/testing/temp_folder.h"

namespace quantlab {
namespace {

TEST(DigestFileTest, DigestsRegularFilesOnly) {
  TempFolder folder;
  folder.Write("a", "content");
  const auto digest = DigestFile(folder / "a", nullptr);
  ASSERT_TRUE(digest.ok());
  EXPECT_EQ(digest->sha256, Sha256Hex("content"));
  EXPECT_EQ(digest->size, 7);
  EXPECT_TRUE(absl::IsNotFound(DigestFile(folder / "b", nullptr).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(DigestFile(folder.path(), nullptr).status()));
  ASSERT_EQ(symlink((folder / "a").c_str(), (folder / "link").c_str()), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(DigestFile(folder / "link", nullptr).status()));
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(DigestFile(folder / "fifo", nullptr).status()));
  EXPECT_TRUE(absl::IsCancelled(DigestFile(folder / "a", [] { return true; }).status()));
}

}  // namespace
}  // namespace quantlab
