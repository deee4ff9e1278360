// What an attempt's end is called; agent_test.cc shows the same with real processes.
#include "worker/agent/attempt/supervisor.h"

#include <signal.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/messages/message_catalogue.h"

namespace quantlab::agent {
namespace {

using ::testing::HasSubstr;

v1::RunnerFinished Said(bool ok, bool stopped = false) {
  v1::RunnerFinished finished;
  finished.set_ok(ok);
  finished.set_stopped(stopped);
  return finished;
}

RunnerEnd End(int code, int signal) {
  RunnerEnd end;
  end.exit = {code, signal};
  return end;
}

TEST(ClassifyTest, SuccessNeedsTheWordAndTheExitCode) {
  RunnerEnd end = End(0, 0);
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_CRASHED);
  end.finished = Said(true);
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_SUCCEEDED);
  end.exit = {1, 0};
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_CRASHED);
  end.exit = {0, SIGSEGV};
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_CRASHED);
}

TEST(ClassifyTest, KilledForMemoryIsAFailureWithTheRemedy) {
  RunnerEnd end = End(0, SIGKILL);
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_CRASHED);
  end.oom.group = 1;
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_FAILED);
  EXPECT_THAT(English(Classify(end).message), HasSubstr("smaller batch size"));
  end.oom = {0, 1};
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_FAILED);
  // Somebody else's out-of-memory kill, and our own SIGKILL.
  end.killed = true;
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_CRASHED);
  end = End(0, SIGSEGV);
  end.oom.group = 1;
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_CRASHED);
}

TEST(ClassifyTest, StopsAreCalledByTheirReason) {
  RunnerEnd end = End(4, 0);
  end.finished = Said(false, true);
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_CRASHED);  // nobody had asked
  end.stop = StopReason::kPreempted;
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_PREEMPTED);
  end.timed_out = true;
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_TIMED_OUT);
  end.stop = StopReason::kCancelled;
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_CANCELLED);
  end.stop = StopReason::kFenced;
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_LOST);
}

TEST(ClassifyTest, ResultThatWasReadyBeforeTheStopCounts) {
  RunnerEnd end = End(0, 0);
  end.finished = Said(true);
  end.stop = StopReason::kPreempted;
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_SUCCEEDED);
  end.stop = StopReason::kNone;
  end.timed_out = true;
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_SUCCEEDED);
  end.stop = StopReason::kCancelled;  // but a cancel is a cancel
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_CANCELLED);
}

TEST(ClassifyTest, ErrorOfTheRunnerComesInItsOwnWords) {
  RunnerEnd end = End(1, 0);
  end.finished = Said(false);
  end.finished->set_code("INVALID_ARGUMENT");
  end.finished->set_message("label 7 is out of range");
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_FAILED);
  EXPECT_EQ(English(Classify(end).message), "INVALID_ARGUMENT: label 7 is out of range");
}

TEST(ClassifyTest, ADeviceThatFailedItsSelfTestIsTheWorkersFault) {
  RunnerEnd end = End(7, 0);
  end.finished = Said(false);
  end.finished->set_code("DATA_LOSS");
  end.finished->set_message("the self-test of device cuda failed: an INT8 product is wrong");
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_FAILED);
  EXPECT_TRUE(Classify(end).worker_fault);
  EXPECT_THAT(English(Classify(end).message), HasSubstr("INT8 product"));
  end.finished->set_code("INTERNAL");
  EXPECT_FALSE(Classify(end).worker_fault);
}

TEST(ClassifyTest, AgentsOwnReasonToKillIsTheMessage) {
  RunnerEnd end = End(0, SIGKILL);
  end.killed = true;
  end.failure = absl::ResourceExhaustedError("the disk is full");
  EXPECT_EQ(Classify(end).state, v1::RUN_STATE_FAILED);
  EXPECT_EQ(English(Classify(end).message), "the disk is full");
  EXPECT_TRUE(Classify(end).worker_fault);
  end.failure = absl::InvalidArgumentError("line 3 of the runner's events cannot be read");
  EXPECT_FALSE(Classify(end).worker_fault) << "the run's";
}

}  // namespace
}  // namespace quantlab::agent
