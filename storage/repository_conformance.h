// What every implementation of base/records/repositories.h must do, as parameterised tests.
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, RepositoryConformance, ::testing::Values(OpenSqlite));
//
// The parameter opens (or reopens) the repositories of a folder. Include it in one test file per backend.
#ifndef QUANTLAB_STORAGE_REPOSITORY_CONFORMANCE_H_
#define QUANTLAB_STORAGE_REPOSITORY_CONFORMANCE_H_

#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <signal.h>
#include <stdlib.h>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/messages/messages.h"
#include "base/records/repositories.h"
#include "base/records/run_state.h"
#include "base/testing/temp_folder.h"
#include "storage/storage.h"

namespace quantlab {

using OpenRepositories = absl::StatusOr<std::unique_ptr<Storage>> (*)(const std::string& folder);

class RepositoryConformance : public ::testing::TestWithParam<OpenRepositories> {
 protected:
  using State = RunState;

  RepositoryConformance() { Reopen(); }

  void Reopen() {
    storage_.reset();
    auto opened = GetParam()(folder_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    storage_ = *std::move(opened);
  }

  StateRepository& states() { return storage_->states(); }
  EventRepository& events() { return storage_->events(); }

  static absl::Time At(int seconds) { return absl::FromUnixSeconds(1'700'000'000 + seconds); }

  static ExperimentRecord Experiment(const std::string& id) {
    ExperimentRecord experiment;
    experiment.id = id;
    experiment.name = "quick";
    experiment.request_id = "request-" + id;
    experiment.request_digest = "digest-" + id;
    experiment.submitter = "someone";
    experiment.priority = 5;
    experiment.create_time = At(0);
    experiment.files = {{"quick.yaml", "a: 1\n"}, {"base.yaml", "课程: 设计\n"}};
    return experiment;
  }

  static RunRecord Run(const std::string& experiment, const std::string& name,
                       State state = State::kPending) {
    RunRecord run;
    run.id = MakeRunId(experiment, name);
    run.experiment_id = experiment;
    run.name = name;
    run.config_json = R"({"runName":"x"})";
    run.kind = RunKind::kQuantization;
    run.method = "dynamic_quantization";
    run.method_version = 2;
    run.device = "cpu";
    run.seed = std::numeric_limits<uint64_t>::max() - 1;
    run.input_key = "key-" + name;
    run.folder = "dynamic_quant";
    run.time_limit = absl::Minutes(90);
    run.requirements = {int64_t{8} << 30, {{"room", "2"}, {"课程", "a=b\n"}}, true};
    run.state = state;
    run.create_time = At(0);
    return run;
  }

  // An experiment of one queued run, "e/r".
  void CreateOne(const std::string& id = "e") {
    auto created = states().CreateExperiment(Experiment(id), {Run(id, "r", State::kQueued)});
    ASSERT_TRUE(created.ok()) << created.status();
  }

  static RunTransition Move(const std::string& run, State from, State to) {
    RunTransition transition;
    transition.run_id = run;
    transition.from = from;
    transition.to = to;
    return transition;
  }

  static AttemptRecord Attempt(const AttemptKey& key) {
    AttemptRecord attempt;
    attempt.key = key;
    attempt.worker_id = "w";
    attempt.worker_hostname = "host";
    attempt.worker_fingerprint = "avx512";
    attempt.runner_sha256 = std::string(64, 'f');
    attempt.start_time = At(10);
    return attempt;
  }

  absl::Status Start(const AttemptKey& key) {
    StateChange change;
    change.time = At(10);
    change.runs = {Move(key.run_id, State::kQueued, State::kRunning)};
    change.start_attempt = Attempt(key);
    return states().Commit(change);
  }

  static AttemptEnd EndOf(const AttemptKey& key, State outcome, int64_t last_event = -1) {
    AttemptEnd end;
    end.key = key;
    end.outcome = outcome;
    end.message = "because";
    end.coded_message = messages::kText("because");
    end.time = At(20);
    end.last_event = last_event;
    return end;
  }

  // Ends the run's running attempt, and with it the run.
  absl::Status End(const AttemptKey& key, State outcome, State run_state, int64_t last_event = -1) {
    StateChange change;
    change.time = At(20);
    RunTransition transition = Move(key.run_id, State::kRunning, run_state);
    transition.message = "because";
    transition.coded_message = messages::kRunCrashed(1, messages::kText("because"));
    if (run_state == State::kSucceeded) transition.result = key;
    change.runs = {transition};
    change.end_attempt = EndOf(key, outcome, last_event);
    return states().Commit(change);
  }

  // Brings a new, queued run to a state by allowed steps.
  void Bring(const std::string& run, State to) {
    const AttemptKey key{run, 1};
    StateChange step;
    step.time = At(30);
    if (to == State::kPending || to == State::kSkipped) {
      const State first = to == State::kPending ? State::kCancelled : to;
      step.runs = {Move(run, State::kQueued, first)};
      if (to != first) step.runs.push_back(Move(run, first, to));
      const absl::Status status = states().Commit(step);
      ASSERT_TRUE(status.ok()) << status;
    } else if (to != State::kQueued) {
      ASSERT_TRUE(Start(key).ok());
      if (to != State::kRunning) {
        ASSERT_TRUE(End(key, to, to).ok());
      }
    }
  }

  // One transition with all that belongs to it, so that only the transition itself can be wrong.
  StateChange ChangeFor(const std::string& run, State from, State to) {
    StateChange change;
    change.time = At(40);
    change.runs = {Move(run, from, to)};
    if (from == State::kRunning) {
      const bool fits = IsEnded(to) && to != State::kSkipped;
      change.end_attempt = EndOf({run, 1}, fits ? to : State::kLost, -1);
    }
    if (to == State::kRunning) change.start_attempt = Attempt({run, states().GetRun(run)->attempts + 1});
    if (to == State::kSucceeded) {
      change.runs[0].result = from == State::kRunning ? AttemptKey{run, 1} : AttemptKey{"old/r", 1};
    }
    return change;
  }

  // "old/r" has SUCCEEDED by its attempt 1.
  void MakeOlderResult() {
    ASSERT_NO_FATAL_FAILURE(CreateOne("old"));
    ASSERT_TRUE(Start({"old/r", 1}).ok());
    ASSERT_TRUE(End({"old/r", 1}, State::kSucceeded, State::kSucceeded).ok());
  }

  // In a child process: stores event after event and tells each acknowledgement; never returns.
  [[noreturn]] void WriteUntilKilled(const AttemptKey& key, int64_t stored, int out) {
    auto storage = GetParam()(folder_);
    if (!storage.ok()) _exit(1);
    for (int64_t next = stored + 1;; next += 3) {
      auto done = (*storage)->events().AppendEvents(key, Logs(next, next + 2));
      if (!done.ok() || write(out, &*done, sizeof(*done)) != sizeof(*done)) _exit(2);
    }
  }

  static Event Log(int64_t number, const std::string& message, Severity severity = Severity::kInfo) {
    return {number, At(static_cast<int>(number % 1000)), LogLine{severity, message}};
  }
  static std::vector<Event> Logs(int64_t first, int64_t last) {
    std::vector<Event> events;
    for (int64_t i = first; i <= last; ++i) events.push_back(Log(i, absl::StrCat("line ", i)));
    return events;
  }

  static LogFilter LogsOf(const std::string& experiment, const std::string& run = "") {
    LogFilter filter;
    filter.experiment_id = experiment;
    filter.run = run;
    return filter;
  }

  // All of an experiment's change log, in pages.
  std::vector<Change> AllChanges(const std::string& experiment) {
    std::vector<Change> all;
    while (true) {
      auto page = events().ReadChanges(experiment, all.empty() ? 0 : all.back().sequence, 7, kMaxPageBytes);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok() || page->empty()) return all;
      all.insert(all.end(), page->begin(), page->end());
    }
  }

  const TempFolder temp_;
  const std::string& folder_ = temp_.path();
  std::unique_ptr<Storage> storage_;
};

#define QL_ASSERT_OK(expr)                    \
  do {                                        \
    const absl::Status ql_status = (expr);    \
    ASSERT_TRUE(ql_status.ok()) << ql_status; \
  } while (false)
#define QL_EXPECT_CODE(expr, code_name) EXPECT_EQ((expr).code(), absl::StatusCode::code_name)

// --- experiments and runs -----------------------------------------------------------------------------

TEST_P(RepositoryConformance, WhatIsCreatedIsReadAgainAlsoAfterReopening) {
  RunRecord comparison = Run("e", "comparison");
  comparison.kind = RunKind::kComparison;
  comparison.needs = {{"baseline", true}, {"dynamic", false}};
  RunRecord baseline = Run("e", "baseline", State::kQueued);
  baseline.kind = RunKind::kBaseline;
  ASSERT_TRUE(states().CreateExperiment(Experiment("e"), {baseline, comparison, Run("e", "dynamic")}).ok());
  for (int i = 0; i < 2; ++i, Reopen()) {
    auto experiment = states().GetExperiment("e");
    ASSERT_TRUE(experiment.ok()) << experiment.status();
    EXPECT_EQ(experiment->name, "quick");
    EXPECT_EQ(experiment->request_id, "request-e");
    EXPECT_EQ(experiment->submitter, "someone");
    EXPECT_EQ(experiment->report_language, "both");
    EXPECT_EQ(experiment->priority, 5);
    EXPECT_TRUE(experiment->reuse);
    EXPECT_EQ(experiment->state, ExperimentState::kActive);
    EXPECT_EQ(experiment->create_time, At(0));
    EXPECT_FALSE(experiment->end_time.has_value());
    ASSERT_EQ(experiment->files.size(), 2u);
    EXPECT_EQ(experiment->files[1].content, "课程: 设计\n");

    auto runs = states().ListRuns("e");
    ASSERT_TRUE(runs.ok()) << runs.status();
    ASSERT_EQ(runs->size(), 3u);
    EXPECT_EQ((*runs)[0].name, "baseline");
    const RunRecord& run = (*runs)[1];
    EXPECT_EQ(run.id, "e/comparison");
    EXPECT_EQ(run.experiment_id, "e");
    EXPECT_EQ(run.config_json, comparison.config_json);
    EXPECT_EQ(run.kind, RunKind::kComparison);
    EXPECT_EQ(run.method, "dynamic_quantization");
    EXPECT_EQ(run.method_version, 2);
    EXPECT_EQ(run.device, "cpu");
    EXPECT_EQ(run.seed, comparison.seed);
    EXPECT_EQ(run.input_key, "key-comparison");
    EXPECT_EQ(run.folder, "dynamic_quant");
    EXPECT_EQ(run.time_limit, absl::Minutes(90));
    EXPECT_EQ(run.requirements, comparison.requirements);
    EXPECT_EQ(run.state, State::kPending);
    ASSERT_EQ(run.needs.size(), 2u);
    EXPECT_EQ(run.needs[0].run, "baseline");
    EXPECT_TRUE(run.needs[0].must_succeed);
    EXPECT_FALSE(run.needs[1].must_succeed);
    EXPECT_EQ(states().GetRun("e/baseline")->queue_time, At(0));
  }
}

TEST_P(RepositoryConformance, SameRequestCreatesOnce) {
  CreateOne("first");
  ExperimentRecord again = Experiment("second");
  again.request_id = "request-first";
  auto created = states().CreateExperiment(again, {Run("second", "r")});
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_FALSE(created->created);
  EXPECT_EQ(created->experiment_id, "first");
  QL_EXPECT_CODE(states().GetExperiment("second").status(), kNotFound);
  auto found = states().FindExperimentByRequest("request-first");
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->id, "first");
  EXPECT_EQ((*found)->files.size(), 2u);
  EXPECT_FALSE(states().FindExperimentByRequest("unheard of")->has_value());
}

TEST_P(RepositoryConformance, ConcurrentSameRequestsCreateOnce) {
  std::vector<std::thread> threads;
  std::vector<std::string> ids(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this, i, &ids] {
      ExperimentRecord experiment = Experiment(absl::StrCat("e", i));
      experiment.request_id = "same";
      auto created = states().CreateExperiment(experiment, {Run(experiment.id, "r")});
      if (created.ok()) ids[i] = created->experiment_id;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 1u);
  EXPECT_EQ(states().ListExperiments({}, 100, "")->items.size(), 1u);
}

TEST_P(RepositoryConformance, ExperimentsWithoutRequestIdsDoNotMeet) {
  for (const char* id : {"a", "b"}) {
    ExperimentRecord experiment = Experiment(id);
    experiment.request_id.clear();
    EXPECT_TRUE(states().CreateExperiment(experiment, {Run(id, "r")})->created);
  }
}

TEST_P(RepositoryConformance, RefusedExperimentsLeaveNothing) {
  CreateOne("e");
  ExperimentRecord taken = Experiment("e");
  taken.request_id = "another";
  QL_EXPECT_CODE(states().CreateExperiment(taken, {Run("e", "r")}).status(), kAlreadyExists);
  QL_EXPECT_CODE(states().CreateExperiment(Experiment("x"), {}).status(), kInvalidArgument);
  QL_EXPECT_CODE(states().CreateExperiment(Experiment("a/b"), {Run("a/b", "r")}).status(), kInvalidArgument);
  QL_EXPECT_CODE(states().CreateExperiment(Experiment("x"), {Run("x", "r"), Run("x", "r")}).status(),
                 kInvalidArgument);
  QL_EXPECT_CODE(states().CreateExperiment(Experiment("x"), {Run("y", "r")}).status(), kInvalidArgument);
  RunRecord lonely = Run("x", "r");
  lonely.needs = {{"nobody", true}};
  QL_EXPECT_CODE(states().CreateExperiment(Experiment("x"), {lonely}).status(), kInvalidArgument);
  QL_EXPECT_CODE(states().CreateExperiment(Experiment("x"), {Run("x", "r", State::kRunning)}).status(),
                 kInvalidArgument);
  EXPECT_EQ(states().ListExperiments({}, 10, "")->items.size(), 1u);
  EXPECT_TRUE(states().CreateExperiment(Experiment("x"), {Run("x", "r")})->created);
}

TEST_P(RepositoryConformance, UnknownIdsAreNotFound) {
  CreateOne();
  QL_EXPECT_CODE(states().GetExperiment("x").status(), kNotFound);
  QL_EXPECT_CODE(states().GetRun("e/x").status(), kNotFound);
  QL_EXPECT_CODE(states().ListRuns("x").status(), kNotFound);
  QL_EXPECT_CODE(states().ListAttempts("e/x").status(), kNotFound);
  QL_EXPECT_CODE(states().GetAttempt({"e/r", 1}).status(), kNotFound);
  QL_EXPECT_CODE(events().AppendEvents({"e/r", 1}, {}).status(), kNotFound);
  QL_EXPECT_CODE(events().ReadChanges("x", 0, 10, kMaxPageBytes).status(), kNotFound);
  QL_EXPECT_CODE(events().ListLogs(LogsOf("x"), 10, "").status(), kNotFound);
  QL_EXPECT_CODE(events().ListLogs(LogsOf("e", "x"), 10, "").status(), kNotFound);
  QL_EXPECT_CODE(events().ListResultEvents({"e/r", 1}).status(), kNotFound);
  QL_EXPECT_CODE(events().GetProgress({"e/r", 1}).status(), kNotFound);
  QL_EXPECT_CODE(events().ListArtifacts({"e/r", 1}).status(), kNotFound);
  QL_EXPECT_CODE(End({"e/x", 1}, State::kFailed, State::kFailed), kNotFound);
}

TEST_P(RepositoryConformance, ListsNewestFirstInPages) {
  for (int i = 0; i < 7; ++i) {
    ExperimentRecord experiment = Experiment(absl::StrCat("e", i));
    experiment.name = i % 2 == 0 ? "even" : "odd";
    const State state = i == 6 ? State::kCancelled : State::kQueued;
    ASSERT_TRUE(states().CreateExperiment(experiment, {Run(experiment.id, "r", state)}).ok());
  }
  std::vector<std::string> seen;
  std::string token;
  do {
    auto page = states().ListExperiments({}, 3, token);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const ExperimentRecord& experiment : page->items) {
      seen.push_back(experiment.id);
      EXPECT_TRUE(experiment.files.empty());
    }
    token = page->next_page_token;
  } while (!token.empty());
  EXPECT_THAT(seen, ::testing::ElementsAre("e6", "e5", "e4", "e3", "e2", "e1", "e0"));

