#include "worker/agent/inputs/artifact_cache.h"

#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/messages/messages.h"
#include "base/sha256.h"
#include "base/testing/temp_folder.h"
#include "platform/files.h"
#include "worker/agent/program/testing/fake_coordinator.h"

namespace quantlab::agent {
namespace {

namespace fs = std::filesystem;

class ArtifactCacheTest : public ::testing::Test {
 protected:
  ArtifactCacheTest() { Make(1 << 20); }
  void Make(int64_t bytes) {
    cache_ = std::make_unique<ArtifactCache>(folder_ / "cache", bytes, &coordinator_);
    EXPECT_TRUE(cache_->Open().ok());
  }
  absl::Status Place(const std::string& content) {
    const std::string path = absl::StrCat(folder_ / "use/", ++uses_);
    const absl::Status status = cache_->Place(Sha256Hex(content), static_cast<int64_t>(content.size()), path,
                                              control_, nullptr, nullptr);
    if (status.ok()) {
      EXPECT_EQ(*ReadFile(path, 1 << 20), content);
    }
    return status;
  }
  std::string Offer(const std::string& content) {
    coordinator_.AddArtifact(Sha256Hex(content), content);
    return content;
  }
  std::string PathOf(const std::string& content) { return folder_ / ("cache/" + Sha256Hex(content)); }
  void Age(const std::string& content, int64_t seconds) {
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, PathOf(content).c_str(), times, 0), 0);
  }

  TempFolder folder_;
  FakeCoordinator coordinator_;
  AttemptControl control_;
  std::unique_ptr<ArtifactCache> cache_;
  int uses_ = 0;
};

TEST_F(ArtifactCacheTest, FetchesOnce) {
  const std::string content = Offer("something");
  EXPECT_TRUE(Place(content).ok());
  EXPECT_TRUE(Place(content).ok());
  EXPECT_EQ(coordinator_.Calls("DownloadArtifact"), 1);
  EXPECT_TRUE(Place(Offer("")).ok());  // an empty file is a file
}

TEST_F(ArtifactCacheTest, DamageOnDiskIsNoticedAndRepaired) {
  const std::string content = Offer("something");
  ASSERT_TRUE(Place(content).ok());
  fs::remove(PathOf(content));
  std::ofstream(PathOf(content)) << "somethink";
  EXPECT_TRUE(Place(content).ok());
  EXPECT_EQ(coordinator_.Calls("DownloadArtifact"), 2);
}

TEST_F(ArtifactCacheTest, ResumesWhatAnEarlierProcessHadBegun) {
  const std::string content = Offer(std::string(5000, 'a'));
  std::ofstream(folder_ / ("cache/partial/" + Sha256Hex(content))) << content.substr(0, 4500);
  int chunks = 0;
  coordinator_.SetLostAnswer([&chunks](const std::string&) {
    ++chunks;
    return absl::OkStatus();
  });
  EXPECT_TRUE(Place(content).ok());
  EXPECT_EQ(chunks, 1);  // of 1,000 bytes
}

TEST_F(ArtifactCacheTest, PartsThatAreWrongOrTooLongAreThrownAway) {
  for (const size_t size : {10u, 5000u, 9000u}) {
    const std::string content = Offer(std::string(5000, static_cast<char>('a' + size % 26)));
    std::ofstream(folder_ / ("cache/partial/" + Sha256Hex(content))) << std::string(size, '!');
    EXPECT_TRUE(Place(content).ok()) << size;
  }
}

TEST_F(ArtifactCacheTest, LeastRecentlyUsedGoesFirst) {
  Make(2500);
  const std::string a = Offer(std::string(1000, 'a')), b = Offer(std::string(1000, 'b')),
                    c = Offer(std::string(1000, 'c'));
  ASSERT_TRUE(Place(a).ok());
  ASSERT_TRUE(Place(b).ok());
  Age(a, 2000);
  Age(b, 1000);
  ASSERT_TRUE(Place(c).ok());
  EXPECT_TRUE(fs::exists(PathOf(a)));
  EXPECT_FALSE(fs::exists(PathOf(b)));
  EXPECT_EQ(*ReadFile(folder_ / "use/2", 10000), b);  // who uses it keeps it
}

