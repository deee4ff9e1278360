#include "base/records/run_state.h"

#include <set>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace quantlab {
namespace {

using S = RunState;
using E = ExperimentState;

// The table of run_state.h's drawing, written out.
const std::set<std::pair<S, S>>& Allowed() {
  static const auto* const allowed = new std::set<std::pair<S, S>>{
      {S::kPending, S::kQueued},   {S::kPending, S::kCancelled}, {S::kPending, S::kSkipped},
      {S::kQueued, S::kRunning},   {S::kQueued, S::kSucceeded},  {S::kQueued, S::kCancelled},
      {S::kQueued, S::kSkipped},   {S::kRunning, S::kQueued},    {S::kRunning, S::kSucceeded},
      {S::kRunning, S::kFailed},   {S::kRunning, S::kCrashed},   {S::kRunning, S::kLost},
      {S::kRunning, S::kTimedOut}, {S::kRunning, S::kCancelled}, {S::kRunning, S::kPreempted},
      {S::kFailed, S::kPending},   {S::kCrashed, S::kPending},   {S::kLost, S::kPending},
      {S::kTimedOut, S::kPending}, {S::kCancelled, S::kPending}, {S::kPreempted, S::kPending},
      {S::kSkipped, S::kPending},  {S::kSucceeded, S::kPending}};
  return *allowed;
}

TEST(RunStateTest, EveryPairFollowsTheTable) {
  for (const S from : AllRunStates()) {
    for (const S to : AllRunStates()) {
      EXPECT_EQ(CanTransition(from, to), Allowed().count({from, to}) == 1)
          << RunStateName(from) << " -> " << RunStateName(to);
    }
  }
}

TEST(RunStateTest, EveryStateLeadsToEveryOther) {
  for (const S from : AllRunStates()) {
    // States that can be reached from here.
    std::set<S> reached = {from};
    for (size_t before = 0; before != reached.size();) {
      before = reached.size();
      for (const auto& [a, b] : Allowed()) {
        if (reached.count(a) == 1) reached.insert(b);
      }
    }
    EXPECT_EQ(reached.size(), AllRunStates().size()) << RunStateName(from);
  }
}

TEST(RunStateTest, EndedStatesAreThoseThatARunStaysIn) {
  std::set<S> active = {S::kPending, S::kQueued, S::kRunning};
  for (const S state : AllRunStates()) EXPECT_EQ(IsEnded(state), active.count(state) == 0);
}

TEST(RunStateTest, NamesGoThereAndBack) {
  std::set<std::string> names;
  for (const S state : AllRunStates()) {
    const std::string name(RunStateName(state));
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(ParseRunState(name), state);
  }
  EXPECT_EQ(names.size(), 11u);
  for (const char* bad : {"", "running", "UNSPECIFIED", "RUNNING "}) EXPECT_FALSE(ParseRunState(bad)) << bad;
  for (const E state : {E::kActive, E::kSucceeded, E::kFailed, E::kCancelled}) {
    EXPECT_EQ(ParseExperimentState(ExperimentStateName(state)), state);
  }
  EXPECT_FALSE(ParseExperimentState(""));
  EXPECT_FALSE(ParseExperimentState("RUNNING"));
}

// The words of experiment.proto: any that has not ended, ACTIVE; all succeeded, SUCCEEDED; at least one
// other than by success or cancellation, FAILED; the others, with one cancelled, CANCELLED.
TEST(ExperimentStateTest, EveryPairOfRunsGivesWhatTheContractSays) {
  for (const S a : AllRunStates()) {
    EXPECT_EQ(DeriveExperimentState({a}), DeriveExperimentState({a, a})) << RunStateName(a);
    for (const S b : AllRunStates()) {
      const auto either = [a, b](auto predicate) { return predicate(a) || predicate(b); };
      E expected = E::kSucceeded;
      if (either([](S s) { return !IsEnded(s); })) {
        expected = E::kActive;
      } else if (either([](S s) { return s != S::kSucceeded && s != S::kCancelled && s != S::kSkipped; })) {
        expected = E::kFailed;
      } else if (either([](S s) { return s == S::kCancelled; })) {
        expected = E::kCancelled;
      } else if (either([](S s) { return s == S::kSkipped; })) {
        expected = E::kFailed;
      }
      EXPECT_EQ(DeriveExperimentState({a, b}), expected) << RunStateName(a) << ", " << RunStateName(b);
    }
  }
}

TEST(ExperimentStateTest, KnownCases) {
  EXPECT_EQ(DeriveExperimentState({S::kSucceeded, S::kSucceeded}), E::kSucceeded);
  EXPECT_EQ(DeriveExperimentState({S::kSucceeded, S::kRunning}), E::kActive);
  EXPECT_EQ(DeriveExperimentState({S::kFailed, S::kPending}), E::kActive);
  EXPECT_EQ(DeriveExperimentState({S::kSucceeded, S::kLost}), E::kFailed);
  EXPECT_EQ(DeriveExperimentState({S::kCancelled, S::kSkipped, S::kSucceeded}), E::kCancelled);
  EXPECT_EQ(DeriveExperimentState({S::kCancelled, S::kFailed}), E::kFailed);
}

}  // namespace
}  // namespace quantlab
