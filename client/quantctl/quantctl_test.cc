// quantctl as a process against a coordinator in this one: answers, messages, exit codes.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <poll.h>
#include <set>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/sha256.h"
#include "base/testing/temp_folder.h"
#include "tests/fakes/fake_coordinator.h"

namespace quantlab::client {
namespace {

using ::quantlab::testing::EndChange;
using ::quantlab::testing::FakeCoordinator;
using ::quantlab::testing::FakeState;
using ::quantlab::testing::MakeExperiment;
using ::quantlab::testing::ReadAll;
using ::quantlab::testing::RunChange;
using ::testing::HasSubstr;
using ::testing::Not;

struct Outcome {
  int code = -1;
  std::string out, err;
};

class QuantctlTest : public ::testing::Test {
 protected:
  QuantctlTest() : fake_(folder_ / "c.sock") { coordinator_ = fake_.address(); }

  Outcome Run(const std::string& arguments, std::string out = "") {
    if (out.empty()) out = folder_ / "out";
    const std::string command =
        absl::StrCat("cd ", folder_.path(), " && env -i HOME=", folder_.path(),
                     " PATH=/usr/bin:/bin QUANTLAB_COORDINATOR=", coordinator_, " ", environment_, " ",
                     QUANTCTL, " ", arguments, " >", out, " 2>", folder_ / "err", " </dev/null");
    const int status = std::system(command.c_str());
    const std::string written = out == "/dev/full" ? "" : ReadAll(out);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), written,
            ReadAll(folder_ / "err")};
  }

  void Have(const v1::Experiment& experiment) {
    fake_.With([&](FakeState& state) {
      state.experiments.push_back(experiment);
      *state.validation.mutable_experiment() = experiment;
      v1::ReportData data;
      data.set_version(1);
      *data.mutable_experiment() = experiment;
      for (const v1::Run& run : experiment.runs()) *data.add_runs()->mutable_run() = run;
      state.reports[experiment.id()] = data;
      state.changes = {RunChange(1, experiment.id() + "/baseline", v1::RUN_STATE_RUNNING),
                       EndChange(2, experiment.state())};
    });
  }

  TempFolder folder_;
  FakeCoordinator fake_;
  std::string coordinator_;
  std::string environment_;  // "NAME=VALUE …", added to that of quantctl
};

TEST_F(QuantctlTest, ListIsATableForPeopleAndADocumentForPrograms) {
  Have(MakeExperiment("quick-k3f9a2", {"baseline"}));
  const Outcome table = Run("list");
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("EXPERIMENT    STATE      RUNS"));
  EXPECT_THAT(table.out, HasSubstr("quick-k3f9a2  SUCCEEDED   1/1"));
  EXPECT_THAT(table.out, Not(HasSubstr("\033")));
  const Outcome json = Run("list -o json");
  const auto document = nlohmann::json::parse(json.out);
  EXPECT_EQ(document["schema"], "quantlab/ExperimentList");
  EXPECT_EQ(document["experiments"][0]["id"], "quick-k3f9a2");
  EXPECT_EQ(json.err, "");
}

// A row of docs/en/json.md.
struct DocumentedCommand {
  std::string command, schema;
  std::set<std::string> fields;
  bool alternatives = false;  // of the fields, some are only there in turn
};

std::vector<std::string> Cells(const std::string& row) {
  std::vector<std::string> cells = absl::StrSplit(row, " | ");
  for (std::string& cell : cells) cell = std::string(absl::StripPrefix(absl::StripSuffix(cell, " |"), "| "));
  return cells;
}

std::vector<DocumentedCommand> DocumentedCommands() {
  std::vector<DocumentedCommand> commands;
  std::map<std::string, std::set<std::string>> fields;
  const std::vector<std::string> rows =
      absl::StrSplit(ReadAll(QUANTLAB_SOURCE_DIR "/docs/en/json.md"), '\n', absl::SkipEmpty());
  for (const std::string& row : rows) {
    if (!absl::StartsWith(row, "| `quantctl ")) continue;
    const std::vector<std::string> cells = Cells(row);
    DocumentedCommand one;
    one.command = cells[0].substr(10, cells[0].size() - 11);
    one.schema = cells[1].substr(1, cells[1].size() - 2);
    one.alternatives = absl::StrContains(cells[2], "one of");
    const std::vector<std::string> quoted = absl::StrSplit(cells[2], '`');
    for (size_t i = 1; i < quoted.size(); i += 2) fields[one.schema].insert(quoted[i]);
    one.fields = fields[one.schema];
    commands.push_back(std::move(one));
  }
  return commands;
}

// The commands of `help -o json`, and those below a group of commands.
std::vector<std::string> CommandsOf(const nlohmann::json& group) {
  std::vector<std::string> names;
  for (const auto& command : group["commands"]) {
    const std::vector<std::string> nested = CommandsOf(command);
    names.insert(names.end(), nested.begin(), nested.end());
    if (nested.empty()) names.push_back(command["command"]);
  }
  return names;
}

