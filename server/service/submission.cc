#include "server/service/submission.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/records/error_reason.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "proto/convert.h"

namespace quantlab {
namespace {

absl::Status CheckText(absl::string_view name, const std::string& text, size_t most) {
  if (text.size() <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " has ", text.size(), " bytes; allowed: ", most));
}

absl::StatusOr<PlanRequest> ReadRequest(const v1::SubmitExperimentRequest& request) {
  PlanRequest plan;
  for (const v1::SourceFile& file : request.files()) plan.files.push_back({file.name(), file.content()});
  for (const v1::ProvidedInput& input : request.inputs()) {
    ProvidedAsset asset{input.name(), {}};
    for (const v1::AssetFile& file : input.files()) {
      QL_ASSIGN_OR_RETURN(AssetFile converted, FromProto(file));
      asset.files.push_back(std::move(converted));
    }
    plan.inputs.push_back(std::move(asset));
  }
  plan.only.assign(request.only().begin(), request.only().end());
  plan.inputs_needed = !request.validate_only();
  return plan;
}

RunRecord MakeRun(const PlannedRun& planned, absl::Duration time_limit, const std::string& experiment_id,
                  absl::Time now) {
  RunConfig config = planned.config;
  config.experiment_id = experiment_id;
  RunRecord run;
  run.id = MakeRunId(experiment_id, config.run_name);
  run.experiment_id = experiment_id;
  run.name = config.run_name;
  run.config_json = RunConfigToJson(config);
  run.kind = config.kind;
  run.method = config.method.name;
  run.method_version = config.method.version;
  run.device = config.device;
  run.seed = config.seed;
  run.input_key = planned.input_key;
  run.folder = planned.folder;
  run.needs = planned.needs;
  run.time_limit = time_limit;
  run.requirements = planned.requirements;
  run.create_time = now;
  return run;
}

// The files of models and datasets are copied into each run.
absl::Status CheckListedFiles(const PlanResult& plan) {
  int64_t listed = 0;
  for (const PlannedRun& run : plan.runs)
    listed += static_cast<int64_t>(run.config.model.files.size() + run.config.dataset.asset.files.size());
  if (listed <= kMaxListedFilesInAllRuns) return absl::OkStatus();
  return MessageStatus(absl::StatusCode::kInvalidArgument,
                       messages::kTooManyListedFiles(static_cast<int64_t>(plan.runs.size()), listed,
                                                     kMaxListedFilesInAllRuns));
}

}  // namespace

absl::Status CheckRequest(const v1::SubmitExperimentRequest& request) {
  QL_RETURN_IF_ERROR(CheckText("request_id", request.request_id(), kMaxRequestIdBytes));
  QL_RETURN_IF_ERROR(CheckText("submitter", request.submitter(), kMaxSubmitterBytes));
  if (request.only_size() > kMaxOnlyNames) {
    return absl::InvalidArgumentError(
        absl::StrCat("only has ", request.only_size(), " names; allowed: ", kMaxOnlyNames));
  }
  for (const std::string& name : request.only())
    QL_RETURN_IF_ERROR(CheckText("a name in only", name, kMaxOnlyNameBytes));
  if (!request.validate_only() && request.request_id().empty())
    return absl::InvalidArgumentError("request_id is missing; choose a random one");
  return absl::OkStatus();
}

std::string RequestDigest(const v1::SubmitExperimentRequest& request) {
  Sha256 digest;
  // Each text with its length before it, so that no two requests have the same bytes.
  const auto add = [&digest](const std::string& text) {
    digest.Update(absl::StrCat(text.size(), ":"));
    digest.Update(text);
  };
  add("request-1");
  add(absl::StrCat(request.files_size(), " ", request.inputs_size(), " ", request.only_size(), " ",
                   request.no_reuse()));
  for (const v1::SourceFile& file : request.files()) {
    add(file.name());
    add(file.content());
  }
  for (const v1::ProvidedInput& input : request.inputs()) {
    add(absl::StrCat(input.files_size()));
    add(input.name());
    for (const v1::AssetFile& file : input.files()) {
      add(file.path());
      add(file.sha256());
    }
  }
  for (const std::string& name : request.only()) add(name);
  return digest.HexDigest();
}

absl::Status CheckSameRequest(const ExperimentRecord& known, const v1::SubmitExperimentRequest& request) {
  bool same = known.request_digest == RequestDigest(request);
  if (known.request_digest.empty()) {
    same = std::equal(known.files.begin(), known.files.end(), request.files().begin(), request.files().end(),
                      [](const SourceFile& a, const v1::SourceFile& b) {
                        return a.name == b.name() && a.content == b.content();
                      });
  }
  if (same) return absl::OkStatus();
  return WithReason(absl::InvalidArgumentError(absl::StrCat(
                        "request_id ", request.request_id(), " was used for experiment ", known.id,
                        " with other content; choose a new request_id for a new experiment")),
                    "REQUEST_ID_REUSED");
}

absl::StatusOr<Submission> PlanSubmission(const v1::SubmitExperimentRequest& request,
                                          const Catalog& catalog) {
  QL_ASSIGN_OR_RETURN(PlanRequest plan_request, ReadRequest(request));
  Submission submission;
  submission.plan = PlanExperiment(plan_request, catalog);
  QL_RETURN_IF_ERROR(CheckListedFiles(submission.plan));
  submission.inputs = std::move(plan_request.inputs);
  ExperimentRecord& experiment = submission.experiment;
  experiment.name = submission.plan.name;
  experiment.request_id = request.request_id();
  experiment.request_digest = RequestDigest(request);
  experiment.submitter = request.submitter();
  experiment.report_language = submission.plan.report_language;
  experiment.priority = submission.plan.priority;
  experiment.reuse = submission.plan.reuse && !request.no_reuse();
  experiment.files = std::move(plan_request.files);
  return submission;
}

absl::Status FirstError(const Diagnostics& diagnostics) {
  Message message;
  int errors = 0;
  for (const Diagnostic& diagnostic : diagnostics.all()) {
    if (diagnostic.error && ++errors == 1) message = PlacedMessage(diagnostic);
  }
  if (errors > 1) message = messages::kFirstOfErrors(message, errors - 1);
  return WithReason(MessageStatus(absl::StatusCode::kInvalidArgument, message), "EXPERIMENT_INVALID");
}

absl::Status CheckUploads(ArtifactStore& store, const std::vector<ProvidedAsset>& inputs) {
  for (const ProvidedAsset& input : inputs) {
    for (const AssetFile& file : input.files) {
      QL_ASSIGN_OR_RETURN(const ArtifactStore::Stat stat, store.GetStat(file.sha256));
      if (stat.present && stat.size == file.size) continue;
      return WithReason(
          absl::FailedPreconditionError(absl::StrCat(
              "the file ", file.path, " of ", input.name, " (", file.sha256, ", ", file.size,
              " bytes) is not in the store; upload it first with ArtifactService.UploadArtifact")),
          "ARTIFACT_MISSING");
    }
  }
  return absl::OkStatus();
}

ExperimentRecord MakeExperiment(const Submission& submission, const std::string& id, absl::Time now) {
  ExperimentRecord experiment = submission.experiment;
  experiment.id = id;
  experiment.create_time = now;
  return experiment;
}

std::vector<RunRecord> MakeRuns(const Submission& submission, const std::string& id, absl::Time now) {
  std::vector<RunRecord> runs;
  for (const PlannedRun& planned : submission.plan.runs)
    runs.push_back(MakeRun(planned, submission.plan.time_limit, id, now));
  return runs;
}

}  // namespace quantlab
