#include "server/core/explanation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"

namespace quantlab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

RunRecord MakeRun(const std::string& name, RunState state, const std::string& device = "cpu") {
  RunRecord run;
  run.id = "e/" + name;
  run.name = name;
  run.device = device;
  run.state = state;
  return run;
}

std::vector<std::string> InEnglish(const std::vector<Message>& messages) {
  std::vector<std::string> sentences;
  for (const Message& message : messages) sentences.push_back(English(message));
  return sentences;
}

WorkerRecord Worker(const std::string& id) {
  WorkerRecord worker;
  worker.id = id;
  worker.hostname = "host";
  worker.devices = {"cpu"};
  return worker;
}

class ExplanationTest : public testing::Test {
 protected:
  Explanation Explain(const RunRecord& run) {
    facts_.runs = &runs_;
    facts_.workers = &workers_;
    return ExplainRun(run, facts_);
  }
  void Connect(int count) {
    for (int i = 0; i < count; ++i) records_.push_back(Worker(absl::StrCat("w", i)));
    for (const WorkerRecord& record : records_) workers_.push_back(&record);
  }

  std::vector<RunRecord> runs_;
  std::vector<WorkerRecord> records_;
  std::vector<const WorkerRecord*> workers_;
  ExplanationFacts facts_;
};

TEST_F(ExplanationTest, APendingRunNamesWhatItWaitsFor) {
  runs_ = {MakeRun("baseline", RunState::kRunning), MakeRun("other", RunState::kSucceeded)};
  RunRecord run = MakeRun("dynamic", RunState::kPending);
  run.needs = {{"baseline", true}, {"other", true}};
  const Explanation explanation = Explain(run);
  EXPECT_EQ(explanation.state, RunState::kPending);
  EXPECT_THAT(InEnglish(explanation.reasons), ElementsAre("waits for baseline (RUNNING)"));
}

TEST_F(ExplanationTest, AQueuedRunWithoutWorkersAsksForOne) {
  EXPECT_THAT(InEnglish(Explain(MakeRun("a", RunState::kQueued)).reasons),
              ElementsAre(HasSubstr("start one with quant-worker")));
}

TEST_F(ExplanationTest, AQueuedRunCountsThoseAheadOfIt) {
  Connect(2);
  facts_.queue_position = 3;
  const Explanation explanation = Explain(MakeRun("a", RunState::kQueued));
  EXPECT_EQ(explanation.queue_position, 3);
  EXPECT_THAT(InEnglish(explanation.reasons),
              ElementsAre(HasSubstr("one of 2 workers"), HasSubstr("3 runs are ahead")));
}

TEST_F(ExplanationTest, OfManyUnfitWorkersOnlySomeAreNamed) {
  Connect(1000);
  const Explanation explanation = Explain(MakeRun("a", RunState::kQueued, "cuda"));
  EXPECT_THAT(explanation.reasons, SizeIs(1 + kMaxNamedWorkers + 1));
  EXPECT_THAT(English(explanation.reasons.front()), HasSubstr("it needs cuda"));
  EXPECT_THAT(English(explanation.reasons.back()), HasSubstr(absl::StrCat(1000 - kMaxNamedWorkers)));
}

TEST_F(ExplanationTest, ARunningRunNamesItsWorkerAndWhatIsWrong) {
  Lease lease;
  lease.attempt.key = {"e/a", 2};
  lease.attempt.worker_id = "w";
  lease.over_time = true;
  facts_.lease = &lease;
  facts_.since_contact = absl::Seconds(5);
  RunRecord run = MakeRun("a", RunState::kRunning);
  run.cancel_requested = true;
  run.time_limit = absl::Hours(1);
  run.message = "cancelled";
  EXPECT_THAT(InEnglish(Explain(run).reasons),
              ElementsAre("attempt 2 runs on worker w, last contact 5 s ago", HasSubstr("asked to stop"),
                          HasSubstr("time limit of 1 h"), "cancelled"));
}

TEST_F(ExplanationTest, UnplaceableRunsGiveTheReasonOfEachWorker) {
  EXPECT_THAT(ExplainUnplaceable({MakeRun("a", RunState::kPending, "cuda")}, workers_), IsEmpty())
      << "no worker is connected yet: a fitting one may follow";
  Connect(2);
  EXPECT_THAT(InEnglish(ExplainUnplaceable(
                  {MakeRun("a", RunState::kPending, "cuda"), MakeRun("b", RunState::kPending)}, workers_)),
              ElementsAre("a: worker w0 has no cuda, worker w1 has no cuda"));
}

TEST_F(ExplanationTest, ManyUnplaceableRunsBesideManyWorkersAreSummarised) {
  Connect(1000);
  std::vector<RunRecord> runs;
  for (int i = 0; i < 1000; ++i) runs.push_back(MakeRun(absl::StrCat("r", i), RunState::kPending, "cuda"));
  const std::vector<std::string> sentences = InEnglish(ExplainUnplaceable(runs, workers_));
  ASSERT_THAT(sentences, SizeIs(kMaxNamedRuns + 1));
  EXPECT_THAT(sentences.front(), HasSubstr(absl::StrCat(", and ", 1000 - kMaxNamedWorkers, " more")));
  EXPECT_EQ(sentences.back(), absl::StrCat("and ", 1000 - kMaxNamedRuns, " more runs"));
  size_t bytes = 0;
  for (const std::string& sentence : sentences) bytes += sentence.size();
  EXPECT_LT(bytes, 64u << 10);
}

}  // namespace
}  // namespace quantlab