  ExperimentFilter even;
  even.name = "even";
  EXPECT_EQ(states().ListExperiments(even, 10, "")->items.size(), 4u);
  ExperimentFilter cancelled;
  cancelled.state = ExperimentState::kCancelled;
  EXPECT_EQ(states().ListExperiments(cancelled, 10, "")->items.size(), 1u);
  // A page that is exactly full is the last one.
  EXPECT_EQ(states().ListExperiments({}, 7, "")->next_page_token, "");
}

TEST_P(RepositoryConformance, ListsAreStableWhileNewOnesArrive) {
  for (int i = 0; i < 4; ++i) CreateOne(absl::StrCat("e", i));
  auto first = states().ListExperiments({}, 2, "");
  CreateOne("newer");
  auto second = states().ListExperiments({}, 2, first->next_page_token);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->items.at(0).id, "e1");
}

TEST_P(RepositoryConformance, PageTokensOfOtherListsAreRefused) {
  for (int i = 0; i < 3; ++i) CreateOne(absl::StrCat("e", i));
  const std::string token = states().ListExperiments({}, 1, "")->next_page_token;
  ExperimentFilter other;
  other.name = "quick";
  QL_EXPECT_CODE(states().ListExperiments(other, 1, token).status(), kInvalidArgument);
  QL_EXPECT_CODE(events().ListLogs(LogsOf("e0"), 1, token).status(), kInvalidArgument);
  for (const std::string& bad :
       {token.substr(1), token + "x", std::string("1"), std::string("\x01\xff"), std::string(100'000, 'A')}) {
    QL_EXPECT_CODE(states().ListExperiments({}, 1, bad).status(), kInvalidArgument);
  }
  QL_EXPECT_CODE(states().ListExperiments({}, 0, "").status(), kInvalidArgument);
  QL_EXPECT_CODE(states().ListExperiments({}, -1, "").status(), kInvalidArgument);
}

// --- states -------------------------------------------------------------------------------------------

// Every pair of states, allowed and not, from a run that really is in the first.
TEST_P(RepositoryConformance, TransitionsFollowTheTableExactly) {
  ASSERT_NO_FATAL_FAILURE(MakeOlderResult());
  for (const State from : AllRunStates()) {
    for (const State to : AllRunStates()) {
      const std::string id = absl::StrCat("e-", RunStateName(from), "-", RunStateName(to));
      ASSERT_NO_FATAL_FAILURE(CreateOne(id));
      ASSERT_NO_FATAL_FAILURE(Bring(id + "/r", from));
      const absl::Status status = states().Commit(ChangeFor(id + "/r", from, to));
      EXPECT_EQ(status.ok(), CanTransition(from, to)) << id << ": " << status;
      EXPECT_EQ(states().GetRun(id + "/r")->state, status.ok() ? to : from) << id;
    }
  }
}

TEST_P(RepositoryConformance, UnexpectedStateAbortsTheWholeChange) {
  ASSERT_TRUE(
      states().CreateExperiment(Experiment("e"), {Run("e", "a", State::kQueued), Run("e", "b")}).ok());
  const size_t before = AllChanges("e").size();
  StateChange change;
  change.time = At(1);
  change.runs = {Move("e/a", State::kQueued, State::kCancelled),
                 Move("e/b", State::kQueued, State::kCancelled)};
  QL_EXPECT_CODE(states().Commit(change), kAborted);
  EXPECT_EQ(states().GetRun("e/a")->state, State::kQueued);
  EXPECT_EQ(AllChanges("e").size(), before);
}

TEST_P(RepositoryConformance, ARunMayMoveTwiceInOneChange) {
  CreateOne();
  QL_ASSERT_OK(Start({"e/r", 1}));
  StateChange change;
  change.time = At(5);
  change.end_attempt = EndOf({"e/r", 1}, State::kLost, -1);
  change.runs = {Move("e/r", State::kRunning, State::kQueued), Move("e/r", State::kQueued, State::kRunning)};
  change.runs[1].interruptions = 1;
  change.start_attempt = Attempt({"e/r", 2});
  QL_ASSERT_OK(states().Commit(change));
  EXPECT_EQ(states().GetRun("e/r")->attempts, 2);
  EXPECT_EQ(states().GetRun("e/r")->interruptions, 1);
  EXPECT_EQ(states().GetAttempt({"e/r", 1})->state, State::kLost);
  EXPECT_EQ(states().GetAttempt({"e/r", 2})->state, State::kRunning);
}

TEST_P(RepositoryConformance, ARunHasItsAttemptsLife) {
  CreateOne();
  const AttemptKey key{"e/r", 1};
  QL_ASSERT_OK(Start(key));
  auto run = states().GetRun("e/r");
  EXPECT_EQ(run->attempts, 1);
  EXPECT_EQ(run->start_time, At(10));
  auto attempt = states().GetAttempt(key);
  EXPECT_EQ(attempt->worker_id, "w");
  EXPECT_EQ(attempt->worker_hostname, "host");
  EXPECT_EQ(attempt->worker_fingerprint, "avx512");
  EXPECT_EQ(attempt->runner_sha256, std::string(64, 'f'));
  EXPECT_EQ(attempt->start_time, At(10));
  EXPECT_EQ(attempt->state, State::kRunning);

  QL_ASSERT_OK(End(key, State::kSucceeded, State::kSucceeded));
  run = states().GetRun("e/r");
  EXPECT_EQ(run->state, State::kSucceeded);
  EXPECT_EQ(run->result, key);
  EXPECT_EQ(run->message, "because");
  EXPECT_EQ(run->coded_message, messages::kRunCrashed(1, messages::kText("because")));
  EXPECT_EQ(run->end_time, At(20));
  attempt = states().GetAttempt(key);
  EXPECT_EQ(attempt->state, State::kSucceeded);
  EXPECT_EQ(attempt->message, "because");
  EXPECT_EQ(attempt->coded_message, messages::kText("because"));
  EXPECT_EQ(attempt->end_time, At(20));
  EXPECT_EQ(states().ListAttempts("e/r")->size(), 1u);
}

TEST_P(RepositoryConformance, AttemptsAndRunsAgree) {
  CreateOne();
  StateChange start;
  start.time = At(10);
  start.runs = {Move("e/r", State::kQueued, State::kRunning)};
  QL_EXPECT_CODE(states().Commit(start), kFailedPrecondition);  // running without an attempt
  start.runs.clear();
  start.start_attempt = Attempt({"e/r", 1});
  QL_EXPECT_CODE(states().Commit(start), kFailedPrecondition);  // an attempt of a queued run
  QL_EXPECT_CODE(Start({"e/r", 2}), kAborted);                  // not the next number
  QL_ASSERT_OK(Start({"e/r", 1}));
  StateChange end;
  end.time = At(20);
  end.runs = {Move("e/r", State::kRunning, State::kFailed)};
  QL_EXPECT_CODE(states().Commit(end), kFailedPrecondition);  // failed with a running attempt
  EXPECT_EQ(states().GetRun("e/r")->state, State::kRunning);
}

TEST_P(RepositoryConformance, AnAttemptEndsOnce) {
  CreateOne();
  QL_ASSERT_OK(Start({"e/r", 1}));
  QL_ASSERT_OK(End({"e/r", 1}, State::kCrashed, State::kQueued));
  QL_EXPECT_CODE(End({"e/r", 1}, State::kFailed, State::kFailed), kAborted);
  QL_ASSERT_OK(Start({"e/r", 2}));
  // The old attempt is fenced while the new one runs.
  QL_EXPECT_CODE(End({"e/r", 1}, State::kSucceeded, State::kSucceeded), kAborted);
  QL_EXPECT_CODE(events().AppendEvents({"e/r", 1}, {Log(1, "late")}).status(), kAborted);
  EXPECT_EQ(states().GetAttempt({"e/r", 1})->state, State::kCrashed);
  EXPECT_EQ(states().ListAttempts("e/r")->size(), 2u);
}

TEST_P(RepositoryConformance, AttemptsEndOnlyWithAllTheirEvents) {
  CreateOne();
  const AttemptKey key{"e/r", 1};
  QL_ASSERT_OK(Start(key));
  ASSERT_EQ(*events().AppendEvents(key, Logs(1, 4)), 4);
  QL_EXPECT_CODE(End(key, State::kSucceeded, State::kSucceeded, 5), kFailedPrecondition);
  EXPECT_EQ(states().GetRun("e/r")->state, State::kRunning);
  QL_EXPECT_CODE(End(key, State::kRunning, State::kFailed), kInvalidArgument);
  QL_ASSERT_OK(End(key, State::kSucceeded, State::kSucceeded, 4));
}

TEST_P(RepositoryConformance, ArtifactsAreRecordedWithTheEnd) {
  CreateOne();
  const AttemptKey key{"e/r", 1};
  QL_ASSERT_OK(Start(key));
  StateChange change;
  change.time = At(20);
  change.runs = {Move("e/r", State::kRunning, State::kSucceeded)};
  change.runs[0].result = key;
  change.end_attempt = EndOf(key, State::kSucceeded, 0);
  const std::string digest(64, 'a');
  change.end_attempt->artifacts = {{"model/b", digest, 2}, {"model/b", digest, 2}};
  QL_EXPECT_CODE(states().Commit(change), kInvalidArgument);
  EXPECT_TRUE(events().ListArtifacts(key)->empty());
  change.end_attempt->artifacts = {{"model/b", digest, int64_t{1} << 40}, {"a.txt", digest, 0}};
  change.remember = ReuseEntry{"reuse-key", key};
  QL_ASSERT_OK(states().Commit(change));
  auto artifacts = events().ListArtifacts(key);
  ASSERT_EQ(artifacts->size(), 2u);
  EXPECT_EQ((*artifacts)[0].name, "a.txt");
  EXPECT_EQ((*artifacts)[1].size, int64_t{1} << 40);
  EXPECT_EQ(*states().FindReusable("reuse-key"), key);
  EXPECT_FALSE(states().FindReusable("other")->has_value());
}

TEST_P(RepositoryConformance, WishToCancelOutlivesARestartAndEndsWithTheNextTransition) {
  CreateOne();
  StateChange cancel;
  cancel.time = At(15);
  cancel.cancel_requests = {{"e/r", "by the user", messages::kText("by the user")}};
  QL_EXPECT_CODE(states().Commit(cancel), kAborted);
  QL_ASSERT_OK(Start({"e/r", 1}));
  QL_ASSERT_OK(states().Commit(cancel));
  Reopen();
  EXPECT_TRUE(states().GetRun("e/r")->cancel_requested);
  EXPECT_EQ(states().GetRun("e/r")->message, "by the user");
  EXPECT_EQ(states().GetRun("e/r")->coded_message, messages::kText("by the user"));
  EXPECT_TRUE(states().ListActiveRuns()->at(0).cancel_requested);
  QL_ASSERT_OK(End({"e/r", 1}, State::kCancelled, State::kCancelled));
  EXPECT_FALSE(states().GetRun("e/r")->cancel_requested);
}

TEST_P(RepositoryConformance, ExperimentStateFollowsItsRuns) {
  ASSERT_TRUE(
      states().CreateExperiment(Experiment("e"), {Run("e", "r", State::kQueued), Run("e", "s")}).ok());
  CreateOne("other");
  EXPECT_EQ(states().ListActiveRuns()->size(), 3u);
  QL_ASSERT_OK(Start({"e/r", 1}));
  QL_ASSERT_OK(End({"e/r", 1}, State::kFailed, State::kFailed));
  EXPECT_EQ(states().GetExperiment("e")->state, ExperimentState::kActive);
  StateChange skip;
  skip.time = At(50);
  skip.runs = {Move("e/s", State::kPending, State::kSkipped)};
  QL_ASSERT_OK(states().Commit(skip));
  auto experiment = states().GetExperiment("e");
  EXPECT_EQ(experiment->state, ExperimentState::kFailed);
  EXPECT_EQ(experiment->end_time, At(50));
  ASSERT_EQ(states().ListActiveRuns()->size(), 1u);
  EXPECT_EQ(states().ListActiveRuns()->at(0).experiment_id, "other");

  // A retry makes it active again.
  StateChange retry;
  retry.time = At(60);
  retry.runs = {Move("e/r", State::kFailed, State::kPending), Move("e/r", State::kPending, State::kQueued)};
  QL_ASSERT_OK(states().Commit(retry));
  experiment = states().GetExperiment("e");
  EXPECT_EQ(experiment->state, ExperimentState::kActive);
  EXPECT_FALSE(experiment->end_time.has_value());
  EXPECT_EQ(states().GetRun("e/r")->queue_time, At(60));
  EXPECT_FALSE(states().GetRun("e/r")->end_time.has_value());
  QL_ASSERT_OK(Start({"e/r", 2}));
}

TEST_P(RepositoryConformance, ReusedResultsBelongToAnotherRun) {
  CreateOne();
  ASSERT_NO_FATAL_FAILURE(MakeOlderResult());
  StateChange reuse;
  reuse.time = At(5);
  reuse.runs = {Move("e/r", State::kQueued, State::kSucceeded)};
  QL_EXPECT_CODE(states().Commit(reuse), kInvalidArgument);  // no result
  reuse.runs[0].result = AttemptKey{"old/r", 9};
  QL_EXPECT_CODE(states().Commit(reuse), kNotFound);
  reuse.runs[0].result = AttemptKey{"old/r", 1};
  reuse.runs[0].reused = true;
  QL_ASSERT_OK(states().Commit(reuse));
  auto run = states().GetRun("e/r");
  EXPECT_TRUE(run->reused);
  EXPECT_EQ(run->result, (AttemptKey{"old/r", 1}));
  EXPECT_EQ(run->attempts, 0);
  EXPECT_EQ(states().GetExperiment("e")->state, ExperimentState::kSucceeded);
}

TEST_P(RepositoryConformance, ConcurrentLeasesGiveARunToOneWorker) {
  CreateOne();
  std::vector<std::thread> threads;
  std::vector<absl::Status> results(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this, i, &results] { results[i] = Start({"e/r", 1}); });
  }
  for (std::thread& thread : threads) thread.join();
  int won = 0;
  for (const absl::Status& status : results) {
    if (status.ok()) {
      ++won;
    } else {
      QL_EXPECT_CODE(status, kAborted);
    }
  }
  EXPECT_EQ(won, 1);
  EXPECT_EQ(states().ListAttempts("e/r")->size(), 1u);
}

