// Databases that older versions left behind, kept as tests/golden/storage/vN.sql, must open with the
// present program and say what they said. How a new one is made is in tests/golden/storage/README.md.
#include <cstdlib>
#include <filesystem>

#include <SQLiteCpp/Statement.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/testing/temp_folder.h"
#include "storage/sqlite/migrations.h"
#include "storage/sqlite/sqlite_connection.h"
#include "storage/storage.h"

namespace quantlab {
namespace {

namespace fs = std::filesystem;

const absl::Time kTime = absl::FromUnixSeconds(1'700'000'000);

std::string DumpPath(int version) {
  return absl::StrCat(QUANTLAB_SOURCE_DIR, "/tests/golden/storage/v", version, ".sql");
}

class GoldenStorageTest : public ::testing::Test {
 protected:
  // Every table and index, as they are defined.
  static std::vector<std::string> Schema(const std::string& folder) {
    SQLite::Database database(folder + "/quantlab.db");
    SQLite::Statement query(database,
                            "SELECT name || ': ' || coalesce(sql, '') FROM sqlite_schema ORDER BY 1");
    std::vector<std::string> schema;
    while (query.executeStep()) schema.push_back(query.getColumn(0).getString());
    return schema;
  }

  const TempFolder temp_;
  const std::string& folder_ = temp_.path();
};

// One experiment that failed in part and one that waits, with every kind of event.
void Fill(Storage& storage) {
  ExperimentRecord experiment;
  experiment.id = "quick-k3f9a2";
  experiment.name = "quick";
  experiment.request_id = "request-1";
  experiment.submitter = "someone";
  experiment.priority = 3;
  experiment.create_time = kTime;
  experiment.files = {{"quick.yaml", "experiments: {}\n# 课程\n"}};
  RunRecord baseline;
  baseline.id = "quick-k3f9a2/baseline";
  baseline.experiment_id = experiment.id;
  baseline.name = "baseline";
  baseline.config_json = R"({"runName":"baseline"})";
  baseline.device = "cpu";
  baseline.seed = 18'446'744'073'709'551'615u;
  baseline.input_key = "input";
  baseline.folder = "baseline";
  baseline.state = RunState::kQueued;
  baseline.create_time = kTime;
  RunRecord dynamic = baseline;
  dynamic.id = "quick-k3f9a2/dynamic_quantization";
  dynamic.name = "dynamic_quantization";
  dynamic.kind = RunKind::kQuantization;
  dynamic.method = "dynamic_quantization";
  dynamic.method_version = 1;
  dynamic.state = RunState::kPending;
  dynamic.needs = {{"baseline", true}};
  baseline.requirements = {1'000'000'000, {{"room", "2"}}, true};
  ASSERT_TRUE(storage.states().CreateExperiment(experiment, {baseline, dynamic}).ok());

  const AttemptKey key{baseline.id, 1};
  StateChange start;
  start.time = kTime + absl::Seconds(1);
  start.runs.push_back({baseline.id, RunState::kQueued, RunState::kRunning, "", {}, false, 0, 0});
  start.start_attempt.emplace();
  start.start_attempt->key = key;
  start.start_attempt->worker_id = "worker-1";
  start.start_attempt->start_time = start.time;
  ASSERT_TRUE(storage.states().Commit(start).ok());
  const std::string digest(64, 'd');
  const std::vector<Event> events = {
      {1, kTime, Progress{"training", 5, 10, "step"}},
      {2, kTime, Metric{"accuracy", 0.8125, "1", {{"split", "test"}}, 0, 0.75, 0.875, 1000}},
      {3, kTime, LogLine{Severity::kWarning, "a warning"}},
      {4, kTime, Artifact{"model/model.safetensors", digest, 1234}},
      {5, kTime, Layer{"layer.0", 384, 1536, "int8", "int8", "vnni", "", 0.5, 4000, 1000, {}}},
      {6, kTime, Environment{"avx512", {{"cores", "2"}}}},
      {7, kTime, Caveat{"subset", "1,000 of 25,000 texts"}}};
  ASSERT_TRUE(storage.events().AppendEvents(key, events).ok());
  StateChange end;
  end.time = kTime + absl::Seconds(9);
  end.runs.push_back({baseline.id, RunState::kRunning, RunState::kSucceeded, "", key, false, 0, 0});
  end.runs.push_back({dynamic.id, RunState::kPending, RunState::kSkipped, "not wanted", {}, false, 0, 0});
  end.end_attempt.emplace();
  end.end_attempt->key = key;
  end.end_attempt->time = end.time;
  end.end_attempt->last_event = 7;
  end.end_attempt->artifacts = {{"model/model.safetensors", digest, 1234}};
  end.remember = ReuseEntry{"reuse", key};
  ASSERT_TRUE(storage.states().Commit(end).ok());
  WorkerRecord worker;
  worker.id = "worker-1";
  worker.hostname = "host";
  worker.devices = {"cpu"};
  worker.methods = {{"dynamic_quantization", 1}};
  worker.last_seen = kTime;
  ASSERT_TRUE(storage.states().SaveWorker(worker).ok());
  IdentityRecord identity;
  identity.name = "alice";
  identity.role = Role::kSubmitter;
  identity.token_sha256 = digest;
  identity.create_time = kTime;
  identity.expire_time = kTime + absl::Hours(24);
  ASSERT_TRUE(storage.identities().CreateIdentity(identity).ok());
  ASSERT_TRUE(
      storage.worker_modes().SetWorkerMode({"worker-1", WorkerMode::kDrained, {}, "alice", kTime}).ok());
}

// Since version 7.
void ExpectQueue(Storage& storage) {
  const auto runs = storage.states().ListRuns("quick-k3f9a2");
  ASSERT_TRUE(runs.ok()) << runs.status();
  EXPECT_EQ((*runs)[0].requirements, (RunRequirements{1'000'000'000, {{"room", "2"}}, true}));
  EXPECT_EQ((*runs)[1].requirements, RunRequirements());
  const auto modes = storage.worker_modes().ListWorkerModes();
  ASSERT_TRUE(modes.ok()) << modes.status();
  ASSERT_EQ(modes->size(), 1u);
  EXPECT_EQ((*modes)[0].mode, WorkerMode::kDrained);
  EXPECT_EQ((*modes)[0].by, "alice");
}

// Since version 4.
void ExpectIdentity(Storage& storage) {
  const auto identities = storage.identities().ListIdentities();
  ASSERT_TRUE(identities.ok()) << identities.status();
  ASSERT_EQ(identities->size(), 1u);
  EXPECT_EQ((*identities)[0].name, "alice");
  EXPECT_EQ((*identities)[0].role, Role::kSubmitter);
  EXPECT_EQ((*identities)[0].expire_time, kTime + absl::Hours(24));
}

void ExpectFilled(Storage& storage) {
  auto experiment = storage.states().GetExperiment("quick-k3f9a2");
  ASSERT_TRUE(experiment.ok()) << experiment.status();
  EXPECT_EQ(experiment->state, ExperimentState::kFailed);
  EXPECT_EQ(experiment->files.at(0).content, "experiments: {}\n# 课程\n");
  auto runs = storage.states().ListRuns("quick-k3f9a2");
  ASSERT_TRUE(runs.ok()) << runs.status();
  ASSERT_EQ(runs->size(), 2u);
  EXPECT_EQ((*runs)[0].seed, 18'446'744'073'709'551'615u);
  EXPECT_EQ((*runs)[0].result, (AttemptKey{"quick-k3f9a2/baseline", 1}));
  EXPECT_EQ((*runs)[1].message, "not wanted");
  EXPECT_EQ((*runs)[1].needs.at(0).run, "baseline");
  const AttemptKey key{"quick-k3f9a2/baseline", 1};
  auto results = storage.events().ListResultEvents(key);
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->size(), 5u);
  EXPECT_EQ(std::get<Metric>((*results)[0].kind).low, 0.75);
  EXPECT_EQ(std::get<Layer>((*results)[2].kind).kernel, "vnni");
  EXPECT_EQ((*storage.events().GetProgress(key))->progress.done, 5);
  EXPECT_EQ(storage.events().ListArtifacts(key)->at(0).size, 1234);
  EXPECT_EQ(*storage.states().FindReusable("reuse"), key);
  EXPECT_EQ(storage.states().ListWorkers()->at(0).hostname, "host");
  EXPECT_EQ(storage.events().ReadChanges("quick-k3f9a2", 0, 100, kMaxPageBytes)->size(), 13u);
  // And it goes on: the run that was skipped is tried again.
  StateChange retry;
  retry.time = kTime + absl::Minutes(1);
  retry.runs.push_back(
      {"quick-k3f9a2/dynamic_quantization", RunState::kSkipped, RunState::kPending, "", {}, false, 0, 0});
  EXPECT_TRUE(storage.states().Commit(retry).ok());
}

TEST_F(GoldenStorageTest, DatabasesOfEveryVersionOpenAndSayWhatTheySaid) {
  for (const Migration& migration : AllMigrations()) {
    const std::string folder = absl::StrCat(folder_, "/v", migration.version);
    ASSERT_TRUE(MakeDirectories(folder).ok());
    auto dump = ReadFile(DumpPath(migration.version), 16 << 20);
    ASSERT_TRUE(dump.ok()) << dump.status() << "; see tests/golden/storage/README.md";
    SQLite::Database(folder + "/quantlab.db", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec(*dump);
    auto storage = OpenStorage(folder);
    ASSERT_TRUE(storage.ok()) << storage.status();
    ASSERT_NO_FATAL_FAILURE(ExpectFilled(**storage)) << "version " << migration.version;
    if (migration.version >= 4) {
      ASSERT_NO_FATAL_FAILURE(ExpectIdentity(**storage));
    }
    if (migration.version >= 7) {
      ASSERT_NO_FATAL_FAILURE(ExpectQueue(**storage));
    }

    const std::string fresh = absl::StrCat(folder_, "/fresh", migration.version);
    ASSERT_TRUE(OpenStorage(fresh).ok());
    EXPECT_EQ(Schema(folder), Schema(fresh)) << "version " << migration.version;
  }
}

// Not a test: makes the database of tests/golden/storage/README.md in $QUANTLAB_GOLDEN_FOLDER.
TEST_F(GoldenStorageTest, DISABLED_MakeDatabase) {
  const char* folder = std::getenv("QUANTLAB_GOLDEN_FOLDER");
  ASSERT_NE(folder, nullptr);
  auto storage = OpenStorage(folder);
  ASSERT_TRUE(storage.ok()) << storage.status();
  Fill(**storage);
}

}  // namespace
}  // namespace quantlab
