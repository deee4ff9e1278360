#include "storage/file_artifact_store.h"

#include <filesystem>
#include <fstream>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/records/error_reason.h"
#include "base/sha256.h"
#include "base/testing/temp_folder.h"

namespace quantlab {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

#define QL_EXPECT_CODE(expr, code_name) EXPECT_EQ((expr).code(), absl::StatusCode::code_name)

class FileArtifactStoreTest : public ::testing::Test {
 protected:
  FileArtifactStoreTest() {
    options_.clock = &clock_;
    clock_.SetWallTime(absl::Now());  // files have the machine's times
    Reopen();
  }

  void Reopen() {
    store_.reset();
    auto opened = FileArtifactStore::Open(folder_, options_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }

  int64_t Size(const std::string& digest) { return store_->GetStat(digest)->size; }
  bool Present(const std::string& digest) { return store_->GetStat(digest)->present; }

  absl::Status Upload(const std::string& content) {
    auto writer = store_->OpenWriter(Sha256Hex(content), static_cast<int64_t>(content.size()), 0);
    if (!writer.ok()) return writer.status();
    if (absl::Status status = (*writer)->Append(content); !status.ok()) return status;
    return (*writer)->Close().status();
  }

  std::string Download(const std::string& digest) {
    auto reader = store_->OpenReader(digest);
    EXPECT_TRUE(reader.ok()) << reader.status();
    return reader.ok() ? *(*reader)->Read(0, 1 << 20) : "";
  }

  size_t FilesBelow(const std::string& folder) {
    size_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) files += entry.is_regular_file();
    return files;
  }

  const TempFolder temp_;
  const std::string& folder_ = temp_.path();
  FakeClock clock_;
  ArtifactStoreOptions options_;
  std::unique_ptr<FileArtifactStore> store_;
  const std::string content_ = "0123456789";
  const std::string digest_ = Sha256Hex(content_);
};

TEST_F(FileArtifactStoreTest, WhatIsUploadedIsReadAgain) {
  EXPECT_FALSE(Present(digest_));
  ASSERT_TRUE(Upload(content_).ok());
  Reopen();
  EXPECT_TRUE(Present(digest_));
  EXPECT_EQ(Size(digest_), 10);
  EXPECT_EQ(Download(digest_), content_);
  auto reader = *store_->OpenReader(digest_);
  EXPECT_EQ(reader->size(), 10);
  EXPECT_EQ(*reader->Read(8, 100), "89");
  EXPECT_EQ(*reader->Read(10, 100), "");
  QL_EXPECT_CODE(reader->Read(11, 1).status(), kOutOfRange);
  QL_EXPECT_CODE(reader->Read(-1, 1).status(), kOutOfRange);
}

TEST_F(FileArtifactStoreTest, PublishedFilesLieUnderTheirDigestAndAreReadOnly) {
  ASSERT_TRUE(Upload(content_).ok());
  const fs::path path = fs::path(folder_) / digest_.substr(0, 2) / digest_.substr(2);
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read);
  EXPECT_EQ(FilesBelow(folder_), 1u);
}

TEST_F(FileArtifactStoreTest, EmptyFilesAreFilesToo) {
  ASSERT_TRUE(Upload("").ok());
  EXPECT_TRUE(Present(Sha256Hex("")));
  EXPECT_EQ(Download(Sha256Hex("")), "");
}

TEST_F(FileArtifactStoreTest, UploadsGoOnWhereTheyStopped) {
  {
    auto writer = *store_->OpenWriter(digest_, 10, 0);
    ASSERT_TRUE(writer->Append("0123").ok());
    EXPECT_EQ(*writer->Close(), 4);
  }
  Reopen();
  EXPECT_FALSE(Present(digest_));
  EXPECT_EQ(Size(digest_), 4);
  QL_EXPECT_CODE(store_->OpenWriter(digest_, 10, 5).status(), kOutOfRange);
  {
    // Given up without a word: what had arrived stays.
    auto writer = *store_->OpenWriter(digest_, 10, 4);
    ASSERT_TRUE(writer->Append("45").ok());
  }
  EXPECT_EQ(Size(digest_), 6);
  // And may be sent again from an earlier point.
  auto writer = *store_->OpenWriter(digest_, 10, 2);
  ASSERT_TRUE(writer->Append("23456789").ok());
  EXPECT_EQ(*writer->Close(), 10);
  EXPECT_EQ(Download(digest_), content_);
}

TEST_F(FileArtifactStoreTest, WrongContentIsDiscarded) {
  auto writer = *store_->OpenWriter(digest_, 10, 0);
  ASSERT_TRUE(writer->Append("012345678X").ok());
  const absl::Status status = writer->Close().status();
  QL_EXPECT_CODE(status, kDataLoss);
  EXPECT_EQ(ReasonOf(status), "DIGEST_MISMATCH");
  QL_EXPECT_CODE(writer->Close().status(), kFailedPrecondition);
  writer.reset();
  EXPECT_EQ(Size(digest_), 0);
  EXPECT_EQ(FilesBelow(folder_), 0u);
  ASSERT_TRUE(Upload(content_).ok());
}

