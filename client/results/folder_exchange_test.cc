#include "client/results/folder_exchange.h"

#include <chrono>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/testing/temp_folder.h"
#include "platform/files.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;

class FolderExchangeTest : public ::testing::Test {
 protected:
  using Files = std::map<std::string, std::string>;

  static void WriteInto(FolderExchange& exchange, const Files& files) {
    for (const auto& [path, content] : files) {
      ASSERT_TRUE(exchange.Claim(path).ok());
      std::ofstream(exchange.New(path)) << content;
    }
  }

  static std::string Marker(const std::string& id, const Files& files) {
    nlohmann::json json{{"id", id}, {"files", {"experiment.json"}}};
    for (const auto& [path, content] : files) json["files"].push_back(path);
    return json.dump();
  }

  void Publish(const std::string& id, const Files& files) {
    auto exchange = FolderExchange::Open(results_, "quick", id);
    ASSERT_TRUE(exchange.ok()) << exchange.status();
    WriteInto(**exchange, files);
    const auto moved_away = (*exchange)->Publish(Marker(id, files));
    ASSERT_TRUE(moved_away.ok()) << moved_away.status();
  }

  std::string Read(const std::string& path) {
    return ReadFile(results_ + "/" + path, 1 << 20).value_or("none");
  }
  bool Hidden() {
    for (const auto& entry : fs::directory_iterator(results_))
      if (entry.path().filename().string()[0] == '.') return true;
    return false;
  }
  // Makes what was written before look older than what is written from now on.
  void Age(const std::string& folder) {
    for (const auto& entry : fs::recursive_directory_iterator(results_ + "/" + folder)) {
      if (entry.is_regular_file() && !entry.is_symlink())
        fs::last_write_time(entry.path(), fs::last_write_time(entry.path()) - std::chrono::hours(1));
    }
  }

  TempFolder folder_;
  const std::string results_ = folder_ / "results";
};

TEST_F(FolderExchangeTest, EverythingOfTheUserMovesAlong) {
  Publish("e-1", {{"run/old.txt", "old"}, {"run/metrics.csv", "1"}});
  const std::string quick = results_ + "/quick";
  folder_.Write("elsewhere/thesis.txt", "thesis");
  folder_.Write("results/quick/run/notes.txt", "mine");
  folder_.Write("results/quick/mine/deep/notes.txt", "mine too");
  fs::create_directory(quick + "/empty");
  fs::create_directory_symlink(folder_ / "elsewhere", quick + "/run/link");
  fs::create_symlink("/nowhere", quick + "/dangling");
  Publish("e-1", {{"run/metrics.csv", "2"}});
  EXPECT_EQ(Read("quick/run/metrics.csv"), "2");
  EXPECT_EQ(Read("quick/run/old.txt"), "none") << "ours, and no longer part of the results";
  EXPECT_EQ(Read("quick/run/notes.txt"), "mine");
  EXPECT_EQ(Read("quick/mine/deep/notes.txt"), "mine too");
  EXPECT_TRUE(fs::is_directory(quick + "/empty"));
  EXPECT_EQ(fs::read_symlink(quick + "/run/link"), folder_ / "elsewhere");
  EXPECT_TRUE(fs::is_symlink(quick + "/dangling"));
  EXPECT_EQ(ReadFile(folder_ / "elsewhere/thesis.txt", 100).value_or(""), "thesis");
  EXPECT_FALSE(Hidden());
}

TEST_F(FolderExchangeTest, ANameThatBecomesOursKeepsTheUsersFileAside) {
  Publish("e-1", {{"a.txt", "1"}});
  folder_.Write("results/quick/report/a.md", "mine");
  folder_.Write("results/quick/run", "a file in the place of our folder");
  fs::create_directory_symlink("/tmp", results_ + "/quick/more");
  Publish("e-1", {{"a.txt", "1"}, {"report/a.md", "ours"}, {"run/b", "ours"}, {"more/c", "ours"}});
  EXPECT_EQ(Read("quick/report/a.md"), "ours");
  EXPECT_EQ(Read("quick/report/a.md.kept"), "mine");
  EXPECT_EQ(Read("quick/run.kept"), "a file in the place of our folder");
  EXPECT_EQ(fs::read_symlink(results_ + "/quick/more.kept"), "/tmp");
  EXPECT_FALSE(Hidden());
}

TEST_F(FolderExchangeTest, AnEditedResultIsKeptAside) {
  Publish("e-1", {{"report.md", "ours"}, {"metrics.csv", "1"}});
  Age("quick");
  folder_.Write("results/quick/report.md", "ours, with a chapter of mine");
  folder_.Write("results/quick/metrics.csv", "1");
  Publish("e-1", {{"report.md", "ours, newer"}, {"metrics.csv", "1"}});
  EXPECT_EQ(Read("quick/report.md"), "ours, newer");
  EXPECT_EQ(Read("quick/report.md.kept"), "ours, with a chapter of mine");
  EXPECT_EQ(Read("quick/metrics.csv.kept"), "none") << "touched, but the same";
  Publish("e-1", {{"report.md", "newest"}});
  EXPECT_EQ(Read("quick/report.md.kept"), "ours, with a chapter of mine");
}

