// RunQueue and RunningRuns: the order of runs, shared between submitters, and what a run needs of its worker.
#include "server/core/scheduler.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "base/records/worker_facts.h"

namespace quantlab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(100);

RunRecord Queued(const std::string& id, absl::Time at = kStart, const std::string& device = "cpu") {
  RunRecord run;
  run.id = id;
  run.name = SplitRunId(id).second;
  run.device = device;
  run.queue_time = at;
  run.state = RunState::kQueued;
  return run;
}

std::vector<std::string> Order(const RunQueue& queue, const RunningRuns& running) {
  std::vector<std::string> order;
  queue.VisitAll(running, [&](const QueueEntry& entry) {
    order.push_back(entry.run_id);
    return Visit::kNextRun;
  });
  return order;
}

// The run whose turn it is; empty for an empty queue.
std::string Next(const RunQueue& queue, const RunningRuns& running) {
  std::string next;
  queue.VisitAll(running, [&](const QueueEntry& entry) {
    next = entry.run_id;
    return Visit::kStop;
  });
  return next;
}

// ---- order ----

TEST(RunQueueTest, PriorityFirstThenTime) {
  RunQueue queue;
  const RunningRuns running;
  queue.Add(Queued("e/late", kStart + absl::Seconds(2)), 0, "alice");
  queue.Add(Queued("e/early"), 0, "alice");
  queue.Add(Queued("e/same"), 0, "alice");
  queue.Add(Queued("e/urgent", kStart + absl::Seconds(9)), 5, "alice");
  queue.Add(Queued("e/idle", kStart - absl::Hours(1)), -1, "alice");
  EXPECT_THAT(Order(queue, running), ElementsAre("e/urgent", "e/early", "e/same", "e/late", "e/idle"));
  EXPECT_EQ(queue.Ahead("e/late", running)->size(), 3);
  EXPECT_EQ(queue.Ahead("e/late", running)->by_priority.size(), 1u);
  EXPECT_FALSE(queue.Ahead("e/none", running).has_value());
  queue.Remove("e/urgent");
  queue.Remove("e/urgent");
  EXPECT_EQ(queue.Ahead("e/late", running)->size(), 2);
  queue.Add(Queued("e/late", kStart - absl::Seconds(1)), 0, "alice");  // replaces
  EXPECT_EQ(queue.Ahead("e/late", running)->size(), 0);
  EXPECT_EQ(queue.size(), 4u);
  for (const char* id : {"e/late", "e/early", "e/same", "e/idle"}) queue.Remove(id);
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_THAT(Order(queue, running), IsEmpty());
}

TEST(RunQueueTest, RunsOfDifferentRequirementsKeepTheirOrder) {
  RunQueue queue;
  for (int i = 0; i < 6; ++i) {
    queue.Add(Queued(absl::StrCat("e/", i), kStart + absl::Seconds(i), i % 2 == 0 ? "cpu" : "cuda"), 0,
              "alice");
  }
  EXPECT_THAT(Order(queue, {}), ElementsAre("e/0", "e/1", "e/2", "e/3", "e/4", "e/5"));
  std::vector<std::string> visited;
  queue.VisitAll({}, [&](const QueueEntry& entry) {
    visited.push_back(entry.run_id);
    return entry.run_id == "e/2" ? Visit::kNextGroup : Visit::kNextRun;
  });
  EXPECT_THAT(visited, ElementsAre("e/0", "e/1", "e/2", "e/3", "e/5")) << "no cpu after e/2";
}

TEST(RunQueueTest, TheSubmitterWithTheFewestRunningRunsIsNext) {
  RunQueue queue;
  RunningRuns running;
  for (int i = 0; i < 3; ++i) queue.Add(Queued(absl::StrCat("a/", i)), 0, "alice");
  queue.Add(Queued("b/0", kStart + absl::Hours(1)), 0, "bob");
  EXPECT_EQ(Next(queue, running), "a/0") << "nobody has one: who came first";
  running.Start("x/0", "alice", "m", false);
  EXPECT_EQ(Next(queue, running), "b/0");
  running.Start("x/1", "bob", "m", false);
  EXPECT_EQ(Next(queue, running), "a/0") << "one each: alice's last start is longer ago";
  running.End("x/1");
  EXPECT_EQ(Next(queue, running), "b/0");
  running.End("x/0");
  EXPECT_EQ(Next(queue, running), "a/0") << "nobody has one: bob's started later";
}

