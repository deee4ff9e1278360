#include "server/service/experiment_service.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/messages/access.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/records/error_reason.h"
#include "base/records/ids.h"
#include "base/status_macros.h"
#include "proto/convert.h"
#include "quantlab/v1/experiment.grpc.pb.h"
#include "server/service/access/ownership.h"
#include "server/service/submission.h"
#include "server/service/views.h"
#include "server/service/watch.h"

namespace quantlab {
namespace {

constexpr int kMaxWatches = 2000;
constexpr size_t kMaxReasonBytes = 1000;
// Number of experiments read at once, so that a page can end by its size.
constexpr int kExperimentsAtOnce = 20;

void Fill(const Diagnostic& diagnostic, v1::Diagnostic* out) {
  out->set_file(diagnostic.at.file);
  out->set_line(diagnostic.at.line);
  out->set_column(diagnostic.at.column);
  out->set_message(diagnostic.message);
  out->set_error(diagnostic.error);
  *out->mutable_coded_message() = ToProto(diagnostic.coded_message);
}

void Fill(const RequiredAsset& required, v1::RequiredInput* out) {
  out->set_name(required.name);
  out->set_path(required.path);
  out->set_role(AssetRoleName(required.role));
  out->set_remedy(required.remedy);
}

absl::Status RunNotFound(const std::string& run, const std::string& experiment) {
  return MessageStatus(absl::StatusCode::kNotFound, messages::kNoSuchRunIn(run, experiment));
}

void AddUnplaceable(const std::vector<Message>& explanations, v1::SubmitExperimentResponse* response) {
  for (const Message& explanation : explanations) {
    response->add_unplaceable(English(explanation));
    *response->add_coded_unplaceable() = ToProto(explanation);
  }
}

class ExperimentService final : public v1::ExperimentService::CallbackService {
 public:
  explicit ExperimentService(ExperimentServiceParts parts);

