#include "platform/environment.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <pwd.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"

namespace quantlab {
namespace {

using ::testing::HasSubstr;

VariableLookup Variables(const std::map<std::string, std::string>& values) {
  return [values](const char* name) {
    const auto found = values.find(name);
    return found == values.end() ? std::string() : found->second;
  };
}

TEST(HomeFolderTest, TheVariableWins) {
  EXPECT_EQ(*HomeFolder(Variables({{"HOME", "/home/me"}})), "/home/me");
}

TEST(HomeFolderTest, WithoutTheVariableThePasswordDatabaseDecides) {
  const passwd* const user = getpwuid(geteuid());
  // "/" and relative names are no home of one user, whoever sets them.
  for (const char* home : {"", "/", "//", "relative"}) {
    const auto found = HomeFolder(Variables({{"HOME", home}}));
    if (user != nullptr && std::string(user->pw_dir).size() > 1) {
      ASSERT_TRUE(found.ok()) << found.status();
      EXPECT_EQ(*found, user->pw_dir);
    } else {
      EXPECT_EQ(found.status().code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_THAT(std::string(found.status().message()), HasSubstr("--data-dir"));
    }
  }
}

TEST(XdgFolderTest, OnlyAbsoluteFoldersCount) {
  EXPECT_EQ(*XdgFolder(Variables({{"HOME", "/h"}, {"XDG_DATA_HOME", "/d"}}), "XDG_DATA_HOME", ".local/share"),
            "/d");
  EXPECT_EQ(*XdgFolder(Variables({{"HOME", "/h"}, {"XDG_DATA_HOME", "d"}}), "XDG_DATA_HOME", ".local/share"),
            "/h/.local/share");
}

TEST(ExpandHomeTest, OnlyALeadingTildeIsTheHome) {
  const VariableLookup environment = Variables({{"HOME", "/h"}});
  EXPECT_EQ(*ExpandHome("~", environment), "/h");
  EXPECT_EQ(*ExpandHome("~/a", environment), "/h/a");
  EXPECT_EQ(*ExpandHome("~user/a", environment), "~user/a");
  EXPECT_EQ(*ExpandHome("a/~", environment), "a/~");
}

// PATH and the current folder, changed for one test.
class FindProgramTest : public ::testing::Test {
 protected:
  FindProgramTest() {
    if (const char* path = std::getenv("PATH")) before_ = path;
    folder_.Write("program", "#!/bin/sh\n");
    std::filesystem::permissions(folder_ / "program", std::filesystem::perms::owner_all);
  }
  ~FindProgramTest() override {
    std::filesystem::current_path(current_);
    setenv("PATH", before_.c_str(), 1);
  }

  const std::filesystem::path current_ = std::filesystem::current_path();
  std::string before_;
  const TempFolder folder_;
};

TEST_F(FindProgramTest, LooksInTheFoldersOfPath) {
  setenv("PATH", ("/nowhere:" + folder_.path()).c_str(), 1);
  EXPECT_EQ(*FindProgram("program"), folder_ / "program");
  EXPECT_EQ(*FindProgram(folder_ / "program"), folder_ / "program");
}

TEST_F(FindProgramTest, TakesNothingFromTheCurrentFolder) {
  std::filesystem::current_path(folder_.path());
  for (const char* path : {":/nowhere", "/nowhere:", "/nowhere::/nowhere", ".", "relative:."}) {
    setenv("PATH", path, 1);
    EXPECT_EQ(FindProgram("program").status().code(), absl::StatusCode::kNotFound) << path;
  }
  EXPECT_TRUE(FindProgram("./program").ok());
}

TEST_F(FindProgramTest, FoldersAndFilesWithoutPermissionAreNoPrograms) {
  folder_.Write("text", "x");
  std::filesystem::create_directory(folder_ / "folder");
  setenv("PATH", folder_.path().c_str(), 1);
  for (const char* name : {"text", "folder", "missing", ""}) {
    EXPECT_EQ(FindProgram(name).status().code(), absl::StatusCode::kNotFound) << name;
  }
  EXPECT_EQ(FindProgram("/nowhere/program").status().code(), absl::StatusCode::kNotFound);
}

TEST(ExecutableFolderTest, HoldsThisTest) {
  EXPECT_TRUE(std::filesystem::exists(ExecutableFolder() + "/platform_test"));
}

}  // namespace
}  // namespace quantlab
