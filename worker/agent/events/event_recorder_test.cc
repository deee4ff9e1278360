#include "worker/agent/events/event_recorder.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sha256.h"
#include "base/testing/temp_folder.h"

namespace quantlab::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EventRecorderTest : public ::testing::Test {
 protected:
  EventRecorderTest() : spool_(std::move(*Spool::Open(folder_.path()))) { Make({}); }
  void Make(RecorderLimits limits) {
    recorder_ = std::make_unique<EventRecorder>(spool_.get(), &clock_, folder_.path(), limits, nullptr);
  }
  void Progress(const std::string& phase, int64_t done) {
    v1::Progress progress;
    progress.set_phase(phase);
    progress.set_done(done);
    ASSERT_TRUE(recorder_->RecordProgress(progress).ok());
  }
  std::vector<std::string> Spooled() {
    std::vector<std::string> texts;
    const absl::StatusOr<Spool::Batch> batch = spool_->Read(1000, 1 << 20);
    EXPECT_TRUE(batch.ok());
    for (const v1::Event& event : batch->events) {
      texts.push_back(event.has_progress()
                          ? event.progress().phase() + std::to_string(event.progress().done())
                          : event.log().message());
    }
    return texts;
  }

  TempFolder folder_;
  FakeClock clock_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<EventRecorder> recorder_;
};

TEST_F(EventRecorderTest, KeepsProgressAtMostSoOften) {
  Progress("a", 1);
  Progress("a", 2);
  clock_.Advance(absl::Milliseconds(199));
  Progress("a", 3);
  EXPECT_THAT(Spooled(), ElementsAre("a1"));
  clock_.Advance(absl::Milliseconds(1));
  ASSERT_TRUE(recorder_->Flush(false).ok());
  EXPECT_THAT(Spooled(), ElementsAre("a1", "a3"));
}

TEST_F(EventRecorderTest, EndOfAPhaseAndStartOfTheNextAreNeverLost) {
  Progress("a", 1);
  Progress("a", 9);
  Progress("b", 1);
  Progress("b", 2);
  ASSERT_TRUE(recorder_->Flush(true).ok());
  EXPECT_THAT(Spooled(), ElementsAre("a1", "a9", "b1", "b2"));
}

TEST_F(EventRecorderTest, ThinsOutMoreWhileTheCoordinatorIsAway) {
  RecorderLimits limits;
  limits.away_bytes = 10;
  Make(limits);
  Progress("a", 1);
  for (int i = 2; i < 20; ++i) {
    clock_.Advance(absl::Seconds(1));
    Progress("a", i);
  }
  EXPECT_THAT(Spooled(), ElementsAre("a1", "a11"));
}

TEST_F(EventRecorderTest, LeavesOutOutputAboveTheRateAndSaysHowMuch) {
  RecorderLimits limits;
  limits.line_burst = 2;
  limits.lines_per_second = 1;
  Make(limits);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(recorder_->RecordOutput("x" + std::to_string(i)).ok());
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(recorder_->RecordOutput("x5").ok());
  ASSERT_TRUE(recorder_->Flush(true).ok());
  EXPECT_THAT(Spooled(), ElementsAre("x0", "x1", "x5", HasSubstr("3 lines of output were left out")));
  EXPECT_THAT(recorder_->last_output(), ElementsAre("x1", "x2", "x3", "x4", "x5"));
}

TEST_F(EventRecorderTest, ArtifactsAreImmutable) {
  const auto announce = [&](const std::string& content) {
    std::ofstream(folder_ / "a.bin") << content;
    v1::RunnerEvent event;
    event.mutable_artifact()->set_name("a.bin");
    return recorder_->Record(event, nullptr);
  };
  EXPECT_TRUE(announce("one").ok());
  EXPECT_TRUE(announce("one").ok());
  EXPECT_THAT(std::string(announce("two").message()), HasSubstr("announced twice, with different content"));
  ASSERT_EQ(spool_->artifacts().size(), 1u);
  EXPECT_EQ(spool_->artifacts()[0].sha256(), Sha256Hex("one"));
}

TEST_F(EventRecorderTest, IsOverfullUntilTheCoordinatorTakesSomething) {
  RecorderLimits limits;
  limits.backlog_bytes = 100;
  Make(limits);
  EXPECT_FALSE(recorder_->overfull());
  ASSERT_TRUE(recorder_->RecordLog(v1::SEVERITY_INFO, std::string(200, 'x')).ok());
  EXPECT_TRUE(recorder_->overfull());
  (void)Spooled();
  spool_->Acknowledge(1);
  EXPECT_FALSE(recorder_->overfull());
}

}  // namespace
}  // namespace quantlab::agent
