#include "client/connection/transfer.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sha256.h"
#include "base/testing/temp_folder.h"
#include "tests/fakes/fake_coordinator.h"

namespace quantlab::client {
namespace {

using ::quantlab::testing::FakeCoordinator;
using ::quantlab::testing::FakeState;
using ::quantlab::testing::ReadAll;

std::string Content(size_t size, char salt) {
  std::string content(size, salt);
  for (size_t i = 0; i < size; ++i) content[i] = static_cast<char>(content[i] + i * 31 % 251);
  return content;
}

class TransferTest : public ::testing::Test {
 protected:
  TransferTest() : fake_(folder_ / "c.sock"), client_(Client::Create({.address = fake_.address()}).value()) {}

  LocalFile Local(const std::string& name, const std::string& content) {
    return {folder_.Write(name, content), Sha256Hex(content), static_cast<int64_t>(content.size())};
  }
  // In the store, to be downloaded to `name`.
  LocalFile Stored(const std::string& name, const std::string& content) {
    const std::string sha256 = Sha256Hex(content);
    fake_.With([&](FakeState& state) { state.artifacts[sha256] = content; });
    return {folder_ / name, sha256, static_cast<int64_t>(content.size())};
  }
  size_t uploads() {
    return fake_.With([](FakeState& s) { return s.uploads.size(); });
  }

  TempFolder folder_;
  FakeCoordinator fake_;
  std::unique_ptr<Client> client_;
};

TEST_F(TransferTest, UploadsOnlyWhatIsMissing) {
  const LocalFile there = Local("a", "here already");
  const LocalFile missing = Local("b", Content(3 << 20, 'x'));
  const LocalFile twin = Local("c", Content(3 << 20, 'x'));
  fake_.With([&](FakeState& state) { state.artifacts[there.sha256] = "here already"; });
  const absl::Status status = UploadFiles(*client_, {there, missing, twin}, {});
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(uploads(), 1u);
  EXPECT_EQ(fake_.With([&](FakeState& s) { return s.artifacts[missing.sha256]; }), ReadAll(missing.path));
}

TEST_F(TransferTest, UploadsAnEmptyFile) {
  const LocalFile empty = Local("empty", "");
  EXPECT_TRUE(UploadFiles(*client_, {empty}, {}).ok());
  EXPECT_EQ(fake_.With([&](FakeState& s) { return s.artifacts.count(empty.sha256); }), 1u);
}

TEST_F(TransferTest, ABrokenUploadGoesOnWhereItStopped) {
  const LocalFile file = Local("big", Content(5 << 20, 'y'));
  fake_.With([](FakeState& state) { state.cut_uploads_after = {1 << 20, 3 << 20}; });
  int64_t last = 0;
  const absl::Status status = UploadFiles(*client_, {file}, [&](int64_t done, int64_t total) {
    last = done;
    EXPECT_EQ(total, 5 << 20);
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(last, 5 << 20);
  fake_.With([&](FakeState& state) {
    ASSERT_EQ(state.uploads.size(), 3u);
    EXPECT_EQ(state.uploads[1].offset(), 1 << 20);
    EXPECT_EQ(state.uploads[2].offset(), 3 << 20);
    EXPECT_EQ(state.artifacts.count(file.sha256), 1u);
  });
}

TEST_F(TransferTest, WaitsForAnotherUploadOfTheSameFile) {
  const LocalFile file = Local("a", Content(1 << 20, 'z'));
  // StatArtifacts, refused upload, StatArtifacts, refused upload; then the other one has finished.
  const absl::Status others = absl::AbortedError("artifact … is being uploaded by someone else");
  fake_.With([&](FakeState& state) {
    state.failures = {absl::OkStatus(), others, absl::OkStatus(), others, absl::OkStatus()};
  });
  const absl::Status status = UploadFiles(*client_, {file}, {});
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(fake_.With([&](FakeState& s) { return s.artifacts.count(file.sha256); }), 1u);
}

TEST_F(TransferTest, AFileThatChangedIsNotUploaded) {
  const LocalFile file = Local("a", "before");
  folder_.Write("a", "after!");
  const absl::Status status = UploadFiles(*client_, {file}, {});
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
}

TEST_F(TransferTest, AFileThatShrankIsNotUploaded) {
  const LocalFile file = Local("a", Content(2 << 20, 'a'));
  folder_.Write("a", "short");
  EXPECT_EQ(UploadFiles(*client_, {file}, {}).code(), absl::StatusCode::kAborted);
}

TEST_F(TransferTest, DownloadsAndLeavesNoPartBehind) {
  const LocalFile file = Stored("out", Content(10'500, 'd'));
  const absl::Status status = DownloadFile(*client_, file, {});
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(ReadAll(file.path), Content(10'500, 'd'));
  EXPECT_FALSE(std::filesystem::exists(file.path + ".part"));
}

TEST_F(TransferTest, DownloadsAnEmptyFile) {
  const LocalFile file = Stored("out", "");
  EXPECT_TRUE(DownloadFile(*client_, file, {}).ok());
  EXPECT_TRUE(std::filesystem::exists(file.path));
}

TEST_F(TransferTest, ABrokenDownloadGoesOnWhereItStopped) {
  const LocalFile file = Stored("out", Content(10'000, 'e'));
  fake_.With([](FakeState& state) { state.cut_downloads_after = {3000, 2000}; });
  const absl::Status status = DownloadFile(*client_, file, {});
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(ReadAll(file.path), Content(10'000, 'e'));
  fake_.With([](FakeState& state) {
    ASSERT_EQ(state.downloads.size(), 3u);
    EXPECT_EQ(state.downloads[1].offset(), 3000);
    EXPECT_EQ(state.downloads[2].offset(), 5000);
  });
}

TEST_F(TransferTest, APartOfAnEarlierCallIsUsed) {
  const std::string content = Content(10'000, 'f');
  const LocalFile file = Stored("out", content);
  folder_.Write("out.part", content.substr(0, 7000));
  ASSERT_TRUE(DownloadFile(*client_, file, {}).ok());
  EXPECT_EQ(ReadAll(file.path), content);
  fake_.With([](FakeState& state) { EXPECT_EQ(state.downloads.at(0).offset(), 7000); });
}

TEST_F(TransferTest, DamagedDataIsRefusedAndRemoved) {
  const LocalFile file = Stored("out", Content(10'000, 'g'));
  fake_.With([](FakeState& state) { state.damage_downloads = true; });
  EXPECT_EQ(DownloadFile(*client_, file, {}).code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(std::filesystem::exists(file.path));
  EXPECT_FALSE(std::filesystem::exists(file.path + ".part"));
}

TEST_F(TransferTest, AnArtifactLargerThanSaidIsRefused) {
  LocalFile file = Stored("out", Content(10'000, 'h'));
  file.size = 5000;
  EXPECT_EQ(DownloadFile(*client_, file, {}).code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(std::filesystem::exists(file.path));
}

TEST_F(TransferTest, WhatIsThereAlreadyIsLeftAlone) {
  const LocalFile file = Stored("out", "the same");
  folder_.Write("out", "the same");
  ASSERT_TRUE(DownloadFile(*client_, file, {}).ok());
  EXPECT_EQ(fake_.With([](FakeState& s) { return s.downloads.size(); }), 0u);
}

TEST_F(TransferTest, AnUnknownArtifactIsNotFound) {
  const LocalFile file{folder_ / "out", Sha256Hex("nowhere"), 7};
  EXPECT_EQ(DownloadFile(*client_, file, {}).code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(file.path));
}

}  // namespace
}  // namespace quantlab::client
