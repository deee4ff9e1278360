#include "base/files.h"

#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/testing/temp_folder.h"

namespace quantlab {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class FilesTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  int FilesInFolder() const {
    return static_cast<int>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  const TempFolder temp_;
  const std::string& folder_ = temp_.path();
};

TEST_F(FilesTest, WhatIsWrittenIsRead) {
  const std::string content("a\0b\n\xff", 5);
  ASSERT_TRUE(WriteFileAtomically(Path("x"), content).ok());
  auto read = ReadFile(Path("x"), 5);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, content);
  EXPECT_EQ(FilesInFolder(), 1);
}

TEST_F(FilesTest, WritingReplacesTheWholeContent) {
  ASSERT_TRUE(WriteFileAtomically(Path("x"), "something long").ok());
  ASSERT_TRUE(WriteFileAtomically(Path("x"), "").ok());
  EXPECT_EQ(*ReadFile(Path("x"), 100), "");
}

TEST_F(FilesTest, FailedWriteLeavesTheOldContentAndNothingElse) {
  fs::create_directory(Path("taken"));
  std::ofstream(Path("taken/inside")) << "kept";
  const absl::Status status = WriteFileAtomically(Path("taken"), "new");
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(Path("taken")));
  EXPECT_EQ(FilesInFolder(), 1);
}

TEST_F(FilesTest, FullDiskIsResourceExhaustedWithARemedy) {
  const absl::Status status = FileError(ENOSPC, "write", "/data/x");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/data/x"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("free some space"));
}

TEST_F(FilesTest, ReadingNamesTheMissingFile) {
  const auto read = ReadFile(Path("missing"), 10);
  EXPECT_EQ(read.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(read.status().message()), HasSubstr(Path("missing")));
}

TEST_F(FilesTest, ReadingRefusesWhatIsTooLargeOrNoFile) {
  ASSERT_TRUE(WriteFileAtomically(Path("x"), "123456").ok());
  EXPECT_EQ(ReadFile(Path("x"), 5).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReadFile(folder_, 5).status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(ReadFile(Path("pipe"), 5).status().code(), absl::StatusCode::kInvalidArgument);
  // A file that lies about its size.
  EXPECT_EQ(ReadFile("/proc/self/status", 5).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_GT(ReadFile("/proc/self/status", 1 << 20)->size(), 5u);
}

TEST_F(FilesTest, MakesParentsAndKeepsWhatIsThere) {
  ASSERT_TRUE(MakeDirectories(Path("a/b//c/")).ok());
  ASSERT_TRUE(MakeDirectories(Path("a/b/c")).ok());
  EXPECT_TRUE(fs::is_directory(Path("a/b/c")));
  EXPECT_EQ(fs::status(Path("a")).permissions(), fs::perms::owner_all);
  ASSERT_TRUE(MakeDirectories("/").ok());
}

TEST_F(FilesTest, AFileInTheWayIsNamed) {
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "").ok());
  const absl::Status status = MakeDirectories(Path("a/b"));
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(Path("a")));
  EXPECT_FALSE(MakeDirectories("").ok());
}

TEST(DirectoryOfTest, CutsTheLastName) {
  EXPECT_EQ(DirectoryOf("/a/b/c"), "/a/b");
  EXPECT_EQ(DirectoryOf("/a"), "/");
  EXPECT_EQ(DirectoryOf("a/b"), "a");
  EXPECT_EQ(DirectoryOf("c"), ".");
}

}  // namespace
}  // namespace quantlab