TEST(RunQueueTest, FollowingRunsAreThoseOfTheGroupWithinTheWindow) {
  RunQueue queue;
  for (int i = 0; i < 5; ++i) queue.Add(Queued(absl::StrCat("e/", i), kStart + absl::Minutes(i)), 0, "alice");
  queue.Add(Queued("e/gpu", kStart, "cuda"), 0, "alice");
  queue.Add(Queued("f/0", kStart), 0, "bob");
  QueueEntry first;
  queue.VisitAll({}, [&](const QueueEntry& entry) {
    if (entry.run_id == "e/0") first = entry;
    return Visit::kNextRun;
  });
  EXPECT_THAT(queue.Following(first, 10, absl::Minutes(3)), ElementsAre("e/1", "e/2", "e/3"));
  EXPECT_THAT(queue.Following(first, 2, absl::Minutes(3)), ElementsAre("e/1", "e/2"));
}

// ---- the share of each submitter ----

// Workers that take the next run of the queue whenever one is free, over a long time.
class Simulation {
 public:
  Simulation(int workers, uint32_t seed) : free_(workers), random_(seed) {}

  void Submit(const std::string& submitter, int runs) {
    for (int i = 0; i < runs; ++i) {
      const std::string id = absl::StrCat(submitter, "/", ++submitted_);
      queue_.Add(Queued(id, kStart + absl::Seconds(submitted_)), 0, submitter);
      ++waiting_[submitter];
      waits_.push_back({id, submitter, running_.Of(submitter) == 0 && waiting_[submitter] == 1, {}});
    }
  }

  // Gives free workers runs, then lets one of the running runs end.
  void Step() {
    for (; free_ > 0 && queue_.size() > 0; --free_) Start(Next(queue_, running_));
    if (executing_.empty()) return;
    std::swap(executing_[random_() % executing_.size()], executing_.back());
    running_.End(executing_.back());
    executing_.pop_back();
    ++free_;
  }

  // Of runs whose submitter had no other, neither running nor waiting: the most runs of one other submitter
  // that started before it while it waited.
  int worst() const { return worst_; }
  int lonely() const { return lonely_; }
  int started() const { return started_; }
  int waiting(const std::string& submitter) { return waiting_[submitter]; }

 private:
  struct Wait {
    std::string run_id, submitter;
    bool lonely = false;
    std::map<std::string, int> others;  // runs that started meanwhile, by submitter
  };

  void Start(const std::string& run_id) {
    const std::string submitter = SplitRunId(run_id).first;
    queue_.Remove(run_id);
    running_.Start(run_id, submitter, "m", false);
    executing_.push_back(run_id);
    --waiting_[submitter];
    ++started_;
    for (auto wait = waits_.begin(); wait != waits_.end();) {
      if (wait->run_id != run_id) {
        ++(wait++)->others[submitter];
        continue;
      }
      if (wait->lonely) {
        ++lonely_;
        for (const auto& [name, count] : wait->others) worst_ = std::max(worst_, count);
      }
      wait = waits_.erase(wait);
    }
  }

  RunQueue queue_;
  RunningRuns running_;
  int free_;
  std::mt19937 random_;
  std::vector<std::string> executing_;
  std::map<std::string, int> waiting_;
  std::vector<Wait> waits_;
  int submitted_ = 0, started_ = 0, worst_ = 0, lonely_ = 0;
};

// The bound of scheduler.h: a submitter without a running run waits for at most one run of each other
// submitter.
TEST(FairShareTest, NobodysHundredsOfRunsDelayAnothersOneByMoreThanOneOfThem) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    Simulation simulation(/*workers=*/1 + static_cast<int>(seed % 5), seed);
    simulation.Submit("flood-1", 300);
    simulation.Submit("flood-2", 300);
    simulation.Submit("flood-3", 300);
    for (int step = 0; step < 600; ++step) {
      // Users who submit one run now and then, and only when they have none.
      const std::string user = absl::StrCat("user-", random() % 8);
      if (random() % 4 == 0 && simulation.waiting(user) == 0) simulation.Submit(user, 1);
      simulation.Step();
    }
    EXPECT_GT(simulation.lonely(), 50) << seed;
    EXPECT_EQ(simulation.worst(), 1) << seed;
  }
}

TEST(FairShareTest, SubmittersWithEnoughRunsGetEqualShares) {
  Simulation simulation(/*workers=*/4, /*seed=*/1);
  simulation.Submit("alice", 400);
  simulation.Submit("bob", 100);
  simulation.Submit("carol", 100);
  for (int step = 0; step < 240; ++step) simulation.Step();
  for (const char* name : {"bob", "carol"}) EXPECT_NEAR(100 - simulation.waiting(name), 80, 12) << name;
  EXPECT_NEAR(400 - simulation.waiting("alice"), 80, 12);
  for (int step = 0; step < 1000; ++step) simulation.Step();
  EXPECT_EQ(simulation.started(), 600) << "no worker stays idle while there are runs";
}