TEST_F(QuantctlTest, EveryCommandAnswersProgramsAsDocumented) {
  v1::ReportData data;
  const std::string golden = ReadAll(QUANTLAB_SOURCE_DIR "/tests/golden/report/quick.json");
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(golden, &data).ok());
  for (const char* id : {"older-1", "newer-1"}) {
    Have(MakeExperiment(id, {"baseline"}));
    data.mutable_experiment()->set_id(id);
    fake_.With([&](FakeState& state) { state.reports[id] = data; });
  }
  fake_.With([](FakeState& state) {
    v1::LogEntry* line = &state.logs.emplace_back();
    line->set_message("hello");
    v1::WatchExperimentResponse logged = state.changes[0];
    logged.mutable_event()->mutable_log()->set_severity(v1::SEVERITY_INFO);
    state.changes.insert(state.changes.begin(), logged);
    v1::WorkerStatus* worker = state.workers.add_workers();
    worker->set_state(v1::WORKER_STATE_IDLE);
    worker->mutable_worker()->set_id("gpu1");
    v1::Artifact* artifact = state.reports["older-1"].mutable_runs(0)->add_artifacts();
    artifact->set_name("model/config.json");
    artifact->set_size(2);
    artifact->set_sha256(Sha256Hex("{}"));
    state.reports["newer-1"] = state.reports["older-1"];
    state.reports["newer-1"].mutable_experiment()->set_id("newer-1");
    state.artifacts[Sha256Hex("{}")] = "{}";
  });
  folder_.Write("q.yaml", "experiments: {}\n");
  const std::vector<DocumentedCommand> documented = DocumentedCommands();
  ASSERT_GT(documented.size(), 35u);
  std::set<std::string> commands;
  for (const DocumentedCommand& one : documented) {
    const std::vector<std::string> words = absl::StrSplit(one.command, ' ');
    const bool nested = words[0] == "admin" || words[0] == "worker";
    commands.insert(nested ? absl::StrCat(words[0], " ", words[1]) : words[0]);
    // These need a real coordinator: tests/docs/docs_test.py.
    const std::set<std::string> real = {"serve", "stop",   "methods", "catalog",
                                        "du",    "delete", "gc",      "export-model"};
    if (real.count(words[0]) > 0 || (words[0] == "admin" && words[1] != "init-ca")) continue;
    const Outcome outcome =
        Run(absl::StrCat(absl::StrReplaceAll(one.command, {{"FILE", "q.yaml"}}), " -o json"));
    const std::string first = outcome.out.substr(
        0, one.alternatives || one.schema == "LogEntry" ? outcome.out.find('\n') : std::string::npos);
    const auto document = nlohmann::json::parse(first, nullptr, false);
    ASSERT_TRUE(document.is_object()) << one.command << ": " << outcome.out << outcome.err;
    EXPECT_EQ(document["schema"], "quantlab/" + one.schema) << one.command;
    EXPECT_EQ(document["version"], 2) << one.command;
    std::set<std::string> fields;
    for (const auto& [name, value] : document.items()) fields.insert(name);
    fields.erase("schema");
    fields.erase("version");
    if (one.alternatives) {
      EXPECT_TRUE(std::includes(one.fields.begin(), one.fields.end(), fields.begin(), fields.end()))
          << one.command << outcome.out;
    } else {
      EXPECT_EQ(fields, one.fields) << one.command;
    }
  }
  for (const std::string& command : CommandsOf(nlohmann::json::parse(Run("help -o json").out))) {
    EXPECT_EQ(commands.count(command), 1u) << command << " is missing in docs/en/json.md";
  }
}

TEST_F(QuantctlTest, WorkersAreDrainedQuarantinedAndGivenRunsAgain) {
  fake_.With([](FakeState& state) {
    v1::WorkerStatus* worker = state.workers.add_workers();
    worker->mutable_worker()->set_id("gpu1-x7k2");
    worker->mutable_worker()->set_hostname("gpu1");
    (*worker->mutable_worker()->mutable_labels())["room"] = "2";
    worker->set_state(v1::WORKER_STATE_BUSY);
    worker->mutable_attempt()->set_run_id("quick-1/baseline");
  });
  Outcome outcome = Run("worker drain gpu1-x7k2 --reason 'new disk'");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("gets no more runs"));
  EXPECT_THAT(outcome.err, HasSubstr("it still executes quick-1/baseline"));
  outcome = Run("workers");
  EXPECT_THAT(outcome.out, HasSubstr("DRAINING"));
  EXPECT_THAT(outcome.out, HasSubstr("room=2"));
  EXPECT_THAT(outcome.err, HasSubstr("worker gpu1-x7k2 on gpu1 is drained by carol: new disk"));
  EXPECT_THAT(Run("worker quarantine gpu1-x7k2").err, HasSubstr("queued again"));
  outcome = Run("--lang zh workers");
  EXPECT_THAT(outcome.out, HasSubstr("已隔离"));
  EXPECT_THAT(Run("worker undrain gpu1-x7k2").err, HasSubstr("gets runs again"));
  EXPECT_THAT(Run("workers").out, HasSubstr("BUSY"));
  EXPECT_EQ(nlohmann::json::parse(Run("worker drain gpu1-x7k2 -o json").out)["mode"], "drained");
  EXPECT_EQ(Run("worker drain nobody").code, 4);
  EXPECT_EQ(Run("worker drain").code, 2);
  EXPECT_EQ(Run("worker undrain gpu1-x7k2 --reason x").code, 2);
}

