#include "worker/agent/program/join.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/temp_folder.h"
#include "security/token.h"

namespace quantlab::agent {
namespace {

constexpr char kEarlier[] = "unix:/run/earlier.sock";

class JoinTest : public testing::Test {
 protected:
  // The files of a join with kEarlier.
  void SetUp() override {
    Write("coordinator", std::string(kEarlier) + "\n");
    Write("token", NewToken() + "\n");
    Write("ca.crt", "an authority\n");
  }

  std::string File(const std::string& name) const { return folder_ / name; }
  bool Has(const std::string& name) const { return std::filesystem::exists(File(name)); }
  void Write(const std::string& name, const std::string& content) {
    ASSERT_TRUE(WriteFileAtomically(File(name), content).ok());
  }
  absl::Status JoinAt(const std::string& address) { return Join({address, folder_.path(), {}, NewToken()}); }
  SecurityFiles FilesFor(std::string coordinator) {
    SecurityFiles files;
    EXPECT_TRUE(UseJoinedFiles(folder_.path(), &coordinator, &files).ok());
    return files;
  }

  const TempFolder folder_;
};

TEST_F(JoinTest, TheTokenOfAnotherCoordinatorIsRemovedBeforeTheExchange) {
  EXPECT_TRUE(absl::IsUnavailable(JoinAt("unix:" + folder_ / "nobody")));
  EXPECT_FALSE(Has("token"));
  EXPECT_FALSE(Has("ca.crt"));
  EXPECT_TRUE(FilesFor("").token.empty());
}

TEST_F(JoinTest, AFailedJoinWithTheSameCoordinatorKeepsItsToken) {
  const std::string before = *ReadFile(File("token"), 256);
  EXPECT_FALSE(JoinAt("unix:///run/earlier.sock").ok());
  EXPECT_EQ(*ReadFile(File("token"), 256), before);
  EXPECT_TRUE(Has("ca.crt"));
}

TEST_F(JoinTest, TheFilesAreUsedForTheirCoordinatorHoweverItIsSpelled) {
  for (const char* same : {"", kEarlier, "unix:///run/earlier.sock"}) {
    EXPECT_EQ(FilesFor(same).token, File("token")) << same;
    EXPECT_EQ(FilesFor(same).ca, File("ca.crt")) << same;
  }
  for (const char* other : {"unix:/run/other.sock", "127.0.0.1:7420"})
    EXPECT_TRUE(FilesFor(other).token.empty()) << other;
}

}  // namespace
}  // namespace quantlab::agent