// What Ahead counts is what happens when every run starts at its turn and none ends.
TEST(FairShareTest, RunsAheadAreThoseThatStartBefore) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 200; ++trial) {
    RunQueue queue;
    RunningRuns running;
    std::vector<std::string> ids;
    for (int i = 0; i < 24; ++i) {
      const std::string submitter(1, static_cast<char>('a' + random() % 4));
      const std::string id = absl::StrCat(submitter, "/", i);
      if (random() % 4 == 0) {
        running.Start(id, submitter, "m", false);
      } else {
        queue.Add(Queued(id, kStart + absl::Seconds(random() % 10), random() % 2 == 0 ? "cpu" : "cuda"),
                  static_cast<int>(random() % 2), submitter);
        ids.push_back(id);
      }
    }
    std::map<std::string, int> ahead;
    for (const std::string& id : ids) ahead[id] = queue.Ahead(id, running)->size();
    std::map<std::string, int> level;
    queue.VisitAll(running, [&](const QueueEntry& entry) {
      level[entry.run_id] = entry.priority;
      return Visit::kNextRun;
    });
    // Each priority by itself: runs of a higher one start, and are counted, before any of this one; what they
    // do to the turns of their submitters is not foreseen.
    for (const int priority : {0, 1}) {
      RunQueue one;
      RunningRuns then = running;
      int above = 0;
      for (const std::string& id : ids) {
        if (level[id] > priority) ++above;
      }
      queue.VisitAll(running, [&](const QueueEntry& entry) {
        if (entry.priority != priority) return Visit::kNextRun;
        RunRecord run = Queued(entry.run_id, entry.queue_time);
        run.device = entry.requirement.substr(0, entry.requirement.find('|'));
        one.Add(run, priority, entry.submitter);
        return Visit::kNextRun;
      });
      for (int started = 0; one.size() > 0; ++started) {
        const std::string next = Next(one, then);
        EXPECT_EQ(ahead[next], above + started) << "trial " << trial << ", " << next;
        then.Start(next, SplitRunId(next).first, "m", false);
        one.Remove(next);
      }
    }
  }
}

// ---- running runs ----

TEST(RunningRunsTest, CountsBySubmitterAndMachine) {
  RunningRuns running;
  running.Start("a/1", "alice", "m1", false);
  running.Start("a/2", "alice", "m2", true);
  running.Start("b/1", "bob", "m1", false);
  EXPECT_EQ(running.Of("alice"), 2);
  EXPECT_EQ(running.On("m1"), 2);
  EXPECT_EQ(running.AloneOn("m1"), "");
  EXPECT_EQ(running.AloneOn("m2"), "a/2");
  EXPECT_LT(running.LastStart("alice"), running.LastStart("bob"));
  EXPECT_EQ(running.LastStart("carol"), 0u);
  running.Start("a/2", "alice", "m1", true);  // replaces
  EXPECT_EQ(running.Of("alice"), 2);
  EXPECT_EQ(running.On("m2"), 0);
  running.End("a/2");
  running.End("a/2");
  EXPECT_EQ(running.Of("alice"), 1);
  EXPECT_EQ(running.On("m1"), 2);
  EXPECT_EQ(running.AloneOn("m1"), "");
}

TEST(RunningRunsTest, TurnsOfManySubmittersAreBounded) {
  RunningRuns running;
  running.Start("busy/1", "busy", "m", false);
  for (size_t i = 0; i < RunningRuns::kMaxSubmitters + 10; ++i) {
    const std::string name = absl::StrCat("user-", i);
    running.Start(name + "/1", name, "m", false);
    running.End(name + "/1");
  }
  EXPECT_EQ(running.Of("busy"), 1) << "who has a run is not forgotten";
  EXPECT_GT(running.LastStart("busy"), 0u);
  EXPECT_EQ(running.LastStart("user-0"), 0u) << "the oldest turns are";
  EXPECT_GT(running.LastStart(absl::StrCat("user-", RunningRuns::kMaxSubmitters)), 0u);
}

// ---- what a run needs ----

TEST(WhyNotTest, DeviceAndMethodMustFit) {
  WorkerRecord worker;
  worker.devices = {"cpu"};
  worker.methods = {{"dynamic_quantization", 1}};
  RunRecord run = Queued("e/a");
  EXPECT_TRUE(WhyNot(run, worker).empty());
  run.method = "dynamic_quantization";
  run.method_version = 1;
  EXPECT_TRUE(WhyNot(run, worker).empty());
  run.method_version = 2;
  EXPECT_EQ(English(WhyNot(run, worker)), "has no dynamic_quantization of version 2 (it has version 1)");
  run.method = "qat";
  EXPECT_EQ(English(WhyNot(run, worker)), "has no qat of version 2");
  run.device = "cuda";
  EXPECT_EQ(English(WhyNot(run, worker)), "has no cuda");
}