// --- the change log -----------------------------------------------------------------------------------

TEST_P(RepositoryConformance, ChangeLogTellsEverythingInOrder) {
  CreateOne("other");
  CreateOne();
  const AttemptKey key{"e/r", 1};
  QL_ASSERT_OK(Start(key));
  ASSERT_TRUE(
      events().AppendEvents(key, {Log(1, "hello"), {2, At(2), Progress{"training", 1, 9, "step"}}}).ok());
  QL_ASSERT_OK(End(key, State::kFailed, State::kFailed));
  const std::vector<Change> changes = AllChanges("e");
  ASSERT_EQ(changes.size(), 6u);
  for (size_t i = 0; i < changes.size(); ++i) EXPECT_EQ(changes[i].sequence, static_cast<int64_t>(i) + 1);
  EXPECT_EQ(changes[0].run_state, State::kQueued);
  EXPECT_EQ(changes[0].run_id, "e/r");
  EXPECT_EQ(changes[1].run_state, State::kRunning);
  EXPECT_EQ(changes[1].attempt, 0);
  ASSERT_TRUE(changes[2].event.has_value());
  EXPECT_EQ(changes[2].attempt, 1);
  EXPECT_EQ(changes[2].run_id, "e/r");
  EXPECT_EQ(std::get<LogLine>(changes[2].event->kind).message, "hello");
  EXPECT_EQ(changes[2].event->number, 1);
  EXPECT_EQ(std::get<Progress>(changes[3].event->kind).total, 9);
  EXPECT_EQ(changes[4].run_state, State::kFailed);
  EXPECT_EQ(changes[4].message, "because");
  EXPECT_EQ(changes[4].coded_message, messages::kRunCrashed(1, messages::kText("because")));
  EXPECT_EQ(changes[4].time, At(20));
  EXPECT_EQ(changes[5].experiment_state, ExperimentState::kFailed);
  EXPECT_EQ(changes[5].run_id, "");
  EXPECT_EQ(events().ReadChanges("e", 6, 10, kMaxPageBytes)->size(), 0u);
  EXPECT_EQ(events().ReadChanges("e", 4, 1, kMaxPageBytes)->at(0).sequence, 5);
  QL_EXPECT_CODE(events().ReadChanges("e", 0, 0, kMaxPageBytes).status(), kInvalidArgument);
}

