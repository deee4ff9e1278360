#include "server/service/views.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/records/error_reason.h"
#include "base/status_macros.h"
#include "proto/convert.h"

namespace quantlab {
namespace {

// "3:17": run 3, event 17.
absl::StatusOr<std::pair<size_t, int64_t>> ParseToken(const std::string& token) {
  if (token.empty()) return std::pair<size_t, int64_t>{0, 0};
  const std::pair<std::string, std::string> parts = absl::StrSplit(token, absl::MaxSplits(':', 1));
  int64_t run = 0, event = 0;
  if (!absl::SimpleAtoi(parts.first, &run) || !absl::SimpleAtoi(parts.second, &event) || run < 0 ||
      event < 0) {
    return WithReason(absl::InvalidArgumentError("page_token is none that this service gave"),
                      "BAD_PAGE_TOKEN");
  }
  return std::pair<size_t, int64_t>{static_cast<size_t>(run), event};
}

}  // namespace

void ShortenFileLists(v1::RunConfig* config) {
  for (v1::AssetRef* asset : {config->mutable_model(), config->mutable_dataset()->mutable_asset()}) {
    if (asset->files_size() > kMaxListedFiles) asset->clear_files();
  }
}

std::optional<AttemptKey> AttemptOfInterest(const RunRecord& run) {
  if (run.result) return run.result;
  if (run.attempts > 0) return AttemptKey{run.id, run.attempts};
  return std::nullopt;
}

absl::StatusOr<v1::Experiment> Views::Experiment(const std::string& id) {
  QL_ASSIGN_OR_RETURN(const ExperimentRecord record, state_.GetExperiment(id));
  return Experiment(record, ViewDetail::kFull);
}

absl::StatusOr<v1::Experiment> Views::Experiment(const ExperimentRecord& record, ViewDetail detail) {
  v1::Experiment experiment = ToProto(record);
  if (detail == ViewDetail::kWithoutFilesAndConfigs) experiment.clear_files();
  QL_ASSIGN_OR_RETURN(const std::vector<RunRecord> runs, state_.ListRuns(record.id));
  for (const RunRecord& run : runs) {
    QL_ASSIGN_OR_RETURN(*experiment.add_runs(), RunView(run, detail));
  }
  return experiment;
}

absl::StatusOr<v1::Run> Views::RunView(const RunRecord& run, ViewDetail detail) {
  v1::Run view;
  if (detail == ViewDetail::kFull) {
    absl::Status config;
    view = ToProto(run, &config);
    QL_RETURN_IF_ERROR(Annotate(config, absl::StrCat("the stored configuration of ", run.id)));
    ShortenFileLists(view.mutable_config());
  } else {
    RunRecord bare = run;
    bare.config_json.clear();
    view = ToProto(bare);
  }
  // Each progress is a read of its own, too many for a list of experiments.
  if (run.state != RunState::kRunning || detail != ViewDetail::kFull) return view;
  QL_ASSIGN_OR_RETURN(const auto progress, events_.GetProgress({run.id, run.attempts}));
  if (progress) {
    *view.mutable_progress() = ToProto(progress->progress);
    *view.mutable_progress_time() = ToProto(progress->time);
    *view.mutable_phase_start_time() = ToProto(progress->phase_start);
  }
  return view;
}

absl::StatusOr<ReportData> Views::Report(const std::string& experiment_id, const std::string& version) {
  ReportData data;
  data.coordinator_version = version;
  QL_ASSIGN_OR_RETURN(data.experiment, state_.GetExperiment(experiment_id));
  QL_ASSIGN_OR_RETURN(const std::vector<RunRecord> runs, state_.ListRuns(experiment_id));
  for (const RunRecord& run : runs) {
    QL_ASSIGN_OR_RETURN(RunReport report, ReportOf(run));
    data.runs.push_back(std::move(report));
  }
  return data;
}

absl::StatusOr<RunReport> Views::ReportOf(const RunRecord& run) {
  RunReport report;
  report.run = run;
  report.run.config_json.clear();
  QL_ASSIGN_OR_RETURN(report.config, RunConfigFromJson(run.config_json));
  QL_ASSIGN_OR_RETURN(report.attempts, state_.ListAttempts(run.id));
  if (!run.result) return report;
  QL_ASSIGN_OR_RETURN(report.attempt, state_.GetAttempt(*run.result));
  QL_ASSIGN_OR_RETURN(report.artifacts, events_.ListArtifacts(*run.result));
  QL_ASSIGN_OR_RETURN(const std::vector<Event> events, events_.ListResultEvents(*run.result));
  for (const Event& event : events) {
    if (const auto* metric = std::get_if<Metric>(&event.kind)) report.metrics.push_back(*metric);
    if (const auto* layer = std::get_if<Layer>(&event.kind)) report.layers.push_back(*layer);
    if (const auto* environment = std::get_if<Environment>(&event.kind)) report.environment = *environment;
    if (const auto* caveat = std::get_if<Caveat>(&event.kind)) report.caveats.push_back(*caveat);
  }
  return report;
}

absl::StatusOr<v1::ListMetricsResponse> Views::Metrics(const v1::ListMetricsRequest& request, int page_size) {
  QL_ASSIGN_OR_RETURN(const auto after, ParseToken(request.page_token()));
  QL_ASSIGN_OR_RETURN(const std::vector<RunRecord> runs, state_.ListRuns(request.experiment_id()));
  v1::ListMetricsResponse response;
  int64_t bytes = 0;
  bool known = request.run().empty();
  for (size_t i = 0; i < runs.size(); ++i) {
    const RunRecord& run = runs[i];
    if (!request.run().empty() && run.name != request.run()) continue;
    known = true;
    const std::optional<AttemptKey> attempt = AttemptOfInterest(run);
    if (i < after.first || !attempt) continue;
    QL_ASSIGN_OR_RETURN(const std::vector<Event> events, events_.ListResultEvents(*attempt));
    for (const Event& event : events) {
      const auto* metric = std::get_if<Metric>(&event.kind);
      if (metric == nullptr || (i == after.first && event.number <= after.second)) continue;
      if (!request.name().empty() && metric->name != request.name()) continue;
      if (request.final_only() && metric->step != 0) continue;
      v1::MetricEntry* entry = response.add_metrics();
      entry->set_run_id(run.id);
      entry->set_source_run_id(attempt->run_id);
      entry->set_attempt(attempt->number);
      *entry->mutable_metric() = ToProto(*metric);
      bytes += static_cast<int64_t>(entry->ByteSizeLong());
      if (response.metrics_size() < page_size && bytes < kMaxPageBytes) continue;
      response.set_next_page_token(absl::StrCat(i, ":", event.number));
      return response;
    }
  }
  if (!known)
    return MessageStatus(absl::StatusCode::kNotFound,
                         messages::kNoSuchRunIn(request.run(), request.experiment_id()));
  return response;
}

}  // namespace quantlab
