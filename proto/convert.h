// Converts between the messages of quantlab.v1 and the domain types of base/.
//
// ToProto never fails: strings that are not UTF-8 are repaired. FromProto accepts external input: it
// refuses, with INVALID_ARGUMENT and the path of the field ("config.dataset.asset.files[3].path: …"),
// enums that are unspecified or unknown, paths that leave their folder, digests that are none, negative
// sizes and counts, numbers that must be finite and are not, and what exceeds the limits below.
// Meaning (does this method exist, does this device) is checked elsewhere: a newer peer may know more.
//
// Threads: pure functions.
#ifndef QUANTLAB_PROTO_CONVERT_H_
#define QUANTLAB_PROTO_CONVERT_H_

#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/config/method_spec.h"
#include "base/config/run_config.h"
#include "base/records/event.h"
#include "base/records/records.h"
#include "base/records/report_data.h"
#include "base/records/repositories.h"
#include "proto/json.h"
#include "quantlab/v1/event.pb.h"
#include "quantlab/v1/experiment.pb.h"
#include "quantlab/v1/message.pb.h"
#include "quantlab/v1/run_config.pb.h"
#include "quantlab/v1/worker.pb.h"

namespace quantlab {

// Limits of single fields; repeated fields of a message are limited beside them.
inline constexpr int kMaxNameBytes = 256;         // names, ids, units, words
inline constexpr int kMaxPathBytes = 1024;        // paths
inline constexpr int kMaxMessageBytes = 1 << 20;  // log lines, error messages, values of facts
inline constexpr int kMaxItems = 100'000;         // files, layers, metrics, labels

// --- time ---------------------------------------------------------------------------------------------

// Clamped to the range of a Timestamp (years 1 to 9999).
google::protobuf::Timestamp ToProto(absl::Time time);
absl::StatusOr<absl::Time> FromProto(const google::protobuf::Timestamp& time);

// --- run configuration --------------------------------------------------------------------------------

v1::RunKind ToProto(RunKind kind);
absl::StatusOr<RunKind> FromProto(v1::RunKind kind);

v1::ParamValue ToProto(const ParamValue& value);
absl::StatusOr<ParamValue> FromProto(const v1::ParamValue& value);

v1::AssetFile ToProto(const AssetFile& file);
absl::StatusOr<AssetFile> FromProto(const v1::AssetFile& file);

v1::AssetRef ToProto(const AssetRef& asset);
absl::StatusOr<AssetRef> FromProto(const v1::AssetRef& asset);

v1::RunConfig ToProto(const RunConfig& config);
absl::StatusOr<RunConfig> FromProto(const v1::RunConfig& config);

v1::Job ToProto(const Job& job);
absl::StatusOr<Job> FromProto(const v1::Job& job);

// RunRecord::config_json and job.json.
std::string RunConfigToJson(const RunConfig& config);
absl::StatusOr<RunConfig> RunConfigFromJson(absl::string_view json);
std::string JobToJson(const Job& job);
absl::StatusOr<Job> JobFromJson(absl::string_view json);

// --- messages -----------------------------------------------------------------------------------------

v1::Message ToProto(const Message& message);
// An empty message is no message. An unknown code is kept: the text beside the message is shown instead.
absl::StatusOr<Message> FromProto(const v1::Message& message);

// --- events -------------------------------------------------------------------------------------------

v1::Severity ToProto(Severity severity);
absl::StatusOr<Severity> FromProto(v1::Severity severity);

v1::Progress ToProto(const Progress& progress);
absl::StatusOr<Progress> FromProto(const v1::Progress& progress);
v1::Metric ToProto(const Metric& metric);
absl::StatusOr<Metric> FromProto(const v1::Metric& metric);
v1::LogLine ToProto(const LogLine& line);
absl::StatusOr<LogLine> FromProto(const v1::LogLine& line);
v1::Artifact ToProto(const Artifact& artifact);
absl::StatusOr<Artifact> FromProto(const v1::Artifact& artifact);
v1::Layer ToProto(const Layer& layer);
absl::StatusOr<Layer> FromProto(const v1::Layer& layer);
v1::Environment ToProto(const Environment& environment);
absl::StatusOr<Environment> FromProto(const v1::Environment& environment);
v1::Caveat ToProto(const Caveat& caveat);
absl::StatusOr<Caveat> FromProto(const v1::Caveat& caveat);

v1::Event ToProto(const Event& event);
absl::StatusOr<Event> FromProto(const v1::Event& event);

v1::RunnerFinished ToProto(const RunnerFinished& finished);
absl::StatusOr<RunnerFinished> FromProto(const v1::RunnerFinished& finished);

// A line of a runner's event pipe. Its artifacts have neither digest nor size yet.
using RunnerEvent = std::variant<EventKind, RunnerFinished>;
v1::RunnerEvent ToProto(const RunnerEvent& event);
absl::StatusOr<RunnerEvent> FromProto(const v1::RunnerEvent& event);
absl::StatusOr<RunnerEvent> RunnerEventFromJson(absl::string_view line);

// --- records ------------------------------------------------------------------------------------------

v1::RunState ToProto(RunState state);
absl::StatusOr<RunState> FromProto(v1::RunState state);
v1::ExperimentState ToProto(ExperimentState state);
absl::StatusOr<ExperimentState> FromProto(v1::ExperimentState state);

v1::SourceFile ToProto(const SourceFile& file);
absl::StatusOr<SourceFile> FromProto(const v1::SourceFile& file);

// Without runs and without the request id, which is private to its caller.
v1::Experiment ToProto(const ExperimentRecord& experiment);
absl::StatusOr<ExperimentRecord> FromProto(const v1::Experiment& experiment);

v1::RunRequirements ToProto(const RunRequirements& requirements);
absl::StatusOr<RunRequirements> FromProto(const v1::RunRequirements& requirements);

// With the configuration, unless config_json is empty. An unreadable config_json gives a message
// without it: `config_error`, where given, says why.
v1::Run ToProto(const RunRecord& run, absl::Status* config_error = nullptr);
// Without what only the coordinator needs (input key, counters). The id must be "<experiment>/<run>".
absl::StatusOr<RunRecord> FromProto(const v1::Run& run);

v1::Attempt ToProto(const AttemptRecord& attempt);
absl::StatusOr<AttemptRecord> FromProto(const v1::Attempt& attempt);

v1::AttemptRef ToProto(const AttemptKey& key);
absl::StatusOr<AttemptKey> FromProto(const v1::AttemptRef& ref);

// The receiver sets last_seen.
v1::WorkerInfo ToProto(const WorkerRecord& worker);
absl::StatusOr<WorkerRecord> FromProto(const v1::WorkerInfo& worker);

// Refuses outcomes that a worker cannot report (RUNNING, SKIPPED, …). `time` is absl::InfinitePast()
// where the worker gave none.
absl::StatusOr<AttemptEnd> FromProto(const v1::FinishAttemptRequest& request);

v1::WatchExperimentResponse ToProto(const Change& change);
v1::LogEntry ToProto(const LogEntry& entry);
v1::Method ToProto(const MethodSpec& method);

v1::ReportData ToProto(const ReportData& data);
absl::StatusOr<ReportData> FromProto(const v1::ReportData& data);

}  // namespace quantlab

#endif  // QUANTLAB_PROTO_CONVERT_H_