TEST_F(QuantctlTest, SettingsNeedNoCoordinator) {
  const Outcome one = Run("settings training.epochs --coordinator 127.0.0.1:1");
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_THAT(one.out, HasSubstr("an integer from 1 to 1000"));
  const Outcome chinese = Run("settings training.epochs --lang zh");
  EXPECT_THAT(chinese.out, HasSubstr("训练轮数"));
  EXPECT_THAT(chinese.out, HasSubstr("1 至 1000 的整数"));
  const Outcome section = Run("settings evaluation.latency");
  EXPECT_THAT(section.out, HasSubstr("evaluation.latency.batch_sizes"));
  EXPECT_THAT(section.out, Not(HasSubstr("training.")));
  const auto document = nlohmann::json::parse(Run("settings evaluation.latency.batch_sizes -o json").out);
  EXPECT_EQ(document["settings"][0]["default"], (std::vector<int>{1, 8}));
  EXPECT_EQ(document["settings"][0]["max"], 4096);
  const Outcome unknown = Run("settings training.lerning_rate");
  EXPECT_NE(unknown.code, 0);
  EXPECT_THAT(unknown.err, HasSubstr("no setting 'training.lerning_rate'"));
}

TEST_F(QuantctlTest, HelpAndMistakesAreInTheChosenLanguage) {
  const Outcome help = Run("--lang zh run --help");
  EXPECT_EQ(help.code, 0) << help.err;
  EXPECT_THAT(help.out, HasSubstr("提交实验，跟踪其进度，并写出结果"));
  EXPECT_THAT(help.out, HasSubstr("用法: quantctl run [选项] FILE"));
  EXPECT_THAT(help.out, HasSubstr("示例："));
  EXPECT_THAT(Run("run --help").out, HasSubstr("Submit an experiment, follow it, and write its results"));
  const Outcome unknown = Run("--lang zh rnu");
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("错误：没有命令 'rnu'；是否想用 run？"));
  EXPECT_THAT(Run("export latest --format xml").err,
              HasSubstr("error: --format is 'xml'; allowed: csv, json"));
}

TEST_F(QuantctlTest, WatchStreamsChangesForPrograms) {
  Have(MakeExperiment("quick-1", {"baseline"}));
  const Outcome outcome = Run("watch latest -o json");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("{\"schema\":\"quantlab/Change\",\"version\":2,\"sequence\":1,"));
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 2);
}

TEST_F(QuantctlTest, RunWritesResultsAndSaysWhere) {
  Have(MakeExperiment("quick-1", {"baseline"}));
  folder_.Write("q.yaml", "experiments: {}\n");
  const Outcome outcome = Run("run q.yaml");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("results: results/quick"));
  EXPECT_THAT(outcome.out, HasSubstr("课程设计报告.md"));
  EXPECT_THAT(outcome.err, HasSubstr("quantctl report quick-1 --format pdf"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "results/quick/report/课程设计报告.md"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "results/quick/baseline/config.json"));
  fake_.With([](FakeState& state) {
    ASSERT_EQ(state.submits.size(), 2u);
    EXPECT_TRUE(state.submits[0].validate_only());
    EXPECT_FALSE(state.submits[1].validate_only());
    EXPECT_NE(state.submits[1].request_id(), "");
  });
}

TEST_F(QuantctlTest, SubsetsAreSaidOnce) {
  v1::Experiment experiment = MakeExperiment("quick-1", {"baseline"});
  v1::DatasetConfig* dataset = experiment.mutable_runs(0)->mutable_config()->mutable_dataset();
  dataset->mutable_asset()->set_name("imdb");
  dataset->set_train_size(100);
  Have(experiment);
  fake_.With([](FakeState& state) {
    v1::WatchExperimentResponse said = RunChange(2, "quick-1/baseline", v1::RUN_STATE_RUNNING);
    state.changes.back().set_sequence(3);
    v1::Caveat* caveat = said.mutable_event()->mutable_caveat();
    caveat->set_code("subset");
    caveat->set_message("only a subset was used");
    state.changes.insert(state.changes.begin() + 1, said);
    // The runner logs it too.
    v1::LogLine* line = said.mutable_event()->mutable_log();
    line->set_severity(v1::SEVERITY_WARNING);
    line->set_message("only a subset was used");
    line->mutable_coded_message()->set_code("caveat.subset");
    state.changes.insert(state.changes.begin() + 2, said);
  });
  folder_.Write("q.yaml", "experiments: {}\n");
  const Outcome run = Run("run q.yaml");
  EXPECT_THAT(run.err, HasSubstr("subset of imdb: 100 for training"));
  EXPECT_THAT(run.err, Not(HasSubstr("only a subset was used")));
  EXPECT_THAT(Run("watch quick-1").err, HasSubstr("only a subset was used"));
}

TEST_F(QuantctlTest, AdviceNamesTheServiceOfTheCommandLine) {
  Have(MakeExperiment("quick-1", {"baseline"}));
  folder_.Write("q.yaml", "experiments: {}\n");
  EXPECT_THAT(Run("submit q.yaml").err, HasSubstr(": quantctl watch quick-1"));
  const std::string address = coordinator_;
  coordinator_ = "127.0.0.1:1";
  EXPECT_THAT(Run("submit q.yaml --coordinator " + address).err,
              HasSubstr("quantctl --coordinator " + address + " watch quick-1"));
  EXPECT_THAT(Run("run q.yaml --results-dir 'my results' --coordinator " + address).err,
              HasSubstr("quantctl --coordinator " + address + " --results-dir 'my results' report quick-1"));
}