TEST_P(RepositoryConformance, PagesAreWeighedInBytes) {
  CreateOne();
  const AttemptKey key{"e/r", 1};
  QL_ASSERT_OK(Start(key));
  std::vector<Event> lines;
  for (int64_t i = 1; i <= 6; ++i)
    lines.push_back({i, At(11), LogLine{Severity::kInfo, std::string(kMaxPageBytes / 2, 'x')}});
  ASSERT_TRUE(events().AppendEvents(key, lines).ok());
  size_t logs = 0;
  std::string token;
  do {
    const auto page = events().ListLogs(LogsOf("e"), 1000, token);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_EQ(page->items.size(), 2u);
    logs += page->items.size();
    token = page->next_page_token;
  } while (!token.empty());
  EXPECT_EQ(logs, 6u);
  const auto few = events().ReadChanges("e", 2, 1000, kMaxPageBytes);
  EXPECT_EQ(few->size(), 2u);
  EXPECT_EQ(events().ReadChanges("e", few->back().sequence, 1000, 1)->size(), 1u) << "one at least";
  EXPECT_EQ(AllChanges("e").size(), 8u);
}

// --- events -------------------------------------------------------------------------------------------

TEST_P(RepositoryConformance, EventsOfEveryKindAreKeptWhole) {
  CreateOne();
  const AttemptKey key{"e/r", 1};
  QL_ASSERT_OK(Start(key));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const absl::Time odd = At(3) + absl::Nanoseconds(123'456'789);
  const std::string text("a\0\"\\\n课程🎬", 15);
  std::vector<Event> told = {
      {1, odd, Progress{text, 1, 2, "step"}},
      {2, odd, Metric{"accuracy", 0.1, "1", {{"split", "test"}, {text, ""}}, 3, 0.05, infinity, 10}},
      {3, odd, Metric{"loss", nan, "1", {}, 0, {}, {}, 0}},
      {4, odd, LogLine{Severity::kError, text, messages::kText(text)}},
      {5, odd, Artifact{"model/x", std::string(64, 'b'), int64_t{1} << 50}},
      {6, odd, Layer{"layer", 1, 2, "int8", "fp32", "sgemm", text, 1.0 / 3, 4, 5, -1.0 / 3}},
      {7, odd, Environment{"fp", {{"cpu", text}}}},
      {8, odd, Caveat{"subset", text, messages::kText(text)}}};
  ASSERT_EQ(*events().AppendEvents(key, told), 8);
  Reopen();
  const std::vector<Change> changes = AllChanges("e");
  ASSERT_EQ(changes.size(), 2 + told.size());
  for (size_t i = 0; i < told.size(); ++i) {
    ASSERT_TRUE(changes[i + 2].event.has_value());
    EXPECT_EQ(changes[i + 2].event->number, told[i].number);
    EXPECT_EQ(changes[i + 2].event->time, odd);
    EXPECT_EQ(changes[i + 2].event->kind.index(), told[i].kind.index());
  }
  EXPECT_EQ(std::get<Progress>(changes[2].event->kind).phase, text);
  EXPECT_EQ(std::get<LogLine>(changes[5].event->kind).message, text);
  EXPECT_EQ(std::get<LogLine>(changes[5].event->kind).coded_message, messages::kText(text));
  auto logs = events().ListLogs({.experiment_id = "e"}, 10, "");
  ASSERT_EQ(logs->items.size(), 1u);
  EXPECT_EQ(logs->items[0].line.coded_message, messages::kText(text));
  EXPECT_EQ(std::get<LogLine>(changes[5].event->kind).severity, Severity::kError);

  auto results = events().ListResultEvents(key);
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->size(), 6u);
  const auto& metric = std::get<Metric>((*results)[0].kind);
  EXPECT_EQ(metric.value, 0.1);
  EXPECT_EQ(metric.labels.at(text), "");
  EXPECT_EQ(metric.step, 3);
  EXPECT_EQ(metric.low, 0.05);
  EXPECT_EQ(metric.high, infinity);
  EXPECT_EQ(metric.samples, 10);
  EXPECT_TRUE(std::isnan(std::get<Metric>((*results)[1].kind).value));
  EXPECT_FALSE(std::get<Metric>((*results)[1].kind).low.has_value());
  EXPECT_EQ(std::get<Artifact>((*results)[2].kind).size, int64_t{1} << 50);
  const auto& layer = std::get<Layer>((*results)[3].kind);
  EXPECT_EQ(layer.macs_share, 1.0 / 3);
  EXPECT_EQ(layer.sqnr_db, -1.0 / 3);
  EXPECT_EQ(layer.reason, text);
  EXPECT_EQ(layer.bytes, 5);
  EXPECT_EQ(std::get<Environment>((*results)[4].kind).facts.at("cpu"), text);
  EXPECT_EQ(std::get<Caveat>((*results)[5].kind).message, text);
  EXPECT_EQ(std::get<Caveat>((*results)[5].kind).coded_message, messages::kText(text));
}