TEST_F(FileArtifactStoreTest, BytesThatWereSpoiledOnDiskAreNoticedWhenResuming) {
  {
    auto writer = *store_->OpenWriter(digest_, 10, 0);
    ASSERT_TRUE(writer->Append("01234").ok());
  }
  std::ofstream(folder_ + "/incoming/" + digest_) << "XXXXX";
  auto writer = *store_->OpenWriter(digest_, 10, 5);
  ASSERT_TRUE(writer->Append("56789").ok());
  QL_EXPECT_CODE(writer->Close().status(), kDataLoss);
  EXPECT_FALSE(Present(digest_));
}

TEST_F(FileArtifactStoreTest, MoreBytesThanSaidAreRefused) {
  auto writer = *store_->OpenWriter(digest_, 10, 0);
  ASSERT_TRUE(writer->Append("01234").ok());
  QL_EXPECT_CODE(writer->Append("567890"), kOutOfRange);
  ASSERT_TRUE(writer->Append("56789").ok());
  EXPECT_EQ(*writer->Close(), 10);
}

TEST_F(FileArtifactStoreTest, OneUploadOfADigestAtATime) {
  auto writer = *store_->OpenWriter(digest_, 10, 0);
  QL_EXPECT_CODE(store_->OpenWriter(digest_, 10, 0).status(), kAborted);
  ASSERT_TRUE(Upload("another").ok());
  ASSERT_TRUE(writer->Append("012").ok());
  // Not synced yet, so not promised yet.
  EXPECT_EQ(Size(digest_), 0);
  writer.reset();
  EXPECT_EQ(Size(digest_), 3);
  ASSERT_TRUE(Upload(content_).ok());
  QL_EXPECT_CODE(store_->OpenWriter(digest_, 10, 0).status(), kAlreadyExists);
}

TEST_F(FileArtifactStoreTest, ConcurrentUploadsOfOneDigestEndWithOneFile) {
  const std::string content(1 << 16, 'x');
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (true) {
        const absl::Status status = Upload(content);
        if (status.ok() || absl::IsAlreadyExists(status)) return;
        ASSERT_TRUE(absl::IsAborted(status)) << status;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Download(Sha256Hex(content)), content);
  EXPECT_EQ(FilesBelow(folder_), 1u);
}

TEST_F(FileArtifactStoreTest, NonsenseIsRefused) {
  for (const char* digest : {"", "abc", "../../../../etc/passwd", "ABCDEF"}) {
    QL_EXPECT_CODE(store_->GetStat(digest).status(), kInvalidArgument) << digest;
    QL_EXPECT_CODE(store_->OpenWriter(digest, 1, 0).status(), kInvalidArgument) << digest;
    QL_EXPECT_CODE(store_->OpenReader(digest).status(), kInvalidArgument) << digest;
  }
  QL_EXPECT_CODE(store_->OpenWriter(digest_, -1, 0).status(), kOutOfRange);
  QL_EXPECT_CODE(store_->OpenWriter(digest_, 10, -1).status(), kOutOfRange);
  QL_EXPECT_CODE(store_->OpenWriter(digest_, 10, 11).status(), kOutOfRange);
  QL_EXPECT_CODE(store_->OpenReader(digest_).status(), kNotFound);
}

TEST_F(FileArtifactStoreTest, FilesThatAreTooLargeForTheStoreOrTheDiskAreRefusedAtOnce) {
  options_.max_file_bytes = 9;
  Reopen();
  absl::Status status = store_->OpenWriter(digest_, 10, 0).status();
  QL_EXPECT_CODE(status, kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "ARTIFACT_TOO_LARGE");
  options_.max_file_bytes = 100;
  options_.keep_free_bytes = int64_t{1} << 60;
  Reopen();
  status = store_->OpenWriter(digest_, 10, 0).status();
  QL_EXPECT_CODE(status, kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "DISK_FULL");
  EXPECT_THAT(std::string(status.message()), HasSubstr("free some space"));
  EXPECT_EQ(FilesBelow(folder_), 0u);
}