TEST_F(QuantctlTest, FailedRunsAreTheExitCode) {
  v1::Experiment experiment = MakeExperiment("quick-1", {"baseline"});
  experiment.set_state(v1::EXPERIMENT_STATE_FAILED);
  experiment.mutable_runs(0)->set_state(v1::RUN_STATE_FAILED);
  experiment.mutable_runs(0)->set_message("out of memory; use a smaller batch");
  Have(experiment);
  folder_.Write("q.yaml", "experiments: {}\n");
  const Outcome outcome = Run("run q.yaml");
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("baseline: FAILED: out of memory; use a smaller batch"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "results/quick/report"));
  experiment.set_state(v1::EXPERIMENT_STATE_CANCELLED);
  fake_.With([&](FakeState& state) { state.experiments = {experiment}; });
  EXPECT_EQ(Run("watch latest").code, 6);
}

TEST_F(QuantctlTest, DecideNamesTheBestAndWhatTheOthersFail) {
  v1::ReportData data;
  const std::string golden = ReadAll(QUANTLAB_SOURCE_DIR "/tests/golden/report/quick.json");
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(golden, &data).ok());
  fake_.With([&](FakeState& state) {
    state.experiments = {MakeExperiment("quick-1", {"baseline"})};
    state.reports["quick-1"] = data;
  });
  const Outcome table = Run("decide --max-drop 1 --max-size 80MB");
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.out,
              HasSubstr("accuracy drop at most 1.00 points, size at most 80.0 MB.\nShip Dynamic "));
  EXPECT_THAT(table.out,
              HasSubstr("\n- FP32 baseline does not qualify: size 91.2 MB exceeds the limit by 11.2 MB. "));
  EXPECT_THAT(Run("--lang zh decide --max-drop 1 --max-size 80MB").out, HasSubstr("建议使用动态量化："));
  const auto document = nlohmann::json::parse(Run("decide --max-drop 1 --max-size 80MB --json").out);
  EXPECT_EQ(document["schema"], "quantlab/Decision");
  EXPECT_EQ(document["best"], "dynamic_quantization");
  EXPECT_EQ(document["variants"][0]["checks"][1]["outcome"], "exceeded");
  EXPECT_EQ(document["variants"][0]["checks"][1]["limit"], 80e6);
  const Outcome none = Run("decide --max-p90 0.001us");
  EXPECT_EQ(none.code, 4);
  EXPECT_THAT(none.out, HasSubstr("No variant meets all constraints"));
  EXPECT_EQ(Run("decide --max-size many").code, 2);
  EXPECT_EQ(Run("decide --max-drop -1").code, 2);
}

TEST_F(QuantctlTest, DiagnosticsQuoteTheFileAndNothingIsSubmitted) {
  folder_.Write("q.yaml", "experiments:\n  dynamic: {}\n");
  fake_.With([](FakeState& state) {
    v1::Diagnostic* diagnostic = state.validation.add_diagnostics();
    diagnostic->set_file("q.yaml");
    diagnostic->set_line(2);
    diagnostic->set_column(3);
    diagnostic->set_message("unknown method 'dynamic'; allowed: dynamic_quantization");
    diagnostic->set_error(true);
  });
  const Outcome outcome = Run("run q.yaml");
  EXPECT_EQ(outcome.code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("q.yaml:2:3: error: unknown method 'dynamic'"));
  EXPECT_THAT(outcome.err, HasSubstr("  2 |   dynamic: {}\n    |   ^\n"));
  EXPECT_EQ(fake_.With([](FakeState& s) { return s.submits.size(); }), 1u);
}

TEST_F(QuantctlTest, AResultsFolderThatCannotBeMadeIsRefusedFirst) {
  Have(MakeExperiment("quick-1", {"baseline"}));
  folder_.Write("q.yaml", "experiments: {}\n");
  folder_.Write("results", "a file");
  for (const char* command : {"run q.yaml", "validate q.yaml"}) {
    const Outcome outcome = Run(command);
    EXPECT_EQ(outcome.code, 7);
    EXPECT_THAT(outcome.err, HasSubstr("is not a folder"));
  }
  EXPECT_EQ(fake_.With([](FakeState& s) { return s.submits.size(); }), 0u);
}

TEST_F(QuantctlTest, ResultsThatCannotBeWrittenAreShownWithTheRemedy) {
  Have(MakeExperiment("quick-1", {"baseline"}));
  folder_.Write("q.yaml", "experiments: {}\n");
  // A file where the new folder is put together.
  folder_.Write("results/.quick@quick-1.partial", "in the way");
  const Outcome outcome = Run("run q.yaml");
  EXPECT_NE(outcome.code, 0);
  EXPECT_THAT(outcome.out, Not(HasSubstr("results: ")));
  EXPECT_FALSE(outcome.out.empty());
  EXPECT_THAT(outcome.err, HasSubstr("the results were not written: "));
  EXPECT_THAT(outcome.err, HasSubstr("quantctl download quick-1"));
}