TEST_P(RepositoryConformance, EachEventIsStoredOnce) {
  CreateOne();
  const AttemptKey key{"e/r", 1};
  QL_ASSERT_OK(Start(key));
  EXPECT_EQ(*events().AppendEvents(key, {}), 0);
  EXPECT_EQ(*events().AppendEvents(key, Logs(1, 3)), 3);
  EXPECT_EQ(*events().AppendEvents(key, Logs(1, 3)), 3);
  EXPECT_EQ(*events().AppendEvents(key, Logs(2, 5)), 5);
  QL_EXPECT_CODE(events().AppendEvents(key, Logs(7, 8)).status(), kOutOfRange);
  QL_EXPECT_CODE(events().AppendEvents(key, {Log(6, "x"), Log(8, "gap")}).status(), kOutOfRange);
  QL_EXPECT_CODE(events().AppendEvents(key, {Log(6, "x"), Log(6, "twice")}).status(), kOutOfRange);
  QL_EXPECT_CODE(events().AppendEvents(key, {Log(0, "before the first")}).status(), kOutOfRange);
  EXPECT_EQ(events().ListLogs(LogsOf("e"), 100, "")->items.size(), 5u);
  EXPECT_EQ(states().GetAttempt(key)->last_event, 5);
}

TEST_P(RepositoryConformance, ConcurrentAppendsKeepEachAttemptsOrder) {
  constexpr int kRuns = 8, kBatches = 20, kBatch = 5;
  std::vector<RunRecord> runs;
  for (int i = 0; i < kRuns; ++i) runs.push_back(Run("e", absl::StrCat("r", i), State::kQueued));
  ASSERT_TRUE(states().CreateExperiment(Experiment("e"), runs).ok());
  for (const RunRecord& run : runs) QL_ASSERT_OK(Start({run.id, 1}));
  std::vector<std::thread> threads;
  for (const RunRecord& run : runs) {
    // Two senders of each attempt, as when a worker repeats what it got no answer to.
    for (int sender = 0; sender < 2; ++sender) {
      threads.emplace_back([this, &run] {
        for (int batch = 0; batch < kBatches; ++batch) {
          auto stored = events().AppendEvents({run.id, 1}, Logs(batch * kBatch + 1, (batch + 1) * kBatch));
          EXPECT_TRUE(stored.ok()) << stored.status();
        }
      });
    }
  }
  for (std::thread& thread : threads) thread.join();
  std::map<std::string, int64_t> last;
  int64_t sequence = 0;
  for (const Change& change : AllChanges("e")) {
    EXPECT_EQ(change.sequence, ++sequence);
    if (change.event) {
      EXPECT_EQ(change.event->number, ++last[change.run_id]);
    }
  }
  ASSERT_EQ(last.size(), static_cast<size_t>(kRuns));
  for (const auto& [run, number] : last) EXPECT_EQ(number, kBatches * kBatch) << run;
}

