// Deletion of experiments: what goes, what stays because another experiment has it, and what is left when the
// process is killed in between.
#include <filesystem>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/records/error_reason.h"
#include "base/sha256.h"
#include "base/testing/temp_folder.h"
#include "storage/storage.h"

namespace quantlab {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const absl::Time kTime = absl::FromUnixSeconds(1'700'000'000);

std::string Digest(const std::string& content) {
  return Sha256Hex(content);
}

class DeletionTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }

  void Open() {
    storage_.reset();
    auto opened = OpenStorage(folder_.path());
    ASSERT_TRUE(opened.ok()) << opened.status();
    storage_ = *std::move(opened);
  }

  DeletionRepository& deletion() { return storage_->deletion(); }

  // An experiment with the run "baseline", which reads `input`, and waits.
  void Create(const std::string& id, const std::string& input = "") {
    ExperimentRecord experiment;
    experiment.id = id;
    experiment.name = "quick";
    experiment.request_id = "request-" + id;
    experiment.create_time = kTime;
    experiment.files = {{"quick.yaml", "experiments: {}\n"}};
    RunRecord run;
    run.id = id + "/baseline";
    run.experiment_id = id;
    run.name = "baseline";
    run.config_json =
        input.empty() ? "{}" : absl::StrCat(R"({"model":{"files":[{"sha256":")", Digest(input), R"("}]}})");
    run.device = "cpu";
    run.state = RunState::kQueued;
    run.create_time = kTime;
    ASSERT_TRUE(storage_->states().CreateExperiment(experiment, {run}).ok());
  }

  void Start(const std::string& id) {
    StateChange start;
    start.time = kTime;
    start.runs.push_back({id + "/baseline", RunState::kQueued, RunState::kRunning, "", {}, false, 0, 0});
    start.start_attempt.emplace();
    start.start_attempt->key = {id + "/baseline", 1};
    start.start_attempt->worker_id = "worker";
    start.start_attempt->start_time = kTime;
    ASSERT_TRUE(storage_->states().Commit(start).ok());
  }

  // Executes it: one model, `events` log lines, and a reuse key of its name.
  void Execute(const std::string& id, const std::string& model, int events = 3) {
    Start(id);
    const AttemptKey key{id + "/baseline", 1};
    std::vector<Event> lines;
    for (int i = 1; i <= events; ++i) lines.push_back({i, kTime, LogLine{Severity::kInfo, "a line"}});
    ASSERT_TRUE(storage_->events().AppendEvents(key, lines).ok());
    StateChange end;
    end.time = kTime;
    end.runs.push_back({id + "/baseline", RunState::kRunning, RunState::kSucceeded, "", key, false, 0, 0});
    end.end_attempt.emplace();
    end.end_attempt->key = key;
    end.end_attempt->time = kTime;
    end.end_attempt->artifacts = {{"model/model.safetensors", Digest(model), 5}};
    end.remember = ReuseEntry{"key-" + id, key};
    ASSERT_TRUE(storage_->states().Commit(end).ok());
  }

  // Its run takes over the result of `from`.
  void Reuse(const std::string& id, const std::string& from) {
    StateChange change;
    change.time = kTime;
    change.runs.push_back({id + "/baseline", RunState::kQueued, RunState::kSucceeded, "",
                           AttemptKey{from + "/baseline", 1}, true, 0, 0});
    ASSERT_TRUE(storage_->states().Commit(change).ok());
  }

  void PurgeAll(int64_t at_once = 1000) {
    for (int i = 0; i < 10'000; ++i) {
      const absl::StatusOr<bool> more = deletion().Purge(at_once);
      ASSERT_TRUE(more.ok()) << more.status();
      if (!*more) return;
    }
    FAIL() << "it does not end";
  }

  std::vector<std::string> Uses() {
    std::vector<std::string> uses;
    std::map<int64_t, std::string> names;
    const std::vector<ExperimentName> experiments = *deletion().ListNames();
    for (const ExperimentName& name : experiments) names[name.experiment] = name.id;
    EXPECT_TRUE(deletion()
                    .VisitUses([&](const ArtifactUse& use) {
                      uses.push_back(absl::StrCat(use.sha256.substr(0, 6), " ", names[use.experiment], " ",
                                                  static_cast<int>(use.kind)));
                    })
                    .ok());
    return uses;
  }