TEST_F(QuantctlTest, AnErrorIsNeverLongerThanATerminalTakes) {
  const Outcome outcome = Run("get " + std::string(50'000, 'x'));
  EXPECT_NE(outcome.code, 0);
  EXPECT_LT(outcome.err.size(), 4096u);
}

TEST_F(QuantctlTest, LocalInputsAreUploadedAndNamed) {
  Have(MakeExperiment("quick-1", {"baseline"}));
  fake_.With([](FakeState& state) {
    v1::RequiredInput* input = state.validation.add_required_inputs();
    input->set_name("reviews.csv");
    input->set_path("reviews.csv");
    input->set_role("dataset");
    v1::RunConfig* config = state.validation.mutable_experiment()->mutable_runs(0)->mutable_config();
    config->mutable_dataset()->mutable_asset()->set_name("reviews.csv");
    config->mutable_dataset()->set_text_column("text");
    config->mutable_dataset()->set_label_column("label");
  });
  const std::string reviews = "text,label\na,good\nb,bad\nc,good\nd,bad\ne,good\nf,bad\n";
  folder_.Write("sub/q.yaml", "experiments: {}\n");
  EXPECT_EQ(Run("submit sub/q.yaml").code, 4);
  folder_.Write("sub/reviews.csv", "text,label\n");
  const Outcome refused = Run("submit sub/q.yaml");
  EXPECT_EQ(refused.code, 3);
  EXPECT_THAT(refused.err, HasSubstr("is empty: 0 rows were read"));
  folder_.Write("sub/reviews.csv", reviews);
  const Outcome outcome = Run("submit sub/q.yaml");
  EXPECT_THAT(outcome.err, HasSubstr("6 rows in 2 classes: bad (3), good (3)"));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "quick-1\n");
  fake_.With([&reviews](FakeState& state) {
    EXPECT_EQ(state.artifacts.count(Sha256Hex(reviews)), 1u);
    ASSERT_EQ(state.submits.back().inputs_size(), 1);
    EXPECT_EQ(state.submits.back().inputs(0).files(0).path(), "reviews.csv");
  });
}

TEST_F(QuantctlTest, ExitCodesTellWhatWasWrong) {
  Have(MakeExperiment("quick-1", {"baseline"}));
  EXPECT_EQ(Run("").code, 2);
  EXPECT_THAT(Run("").err, HasSubstr("quantctl run configs/quick.yaml"));
  EXPECT_THAT(Run("--lang zh").err, HasSubstr("运行一个实验"));
  EXPECT_EQ(Run("frobnicate").code, 2);
  EXPECT_THAT(Run("frobnicate").err, HasSubstr("no command 'frobnicate'; all commands"));
  EXPECT_THAT(Run("reprot latest").err, HasSubstr("no command 'reprot'; did you mean report?"));
  EXPECT_THAT(Run("--lang zh reprot").err, HasSubstr("没有命令 'reprot'；是否想用 report？"));
  EXPECT_EQ(Run("list --state nonsense").code, 2);
  EXPECT_EQ(Run("get nothing").code, 4);
  EXPECT_EQ(Run("run none.yaml").code, 4);
  EXPECT_EQ(Run("explain latest/none").code, 4);
  EXPECT_EQ(Run("--coordinator 10.1.1.1:80 list").code, 7);
  EXPECT_EQ(Run("--coordinator nonsense list").code, 3);
  EXPECT_EQ(Run("stop --data-dir none").code, 4);
  EXPECT_EQ(Run("serve").code, 7);
  const Outcome nobody = Run("--coordinator unix:/tmp/quantlab-nobody.sock list");
  EXPECT_EQ(nobody.code, 5);
  EXPECT_THAT(nobody.err, HasSubstr("no coordinator answers at unix:/tmp/quantlab-nobody.sock"));
  fake_.With([](FakeState& state) { state.failures = {absl::ResourceExhaustedError("the disk is full")}; });
  EXPECT_EQ(Run("list").code, 8);
  fake_.With([](FakeState& state) { state.failures = {absl::InternalError("oops")}; });
  EXPECT_EQ(Run("list").code, 70);
}

TEST_F(QuantctlTest, EveryCommandHasHelpWithAnExample) {
  for (const char* command : {"run",
                              "submit",
                              "validate",
                              "list",
                              "get",
                              "watch",
                              "logs",
                              "metrics",
                              "cancel",
                              "retry",
                              "explain",
                              "workers",
                              "methods",
                              "catalog",
                              "download",
                              "report",
                              "export",
                              "compare",
                              "doctor",
                              "version",
                              "serve",
                              "stop",
                              "help",
                              "completion",
                              "settings",
                              "open",
                              "du",
                              "delete",
                              "gc",
                              "man",
                              "worker",
                              "worker drain",
                              "worker undrain",
                              "worker quarantine"}) {
    const Outcome outcome = Run(absl::StrCat(command, " --help"));
    EXPECT_EQ(outcome.code, 0) << command;
    EXPECT_THAT(outcome.out, HasSubstr("Example:")) << command;
    EXPECT_THAT(outcome.out, HasSubstr("quantctl")) << command;
  }
  EXPECT_THAT(Run("help exit-codes").out, HasSubstr("5  the coordinator cannot be reached"));
  EXPECT_THAT(Run("--help").out, Not(HasSubstr("supervise")));
}

TEST_F(QuantctlTest, ReportMakesAnArchiveToHandIn) {
  Have(MakeExperiment("quick-1", {"baseline"}));
  const Outcome outcome = Run("report latest --format md --lang en --archive hand-in.zip");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("archive: hand-in.zip ("));
  const std::string bytes = ReadAll(folder_ / "hand-in.zip");
  EXPECT_EQ(bytes.substr(0, 2), "PK");
  for (const char* name :
       {"quick/report/report.en.md", "quick/experiment.yaml", "quick/baseline/config.json"}) {
    EXPECT_THAT(bytes, HasSubstr(name));
  }
  EXPECT_EQ(Run("report latest --format md --lang en --archive again.zip").code, 0);
  EXPECT_EQ(ReadAll(folder_ / "again.zip"), bytes);
  EXPECT_THAT(Run("report latest --format md --archive nowhere/x.zip").err, HasSubstr("nowhere/x.zip"));
}