TEST_P(RepositoryConformance, LogsArePagedAndFiltered) {
  ASSERT_TRUE(
      states()
          .CreateExperiment(Experiment("e"), {Run("e", "r", State::kQueued), Run("e", "s", State::kQueued)})
          .ok());
  QL_ASSERT_OK(Start({"e/r", 1}));
  QL_ASSERT_OK(Start({"e/s", 1}));
  ASSERT_TRUE(events()
                  .AppendEvents({"e/r", 1},
                                {Log(1, "old", Severity::kDebug), Log(2, "older error", Severity::kError)})
                  .ok());
  QL_ASSERT_OK(End({"e/r", 1}, State::kCrashed, State::kQueued));
  QL_ASSERT_OK(Start({"e/r", 2}));
  ASSERT_TRUE(events().AppendEvents({"e/s", 1}, {Log(1, "s warns", Severity::kWarning)}).ok());
  ASSERT_TRUE(
      events()
          .AppendEvents({"e/r", 2}, {Log(1, "new"), {2, At(2), Progress{"x", 0, 0, ""}}, Log(3, "newer")})
          .ok());

  const auto messages = [this](const LogFilter& filter, int page_size) {
    std::vector<std::string> all;
    std::string token;
    do {
      auto page = events().ListLogs(filter, page_size, token);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) break;
      EXPECT_LE(static_cast<int>(page->items.size()), page_size);
      for (const LogEntry& entry : page->items) all.push_back(entry.line.message);
      token = page->next_page_token;
    } while (!token.empty());
    return all;
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(messages(LogsOf("e"), 1), ElementsAre("s warns", "new", "newer"));
  LogFilter filter{"e", "", -1, Severity::kDebug};
  EXPECT_THAT(messages(filter, 2), ElementsAre("old", "older error", "s warns", "new", "newer"));
  filter.min_severity = Severity::kWarning;
  EXPECT_THAT(messages(filter, 10), ElementsAre("older error", "s warns"));
  filter = {"e", "r", 1, Severity::kDebug};
  EXPECT_THAT(messages(filter, 10), ElementsAre("old", "older error"));
  filter.attempt = 0;
  EXPECT_THAT(messages(filter, 10), ElementsAre("new", "newer"));
  const auto entry = events().ListLogs(filter, 1, "")->items.at(0);
  EXPECT_EQ(entry.attempt, (AttemptKey{"e/r", 2}));
  EXPECT_EQ(entry.time, At(1));
  EXPECT_GT(entry.sequence, 0);
}

