#include "worker/agent/events/spool.h"

#include <cerrno>
#include <fstream>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/testing/temp_folder.h"
#include "platform/files.h"

namespace quantlab::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SpoolTest : public ::testing::Test {
 protected:
  std::unique_ptr<Spool> Open() {
    auto spool = Spool::Open(folder_.path());
    EXPECT_TRUE(spool.ok()) << spool.status();
    return spool.ok() ? std::move(*spool) : nullptr;
  }
  static void Append(Spool& spool, const std::string& message) {
    v1::Event event;
    event.mutable_log()->set_message(message);
    ASSERT_TRUE(spool.Append(event).ok());
  }
  static std::vector<std::string> Read(Spool& spool, int max_events = 1000, int64_t max_bytes = 1 << 20) {
    const auto batch = spool.Read(max_events, max_bytes);
    EXPECT_TRUE(batch.ok()) << batch.status();
    std::vector<std::string> messages;
    for (const v1::Event& event : batch->events) {
      messages.push_back(absl::StrCat(event.number(), event.log().message()));
    }
    return messages;
  }
  static v1::FinishAttemptRequest Finish(v1::RunState outcome) {
    v1::FinishAttemptRequest finish;
    finish.set_outcome(outcome);
    return finish;
  }
  std::string file() const { return folder_ / "events.spool"; }
  std::string Content() const { return *ReadFile(file(), 1 << 24); }
  void Overwrite(const std::string& content) const { std::ofstream(file(), std::ios::binary) << content; }

  TempFolder folder_;
};

// A disk that cannot make anything durable until it is repaired.
bool disk_is_broken = false;
int SyncUnlessBroken(int fd) {
  if (!disk_is_broken) return fdatasync(fd);
  errno = EIO;
  return -1;
}

TEST_F(SpoolTest, WhatCouldNotBeMadeDurableIsWrittenAnew) {
  auto spool = Spool::Open(folder_.path(), SyncUnlessBroken).value();
  Append(*spool, "a");
  ASSERT_TRUE(spool->Sync().ok());
  const std::string durable = Content();
  Append(*spool, "b");
  const std::string content = Content();
  disk_is_broken = true;
  EXPECT_FALSE(spool->Sync().ok());
  EXPECT_FALSE(spool->Sync().ok()) << "a second try does not make it durable either";
  disk_is_broken = false;
  ASSERT_TRUE(spool->Sync().ok());
  EXPECT_EQ(Content(), content);
  EXPECT_EQ(content.substr(0, durable.size()), durable);
  EXPECT_THAT(Read(*spool), ElementsAre("1a", "2b"));
}

TEST_F(SpoolTest, NumbersEventsAndGivesThemUntilTheyAreAcknowledged) {
  auto spool = Open();
  EXPECT_THAT(Read(*spool), IsEmpty());
  Append(*spool, "a");
  Append(*spool, "b");
  EXPECT_THAT(Read(*spool), ElementsAre("1a", "2b"));
  EXPECT_THAT(Read(*spool), ElementsAre("1a", "2b"));
  spool->Acknowledge(1);
  EXPECT_THAT(Read(*spool), ElementsAre("2b"));
  Append(*spool, "c");
  spool->Acknowledge(2);
  EXPECT_THAT(Read(*spool), ElementsAre("3c"));
  spool->Acknowledge(3);
  EXPECT_THAT(Read(*spool), IsEmpty());
  EXPECT_EQ(spool->backlog_bytes(), 0);
}

TEST_F(SpoolTest, BatchesAreLimitedButNeverEmpty) {
  auto spool = Open();
  for (int i = 0; i < 5; ++i) Append(*spool, std::string(1000, 'x'));
  EXPECT_THAT(Read(*spool, 2), SizeIs(2));
  EXPECT_THAT(Read(*spool, 1000, 2500), SizeIs(2));
  EXPECT_THAT(Read(*spool, 1000, 10), SizeIs(1));
}

TEST_F(SpoolTest, KnowsEverythingAfterAReopen) {
  {
    auto spool = Open();
    Append(*spool, "a");
    Append(*spool, "b");
    v1::Event artifact;
    artifact.mutable_artifact()->set_name("model.bin");
    ASSERT_TRUE(spool->Append(artifact).ok());
    (void)Read(*spool);
    spool->Acknowledge(1);
    ASSERT_TRUE(spool->AppendFinish(Finish(v1::RUN_STATE_SUCCEEDED)).ok());
    ASSERT_TRUE(spool->AppendFinish(Finish(v1::RUN_STATE_FAILED)).ok());
  }
  auto spool = Open();
  EXPECT_EQ(spool->last_number(), 3);
  EXPECT_EQ(spool->acknowledged(), 1);
  EXPECT_EQ(spool->finish()->outcome(), v1::RUN_STATE_FAILED);
  EXPECT_THAT(spool->artifacts(), SizeIs(1));
  EXPECT_THAT(Read(*spool), ElementsAre("2b", "3"));
}

TEST_F(SpoolTest, CoordinatorThatKnowsLessGetsEverythingAgain) {
  auto spool = Open();
  for (const char* text : {"a", "b", "c"}) Append(*spool, text);
  (void)Read(*spool);
  spool->Acknowledge(3);
  spool->Acknowledge(0);
  EXPECT_THAT(Read(*spool), ElementsAre("1a", "2b", "3c"));
  spool->Acknowledge(99);  // a lie is cut to what there is
  EXPECT_EQ(spool->acknowledged(), 3);
}

TEST_F(SpoolTest, TornAtEveryByteLosesAtMostTheLastRecord) {
  std::vector<size_t> ends;
  {
    auto spool = Open();
    for (const char* text : {"first", "second", "third"}) {
      Append(*spool, text);
      ends.push_back(static_cast<size_t>(spool->size_bytes()));
    }
  }
  const std::string whole = Content();
  for (size_t size = 0; size < whole.size(); ++size) {
    Overwrite(whole.substr(0, size));
    auto spool = Open();
    ASSERT_NE(spool, nullptr);
    const auto kept = std::count_if(ends.begin(), ends.end(), [&](size_t end) { return end <= size; });
    EXPECT_EQ(spool->last_number(), kept) << size;
    Append(*spool, "next");
    EXPECT_EQ(spool->last_number(), kept + 1);
  }
}

TEST_F(SpoolTest, EveryFlippedByteIsFound) {
  {
    auto spool = Open();
    Append(*spool, "first");
    Append(*spool, "second");
  }
  const std::string whole = Content();
  for (size_t i = 8; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x41);
    Overwrite(damaged);
    auto spool = Open();
    ASSERT_NE(spool, nullptr);
    EXPECT_LT(spool->last_number(), 2) << i;
  }
}

TEST_F(SpoolTest, RefusesAFileOfAnotherKind) {
  Overwrite("this is a letter to my aunt");
  EXPECT_TRUE(absl::IsDataLoss(Spool::Open(folder_.path()).status()));
}

TEST_F(SpoolTest, LostOrWrongAcknowledgementOnlySendsAgain) {
  {
    auto spool = Open();
    Append(*spool, "a");
    (void)Read(*spool);
    spool->Acknowledge(1);
  }
  for (const char* text : {"", "-3", "77", "rubbish"}) {
    std::ofstream(folder_ / "acknowledged") << text;
    EXPECT_THAT(Read(*Open()), ElementsAre("1a"));
  }
}

}  // namespace
}  // namespace quantlab::agent
