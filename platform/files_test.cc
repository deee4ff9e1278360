#include "platform/files.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"

namespace quantlab {
namespace {

namespace fs = std::filesystem;

class FilesTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }

  const TempFolder temp_;
  const std::string& folder_ = temp_.path();
};

TEST_F(FilesTest, ATreeIsRemovedWithoutFollowingLinks) {
  fs::create_directories(Path("outside"));
  std::ofstream(Path("outside/kept")) << "kept";
  fs::create_directories(Path("tree/below"));
  std::ofstream(Path("tree/below/file")) << "x";
  fs::create_directory_symlink(Path("outside"), Path("tree/link"));
  fs::create_directory_symlink(Path("outside"), Path("direct"));
  EXPECT_TRUE(RemoveTree(Path("tree")).ok());
  EXPECT_TRUE(RemoveTree(Path("direct")).ok());
  EXPECT_FALSE(fs::exists(Path("tree")));
  EXPECT_FALSE(fs::is_symlink(Path("direct")));
  EXPECT_TRUE(fs::exists(Path("outside/kept")));
  EXPECT_TRUE(RemoveTree(Path("nothing")).ok());
}

TEST_F(FilesTest, APrivateFolderIsNobodyElses) {
  EXPECT_TRUE(MakePrivateDirectory(Path("mine")).ok());
  EXPECT_TRUE(MakePrivateDirectory(Path("mine")).ok());
  fs::permissions(Path("mine"), fs::perms::all);
  EXPECT_EQ(MakePrivateDirectory(Path("mine")).code(), absl::StatusCode::kPermissionDenied);
  fs::create_directory(Path("target"));
  fs::permissions(Path("target"), fs::perms::owner_all);
  fs::create_directory_symlink(Path("target"), Path("link"));
  EXPECT_EQ(MakePrivateDirectory(Path("link")).code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(FilesTest, TheTailIsTheLastLines) {
  ASSERT_TRUE(WriteFileAtomically(Path("log"), "one\ntwo\nthree\n").ok());
  EXPECT_EQ(TailOf(Path("log"), 2), "two\nthree");
  EXPECT_EQ(TailOf(Path("log"), 9), "one\ntwo\nthree");
  EXPECT_EQ(TailOf(Path("missing"), 2), "");
}

TEST(ScratchFolderTest, IsRemovedWithItsContent) {
  std::string path;
  {
    const auto scratch = ScratchFolder::Make("quantlab-test");
    ASSERT_TRUE(scratch.ok()) << scratch.status();
    path = scratch->path();
    EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_all);
    std::ofstream(path + "/file") << "x";
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(FreeBytesTest, IsOfTheFileSystemOfThePath) {
  const TempFolder folder;
  const auto free = FreeBytes(folder.path());
  ASSERT_TRUE(free.ok()) << free.status();
  EXPECT_GT(*free, 0);
  EXPECT_TRUE(absl::IsNotFound(FreeBytes(folder / "missing").status()));
}

}  // namespace
}  // namespace quantlab