TEST_P(RepositoryConformance, LatestProgressKnowsWhenItsPhaseBegan) {
  CreateOne();
  const AttemptKey key{"e/r", 1};
  QL_ASSERT_OK(Start(key));
  EXPECT_FALSE(events().GetProgress(key)->has_value());
  ASSERT_TRUE(events()
                  .AppendEvents(key, {{1, At(1), Progress{"loading", 0, 0, ""}},
                                      {2, At(2), Progress{"training", 1, 10, "step"}},
                                      {3, At(3), Progress{"training", 2, 10, "step"}}})
                  .ok());
  ASSERT_TRUE(
      events().AppendEvents(key, {Log(4, "x"), {5, At(5), Progress{"training", 3, 10, "step"}}}).ok());
  auto progress = events().GetProgress(key);
  ASSERT_TRUE(progress.ok() && progress->has_value());
  EXPECT_EQ((*progress)->progress.done, 3);
  EXPECT_EQ((*progress)->time, At(5));
  EXPECT_EQ((*progress)->phase_start, At(2));
  // What was known already does not set it back.
  ASSERT_TRUE(events().AppendEvents(key, {{5, At(5), Progress{"loading", 0, 0, ""}}, Log(6, "y")}).ok());
  EXPECT_EQ((*events().GetProgress(key))->progress.done, 3);
}