  grpc::ServerUnaryReactor* SubmitExperiment(grpc::CallbackServerContext* context,
                                             const v1::SubmitExperimentRequest* request,
                                             v1::SubmitExperimentResponse* response) override;
  grpc::ServerUnaryReactor* GetExperiment(grpc::CallbackServerContext* context,
                                          const v1::GetExperimentRequest* request,
                                          v1::Experiment* response) override;
  grpc::ServerUnaryReactor* ListExperiments(grpc::CallbackServerContext* context,
                                            const v1::ListExperimentsRequest* request,
                                            v1::ListExperimentsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchExperimentResponse>* WatchExperiment(
      grpc::CallbackServerContext* context, const v1::WatchExperimentRequest* request) override;
  grpc::ServerUnaryReactor* CancelExperiment(grpc::CallbackServerContext* context,
                                             const v1::CancelExperimentRequest* request,
                                             v1::Experiment* response) override;
  grpc::ServerUnaryReactor* RetryExperiment(grpc::CallbackServerContext* context,
                                            const v1::RetryExperimentRequest* request,
                                            v1::Experiment* response) override;
  grpc::ServerUnaryReactor* ListLogs(grpc::CallbackServerContext* context, const v1::ListLogsRequest* request,
                                     v1::ListLogsResponse* response) override;
  grpc::ServerUnaryReactor* ListMetrics(grpc::CallbackServerContext* context,
                                        const v1::ListMetricsRequest* request,
                                        v1::ListMetricsResponse* response) override;
  grpc::ServerUnaryReactor* ExplainRun(grpc::CallbackServerContext* context,
                                       const v1::ExplainRunRequest* request,
                                       v1::ExplainRunResponse* response) override;
  grpc::ServerUnaryReactor* GetReportData(grpc::CallbackServerContext* context,
                                          const v1::GetReportDataRequest* request,
                                          v1::ReportData* response) override;
  grpc::ServerUnaryReactor* ListMethods(grpc::CallbackServerContext* context,
                                        const v1::ListMethodsRequest* request,
                                        v1::ListMethodsResponse* response) override;
  grpc::ServerUnaryReactor* ListCatalog(grpc::CallbackServerContext* context,
                                        const v1::ListCatalogRequest* request,
                                        v1::ListCatalogResponse* response) override;

 private:
  absl::Status Submit(const v1::SubmitExperimentRequest& request, RpcRecord& record,
                      v1::SubmitExperimentResponse* response);
  absl::Status Replay(const std::string& id, const v1::SubmitExperimentRequest& request, RpcRecord& record,
                      v1::SubmitExperimentResponse* response);
  // Whether the caller may have so many more unfinished runs.
  absl::Status CheckQueueQuota(const RpcRecord& record, int64_t runs);
  absl::Status Validate(const Submission& submission, v1::SubmitExperimentResponse* response);
  absl::Status Store(const Submission& submission, const v1::SubmitExperimentRequest& request,
                     RpcRecord& record, v1::SubmitExperimentResponse* response);

  const ExperimentServiceParts parts_;
  Views views_;
  std::atomic<int> watches_{0};
};

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
  QL_RETURN_IF_ERROR(CheckRequest(request));
  if (!request.validate_only()) {
    QL_ASSIGN_OR_RETURN(const auto known, parts_.state->FindExperimentByRequest(request.request_id()));
    if (known) return Replay(known->id, request, record, response);
  }
  QL_ASSIGN_OR_RETURN(Submission submission, PlanSubmission(request, parts_.catalog));
  // Whoever has an identity submits under its name and no other.
  if (record.caller().identity) submission.experiment.submitter = record.caller().name();
  const PlanResult& plan = submission.plan;
  for (const RequiredAsset& required : plan.required) Fill(required, response->add_required_inputs());
  for (const Diagnostic& diagnostic : plan.diagnostics.all()) Fill(diagnostic, response->add_diagnostics());
  if (request.validate_only()) return plan.ok() ? Validate(submission, response) : absl::OkStatus();
  if (!plan.ok()) return FirstError(plan.diagnostics);
  QL_RETURN_IF_ERROR(CheckQueueQuota(record, static_cast<int64_t>(plan.runs.size())));
  QL_RETURN_IF_ERROR(CheckUploads(*parts_.artifacts, submission.inputs));
  return Store(submission, request, record, response);
}

// The experiment that an earlier call with the same request created.
absl::Status ExperimentService::Replay(const std::string& id, const v1::SubmitExperimentRequest& request,
                                       RpcRecord& record, v1::SubmitExperimentResponse* response) {
  record.subject.experiment = id;
  QL_ASSIGN_OR_RETURN(const ExperimentRecord known, parts_.state->GetExperiment(id));
  QL_RETURN_IF_ERROR(CheckSameRequest(known, request));
  QL_ASSIGN_OR_RETURN(*response->mutable_experiment(), views_.Experiment(id));
  return absl::OkStatus();
}

absl::Status ExperimentService::CheckQueueQuota(const RpcRecord& record, int64_t runs) {
  if (record.grant() != Grant::kQuota) return absl::OkStatus();
  const int64_t most = parts_.rpc.access->limits().options().unfinished_runs;
  const std::string name = record.caller().name();
  const int64_t total = parts_.coordinator->UnfinishedRunsOf(name) + runs;
  if (total <= most) return absl::OkStatus();
  return WithReason(
      MessageStatus(absl::StatusCode::kResourceExhausted, messages::kQueueQuotaUsed(name, total, most)),
      "QUEUE_QUOTA_USED");
}

absl::Status ExperimentService::Validate(const Submission& submission,
                                         v1::SubmitExperimentResponse* response) {
  const absl::Time now = parts_.rpc.clock->Now();
  *response->mutable_experiment() = ToProto(MakeExperiment(submission, "", now));
  response->mutable_experiment()->clear_files();
  const std::vector<RunRecord> runs = MakeRuns(submission, "", now);
  for (const RunRecord& run : runs) {
    v1::Run* view = response->mutable_experiment()->add_runs();
    *view = ToProto(run);
    view->set_id(run.name);
    ShortenFileLists(view->mutable_config());
  }
  AddUnplaceable(parts_.coordinator->Unplaceable(runs), response);
  return absl::OkStatus();
}

absl::Status ExperimentService::Store(const Submission& submission,
                                      const v1::SubmitExperimentRequest& request, RpcRecord& record,
                                      v1::SubmitExperimentResponse* response) {
  const absl::Time now = parts_.rpc.clock->Now();
  absl::StatusOr<StateRepository::Created> created;
  std::vector<RunRecord> runs;
  std::vector<Artifact> uploads;
  for (const ProvidedAsset& input : submission.inputs) {
    for (const AssetFile& file : input.files) uploads.push_back({file.path, file.sha256, file.size});
  }
  // Collisions of random ids are very unlikely; three tries suffice.
  for (int tries = 0; tries < 3; ++tries) {
    const std::string id = NewExperimentId(submission.plan.name);
    runs = MakeRuns(submission, id, now);
    created = parts_.coordinator->Submit(MakeExperiment(submission, id, now), runs, uploads);
    if (!absl::IsAlreadyExists(created.status())) break;
  }
  QL_RETURN_IF_ERROR(created.status());
  // Another call with the same request_id was first.
  if (!created->created) return Replay(created->experiment_id, request, record, response);
  record.subject.experiment = created->experiment_id;
  response->set_created(true);
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
    response->set_next_page_token(request->page_token());
    do {
      const int left = size - response->experiments_size();
      QL_ASSIGN_OR_RETURN(const auto page,
                          parts_.state->ListExperiments(filter, std::min(left, kExperimentsAtOnce),
                                                        response->next_page_token()));
      for (const ExperimentRecord& experiment : page.items) {
        QL_ASSIGN_OR_RETURN(*response->add_experiments(),
                            views_.Experiment(experiment, ViewDetail::kWithoutFilesAndConfigs));
      }
      response->set_next_page_token(page.next_page_token);
    } while (!response->next_page_token().empty() && response->experiments_size() < size &&
             static_cast<int64_t>(response->ByteSizeLong()) < kMaxPageBytes);
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<v1::WatchExperimentResponse>* ExperimentService::WatchExperiment(
    grpc::CallbackServerContext* context, const v1::WatchExperimentRequest* request) {
  const WatchParts parts{&parts_.rpc, parts_.state, parts_.events, &parts_.coordinator->feed()};
  return StartWatch(parts, *context, *request, watches_, kMaxWatches);
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
      return RunNotFound(request->run(), request->experiment_id());
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
    if (explanation.estimate) {
      *response->mutable_estimated_start_time() = ToProto(parts_.rpc.clock->Now() + explanation.estimate->in);
    }
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
    QL_RETURN_IF_ERROR(CheckOwner(record, *parts_.state, request->id()));
    if (request->reason().size() > kMaxReasonBytes) {
      return MessageStatus(
          absl::StatusCode::kInvalidArgument,
          messages::kReasonTooLong(static_cast<int64_t>(request->reason().size()), kMaxReasonBytes));
    }
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
    QL_RETURN_IF_ERROR(CheckOwner(record, *parts_.state, request->id()));
    QL_RETURN_IF_ERROR(parts_.coordinator->Retry(request->id(), request->run()));
    QL_ASSIGN_OR_RETURN(*response, views_.Experiment(request->id()));
    return absl::OkStatus();
  });
}

std::unique_ptr<grpc::Service> MakeExperimentService(ExperimentServiceParts parts) {
  return std::make_unique<ExperimentService>(std::move(parts));
}

}  // namespace quantlab