  static std::string Use(const std::string& content, const std::string& experiment, ArtifactKind kind) {
    return absl::StrCat(Digest(content).substr(0, 6), " ", experiment, " ", static_cast<int>(kind));
  }

  const TempFolder folder_;
  std::unique_ptr<Storage> storage_;
};

TEST_F(DeletionTest, ADeletedExperimentIsGoneAtOnceAndItsRowsAfterPurging) {
  Create("one", "input");
  Execute("one", "model", 50);
  ASSERT_TRUE(deletion().MarkDeleted("one", kTime).ok());
  EXPECT_TRUE(absl::IsNotFound(storage_->states().GetExperiment("one").status()));
  EXPECT_TRUE(absl::IsNotFound(storage_->states().ListRuns("one").status()));
  EXPECT_TRUE(absl::IsNotFound(storage_->states().GetRun("one/baseline").status()));
  EXPECT_TRUE(absl::IsNotFound(storage_->events().ReadChanges("one", 0, 10, 1000).status()));
  EXPECT_THAT(storage_->states().ListExperiments({}, 10, "")->items, IsEmpty());
  EXPECT_EQ(*storage_->states().FindExperimentByRequest("request-one"), std::nullopt);
  EXPECT_EQ(*storage_->states().FindReusable("key-one"), std::nullopt);
  EXPECT_TRUE(absl::IsNotFound(deletion().MarkDeleted("one", kTime)));
  PurgeAll(7);
  EXPECT_THAT(*deletion().ListDropped(10), UnorderedElementsAre(Digest("model"), Digest("input")));
  EXPECT_THAT(*deletion().Referenced({Digest("model"), Digest("input")}), IsEmpty());
  EXPECT_TRUE(absl::IsNotFound(storage_->states().GetAttempt({"one/baseline", 1}).status()));
  Create("one");  // nothing of it is left, not even its id
}

TEST_F(DeletionTest, AnActiveExperimentIsNotDeleted) {
  Create("one");
  const absl::Status waiting = deletion().MarkDeleted("one", kTime);
  EXPECT_TRUE(absl::IsFailedPrecondition(waiting));
  EXPECT_EQ(ReasonOf(waiting), "EXPERIMENT_ACTIVE");
  Start("one");
  EXPECT_TRUE(absl::IsFailedPrecondition(deletion().MarkDeleted("one", kTime)));
  EXPECT_TRUE(storage_->states().GetExperiment("one").ok());
}

TEST_F(DeletionTest, AResultThatAnotherExperimentHasStaysUntilThatIsDeletedToo) {
  Create("one");
  Execute("one", "model");
  Create("two");
  Reuse("two", "one");
  EXPECT_THAT(Uses(), ElementsAre(Use("model", "one", ArtifactKind::kModel),
                                  Use("model", "two", ArtifactKind::kModel)));
  ASSERT_TRUE(deletion().MarkDeleted("one", kTime).ok());
  PurgeAll();
  const AttemptKey key{"one/baseline", 1};
  EXPECT_EQ(storage_->states().ListRuns("two")->at(0).result, key);
  EXPECT_EQ(storage_->events().ListArtifacts(key)->size(), 1u);
  EXPECT_EQ(*storage_->states().FindReusable("key-one"), key) << "a third experiment may have it as well";
  EXPECT_THAT(*deletion().ListDropped(10), IsEmpty());
  EXPECT_THAT(*deletion().Referenced({Digest("model")}), ElementsAre(Digest("model")));
  EXPECT_THAT(Uses(), ElementsAre(Use("model", "two", ArtifactKind::kModel)));
  ExperimentRecord same_id;
  same_id.id = "one";
  RunRecord run;
  run.id = "one/baseline";
  run.experiment_id = "one";
  run.name = "baseline";
  EXPECT_TRUE(absl::IsAlreadyExists(storage_->states().CreateExperiment(same_id, {run}).status()));

  ASSERT_TRUE(deletion().MarkDeleted("two", kTime).ok());
  PurgeAll();
  EXPECT_EQ(*storage_->states().FindReusable("key-one"), std::nullopt);
  EXPECT_THAT(*deletion().ListDropped(10), ElementsAre(Digest("model")));
  EXPECT_TRUE(absl::IsNotFound(storage_->states().GetAttempt(key).status()));
}