TEST_F(QuantctlTest, OpenPrintsTheReportWithoutACoordinator) {
  Have(MakeExperiment("quick-1", {"baseline"}));
  const Outcome nothing = Run("open latest");
  EXPECT_EQ(nothing.code, 4) << nothing.err;
  EXPECT_THAT(nothing.err, HasSubstr("quantctl report latest"));
  ASSERT_EQ(Run("report latest --format md --lang en").code, 0);
  const Outcome open = Run("open --coordinator 127.0.0.1:1");
  EXPECT_EQ(open.code, 0) << open.err;
  EXPECT_THAT(open.out, ::testing::EndsWith("/results/quick/report/report.en.md\n"));
  EXPECT_THAT(open.err, HasSubstr("no desktop to open it on"));
  EXPECT_EQ(nlohmann::json::parse(Run("open quick -o json").out)["schema"], "quantlab/ReportFile");
}

// A pipe with a name, which is never at its end while this is open.
class NamedPipe {
 public:
  explicit NamedPipe(const std::string& path) {
    if (mkfifo(path.c_str(), 0600) == 0) fd_ = open(path.c_str(), O_RDWR | O_CLOEXEC);
  }
  ~NamedPipe() {
    if (fd_ >= 0) close(fd_);
  }
  NamedPipe(const NamedPipe&) = delete;
  NamedPipe& operator=(const NamedPipe&) = delete;

  void Write(const std::string& text) const {
    EXPECT_EQ(write(fd_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  // What is there after at most so many milliseconds.
  std::string Read(int wait_ms) const {
    pollfd waiting = {fd_, POLLIN, 0};
    char text[4096];
    if (poll(&waiting, 1, wait_ms) != 1) return "";
    const ssize_t got = read(fd_, text, sizeof(text));
    return std::string(text, got > 0 ? static_cast<size_t>(got) : 0);
  }

 private:
  int fd_ = -1;
};

TEST_F(QuantctlTest, OpenedBrowserOutlivesQuantctlAndDoesNotHoldItUp) {
  Have(MakeExperiment("quick-1", {"baseline"}));
  ASSERT_EQ(Run("report latest --format md --lang en").code, 0);
  const NamedPipe go(folder_ / "go"), shown(folder_ / "shown");
  const std::string opener = folder_ / "xdg-open";
  environment_ = absl::StrCat("DISPLAY=:0 PATH=", folder_.path(), ":/usr/bin:/bin");
  // An opener that starts a browser and ends, and one that is the browser itself.
  for (const char* background : {" &", ""}) {
    folder_.Write("xdg-open", absl::StrCat("#!/bin/sh\n(read line < ", folder_ / "go", "; echo \"$1\" > ",
                                           folder_ / "shown", ")", background, "\n"));
    ASSERT_EQ(chmod(opener.c_str(), 0700), 0);
    EXPECT_EQ(Run("open quick -o json").code, 0);
    const Outcome open = Run("open quick");
    EXPECT_EQ(open.code, 0) << open.err;
    EXPECT_EQ(open.err, "");
    go.Write("go\ngo\n");
    EXPECT_EQ(shown.Read(30'000), open.out) << background;
    EXPECT_EQ(shown.Read(0), "") << "a program that asked for a document got a browser";
    go.Read(0);
  }
}

TEST_F(QuantctlTest, TokenFileIsMadeBeforeTheIdentity) {
  const Outcome nowhere = Run("admin add-user alice --out missing/alice.token");
  EXPECT_EQ(nowhere.code, 4) << "the coordinator was asked: " << nowhere.err;
  EXPECT_THAT(nowhere.err, HasSubstr("missing/alice.token"));
  folder_.Write("mine", "mine");
  EXPECT_THAT(Run("admin add-user alice --out mine").err, HasSubstr("mine exists"));
  EXPECT_EQ(ReadAll(folder_ / "mine"), "mine");
  coordinator_ = "127.0.0.1:1";
  EXPECT_EQ(Run("admin add-user alice --out alice.token").code, 5);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "alice.token")) << "there is no identity";
}

TEST_F(QuantctlTest, CancellingWhatHasEndedSaysSo) {
  Have(MakeExperiment("quick-1", {"baseline"}));
  const Outcome experiment = Run("cancel latest");
  EXPECT_EQ(experiment.code, 0) << experiment.err;
  EXPECT_THAT(experiment.err, HasSubstr("quick-1 has ended already: SUCCEEDED; nothing was cancelled"));
  EXPECT_THAT(Run("cancel latest/baseline --lang zh").err, HasSubstr("quick-1/baseline 已经结束"));
  fake_.With([](FakeState& state) { EXPECT_TRUE(state.cancels.empty()); });
}

TEST_F(QuantctlTest, ExportWritesAFolderOfTablesOrOneDocument) {
  Have(MakeExperiment("quick-1", {"baseline"}));
  const Outcome csv = Run("export");
  EXPECT_EQ(csv.code, 0) << csv.err;
  EXPECT_EQ(csv.out, "quick-1-export\n");
  for (const char* name : {"runs", "metrics", "layers"}) {
    EXPECT_THAT(ReadAll(folder_ / absl::StrCat("quick-1-export/", name, ".csv")),
                HasSubstr("experiment,run,variant,method,seed,attempt,worker"))
        << name;
  }
  EXPECT_THAT(ReadAll(folder_ / "quick-1-export/runs.csv"), HasSubstr("\r\nquick-1,baseline,"));
  EXPECT_EQ(Run("export latest --output-dir a/b").code, 0);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "a/b/metrics.csv"));
  const Outcome json = Run("export latest --format json");
  EXPECT_EQ(nlohmann::json::parse(json.out)["schema"], "quantlab/Export");
  EXPECT_EQ(Run("export latest --format json --output-dir a").out, "a\n");
  EXPECT_EQ(ReadAll(folder_ / "a/export.json"), json.out);
  EXPECT_EQ(Run("export latest --table runs").out, ReadAll(folder_ / "quick-1-export/runs.csv"));
}

TEST_F(QuantctlTest, ExportSaysWhatIsWrong) {
  Have(MakeExperiment("quick-1", {"baseline"}));
  EXPECT_EQ(Run("export nothing").code, 4);
  EXPECT_EQ(Run("export latest --format xml").code, 2);
  EXPECT_EQ(Run("export latest --format json --table runs").code, 2);
  EXPECT_EQ(Run("export latest --table runs --output-dir a").code, 2);
  folder_.Write("file", "");
  EXPECT_NE(Run("export latest --output-dir file/a").code, 0);
  EXPECT_EQ(Run("export latest --output-dir /proc/none").code, 4);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "quick-1-export"));
}

