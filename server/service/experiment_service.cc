#include "server/service/experiment_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/ids.h"
#include "base/message_catalogue.h"
#include "base/status_macros.h"
#include "proto/convert.h"
#include "server/service/watch.h"

namespace quantlab {
namespace {

constexpr int kMaxWatches = 2000;

absl::Status CheckText(absl::string_view name, const std::string& text, size_t most) {
  if (text.size() <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " has ", text.size(), " bytes; allowed: ", most));
}

void Fill(const Diagnostic& diagnostic, v1::Diagnostic* out) {
  out->set_file(diagnostic.at.file);
  out->set_line(diagnostic.at.line);
  out->set_column(diagnostic.at.column);
  out->set_message(diagnostic.message);
  out->set_error(diagnostic.error);
}

void Fill(const RequiredAsset& required, v1::RequiredInput* out) {
  out->set_name(required.name);
  out->set_path(required.path);
  out->set_role(AssetRoleName(required.role));
  out->set_remedy(required.remedy);
}

void AddUnplaceable(const std::vector<Message>& explanations, v1::SubmitExperimentResponse* response) {
  for (const Message& explanation : explanations) {
    response->add_unplaceable(English(explanation));
    *response->add_coded_unplaceable() = ToProto(explanation);
  }
}

// The first error, as the call's own message.
absl::Status FirstError(const Diagnostics& diagnostics) {
  std::string message;
  int errors = 0;
  for (const Diagnostic& diagnostic : diagnostics.all()) {
    if (diagnostic.error && ++errors == 1) message = FormatDiagnostic(diagnostic);
  }
  if (errors > 1) absl::StrAppend(&message, " (and ", errors - 1, " more; quantctl validate lists them)");
  return WithReason(absl::InvalidArgumentError(message), "EXPERIMENT_INVALID");
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

RunRecord MakeRun(const PlannedRun& planned, const PlanResult& plan, const std::string& experiment_id,
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
  run.time_limit = plan.time_limit;
  run.create_time = now;
  return run;
}

ExperimentRecord MakeExperiment(const PlanResult& plan, const v1::SubmitExperimentRequest& request,
                                const std::string& id, absl::Time now) {
  ExperimentRecord experiment;
  experiment.id = id;
  experiment.name = plan.name;
  experiment.request_id = request.request_id();
  experiment.submitter = request.submitter();
  experiment.report_language = plan.report_language;
  experiment.priority = plan.priority;
  experiment.reuse = plan.reuse && !request.no_reuse();
  experiment.create_time = now;
  for (const v1::SourceFile& file : request.files())
    experiment.files.push_back({file.name(), file.content()});
  return experiment;
}

}  // namespace

ExperimentService::ExperimentService(ExperimentServiceParts parts)
    : parts_(std::move(parts)), views_(*parts_.state, *parts_.events) {}

// ---- submitting ------------------------------------------------------------------------------------------

grpc::ServerUnaryReactor* ExperimentService::SubmitExperiment(grpc::CallbackServerContext* context,
                                                              const v1::SubmitExperimentRequest* request,
                                                              v1::SubmitExperimentResponse* response) {
  return RunUnary(parts_.rpc, context, "SubmitExperiment",
                  [=, this](RpcRecord& record) { return Submit(*request, record, response); });
}

absl::Status ExperimentService::Submit(const v1::SubmitExperimentRequest& request, RpcRecord& record,
                                       v1::SubmitExperimentResponse* response) {
  QL_RETURN_IF_ERROR(CheckText("request_id", request.request_id(), 64));
  QL_RETURN_IF_ERROR(CheckText("submitter", request.submitter(), 256));
  if (!request.validate_only()) {
    if (request.request_id().empty())
      return absl::InvalidArgumentError("request_id is missing; choose a random one");
    QL_ASSIGN_OR_RETURN(const auto known, parts_.state->FindExperimentByRequest(request.request_id()));
    if (known) {
      record.subject.experiment = known->id;
      QL_ASSIGN_OR_RETURN(*response->mutable_experiment(), views_.Experiment(known->id));
      return absl::OkStatus();
    }
  }
  QL_ASSIGN_OR_RETURN(const PlanRequest plan_request, ReadRequest(request));
  const PlanResult plan = PlanExperiment(plan_request, parts_.catalog);
  for (const RequiredAsset& required : plan.required) Fill(required, response->add_required_inputs());
  if (request.validate_only()) return Validate(plan, request, response);
  for (const Diagnostic& diagnostic : plan.diagnostics.all()) Fill(diagnostic, response->add_diagnostics());
  if (!plan.ok()) return FirstError(plan.diagnostics);
  QL_RETURN_IF_ERROR(CheckUploads(plan_request.inputs));
  return Store(plan, request, record, response);
}

absl::Status ExperimentService::Validate(const PlanResult& plan, const v1::SubmitExperimentRequest& request,
                                         v1::SubmitExperimentResponse* response) {
  for (const Diagnostic& diagnostic : plan.diagnostics.all()) Fill(diagnostic, response->add_diagnostics());
  if (!plan.ok()) return absl::OkStatus();
  const absl::Time now = parts_.rpc.clock->Now();
  *response->mutable_experiment() = ToProto(MakeExperiment(plan, request, "", now));
  response->mutable_experiment()->clear_files();
  std::vector<RunRecord> runs;
  for (const PlannedRun& planned : plan.runs) {
    runs.push_back(MakeRun(planned, plan, "", now));
    v1::Run* view = response->mutable_experiment()->add_runs();
    *view = ToProto(runs.back());
    view->set_id(runs.back().name);
    ShortenFileLists(view->mutable_config());
  }
  AddUnplaceable(parts_.coordinator->Unplaceable(runs), response);
  return absl::OkStatus();
}

absl::Status ExperimentService::CheckUploads(const std::vector<ProvidedAsset>& inputs) {
  for (const ProvidedAsset& input : inputs) {
    for (const AssetFile& file : input.files) {
      QL_ASSIGN_OR_RETURN(const ArtifactStore::Stat stat, parts_.artifacts->GetStat(file.sha256));
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

absl::Status ExperimentService::Store(const PlanResult& plan, const v1::SubmitExperimentRequest& request,
                                      RpcRecord& record, v1::SubmitExperimentResponse* response) {
  const absl::Time now = parts_.rpc.clock->Now();
  absl::StatusOr<StateRepository::Created> created;
  std::vector<RunRecord> runs;
  // Two random ids are hardly ever the same; three tries are plenty.
  for (int tries = 0; tries < 3; ++tries) {
    const std::string id = NewExperimentId(plan.name);
    runs.clear();
    for (const PlannedRun& planned : plan.runs) runs.push_back(MakeRun(planned, plan, id, now));
    created = parts_.coordinator->Submit(MakeExperiment(plan, request, id, now), runs);
    if (!absl::IsAlreadyExists(created.status())) break;
  }
  QL_RETURN_IF_ERROR(created.status());
  record.subject.experiment = created->experiment_id;
  response->set_created(created->created);
  AddUnplaceable(parts_.coordinator->Unplaceable(runs), response);
  QL_ASSIGN_OR_RETURN(*response->mutable_experiment(), views_.Experiment(created->experiment_id));
  return absl::OkStatus();
}

// ---- reading ---------------------------------------------------------------------------------------------

grpc::ServerUnaryReactor* ExperimentService::GetExperiment(grpc::CallbackServerContext* context,
                                                           const v1::GetExperimentRequest* request,
                                                           v1::Experiment* response) {
  return RunUnary(parts_.rpc, context, "GetExperiment", [=, this](RpcRecord& record) -> absl::Status {
    record.subject.experiment = request->id();
    record.frequent = true;
    QL_ASSIGN_OR_RETURN(*response, views_.Experiment(request->id()));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ExperimentService::ListExperiments(grpc::CallbackServerContext* context,
                                                             const v1::ListExperimentsRequest* request,
                                                             v1::ListExperimentsResponse* response) {
  return RunUnary(parts_.rpc, context, "ListExperiments", [=, this](RpcRecord& record) -> absl::Status {
    record.frequent = true;
    QL_ASSIGN_OR_RETURN(const int size, CheckPageSize(request->page_size(), 50, 1000));
    ExperimentFilter filter;
    filter.name = request->name();
    if (request->state() != v1::EXPERIMENT_STATE_UNSPECIFIED) {
      QL_ASSIGN_OR_RETURN(filter.state, FromProto(request->state()));
    }
    QL_ASSIGN_OR_RETURN(const auto page, parts_.state->ListExperiments(filter, size, request->page_token()));
    for (const ExperimentRecord& experiment : page.items) {
      QL_ASSIGN_OR_RETURN(*response->add_experiments(),
                          views_.Experiment(experiment, ViewDetail::kWithoutFilesAndConfigs));
    }
    response->set_next_page_token(page.next_page_token);
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<v1::WatchExperimentResponse>* ExperimentService::WatchExperiment(
    grpc::CallbackServerContext*, const v1::WatchExperimentRequest* request) {
  const WatchParts parts{&parts_.rpc, parts_.state, parts_.events, &parts_.coordinator->feed()};
  return StartWatch(parts, *request, watches_, kMaxWatches);
}

grpc::ServerUnaryReactor* ExperimentService::ListLogs(grpc::CallbackServerContext* context,
                                                      const v1::ListLogsRequest* request,
                                                      v1::ListLogsResponse* response) {
  return RunUnary(parts_.rpc, context, "ListLogs", [=, this](RpcRecord& record) -> absl::Status {
    record.subject = {request->experiment_id(), request->run(), request->attempt()};
    record.frequent = true;
    QL_ASSIGN_OR_RETURN(const int size, CheckPageSize(request->page_size(), 1000, 10000));
    QL_ASSIGN_OR_RETURN(const std::vector<RunRecord> runs, parts_.state->ListRuns(request->experiment_id()));
    const bool known = std::any_of(runs.begin(), runs.end(),
                                   [&](const RunRecord& run) { return run.name == request->run(); });
    if (!request->run().empty() && !known) {
      return absl::NotFoundError(
          absl::StrCat("there is no run ", request->run(), " in ", request->experiment_id()));
    }
    LogFilter filter{request->experiment_id(), request->run(), request->attempt(), Severity::kDebug};
    if (request->min_severity() != v1::SEVERITY_UNSPECIFIED) {
      QL_ASSIGN_OR_RETURN(filter.min_severity, FromProto(request->min_severity()));
    }
    QL_ASSIGN_OR_RETURN(const auto page, parts_.events->ListLogs(filter, size, request->page_token()));
    for (const LogEntry& entry : page.items) *response->add_entries() = ToProto(entry);
    response->set_next_page_token(page.next_page_token);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ExperimentService::ListMetrics(grpc::CallbackServerContext* context,
                                                         const v1::ListMetricsRequest* request,
                                                         v1::ListMetricsResponse* response) {
  return RunUnary(parts_.rpc, context, "ListMetrics", [=, this](RpcRecord& record) -> absl::Status {
    record.subject = {request->experiment_id(), request->run(), 0};
    record.frequent = true;
    QL_ASSIGN_OR_RETURN(const int size, CheckPageSize(request->page_size(), 1000, 10000));
    QL_ASSIGN_OR_RETURN(*response, views_.Metrics(*request, size));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ExperimentService::GetReportData(grpc::CallbackServerContext* context,
                                                           const v1::GetReportDataRequest* request,
                                                           v1::ReportData* response) {
  return RunUnary(parts_.rpc, context, "GetReportData", [=, this](RpcRecord& record) -> absl::Status {
    record.subject.experiment = request->experiment_id();
    QL_ASSIGN_OR_RETURN(const ReportData data, views_.Report(request->experiment_id(), parts_.version));
    *response = ToProto(data);
    for (v1::RunReport& run : *response->mutable_runs())
      ShortenFileLists(run.mutable_run()->mutable_config());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ExperimentService::ExplainRun(grpc::CallbackServerContext* context,
                                                        const v1::ExplainRunRequest* request,
                                                        v1::ExplainRunResponse* response) {
  return RunUnary(parts_.rpc, context, "ExplainRun", [=, this](RpcRecord& record) -> absl::Status {
    record.subject = SubjectOf(request->run_id(), 0);
    QL_ASSIGN_OR_RETURN(const Explanation explanation, parts_.coordinator->Explain(request->run_id()));
    response->set_state(ToProto(explanation.state));
    for (const Message& reason : explanation.reasons) {
      response->add_reasons(English(reason));
      *response->add_coded_reasons() = ToProto(reason);
    }
    response->set_queue_position(explanation.queue_position);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ExperimentService::ListMethods(grpc::CallbackServerContext* context,
                                                         const v1::ListMethodsRequest*,
                                                         v1::ListMethodsResponse* response) {
  return RunUnary(parts_.rpc, context, "ListMethods", [=](RpcRecord& record) {
    record.frequent = true;
    for (const MethodSpec& method : AllMethods()) *response->add_methods() = ToProto(method);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ExperimentService::ListCatalog(grpc::CallbackServerContext* context,
                                                         const v1::ListCatalogRequest*,
                                                         v1::ListCatalogResponse* response) {
  return RunUnary(parts_.rpc, context, "ListCatalog", [=, this](RpcRecord& record) {
    record.frequent = true;
    for (const CatalogEntry& entry : parts_.catalog.entries()) {
      v1::CatalogEntry* out = response->add_entries();
      out->set_name(entry.name);
      out->set_role(AssetRoleName(entry.role));
      out->set_description(entry.description);
      out->set_license(entry.license);
      out->set_source(entry.wheel ? absl::StrCat("package ", entry.wheel->package, " ", entry.wheel->version)
                                  : absl::StrCat("path ", entry.path));
    }
    return absl::OkStatus();
  });
}

// ---- changing --------------------------------------------------------------------------------------------

grpc::ServerUnaryReactor* ExperimentService::CancelExperiment(grpc::CallbackServerContext* context,
                                                              const v1::CancelExperimentRequest* request,
                                                              v1::Experiment* response) {
  return RunUnary(parts_.rpc, context, "CancelExperiment", [=, this](RpcRecord& record) -> absl::Status {
    record.subject = {request->id(), request->run(), 0};
    QL_RETURN_IF_ERROR(CheckText("reason", request->reason(), 1000));
    QL_RETURN_IF_ERROR(parts_.coordinator->Cancel(request->id(), request->run(), request->reason()));
    QL_ASSIGN_OR_RETURN(*response, views_.Experiment(request->id()));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ExperimentService::RetryExperiment(grpc::CallbackServerContext* context,
                                                             const v1::RetryExperimentRequest* request,
                                                             v1::Experiment* response) {
  return RunUnary(parts_.rpc, context, "RetryExperiment", [=, this](RpcRecord& record) -> absl::Status {
    record.subject = {request->id(), request->run(), 0};
    QL_RETURN_IF_ERROR(parts_.coordinator->Retry(request->id(), request->run()));
    QL_ASSIGN_OR_RETURN(*response, views_.Experiment(request->id()));
    return absl::OkStatus();
  });
}

}  // namespace quantlab