TEST_F(DeletionTest, FilesWithTheSameContentStayWhileOneExperimentNamesThem) {
  Create("one", "shared");
  Execute("one", "same");
  Create("two", "shared");
  Execute("two", "same");
  ASSERT_TRUE(deletion().MarkDeleted("one", kTime).ok());
  PurgeAll();
  EXPECT_THAT(*deletion().Referenced({Digest("same"), Digest("shared")}),
              UnorderedElementsAre(Digest("same"), Digest("shared")));
  EXPECT_THAT(*deletion().ListDropped(10), UnorderedElementsAre(Digest("same"), Digest("shared")))
      << "to be asked about, then forgotten";
  ASSERT_TRUE(deletion().ForgetDropped({Digest("same"), Digest("shared")}).ok());
  EXPECT_THAT(*deletion().ListDropped(10), IsEmpty());
}

TEST_F(DeletionTest, EveryDigestInARunsConfigurationIsAnInput) {
  const std::string a(64, 'a'), b(64, 'b');
  Create("one", "uploaded");
  EXPECT_THAT(Uses(), ElementsAre(Use("uploaded", "one", ArtifactKind::kInput)));
  ExperimentRecord experiment;
  experiment.id = "two";
  RunRecord run;
  run.id = "two/baseline";
  run.experiment_id = "two";
  run.name = "baseline";
  // At both ends, next to each other, and some that are too long or too short.
  run.config_json = absl::StrCat(a, ",", b, "\"", a, "f ", std::string(63, 'c'), " ", std::string(64, 'C'));
  ASSERT_TRUE(storage_->states().CreateExperiment(experiment, {run}).ok());
  EXPECT_THAT(*deletion().Referenced({a, b, a.substr(1) + "f", std::string(64, 'C')}),
              UnorderedElementsAre(a, b));
}

TEST_F(DeletionTest, TheOldestRunningAttemptIsKnown) {
  EXPECT_EQ(*deletion().OldestRunningStart(), std::nullopt);
  Create("one");
  Start("one");
  EXPECT_EQ(*deletion().OldestRunningStart(), kTime);
}

// A child process deletes; its parent kills it at any moment.
TEST_F(DeletionTest, KilledAtAnyMomentItLosesNothingAndIsFinishedLater) {
  Create("kept", "shared");
  Execute("kept", "same", 20);
  for (int round = 0; round < 40; ++round) {
    const std::string id = absl::StrCat("goes-", round), user = absl::StrCat("uses-", round);
    Create(id, "shared");
    Execute(id, round % 2 == 0 ? "same" : "own", 300);
    if (round % 4 == 0) {
      Create(user);
      Reuse(user, id);
    }
    storage_.reset();
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto storage = OpenStorage(folder_.path());
      if (!storage.ok() || write(pipe_ends[1], "x", 1) != 1) _exit(1);
      if (!(*storage)->deletion().MarkDeleted(id, kTime).ok()) _exit(2);
      while ((*storage)->deletion().Purge(10).value_or(false)) {
      }
      _exit(0);
    }
    char byte = 0;
    ASSERT_EQ(read(pipe_ends[0], &byte, 1), 1);
    usleep(static_cast<useconds_t>(round) * 1500);
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    Open();
    // All of it is there, or it is gone.
    if (storage_->states().GetExperiment(id).ok()) {
      EXPECT_EQ(storage_->states().ListRuns(id)->at(0).state, RunState::kSucceeded);
      EXPECT_EQ(storage_->events().ListResultEvents({id + "/baseline", 1})->size(), 0u);
      ASSERT_TRUE(deletion().MarkDeleted(id, kTime).ok());
    }
    PurgeAll();
    EXPECT_EQ(storage_->events().ListArtifacts({"kept/baseline", 1})->size(), 1u);
    EXPECT_THAT(*deletion().Referenced({Digest("same"), Digest("shared")}),
                UnorderedElementsAre(Digest("same"), Digest("shared")));
    EXPECT_EQ(storage_->states().GetAttempt({id + "/baseline", 1}).ok(), round % 4 == 0);
    if (round % 4 == 0) {
      EXPECT_EQ(storage_->states().ListRuns(user)->at(0).result, (AttemptKey{id + "/baseline", 1}));
    }
  }
}