TEST_F(QuantctlTest, CompareShowsExperimentsSideBySide) {
  v1::Experiment older = MakeExperiment("older-1", {"baseline"}),
                 newer = MakeExperiment("newer-1", {"baseline"});
  older.mutable_runs(0)->mutable_config()->set_threads(1);
  newer.mutable_runs(0)->mutable_config()->set_threads(2);
  for (v1::Experiment* experiment : {&older, &newer}) {
    experiment->mutable_runs(0)->mutable_config()->set_kind(v1::RUN_KIND_BASELINE);
    Have(*experiment);
  }
  fake_.With([](FakeState& state) {
    for (const char* id : {"older-1", "newer-1"}) {
      v1::RunReport* report = state.reports[id].mutable_runs(0);
      v1::Metric* metric = report->add_metrics();
      metric->set_name("training_time");
      metric->set_unit("s");
      metric->set_value(id[0] == 'o' ? 2 : 1);
      report->mutable_environment()->set_fingerprint(id);
    }
  });
  const Outcome table = Run("compare older newer --only-different");
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("threads"));
  EXPECT_THAT(table.out, HasSubstr("2.00 s"));
  EXPECT_THAT(table.out, HasSubstr("refused"));
  EXPECT_THAT(table.out, Not(HasSubstr("training.epochs")));
  EXPECT_THAT(table.err, HasSubstr("note: no ratio of timings for newer-1: timings of different machines"));
  const auto document = nlohmann::json::parse(Run("compare older newer -o json").out);
  EXPECT_EQ(document["schema"], "quantlab/ExperimentComparison");
  EXPECT_EQ(document["experiments"][1]["id"], "newer-1");
  const auto& row = document["results"][0];
  EXPECT_EQ(row["metric"], "training_time");
  EXPECT_EQ(row["values"][0]["mean"], 2);
  EXPECT_EQ(row["values"][0]["n"], 1);
  EXPECT_TRUE(row["changes"][0].is_null());
  EXPECT_THAT(row["changes"][1]["refused"].get<std::string>(), HasSubstr("different machines"));
}

TEST_F(QuantctlTest, CompareWantsDifferentExperiments) {
  Have(MakeExperiment("quick-1", {"baseline"}));
  EXPECT_EQ(Run("compare latest").code, 2);
  EXPECT_EQ(Run("compare latest nothing").code, 4);
  const Outcome same = Run("compare latest quick-1");
  EXPECT_EQ(same.code, 3);
  EXPECT_THAT(same.err, HasSubstr("quick-1 is named twice"));
}

TEST_F(QuantctlTest, BashCompletesCommandsOptionsValuesAndNames) {
  Have(MakeExperiment("quick-1", {"baseline", "qat"}));
  folder_.Write("x.yaml", "");
  folder_.Write("complete.sh",
                Run("completion bash").out +
                    absl::StrCat(R"(
shopt -s extglob
cd "$1"
complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _quantctl; echo "${COMPREPLY[*]}"; }
complete_words quantctl exp
complete_words quantctl export --for
complete_words quantctl report --lang ""
complete_words quantctl report latest --format h
complete_words quantctl -o ""
complete_words quantctl -o json repo
complete_words quantctl list --output = y
complete_words quantctl admin add-
complete_words quantctl run x
complete_words quantctl completion z
)",
                                 "PATH=", std::filesystem::path(QUANTCTL).parent_path().string(),
                                 ":$PATH QUANTLAB_COORDINATOR=", coordinator_, R"(
export QUANTLAB_COORDINATOR
complete_words quantctl settings training.adam_b
complete_words quantctl methods stat
complete_words quantctl get ""
complete_words quantctl logs quick-1/
complete_words quantctl explain l
export QUANTLAB_COORDINATOR=127.0.0.1:1
complete_words quantctl get ""
)"));
  const std::string said = folder_ / "said";
  ASSERT_EQ(std::system(absl::StrCat("HOME=/nonexistent bash '", folder_ / "complete.sh", "' '",
                                     folder_.path(), "' > '", said, "'")
                            .c_str()),
            0);
  EXPECT_EQ(
      ReadAll(said),
      "explain export export-model\n--format\nzh en both\nhtml\ntable json yaml\nreport\nyaml\nadd-user add-worker\nx.yaml\n"
      "zsh\ntraining.adam_beta1 training.adam_beta2\nstatic_quantization\nlatest quick-1\n"
      "quick-1/baseline quick-1/qat\nlatest/baseline latest/qat\nlatest\n");
}

