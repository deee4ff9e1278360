#include "platform/file_lock.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"

namespace quantlab {
namespace {

TEST(FileLockTest, AnExclusiveLockHasOneHolder) {
  const TempFolder folder;
  {
    const auto first = FileLock::Try(folder / "lock");
    ASSERT_TRUE(first.ok()) << first.status();
    ASSERT_NE(*first, nullptr);
    const auto second = FileLock::Try(folder / "lock");
    ASSERT_TRUE(second.ok()) << second.status();
    EXPECT_EQ(*second, nullptr);
    EXPECT_EQ(*FileLock::Try(folder / "lock", FileLock::Mode::kShared), nullptr);
    int waited = 0;
    const auto third = FileLock::Acquire(
        folder / "lock", [&] { ++waited; }, [] { return true; });
    EXPECT_TRUE(absl::IsCancelled(third.status())) << third.status();
    EXPECT_EQ(waited, 1);
  }
  EXPECT_NE(*FileLock::Try(folder / "lock"), nullptr);
}

TEST(FileLockTest, SharedLocksExcludeOnlyExclusiveOnes) {
  const TempFolder folder;
  const auto first = FileLock::Try(folder / "lock", FileLock::Mode::kShared);
  const auto second = FileLock::Try(folder / "lock", FileLock::Mode::kShared);
  EXPECT_NE(*first, nullptr);
  EXPECT_NE(*second, nullptr);
  EXPECT_EQ(*FileLock::Try(folder / "lock"), nullptr);
}

TEST(FileLockTest, ItsContentIsReplaced) {
  const TempFolder folder;
  folder.Write("lock", "a long line of an earlier holder");
  const auto lock = FileLock::Try(folder / "lock");
  ASSERT_TRUE((*lock)->Write("12\n").ok());
  std::ostringstream content;
  content << std::ifstream(folder / "lock").rdbuf();
  EXPECT_EQ(content.str(), "12\n");
}

TEST(FileLockTest, LinksAreNotFollowed) {
  const TempFolder folder;
  folder.Write("target", "");
  std::filesystem::create_symlink(folder / "target", folder / "lock");
  EXPECT_FALSE(FileLock::Try(folder / "lock").ok());
}

}  // namespace
}  // namespace quantlab
