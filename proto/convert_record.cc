// Experiments, runs, attempts, workers, methods, report data.
#include <optional>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "base/config/param_type_name.h"
#include "base/records/worker_labels.h"
#include "base/status_macros.h"
#include "proto/checks.h"
#include "proto/convert.h"

namespace quantlab {
namespace {

using namespace proto_checks;  // NOLINT: this file is made of them

// Stored, kept in memory and listed whole for every worker; a real one has a few kilobytes.
constexpr size_t kMaxWorkerBytes = 64 << 10;
constexpr double kMaxTimeLimitSeconds = 10.0 * 365 * 24 * 3600;

absl::Status OptionalTime(absl::string_view field, bool has, const google::protobuf::Timestamp& from,
                          std::optional<absl::Time>* to) {
  if (!has) return absl::OkStatus();
  return Part(field, from, &to->emplace());
}

// "<experiment>/<run>", each fit to name a folder. The experiment is empty in answers to validate_only.
absl::Status RunId(absl::string_view field, const std::string& id) {
  if (id.find('/') == std::string::npos) {
    return Bad(field, absl::StrCat("'", id, "' is not <experiment>/<run>"));
  }
  const auto [experiment, run] = SplitRunId(id);
  if (!experiment.empty()) QL_RETURN_IF_ERROR(PathPart(field, experiment));
  return PathPart(field, run);
}

v1::Run RunWithoutConfig(const RunRecord& run) {
  v1::Run out;
  out.set_id(ValidUtf8(run.id));
  out.set_state(ToProto(run.state));
  for (const RunDependency& need : run.needs) {
    auto* added = out.add_needs();
    added->set_run(ValidUtf8(need.run));
    added->set_must_succeed(need.must_succeed);
  }
  out.set_folder(ValidUtf8(run.folder));
  *out.mutable_create_time() = ToProto(run.create_time);
  if (run.queue_time) *out.mutable_queue_time() = ToProto(*run.queue_time);
  if (run.start_time) *out.mutable_start_time() = ToProto(*run.start_time);
  if (run.end_time) *out.mutable_end_time() = ToProto(*run.end_time);
  out.set_message(ValidUtf8(run.message));
  if (!run.coded_message.empty()) *out.mutable_coded_message() = ToProto(run.coded_message);
  out.set_attempts(run.attempts);
  if (run.result) {
    out.set_result_run_id(ValidUtf8(run.result->run_id));
    out.set_result_attempt(run.result->number);
  }
  out.set_reused(run.reused);
  out.set_time_limit_seconds(absl::ToDoubleSeconds(run.time_limit));
  if (run.requirements != RunRequirements()) *out.mutable_requirements() = ToProto(run.requirements);
  return out;
}

absl::Status RunTimes(const v1::Run& run, RunRecord* out) {
  if (run.has_create_time()) QL_RETURN_IF_ERROR(Part("create_time", run.create_time(), &out->create_time));
  QL_RETURN_IF_ERROR(OptionalTime("queue_time", run.has_queue_time(), run.queue_time(), &out->queue_time));
  QL_RETURN_IF_ERROR(OptionalTime("start_time", run.has_start_time(), run.start_time(), &out->start_time));
  QL_RETURN_IF_ERROR(OptionalTime("end_time", run.has_end_time(), run.end_time(), &out->end_time));
  QL_RETURN_IF_ERROR(Between("time_limit_seconds", run.time_limit_seconds(), 0, kMaxTimeLimitSeconds));
  out->time_limit = absl::Seconds(run.time_limit_seconds());
  return absl::OkStatus();
}

absl::Status RunConfigPart(const v1::Run& run, RunRecord* out) {
  if (!run.has_config()) return absl::OkStatus();
  RunConfig config;
  QL_RETURN_IF_ERROR(Part("config", run.config(), &config));
  out->config_json = ToJson(run.config());
  out->kind = config.kind;
  out->method = config.method.name;
  out->method_version = config.method.version;
  out->device = config.device;
  out->seed = config.seed;
  return absl::OkStatus();
}

v1::RunReport ToProtoReport(const RunReport& report) {
  v1::RunReport out;
  *out.mutable_run() = RunWithoutConfig(report.run);
  *out.mutable_run()->mutable_config() = ToProto(report.config);
  if (report.attempt) *out.mutable_attempt() = ToProto(*report.attempt);
  AddAll(report.attempts, out.mutable_attempts());
  AddAll(report.metrics, out.mutable_metrics());
  AddAll(report.layers, out.mutable_layers());
  AddAll(report.artifacts, out.mutable_artifacts());
  *out.mutable_environment() = ToProto(report.environment);
  AddAll(report.caveats, out.mutable_caveats());
  return out;
}

absl::StatusOr<RunReport> FromProtoReport(const v1::RunReport& in) {
  RunReport out;
  QL_RETURN_IF_ERROR(Part("run", in.run(), &out.run));
  if (!in.run().has_config()) return Bad("run.config", "is not set");
  QL_RETURN_IF_ERROR(Part("run.config", in.run().config(), &out.config));
  out.run.config_json.clear();
  if (in.has_attempt()) QL_RETURN_IF_ERROR(Part("attempt", in.attempt(), &out.attempt.emplace()));
  QL_RETURN_IF_ERROR(Parts("attempts", in.attempts(), &out.attempts));
  QL_RETURN_IF_ERROR(Parts("metrics", in.metrics(), &out.metrics));
  QL_RETURN_IF_ERROR(Parts("layers", in.layers(), &out.layers));
  QL_RETURN_IF_ERROR(Parts("artifacts", in.artifacts(), &out.artifacts));
  QL_RETURN_IF_ERROR(Part("environment", in.environment(), &out.environment));
  QL_RETURN_IF_ERROR(Parts("caveats", in.caveats(), &out.caveats));
  return out;
}

}  // namespace

v1::RunState ToProto(RunState state) {
  return static_cast<v1::RunState>(state);
}

absl::StatusOr<RunState> FromProto(v1::RunState state) {
  if (state < v1::RUN_STATE_PENDING || state > v1::RUN_STATE_SKIPPED) {
    return Bad("", absl::StrCat(static_cast<int>(state), " is no run state that this version knows"));
  }
  return static_cast<RunState>(state);
}

v1::ExperimentState ToProto(ExperimentState state) {
  return static_cast<v1::ExperimentState>(state);
}

absl::StatusOr<ExperimentState> FromProto(v1::ExperimentState state) {
  if (state < v1::EXPERIMENT_STATE_ACTIVE || state > v1::EXPERIMENT_STATE_CANCELLED) {
    return Bad("", absl::StrCat(static_cast<int>(state), " is no experiment state that this version knows"));
  }
  return static_cast<ExperimentState>(state);
}

v1::SourceFile ToProto(const SourceFile& file) {
  v1::SourceFile out;
  out.set_name(ValidUtf8(file.name));
  out.set_content(ValidUtf8(file.content));
  return out;
}

absl::StatusOr<SourceFile> FromProto(const v1::SourceFile& file) {
  QL_RETURN_IF_ERROR(NonEmpty("name", file.name(), kMaxPathBytes));
  QL_RETURN_IF_ERROR(Text("content", file.content(), kMaxMessageBytes));
  return SourceFile{file.name(), file.content()};
}

v1::Experiment ToProto(const ExperimentRecord& experiment) {
  v1::Experiment out;
  out.set_id(ValidUtf8(experiment.id));
  out.set_name(ValidUtf8(experiment.name));
  out.set_state(ToProto(experiment.state));
  out.set_priority(experiment.priority);
  *out.mutable_create_time() = ToProto(experiment.create_time);
  if (experiment.end_time) *out.mutable_end_time() = ToProto(*experiment.end_time);
  out.set_report_language(ValidUtf8(experiment.report_language));
  AddAll(experiment.files, out.mutable_files());
  out.set_submitter(ValidUtf8(experiment.submitter));
  out.set_reuse(experiment.reuse);
  return out;
}

absl::StatusOr<ExperimentRecord> FromProto(const v1::Experiment& in) {
  ExperimentRecord out;
  out.id = in.id();
  out.name = in.name();
  out.submitter = in.submitter();
  out.report_language = in.report_language();
  out.priority = in.priority();
  out.reuse = in.reuse();
  if (!out.id.empty()) QL_RETURN_IF_ERROR(PathPart("id", out.id));
  QL_RETURN_IF_ERROR(Text("name", out.name));
  QL_RETURN_IF_ERROR(Text("submitter", out.submitter));
  QL_RETURN_IF_ERROR(Text("report_language", out.report_language));
  QL_RETURN_IF_ERROR(Part("state", in.state(), &out.state));
  if (in.has_create_time()) QL_RETURN_IF_ERROR(Part("create_time", in.create_time(), &out.create_time));
  QL_RETURN_IF_ERROR(OptionalTime("end_time", in.has_end_time(), in.end_time(), &out.end_time));
  QL_RETURN_IF_ERROR(Parts("files", in.files(), &out.files));
  return out;
}

v1::RunRequirements ToProto(const RunRequirements& requirements) {
  v1::RunRequirements out;
  out.set_memory_bytes(requirements.memory_bytes);
  for (const auto& [key, value] : requirements.labels)
    (*out.mutable_labels())[ValidUtf8(key)] = ValidUtf8(value);
  out.set_alone(requirements.alone);
  return out;
}

absl::StatusOr<RunRequirements> FromProto(const v1::RunRequirements& in) {
  RunRequirements out;
  QL_RETURN_IF_ERROR(AtLeast("memory_bytes", in.memory_bytes(), 0));
  out.memory_bytes = in.memory_bytes();
  QL_RETURN_IF_ERROR(Facts("labels", in.labels(), &out.labels));
  out.alone = in.alone();
  return out;
}

v1::Run ToProto(const RunRecord& run, absl::Status* config_error) {
  v1::Run out = RunWithoutConfig(run);
  if (run.config_json.empty()) return out;
  const absl::Status status = FromJson(run.config_json, out.mutable_config());
  if (!status.ok()) out.clear_config();
  if (config_error != nullptr) *config_error = Annotate(status, absl::StrCat("run ", run.id));
  return out;
}

absl::StatusOr<RunRecord> FromProto(const v1::Run& in) {
  RunRecord out;
  out.id = in.id();
  QL_RETURN_IF_ERROR(RunId("id", out.id));
  std::tie(out.experiment_id, out.name) = SplitRunId(out.id);
  QL_RETURN_IF_ERROR(RunConfigPart(in, &out));
  QL_RETURN_IF_ERROR(Part("state", in.state(), &out.state));
  QL_RETURN_IF_ERROR(Items("needs", in.needs_size()));
  for (const auto& need : in.needs()) {
    QL_RETURN_IF_ERROR(PathPart("needs.run", need.run()));
    out.needs.push_back({need.run(), need.must_succeed()});
  }
  out.folder = in.folder();
  if (!out.folder.empty()) QL_RETURN_IF_ERROR(RelativePath("folder", out.folder));
  QL_RETURN_IF_ERROR(RunTimes(in, &out));
  if (in.has_requirements()) QL_RETURN_IF_ERROR(Part("requirements", in.requirements(), &out.requirements));
  out.message = in.message();
  out.attempts = in.attempts();
  QL_RETURN_IF_ERROR(Text("message", out.message, kMaxMessageBytes));
  QL_RETURN_IF_ERROR(Part("coded_message", in.coded_message(), &out.coded_message));
  QL_RETURN_IF_ERROR(AtLeast("attempts", out.attempts, 0));
  if (!in.result_run_id().empty()) {
    QL_RETURN_IF_ERROR(RunId("result_run_id", in.result_run_id()));
    QL_RETURN_IF_ERROR(AtLeast("result_attempt", in.result_attempt(), 1));
    out.result = AttemptKey{in.result_run_id(), in.result_attempt()};
  }
  out.reused = in.reused();
  return out;
}

v1::Attempt ToProto(const AttemptRecord& attempt) {
  v1::Attempt out;
  out.set_run_id(ValidUtf8(attempt.key.run_id));
  out.set_number(attempt.key.number);
  out.set_worker_id(ValidUtf8(attempt.worker_id));
  out.set_state(ToProto(attempt.state));
  *out.mutable_start_time() = ToProto(attempt.start_time);
  if (attempt.end_time) *out.mutable_end_time() = ToProto(*attempt.end_time);
  out.set_message(ValidUtf8(attempt.message));
  if (!attempt.coded_message.empty()) *out.mutable_coded_message() = ToProto(attempt.coded_message);
  out.set_worker_hostname(ValidUtf8(attempt.worker_hostname));
  out.set_worker_fingerprint(ValidUtf8(attempt.worker_fingerprint));
  return out;
}

absl::StatusOr<AttemptRecord> FromProto(const v1::Attempt& in) {
  AttemptRecord out;
  out.key = {in.run_id(), in.number()};
  QL_RETURN_IF_ERROR(RunId("run_id", out.key.run_id));
  QL_RETURN_IF_ERROR(AtLeast("number", out.key.number, 1));
  out.worker_id = in.worker_id();
  out.worker_hostname = in.worker_hostname();
  out.worker_fingerprint = in.worker_fingerprint();
  out.message = in.message();
  QL_RETURN_IF_ERROR(Text("worker_id", out.worker_id));
  QL_RETURN_IF_ERROR(Text("worker_hostname", out.worker_hostname));
  QL_RETURN_IF_ERROR(Text("worker_fingerprint", out.worker_fingerprint, kMaxMessageBytes));
  QL_RETURN_IF_ERROR(Text("message", out.message, kMaxMessageBytes));
  QL_RETURN_IF_ERROR(Part("coded_message", in.coded_message(), &out.coded_message));
  QL_RETURN_IF_ERROR(Part("state", in.state(), &out.state));
  if (in.has_start_time()) QL_RETURN_IF_ERROR(Part("start_time", in.start_time(), &out.start_time));
  QL_RETURN_IF_ERROR(OptionalTime("end_time", in.has_end_time(), in.end_time(), &out.end_time));
  return out;
}

v1::AttemptRef ToProto(const AttemptKey& key) {
  v1::AttemptRef out;
  out.set_run_id(ValidUtf8(key.run_id));
  out.set_number(key.number);
  return out;
}

absl::StatusOr<AttemptKey> FromProto(const v1::AttemptRef& ref) {
  QL_RETURN_IF_ERROR(RunId("run_id", ref.run_id()));
  QL_RETURN_IF_ERROR(AtLeast("number", ref.number(), 1));
  return AttemptKey{ref.run_id(), ref.number()};
}

v1::WorkerInfo ToProto(const WorkerRecord& worker) {
  v1::WorkerInfo out;
  out.set_id(ValidUtf8(worker.id));
  out.set_hostname(ValidUtf8(worker.hostname));
  for (const std::string& device : worker.devices) out.add_devices(ValidUtf8(device));
  for (const MethodVersion& method : worker.methods) {
    auto* added = out.add_methods();
    added->set_name(ValidUtf8(method.name));
    added->set_version(method.version);
  }
  out.set_fingerprint(ValidUtf8(worker.fingerprint));
  out.set_runner_sha256(ValidUtf8(worker.runner_sha256));
  out.set_version(ValidUtf8(worker.version));
  for (const auto& [key, value] : worker.facts) (*out.mutable_facts())[ValidUtf8(key)] = ValidUtf8(value);
  for (const auto& [key, value] : worker.labels) (*out.mutable_labels())[ValidUtf8(key)] = ValidUtf8(value);
  out.set_machine_id(ValidUtf8(worker.machine_id));
  return out;
}

absl::StatusOr<WorkerRecord> FromProto(const v1::WorkerInfo& in) {
  if (in.ByteSizeLong() > kMaxWorkerBytes) {
    return Bad("worker", absl::StrCat("has ", in.ByteSizeLong(), " bytes; allowed: ", kMaxWorkerBytes));
  }
  WorkerRecord out;
  out.id = in.id();
  out.hostname = in.hostname();
  out.fingerprint = in.fingerprint();
  out.runner_sha256 = in.runner_sha256();
  out.version = in.version();
  QL_RETURN_IF_ERROR(PathPart("id", out.id));
  QL_RETURN_IF_ERROR(Text("hostname", out.hostname));
  QL_RETURN_IF_ERROR(Texts("devices", in.devices(), &out.devices));
  QL_RETURN_IF_ERROR(Items("methods", in.methods_size()));
  for (const auto& method : in.methods()) {
    QL_RETURN_IF_ERROR(NonEmpty("methods.name", method.name()));
    QL_RETURN_IF_ERROR(AtLeast("methods.version", method.version(), 0));
    out.methods.push_back({method.name(), method.version()});
  }
  QL_RETURN_IF_ERROR(Text("fingerprint", out.fingerprint, kMaxMessageBytes));
  QL_RETURN_IF_ERROR(Digest("runner_sha256", out.runner_sha256, /*optional=*/true));
  QL_RETURN_IF_ERROR(Text("version", out.version));
  QL_RETURN_IF_ERROR(Facts("facts", in.facts(), &out.facts));
  QL_RETURN_IF_ERROR(Items("labels", in.labels_size(), kMaxLabels));
  for (const auto& [key, value] : in.labels()) {
    if (!IsLabelText(key) || !IsLabelText(value)) {
      return Bad("labels", absl::StrCat("a key or a value is not 1 to ", kMaxLabelBytes,
                                        " letters, digits and . _ - /"));
    }
    out.labels[key] = value;
  }
  QL_RETURN_IF_ERROR(Text("machine_id", in.machine_id()));
  out.machine_id = in.machine_id();
  return out;
}

absl::StatusOr<AttemptEnd> FromProto(const v1::FinishAttemptRequest& in) {
  AttemptEnd out;
  QL_RETURN_IF_ERROR(Part("attempt", in.attempt(), &out.key));
  QL_RETURN_IF_ERROR(Part("outcome", in.outcome(), &out.outcome));
  if (!IsEnded(out.outcome) || out.outcome == RunState::kSkipped) {
    return Bad("outcome", absl::StrCat(std::string(RunStateName(out.outcome)), " is no end of an attempt"));
  }
  out.worker_fault = in.worker_fault();
  if (out.worker_fault && out.outcome != RunState::kFailed) {
    return Bad("worker_fault", "only an attempt that ended as FAILED can end by a fault of its worker");
  }
  out.message = in.message();
  out.last_event = in.last_number();
  QL_RETURN_IF_ERROR(Text("message", out.message, kMaxMessageBytes));
  QL_RETURN_IF_ERROR(Part("coded_message", in.coded_message(), &out.coded_message));
  QL_RETURN_IF_ERROR(AtLeast("last_number", out.last_event, 0));
  QL_RETURN_IF_ERROR(Parts("artifacts", in.artifacts(), &out.artifacts));
  out.time = absl::InfinitePast();
  if (in.has_end_time()) QL_RETURN_IF_ERROR(Part("end_time", in.end_time(), &out.time));
  return out;
}

v1::WatchExperimentResponse ToProto(const Change& change) {
  v1::WatchExperimentResponse out;
  out.set_sequence(change.sequence);
  *out.mutable_time() = ToProto(change.time);
  out.set_run_id(ValidUtf8(change.run_id));
  out.set_attempt(change.attempt);
  if (change.run_state) out.set_run_state(ToProto(*change.run_state));
  if (change.event) *out.mutable_event() = ToProto(*change.event);
  if (change.experiment_state) out.set_experiment_state(ToProto(*change.experiment_state));
  out.set_message(ValidUtf8(change.message));
  if (!change.coded_message.empty()) *out.mutable_coded_message() = ToProto(change.coded_message);
  return out;
}

v1::LogEntry ToProto(const LogEntry& entry) {
  v1::LogEntry out;
  out.set_sequence(entry.sequence);
  *out.mutable_time() = ToProto(entry.time);
  out.set_run_id(ValidUtf8(entry.attempt.run_id));
  out.set_attempt(entry.attempt.number);
  out.set_severity(ToProto(entry.line.severity));
  out.set_message(ValidUtf8(entry.line.message));
  if (!entry.line.coded_message.empty()) *out.mutable_coded_message() = ToProto(entry.line.coded_message);
  return out;
}

v1::Method ToProto(const MethodSpec& method) {
  v1::Method out;
  out.set_name(method.name);
  out.set_version(method.version);
  out.set_title(method.title);
  out.set_title_zh(method.title_zh);
  out.set_help(method.help);
  for (const ParamSpec& param : method.params) {
    auto* added = out.add_params();
    added->set_name(param.name);
    added->set_type(ParamTypeName(param.type));
    added->set_default_value(ParamToString(param.default_value));
    added->set_allowed(DescribeAllowed(param));
    added->set_help(param.help);
  }
  for (const DeviceSupport& device : method.devices) {
    auto* added = out.add_devices();
    added->set_device(device.device);
    added->set_level(device.level);
    added->set_detail(device.detail);
  }
  return out;
}

v1::ReportData ToProto(const ReportData& data) {
  v1::ReportData out;
  out.set_version(data.version);
  *out.mutable_experiment() = ToProto(data.experiment);
  for (const RunReport& run : data.runs) *out.add_runs() = ToProtoReport(run);
  out.set_coordinator_version(ValidUtf8(data.coordinator_version));
  return out;
}

absl::StatusOr<ReportData> FromProto(const v1::ReportData& in) {
  ReportData out;
  out.version = in.version();
  if (out.version != 1) {
    return Bad("version",
               absl::StrCat("is ", out.version, "; this version knows only 1: use a newer quantctl"));
  }
  QL_RETURN_IF_ERROR(Part("experiment", in.experiment(), &out.experiment));
  QL_RETURN_IF_ERROR(Items("runs", in.runs_size()));
  for (int i = 0; i < in.runs_size(); ++i) {
    auto run = FromProtoReport(in.runs(i));
    if (!run.ok()) return Within(absl::StrCat("runs[", i, "]"), run.status());
    out.runs.push_back(*std::move(run));
  }
  out.coordinator_version = in.coordinator_version();
  return out;
}

}  // namespace quantlab
