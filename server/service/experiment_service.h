// ExperimentService, the RPCs of users: translates messages and calls the coordinator and the repositories.
#ifndef QUANTLAB_SERVER_SERVICE_EXPERIMENT_SERVICE_H_
#define QUANTLAB_SERVER_SERVICE_EXPERIMENT_SERVICE_H_

#include <atomic>
#include <string>

#include "catalog/catalog.h"
#include "quantlab/v1/experiment.grpc.pb.h"
#include "server/core/coordinator.h"
#include "server/service/rpc.h"
#include "server/service/submission.h"
#include "server/service/views.h"

namespace quantlab {

// Everything is borrowed but for the catalogue.
struct ExperimentServiceParts {
  RpcEnvironment rpc;
  Coordinator* coordinator = nullptr;
  StateRepository* state = nullptr;
  EventRepository* events = nullptr;
  ArtifactStore* artifacts = nullptr;
  Catalog catalog;
  std::string version;
};

// Threads: safe.
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

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_EXPERIMENT_SERVICE_H_