TEST(WhyNotTest, LabelsMustBeThereWithTheirValues) {
  WorkerRecord worker;
  worker.devices = {"cpu"};
  worker.labels = {{"room", "2"}, {"gpu", "h100"}};
  RunRecord run = Queued("e/a");
  run.requirements.labels = {{"room", "2"}};
  EXPECT_TRUE(WhyNot(run, worker).empty());
  run.requirements.labels = {{"room", "3"}};
  EXPECT_EQ(English(WhyNot(run, worker)), "has the label room=2, not room=3");
  run.requirements.labels = {{"floor", "1"}};
  EXPECT_EQ(English(WhyNot(run, worker)), "has no label floor=1");
}

TEST(WhyNotTest, RunsOfPairsNeedARunnerThatKnowsThem) {
  WorkerRecord worker;
  worker.devices = {"cpu"};
  worker.labels = {{kTextPairsFeature.requirement, "true"}};  // a label is not what the runner reports
  RunRecord run = Queued("e/a");
  run.requirements.labels = {{kTextPairsFeature.requirement, "true"}};
  EXPECT_THAT(English(WhyNot(run, worker)), HasSubstr("would ignore dataset.text_pair_column"));
  worker.facts = {{kTextPairsFeature.fact, "false"}};
  EXPECT_FALSE(WhyNot(run, worker).empty());
  worker.facts = {{kTextPairsFeature.fact, "true"}};
  EXPECT_TRUE(WhyNot(run, worker).empty());
  run.requirements.labels["room"] = "2";
  EXPECT_EQ(English(WhyNot(run, worker)), "has no label room=2");
}

TEST(WhyNotTest, RunsOfARegressionNeedARunnerThatKnowsIt) {
  WorkerRecord worker;
  worker.devices = {"cpu"};
  worker.facts = {{kTextPairsFeature.fact, "true"}};
  RunRecord run = Queued("e/a");
  run.requirements.labels = {{kRegressionFeature.requirement, "true"}};
  EXPECT_THAT(English(WhyNot(run, worker)), HasSubstr("would ignore dataset.task"));
  worker.facts[kRegressionFeature.fact] = "true";
  EXPECT_TRUE(WhyNot(run, worker).empty());
}

TEST(WhyNotTest, TheDeviceMustHaveTheMemory) {
  WorkerRecord worker;
  worker.devices = {"cpu", "cuda"};
  RunRecord run = Queued("e/a");
  run.requirements.memory_bytes = int64_t{16} << 30;
  EXPECT_EQ(English(WhyNot(run, worker)), "does not state the memory of its cpu; the run needs 16 GiB");
  worker.facts = {{"memory_bytes", absl::StrCat(int64_t{16} << 30)}, {"gpu_memory_bytes", "much"}};
  EXPECT_TRUE(WhyNot(run, worker).empty());
  worker.facts["memory_bytes"] = absl::StrCat((int64_t{16} << 30) - 1);
  EXPECT_FALSE(WhyNot(run, worker).empty());
  worker.facts["memory_bytes"] = absl::StrCat(int64_t{8} << 30);
  EXPECT_EQ(English(WhyNot(run, worker)), "has 8.0 GiB of memory for cpu; the run needs 16 GiB");
  run.device = "cuda";
  EXPECT_FALSE(WhyNot(run, worker).empty()) << "not a number";
  worker.facts["gpu_memory_bytes"] = absl::StrCat(int64_t{80} << 30);
  EXPECT_TRUE(WhyNot(run, worker).empty());
}

TEST(RequirementTest, DiffersWhereWorkersThatFitDiffer) {
  RunRecord run = Queued("e/a");
  std::set<std::string> seen = {Requirement(run)};
  const auto is_new = [&](const RunRecord& other) { return seen.insert(Requirement(other)).second; };
  EXPECT_FALSE(is_new(Queued("e/b", kStart + absl::Hours(1))));
  run.requirements.labels = {{"a", "b"}};
  EXPECT_TRUE(is_new(run));
  run.requirements.labels = {{"a", "b=1"}, {"c", "d"}};
  EXPECT_TRUE(is_new(run));
  run.requirements.labels = {{"a", "b=1|1:c=1:d"}};
  EXPECT_TRUE(is_new(run)) << "no text forges another label";
  run.requirements = {1, {}, false};
  EXPECT_TRUE(is_new(run));
  run.requirements = {0, {}, true};
  EXPECT_TRUE(is_new(run));
  run.requirements = {};
  run.kind = RunKind::kComparison;
  EXPECT_FALSE(is_new(run)) << "a comparison runs alone without being asked to";
}

TEST(MachineOfTest, AWorkerThatDoesNotSayIsAMachineOfItsOwn) {
  WorkerRecord a, b;
  a.id = "a";
  b.id = "b";
  EXPECT_NE(MachineOf(a), MachineOf(b));
  a.machine_id = b.machine_id = "m";
  EXPECT_EQ(MachineOf(a), MachineOf(b));
}

}  // namespace
}  // namespace quantlab