TEST_F(FileArtifactStoreTest, ADiskThatFillsUpLeavesNothingHalfWritten) {
  // The kernel refuses to let files grow beyond 64 KiB, in the middle of a piece.
  const std::string content(100'000, 'y');
  const std::string digest = Sha256Hex(content);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{65536, 65536};
    setrlimit(RLIMIT_FSIZE, &limit);
    auto writer = *store_->OpenWriter(digest, 100'000, 0);
    const bool first = writer->Append(content.substr(0, 50'000)).ok();
    const absl::Status full = writer->Append(content.substr(50'000));
    const bool refused = absl::IsResourceExhausted(full) && ReasonOf(full) == "DISK_FULL" &&
                         absl::IsResourceExhausted(writer->Close().status());
    writer.reset();
    _exit(first && refused && Size(digest) == 50'000 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  // With room again the upload goes on.
  Reopen();
  EXPECT_EQ(Size(digest), 50'000);
  auto writer = *store_->OpenWriter(digest, 100'000, 50'000);
  ASSERT_TRUE(writer->Append(content.substr(50'000)).ok());
  EXPECT_EQ(*writer->Close(), 100'000);
}

TEST_F(FileArtifactStoreTest, AKilledUploadGoesOn) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto writer = *store_->OpenWriter(digest_, 10, 0);
    if (writer->Append("012345").ok()) raise(SIGKILL);
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  Reopen();
  const int64_t arrived = Size(digest_);
  EXPECT_EQ(arrived, 6);
  auto writer = *store_->OpenWriter(digest_, 10, arrived);
  ASSERT_TRUE(writer->Append(content_.substr(static_cast<size_t>(arrived))).ok());
  EXPECT_EQ(*writer->Close(), 10);
}

TEST_F(FileArtifactStoreTest, StaleUploadsAreDeletedWhenTheStoreOpens) {
  store_->OpenWriter(digest_, 10, 0).value()->Append("012").IgnoreError();
  std::ofstream(folder_ + "/incoming/rubbish") << "x";
  clock_.Advance(absl::Hours(23));
  Reopen();
  EXPECT_EQ(Size(digest_), 3);
  EXPECT_FALSE(fs::exists(folder_ + "/incoming/rubbish"));
  clock_.Advance(absl::Hours(2));
  Reopen();
  EXPECT_EQ(Size(digest_), 0);
  EXPECT_EQ(FilesBelow(folder_), 0u);
}

TEST_F(FileArtifactStoreTest, StaleUploadsAreDeletedWhileTheStoreIsOpen) {
  store_->OpenWriter(digest_, 10, 0).value()->Append("012").IgnoreError();
  clock_.Advance(absl::Hours(25));
  {
    const auto continued = store_->OpenWriter(digest_, 10, 3);
    ASSERT_TRUE(continued.ok()) << continued.status();
    ASSERT_TRUE(store_->DeleteStaleUploads().ok());
    EXPECT_EQ(Size(digest_), 3) << "somebody goes on with it";
  }
  ASSERT_TRUE(store_->DeleteStaleUploads().ok());
  EXPECT_EQ(Size(digest_), 0);
}

TEST_F(FileArtifactStoreTest, LinksAreNotFollowed) {
  fs::create_symlink("/etc/passwd", folder_ + "/incoming/" + digest_);
  EXPECT_FALSE(store_->OpenWriter(digest_, 10, 0).ok());
}

// One bit of a published file changes on the disk.
void FlipABit(const std::string& path) {
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const char first = static_cast<char>(file.get());
  file.seekp(0);
  file.put(static_cast<char>(first ^ 1));
}

TEST_F(FileArtifactStoreTest, WhatWasSetAsideCanBeUploadedAgain) {
  ASSERT_TRUE(Upload(content_).ok());
  FlipABit(absl::StrCat(folder_, "/", digest_.substr(0, 2), "/", digest_.substr(2)));
  ASSERT_TRUE(store_->SetAside(digest_).ok());
  EXPECT_FALSE(Present(digest_));
  EXPECT_TRUE(fs::exists(absl::StrCat(folder_, "/damaged/", digest_)));
  ASSERT_TRUE(Upload(content_).ok());
  EXPECT_EQ(Download(digest_), content_);
  EXPECT_TRUE(store_->SetAside(Sha256Hex("unknown")).ok());
}

TEST_F(FileArtifactStoreTest, CheckAllFindsAndSetsAsideWhatIsDamaged) {
  ASSERT_TRUE(Upload(content_).ok());
  ASSERT_TRUE(Upload("").ok());
  const std::string large(3 << 20, 'x');
  ASSERT_TRUE(Upload(large).ok());
  const std::string bad = Sha256Hex(large);
  FlipABit(absl::StrCat(folder_, "/", bad.substr(0, 2), "/", bad.substr(2)));
  const auto check = store_->CheckAll();
  ASSERT_TRUE(check.ok()) << check.status();
  EXPECT_EQ(check->files, 3);
  EXPECT_EQ(check->bytes, 10 + (3 << 20));
  EXPECT_THAT(check->damaged, testing::ElementsAre(bad));
  EXPECT_FALSE(Present(bad));
  EXPECT_TRUE(Present(digest_));
  EXPECT_THAT(store_->CheckAll()->damaged, testing::IsEmpty());
}

}  // namespace
}  // namespace quantlab