TEST_F(ArtifactCacheTest, WhatIsLargerThanTheCacheIsStillFetched) {
  Make(10);
  EXPECT_TRUE(Place(Offer(std::string(1000, 'x'))).ok());
}

TEST_F(ArtifactCacheTest, KeepsWhatThisWorkerMade) {
  std::ofstream(folder_ / "model.bin") << "weights";
  cache_->Keep(folder_ / "model.bin", {Sha256Hex("weights"), 7});
  EXPECT_TRUE(Place("weights").ok());
  EXPECT_EQ(coordinator_.Calls("DownloadArtifact"), 0);
}

TEST_F(ArtifactCacheTest, StopsWhenAskedThoughTheCoordinatorIsAway) {
  coordinator_.SetAway(true);
  control_.Stop(StopReason::kPreempted, messages::kWorkerStopping());
  EXPECT_TRUE(absl::IsCancelled(Place("something")));
}

class LinkingCacheTest : public ArtifactCacheTest {
 protected:
  LinkingCacheTest() {
    cache_ = std::make_unique<ArtifactCache>(folder_ / "cache", 1 << 20, &coordinator_, folder_ / "store");
    EXPECT_TRUE(cache_->Open().ok());
  }
  // As the coordinator stores it, under the digest of `name`.
  std::string Store(const std::string& content, const std::string& name) {
    const std::string digest = Sha256Hex(name);
    const std::string path = absl::StrCat(folder_ / "store/", digest.substr(0, 2), "/", digest.substr(2));
    EXPECT_TRUE(MakeDirectories(DirectoryOf(path)).ok());
    std::ofstream(path) << content;
    EXPECT_EQ(chmod(path.c_str(), 0444), 0);
    return path;
  }
  ino_t Inode(const std::string& path) {
    struct stat info = {};
    EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
    return info.st_ino;
  }
};

TEST_F(LinkingCacheTest, LinksTheFilesOfAStoreOnThisMachine) {
  const std::string content = Offer("something");
  const std::string stored = Store(content, content);
  EXPECT_TRUE(Place(content).ok());
  EXPECT_EQ(coordinator_.Calls("DownloadArtifact"), 0);
  EXPECT_EQ(Inode(folder_ / "use/1"), Inode(stored));
  struct stat info = {};
  ASSERT_EQ(stat(stored.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0444u) << "the mode is the store's";
  // The store needs no second copy of what this worker makes.
  std::ofstream(folder_ / "model.bin") << "weights";
  cache_->Keep(folder_ / "model.bin", {Sha256Hex("weights"), 7});
  EXPECT_FALSE(fs::exists(PathOf("weights")));
  EXPECT_FALSE(fs::exists(PathOf(content))) << "a file that leaves the store has no other name";
}

TEST_F(LinkingCacheTest, DownloadsWhatTheStoreDoesNotHaveOrHasDamaged) {
  const std::string absent = Offer("absent"), damaged = Offer("intact"), torn = Offer("torn apart");
  const std::string stored = Store("damage", damaged);
  Store("torn", torn);
  EXPECT_TRUE(Place(absent).ok());
  EXPECT_TRUE(Place(damaged).ok());
  EXPECT_TRUE(Place(torn).ok());
  EXPECT_EQ(coordinator_.Calls("DownloadArtifact"), 3);
  EXPECT_EQ(*ReadFile(stored, 100), "damage") << "nothing is written to the store";
}

TEST_F(ArtifactCacheTest, BadDigestsAreRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(
      cache_->Place("../../etc/passwd", 3, folder_ / "x", control_, nullptr, nullptr)));
}

}  // namespace
}  // namespace quantlab::agent
