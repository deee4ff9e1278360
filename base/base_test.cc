// The small things of base/: clock, digests, records, statuses, locks.
#include <fstream>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/config/run_config.h"
#include "base/mutex.h"
#include "base/records/error_reason.h"
#include "base/records/records.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/testing/temp_folder.h"

namespace quantlab {
namespace {

using ::testing::HasSubstr;

TEST(RunConfigTest, TheLastWordOfAFileNameSaysItsSplit) {
  EXPECT_EQ(SplitNamedBy("train.tsv"), "train");
  EXPECT_EQ(SplitNamedBy("data/r8-test.tab"), "test");
  EXPECT_EQ(SplitNamedBy("My_Dev.csv"), "validation");
  EXPECT_EQ(SplitNamedBy("valid"), "validation");
  EXPECT_EQ(SplitNamedBy("reviews.csv"), "");
  EXPECT_EQ(SplitNamedBy("test/reviews.csv"), "");  // folders do not count
  EXPECT_EQ(SplitNamedBy(""), "");
}

// FIPS 180-4's examples (NIST CSRC, "SHA-256 Example" and the long message vectors).
TEST(Sha256Test, KnownDigests) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256Hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, PiecesOfAnySizeGiveTheDigestOfTheWhole) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text.push_back(static_cast<char>(i * 7));
  for (const size_t piece : {1u, 3u, 63u, 64u, 65u, 999u}) {
    Sha256 hash;
    for (size_t i = 0; i < text.size(); i += piece) hash.Update(absl::string_view(text).substr(i, piece));
    EXPECT_EQ(hash.HexDigest(), Sha256Hex(text)) << piece;
  }
}

TEST(Sha256Test, FilesAreReadWhole) {
  const TempFolder folder;
  const std::string path = folder / "file";
  const std::string text(3 << 20, 'q');
  std::ofstream(path, std::ios::binary) << text;
  EXPECT_EQ(*Sha256OfFile(path), Sha256Hex(text));
  unlink(path.c_str());
  EXPECT_EQ(Sha256OfFile(path).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(Sha256OfFile(path).status().message()), HasSubstr(path));
  EXPECT_FALSE(Sha256OfFile(folder.path()).ok());  // a folder
}

TEST(Sha256Test, OnlyLowerCaseHexOfTheRightLengthIsADigest) {
  EXPECT_TRUE(IsSha256Hex(Sha256Hex("x")));
  EXPECT_FALSE(IsSha256Hex(""));
  EXPECT_FALSE(IsSha256Hex(std::string(63, 'a')));
  EXPECT_FALSE(IsSha256Hex(std::string(65, 'a')));
  EXPECT_FALSE(IsSha256Hex(std::string(64, 'A')));
  EXPECT_FALSE(IsSha256Hex(std::string(64, 'g')));
  EXPECT_FALSE(IsSha256Hex(std::string(62, 'a') + "/."));
}

TEST(ClockTest, FakeClockMovesOnlyWhenTold) {
  FakeClock clock(absl::FromUnixSeconds(100));
  const absl::Duration start = clock.Monotonic();
  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(100));
  clock.Advance(absl::Seconds(5));
  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(105));
  EXPECT_EQ(clock.Monotonic() - start, absl::Seconds(5));
  // An administrator sets the clock back: leases do not notice.
  clock.SetWallTime(absl::FromUnixSeconds(1));
  EXPECT_EQ(clock.Monotonic() - start, absl::Seconds(5));
}

TEST(ClockTest, RealClockNeverGoesBack) {
  absl::Duration last = Clock::Real().Monotonic();
  for (int i = 0; i < 1000; ++i) {
    const absl::Duration now = Clock::Real().Monotonic();
    EXPECT_GE(now, last);
    last = now;
  }
  EXPECT_GT(Clock::Real().Now(), absl::FromUnixSeconds(1'600'000'000));
}

TEST(RecordsTest, RunIdsAreMadeAndTakenApart) {
  EXPECT_EQ(MakeRunId("quick-k3f9a2", "baseline"), "quick-k3f9a2/baseline");
  EXPECT_EQ(SplitRunId("quick-k3f9a2/baseline"),
            std::make_pair(std::string("quick-k3f9a2"), std::string("baseline")));
  EXPECT_EQ(SplitRunId("nothing"), std::make_pair(std::string(), std::string()));
  EXPECT_EQ(SplitRunId("a/b/c").second, "b/c");
}

TEST(RecordsTest, AttemptsAreOrderedByRunThenNumber) {
  EXPECT_LT((AttemptKey{"a/r", 9}), (AttemptKey{"b/r", 1}));
  EXPECT_LT((AttemptKey{"a/r", 2}), (AttemptKey{"a/r", 10}));
  EXPECT_EQ((AttemptKey{"a/r", 2}), (AttemptKey{"a/r", 2}));
}

TEST(RunConfigTest, KindsHaveTheNamesOfFiles) {
  EXPECT_STREQ(RunKindName(RunKind::kBaseline), "baseline");
  EXPECT_STREQ(RunKindName(RunKind::kQuantization), "quantization");
  EXPECT_STREQ(RunKindName(RunKind::kComparison), "comparison");
}

absl::StatusOr<int> Half(int n) {
  if (n % 2 != 0) return absl::InvalidArgumentError("odd");
  return n / 2;
}

absl::StatusOr<int> Quarter(int n) {
  QL_ASSIGN_OR_RETURN(const int half, Half(n));
  QL_ASSIGN_OR_RETURN(const int quarter, Half(half));
  QL_RETURN_IF_ERROR(quarter == 0 ? absl::OutOfRangeError("nothing left") : absl::OkStatus());
  return quarter;
}

TEST(StatusTest, MacrosPassValuesAndErrorsOn) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).status(), absl::InvalidArgumentError("odd"));
  EXPECT_EQ(Quarter(0).status(), absl::OutOfRangeError("nothing left"));
}

TEST(StatusTest, ReasonsStayOnAnnotatedErrors) {
  const absl::Status status = WithReason(absl::ResourceExhaustedError("full"), "DISK_FULL");
  EXPECT_EQ(ReasonOf(status), "DISK_FULL");
  const absl::Status annotated = Annotate(status, "writing x");
  EXPECT_EQ(annotated.message(), "writing x: full");
  EXPECT_EQ(ReasonOf(annotated), "DISK_FULL");
  EXPECT_EQ(ReasonOf(absl::NotFoundError("x")), "NOT_FOUND");
  EXPECT_EQ(ReasonOf(absl::OkStatus()), "");
  EXPECT_TRUE(Annotate(absl::OkStatus(), "x").ok());
  EXPECT_TRUE(WithReason(absl::OkStatus(), "X").ok());
}

TEST(MutexTest, OneAtATimeAndWakesWhoWaits) {
  Mutex mutex;
  CondVar changed;
  int64_t counter = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 1000; ++j) {
        MutexLock lock(mutex);
        ++counter;
        changed.NotifyAll();
      }
    });
  }
  {
    MutexLock lock(mutex);
    while (counter < 4000) changed.Wait(mutex);
    EXPECT_EQ(counter, 4000);
    EXPECT_FALSE(changed.WaitFor(mutex, absl::Milliseconds(1)) && counter != 4000);
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace quantlab