// ---- files -----------------------------------------------------------------------------------------------

class ArtifactFilesTest : public ::testing::Test {
 protected:
  void Put(const std::string& content) {
    auto writer = store_->OpenWriter(Digest(content), static_cast<int64_t>(content.size()), 0);
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE((*writer)->Append(content).ok());
    ASSERT_TRUE((*writer)->Close().ok());
  }

  std::vector<std::string> Stored() {
    std::vector<std::string> names;
    const std::vector<ArtifactFiles::File> files = *store_->ListStored();
    for (const ArtifactFiles::File& file : files) names.push_back(file.name);
    return names;
  }

  const TempFolder folder_;
  FakeClock clock_;
  std::unique_ptr<FileArtifactStore> store_ =
      *FileArtifactStore::Open(folder_.path(), ArtifactStoreOptions{.clock = &clock_});
};

TEST_F(ArtifactFilesTest, ARemovedFileIsGoneAndItsReaderReadsOn) {
  Put("content");
  EXPECT_THAT(Stored(), ElementsAre(Digest("content")));
  auto reader = store_->OpenReader(Digest("content"));
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(*store_->Remove(Digest("content")), 7);
  EXPECT_EQ(*store_->Remove(Digest("content")), 0);
  EXPECT_THAT(Stored(), IsEmpty());
  EXPECT_FALSE(store_->GetStat(Digest("content"))->present);
  ASSERT_TRUE(store_->FreeRemoved().ok());
  EXPECT_EQ(*(*reader)->Read(0, 100), "content");
  EXPECT_TRUE(fs::is_empty(folder_ / "removed"));
  Put("content");  // and it can come again
  EXPECT_THAT(Stored(), ElementsAre(Digest("content")));
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Remove("../escape").status()));
}

TEST_F(ArtifactFilesTest, WhatAKilledProcessHadRemovedIsFreedAtTheNextStart) {
  Put("content");
  ASSERT_TRUE(store_->Remove(Digest("content")).ok());
  store_.reset();
  EXPECT_FALSE(fs::is_empty(folder_ / "removed"));
  store_ = *FileArtifactStore::Open(folder_.path(), ArtifactStoreOptions{.clock = &clock_});
  EXPECT_TRUE(fs::is_empty(folder_ / "removed"));
}

TEST_F(ArtifactFilesTest, AskingForAFileIsAUseOfIt) {
  Put("content");
  clock_.Advance(absl::Now() - clock_.Now());
  const auto last_used = [&] { return store_->ListStored()->at(0).last_used; };
  const absl::Time stored = last_used();
  clock_.Advance(absl::Minutes(50));
  ASSERT_TRUE(store_->GetStat(Digest("content"))->present);
  EXPECT_EQ(last_used(), stored) << "not written for each question";
  clock_.Advance(absl::Minutes(20));
  ASSERT_TRUE(store_->GetStat(Digest("content"))->present);
  EXPECT_EQ(absl::ToUnixSeconds(last_used()), absl::ToUnixSeconds(clock_.Now()));
}

TEST_F(ArtifactFilesTest, UploadsThatAreOpenAreNotDeleted) {
  auto open = store_->OpenWriter(Digest("open"), 4, 0);
  ASSERT_TRUE(open.ok());
  {
    auto given_up = store_->OpenWriter(Digest("given up"), 8, 0);
    ASSERT_TRUE((*given_up)->Append("giv").ok());
  }
  EXPECT_EQ(store_->ListPartial()->size(), 2u);
  EXPECT_THAT(*store_->DeletePartial(absl::InfinitePast()), IsEmpty());
  const auto deleted = store_->DeletePartial(absl::InfiniteFuture());
  ASSERT_TRUE(deleted.ok());
  ASSERT_EQ(deleted->size(), 1u);
  EXPECT_EQ(deleted->at(0).name, Digest("given up"));
  EXPECT_EQ(deleted->at(0).size, 3);
}

}  // namespace
}  // namespace quantlab