// A folder of results may come from anywhere.
TEST_F(QuantctlTest, BashNeverRunsTheNamesThatItCompletes) {
  folder_.Write("results/a/experiment.json", R"json({"id": "$(touch ran)", "files": []})json");
  folder_.Write("results/b/experiment.json", R"json({"id": "a;touch ran", "files": []})json");
  folder_.Write("complete.sh", absl::StrCat(Run("completion bash").out, "cd '", folder_.path(), "'\nPATH=",
                                            std::filesystem::path(QUANTCTL).parent_path().string(), R"(:$PATH
export QUANTLAB_COORDINATOR=127.0.0.1:1 QUANTLAB_RESULTS_DIR=results
complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _quantctl; printf '%s\n' "${COMPREPLY[@]}"; }
complete_words quantctl get "" | sort
complete_words quantctl get a
)"));
  const std::string said = folder_ / "said";
  ASSERT_EQ(std::system(
                absl::StrCat("HOME=/nonexistent LC_ALL=C bash '", folder_ / "complete.sh", "' > '", said, "'")
                    .c_str()),
            0);
  EXPECT_EQ(ReadAll(said), "\\$\\(touch\\ ran\\)\na\\;touch\\ ran\nlatest\na\\;touch\\ ran\n");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "ran"));
}

TEST_F(QuantctlTest, NamesComeSoonAndWithoutStartingAService) {
  environment_ = absl::StrCat("QUANTLAB_DATA_DIR=", folder_ / "data");
  coordinator_ = "unix:/nonexistent/nobody.sock";
  const auto start = std::chrono::steady_clock::now();
  const Outcome away = Run("list-names targets");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  EXPECT_EQ(away.code, 0) << away.err;
  EXPECT_EQ(away.out, "latest\n");
  coordinator_ = "";
  EXPECT_EQ(Run("list-names experiments").out, "latest\n");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "data"));
  EXPECT_THAT(Run("list-names metrics").out, HasSubstr("accuracy\n"));
  EXPECT_EQ(Run("list-names nonsense").code, 2);
}

// The programs that read a script or a page, where this machine has them.
TEST_F(QuantctlTest, ShellsAndManAcceptWhatIsMadeForThem) {
  for (const char* language : {"en", "zh"}) {
    for (const char* shell : {"bash", "zsh", "fish"}) {
      const std::string script = folder_ / shell;
      const Outcome made = Run(absl::StrCat("--lang ", language, " completion ", shell), script);
      ASSERT_EQ(made.code, 0) << made.err;
      EXPECT_EQ(
          std::system(absl::StrCat("! command -v ", shell, " >/dev/null || ", shell, " -n ", script).c_str()),
          0)
          << shell;
    }
    const std::string page = folder_ / "quantctl.1";
    ASSERT_EQ(Run(absl::StrCat("--lang ", language, " man"), page).code, 0);
    EXPECT_THAT(ReadAll(page), HasSubstr("quantctl run"));
    for (const char* lint : {"mandoc -T lint -W warning", "groff -K utf8 -man -T utf8 -ww -z"}) {
      const std::string program = std::string(lint).substr(0, std::string(lint).find(' '));
      const std::string said = folder_ / "said";
      ASSERT_EQ(std::system(absl::StrCat("! command -v ", program, " >/dev/null || ", lint, " ", page, " >",
                                         said, " 2>&1")
                                .c_str()),
                0);
      EXPECT_EQ(ReadAll(said), "") << lint;
    }
  }
  EXPECT_THAT(ReadAll(folder_ / "quantctl.1"), HasSubstr("提交实验"));
}

TEST_F(QuantctlTest, FishCompletesCommandsAndValues) {
  if (std::system("command -v fish >/dev/null") != 0) GTEST_SKIP() << "fish is not installed";
  Have(MakeExperiment("quick-1", {"baseline"}));
  folder_.Write("complete.fish",
                absl::StrCat("set -x HOME ", folder_.path(), "\nset -x QUANTLAB_COORDINATOR ", coordinator_,
                             "\nset -x PATH ", std::filesystem::path(QUANTCTL).parent_path().string(),
                             " $PATH\n", Run("completion fish").out, R"(
for line in 'quantctl expo' 'quantctl report --lang z' 'quantctl -o json vers' 'quantctl get qui' 'quantctl admin add-w'
    complete -C $line | string replace -r '\t.*' ''
end
)"));
  const std::string said = folder_ / "said";
  ASSERT_EQ(std::system(absl::StrCat("fish --no-config ", folder_ / "complete.fish", " > ", said).c_str()),
            0);
  EXPECT_EQ(ReadAll(said), "export\nexport-model\nzh\nversion\nquick-1\nadd-worker\n");
}

TEST_F(QuantctlTest, AFullDiskBehindStandardOutputIsAnError) {
  Have(MakeExperiment("quick-1", {"baseline"}));
  EXPECT_EQ(Run("list", "/dev/full").code, 8);
}

}  // namespace
}  // namespace quantlab::client