TEST_F(FolderExchangeTest, ACallKilledAfterTheExchangeLosesNothing) {
  Publish("e-1", {{"run/a.txt", "1"}});
  folder_.Write("results/quick/run/notes.txt", "mine");
  folder_.Write("results/quick/mine.txt", "mine too");
  // What a kill between the exchange and the moves leaves.
  fs::rename(results_ + "/quick", results_ + "/.quick@e-1.partial");
  folder_.Write("results/quick/run/a.txt", "2");
  folder_.Write("results/quick/experiment.json", Marker("e-1", {{"run/a.txt", "2"}}));
  Publish("e-1", {{"run/b.txt", "3"}});
  EXPECT_EQ(Read("quick/run/notes.txt"), "mine");
  EXPECT_EQ(Read("quick/mine.txt"), "mine too");
  EXPECT_EQ(Read("quick/run/b.txt"), "3");
  EXPECT_EQ(Read("quick/run/a.txt"), "none");
  EXPECT_FALSE(Hidden());
}

TEST_F(FolderExchangeTest, AnotherExperimentOfTheNameFinishesTheExchangeFirst) {
  Publish("e-1", {{"a.txt", "1"}});
  folder_.Write("results/quick/mine.txt", "mine");
  fs::rename(results_ + "/quick", results_ + "/.quick@e-1.partial");
  folder_.Write("results/quick/experiment.json", Marker("e-1", {}));
  Publish("e-2", {{"a.txt", "2"}});
  EXPECT_EQ(Read("quick/a.txt"), "2");
  EXPECT_EQ(Read("quick@e-1/mine.txt"), "mine");
}

TEST_F(FolderExchangeTest, WhatAKilledCallWroteIsRemovedAndNothingElse) {
  {
    auto exchange = FolderExchange::Open(results_, "quick", "e-1");
    ASSERT_TRUE(exchange.ok());
    WriteInto(**exchange, {{"run/stale.txt", "half"}, {"run/a.txt", "half"}});
    std::ofstream((*exchange)->New("run/b.bin.part")) << "half a download";
    ASSERT_TRUE((*exchange)->Claim("run/b.bin").ok());
  }
  folder_.Write("results/.quick@e-1.partial/run/mine.txt", "mine");
  folder_.Write("results/.quick@e-1.partial/run/c.txt", "mine, where ours will be");
  Publish("e-1", {{"run/a.txt", "1"}, {"run/c.txt", "ours"}});
  EXPECT_EQ(Read("quick/run/a.txt"), "1");
  EXPECT_EQ(Read("quick/run/stale.txt"), "none");
  EXPECT_EQ(Read("quick/run/b.bin.part"), "none");
  EXPECT_EQ(Read("quick/run/mine.txt"), "mine");
  EXPECT_EQ(Read("quick/run/c.txt"), "ours");
  EXPECT_EQ(Read("quick/run/c.txt.kept"), "mine, where ours will be");
  EXPECT_FALSE(fs::exists(results_ + "/quick/.written"));
  EXPECT_FALSE(fs::exists(results_ + "/quick/.lock"));
}

TEST_F(FolderExchangeTest, ALinkToAnotherDiskIsFollowed) {
  fs::create_directories(results_);
  fs::create_directory(folder_ / "disk");
  fs::create_directory_symlink(folder_ / "disk", results_ + "/quick");
  folder_.Write("disk/experiment.json", Marker("e-1", {}));
  folder_.Write("disk/mine.txt", "mine");
  Publish("e-1", {{"a.txt", "1"}});
  EXPECT_TRUE(fs::is_symlink(results_ + "/quick"));
  EXPECT_EQ(Read("quick/a.txt"), "1");
  EXPECT_EQ(Read("quick/mine.txt"), "mine");
}

TEST_F(FolderExchangeTest, FreeNamesNeitherAreNorContainNorLieBelowAnother) {
  auto exchange = FolderExchange::Open(results_, "quick", "e-1");
  ASSERT_TRUE(exchange.ok());
  for (const char* path : {"run/run.json", "run/model/a", "run/x.part"})
    ASSERT_TRUE((*exchange)->Claim(path).ok());
  for (const char* taken : {"run/run.json", "run/run.json/x", "run/model", "run/run.json.part", "run/x"})
    EXPECT_EQ((*exchange)->FirstFree({taken, "spare"}), "spare") << taken;
  EXPECT_EQ((*exchange)->FirstFree({"run/model/b"}), "run/model/b");
  EXPECT_EQ((*exchange)->FirstFree({"run/run.json"}), "");
}

}  // namespace
}  // namespace quantlab::client
