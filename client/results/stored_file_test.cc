#include "client/results/stored_file.h"

#include <fstream>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/sha256.h"
#include "base/testing/temp_folder.h"

namespace quantlab::client {
namespace {

constexpr uid_t kNobody = 65534;

class StoredFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(MakeDirectories(folder_ / absl::StrCat("store/", digest_.substr(0, 2))).ok());
    std::ofstream(stored_) << content_;
    ASSERT_EQ(chmod(stored_.c_str(), 0400), 0);
  }

  LocalFile File() const { return {folder_ / "result", digest_, static_cast<int64_t>(content_.size())}; }

  // Runs `body` in a process of a user who is not root, and returns whether it returned true.
  template <typename Body>
  bool AsUser(Body body) {
    const pid_t child = fork();
    if (child == 0) {
      if (geteuid() == 0 && setresuid(kNobody, kNobody, kNobody) != 0) _exit(2);
      _exit(body() ? 0 : 1);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status) == 0;
  }

  // Everything belongs to that user.
  void GiveAway() {
    if (geteuid() != 0) return;
    for (const std::string& path :
         {folder_.path(), folder_ / "store", folder_ / absl::StrCat("store/", digest_.substr(0, 2)), stored_})
      ASSERT_EQ(chown(path.c_str(), kNobody, kNobody), 0);
  }

  static struct stat Info(const std::string& path) {
    struct stat info = {};
    EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
    return info;
  }

  const TempFolder folder_;
  const std::string content_ = "weights", digest_ = Sha256Hex("weights");
  const std::string stored_ = folder_ / absl::StrCat("store/", digest_.substr(0, 2), "/", digest_.substr(2));
};

TEST_F(StoredFileTest, AUserGetsTheBytesOnceAndCannotWriteToThemByAccident) {
  GiveAway();
  ASSERT_TRUE(AsUser([&] { return ShareStoredFile(folder_ / "store", File()); }));
  EXPECT_EQ(*ReadFile(File().path, 100), content_);
  const bool linked = Info(File().path).st_ino == Info(stored_).st_ino;
  // A clone may be written to: the store's file is another one.
  EXPECT_EQ(AsUser([&] { return std::ofstream(File().path).is_open(); }), !linked);
  EXPECT_EQ(*ReadFile(stored_, 100), content_);
  if (linked) {
    EXPECT_EQ(Info(stored_).st_mode & 07777, 0444u);
  }
}

TEST_F(StoredFileTest, RootGetsNoLinkSinceItWritesToReadOnlyFiles) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  // With a file system that clones, there is one.
  const bool shared = ShareStoredFile(folder_ / "store", File());
  if (shared) {
    EXPECT_NE(Info(File().path).st_ino, Info(stored_).st_ino);
  } else {
    EXPECT_NE(access(File().path.c_str(), F_OK), 0);
  }
}

TEST_F(StoredFileTest, NothingIsCreatedWhereTheStoreHasNoSuchFile) {
  GiveAway();
  LocalFile other = File();
  other.size += 1;
  EXPECT_FALSE(AsUser([&] { return ShareStoredFile(folder_ / "store", other); }));
  other = File();
  other.sha256 = Sha256Hex("other");
  EXPECT_FALSE(AsUser([&] { return ShareStoredFile(folder_ / "store", other); }));
  other.sha256 = "../../etc/passwd";
  EXPECT_FALSE(AsUser([&] { return ShareStoredFile(folder_ / "store", other); }));
  EXPECT_NE(access(File().path.c_str(), F_OK), 0);
}

TEST_F(StoredFileTest, AFileThatIsThereIsNotReplaced) {
  GiveAway();
  ASSERT_TRUE(AsUser([&] { return std::ofstream(File().path).is_open(); }));
  EXPECT_FALSE(AsUser([&] { return ShareStoredFile(folder_ / "store", File()); }));
  EXPECT_EQ(*ReadFile(File().path, 100), "");
}

}  // namespace
}  // namespace quantlab::client