// --- workers ------------------------------------------------------------------------------------------

TEST_P(RepositoryConformance, WorkersAreSavedAndSavedAgain) {
  WorkerRecord worker;
  worker.id = "w1";
  worker.hostname = "host";
  worker.devices = {"cpu", "cuda"};
  worker.methods = {{"dynamic_quantization", 3}};
  worker.fingerprint = "avx512";
  worker.runner_sha256 = std::string(64, 'a');
  worker.version = "0.1.0";
  worker.facts = {{"cores", "2"}};
  worker.labels = {{"room", "2"}};
  worker.machine_id = "m1";
  worker.last_seen = At(1);
  QL_ASSERT_OK(states().SaveWorker(worker));
  worker.last_seen = At(2);
  QL_ASSERT_OK(states().SaveWorker(worker));
  QL_EXPECT_CODE(states().SaveWorker(WorkerRecord()), kInvalidArgument);
  Reopen();
  auto workers = states().ListWorkers();
  ASSERT_TRUE(workers.ok()) << workers.status();
  ASSERT_EQ(workers->size(), 1u);
  const WorkerRecord& back = workers->at(0);
  EXPECT_EQ(back.hostname, "host");
  EXPECT_EQ(back.devices, worker.devices);
  ASSERT_EQ(back.methods.size(), 1u);
  EXPECT_EQ(back.methods[0].version, 3);
  EXPECT_EQ(back.fingerprint, "avx512");
  EXPECT_EQ(back.runner_sha256, worker.runner_sha256);
  EXPECT_EQ(back.version, "0.1.0");
  EXPECT_EQ(back.facts, worker.facts);
  EXPECT_EQ(back.labels, worker.labels);
  EXPECT_EQ(back.machine_id, "m1");
  EXPECT_EQ(back.last_seen, At(2));
}

// --- crashes ------------------------------------------------------------------------------------------

// A child process stores events and writes each acknowledgement to a pipe, until it is killed; nothing
// that it was told to be durable may be missing afterwards, and nothing may be there twice.
TEST_P(RepositoryConformance, WhatWasAcknowledgedOutlivesKill9) {
  CreateOne();
  const AttemptKey key{"e/r", 1};
  QL_ASSERT_OK(Start(key));
  std::minstd_rand random(20231123);
  int64_t stored_before = 0;
  for (int kill_number = 0; kill_number < 12; ++kill_number) {
    storage_.reset();
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(pipe_ends[0]);
      WriteUntilKilled(key, stored_before, pipe_ends[1]);
    }
    close(pipe_ends[1]);
    // The moment is a number of acknowledgements and a few hundred microseconds: inside the next commit.
    int64_t acknowledged = stored_before;
    for (int acks = 3 + static_cast<int>(random() % 12); acks > 0; --acks) {
      int64_t number = 0;
      ASSERT_EQ(read(pipe_ends[0], &number, sizeof(number)), static_cast<ssize_t>(sizeof(number)));
      acknowledged = number;
    }
    usleep(random() % 3000);
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    for (int64_t number; read(pipe_ends[0], &number, sizeof(number)) == sizeof(number);)
      acknowledged = number;
    close(pipe_ends[0]);

    ASSERT_NO_FATAL_FAILURE(Reopen());
    const int64_t stored = states().GetAttempt(key)->last_event;
    EXPECT_GE(stored, acknowledged);
    int64_t expected = 0;
    for (const Change& change : AllChanges("e")) {
      if (change.event) {
        ASSERT_EQ(change.event->number, ++expected);
      }
    }
    EXPECT_EQ(expected, stored);
    stored_before = stored;
  }
  EXPECT_GT(stored_before, 50);
}

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_REPOSITORY_CONFORMANCE_H_
