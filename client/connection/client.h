// The typed, retrying client of a coordinator: what quantctl and tests talk through.
//
//   QL_ASSIGN_OR_RETURN(auto client, Client::Create({.address = "unix:/run/quantlab.sock"}));
//   QL_ASSIGN_OR_RETURN(v1::Experiment experiment, client->GetExperiment("quick-k3f9a2"));
//
// Every call has a deadline. Calls that may be repeated without harm are repeated with back-off while the
// coordinator is away (`ClientOptions::patience`); RetryExperiment is the only one that is not.
//
// Errors: what the coordinator answered, by code (see proto/status_bridge.h); UNAVAILABLE names the address
// that was tried; CANCELLED after Cancellation::Cancel.
#ifndef QUANTLAB_CLIENT_CONNECTION_CLIENT_H_
#define QUANTLAB_CLIENT_CONNECTION_CLIENT_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/channel.h>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/connection/cancellation.h"
#include "proto/channel.h"
#include "quantlab/v1/admin.grpc.pb.h"
#include "quantlab/v1/artifact.grpc.pb.h"
#include "quantlab/v1/experiment.grpc.pb.h"
#include "quantlab/v1/worker.grpc.pb.h"

namespace quantlab::client {

struct ClientOptions {
  // "unix:/path" or "host:port"; beyond loopback with an authority in `security`.
  std::string address;
  ChannelSecurity security = {};
  // Of each single attempt of a unary call.
  absl::Duration call_timeout = absl::Seconds(60);
  // How long a call goes on trying before the coordinator has ever answered, and after it has.
  absl::Duration first_patience = absl::Seconds(3);
  absl::Duration patience = absl::Minutes(2);
  // Called each time that a call is about to be repeated because the coordinator is away; an error ends the
  // call with it. May be empty. Called on the calling thread.
  std::function<absl::Status(const absl::Status& why)> on_unavailable = {};
  // Borrowed; may be null.
  Cancellation* cancellation = nullptr;
};

// Receives each change of a watched experiment, in order.
using WatchHandler = std::function<void(const v1::WatchExperimentResponse&)>;

// Threads: safe.
class Client {
 public:
  static absl::StatusOr<std::unique_ptr<Client>> Create(ClientOptions options);

  const std::string& address() const { return options_.address; }

  absl::StatusOr<v1::SubmitExperimentResponse> Submit(const v1::SubmitExperimentRequest& request);
  absl::StatusOr<v1::Experiment> GetExperiment(const std::string& id);
  // All pages, at most `limit` (0: all), newest first.
  absl::StatusOr<std::vector<v1::Experiment>> ListExperiments(v1::ListExperimentsRequest request, int limit);
  absl::StatusOr<v1::Experiment> Cancel(const v1::CancelExperimentRequest& request);
  // Not repeated: a second call could queue again what has failed since.
  absl::StatusOr<v1::Experiment> Retry(const v1::RetryExperimentRequest& request);
  // Page by page to `handler`, which may be called many times.
  absl::Status ListLogs(v1::ListLogsRequest request, const std::function<void(const v1::LogEntry&)>& handler);
  absl::StatusOr<std::vector<v1::MetricEntry>> ListMetrics(v1::ListMetricsRequest request);
  absl::StatusOr<v1::ExplainRunResponse> Explain(const std::string& run_id);
  absl::StatusOr<v1::ReportData> GetReportData(const std::string& experiment_id);
  absl::StatusOr<v1::ListMethodsResponse> ListMethods();
  absl::StatusOr<v1::ListCatalogResponse> ListCatalog();
  absl::StatusOr<v1::ListWorkersResponse> ListWorkers();
  absl::StatusOr<v1::WorkerStatus> SetWorkerMode(const v1::SetWorkerModeRequest& request);
  absl::StatusOr<v1::StatArtifactsResponse> StatArtifacts(const v1::StatArtifactsRequest& request);
  // Not repeated: the token of an answer that was lost cannot be shown again.
  absl::StatusOr<v1::CreateIdentityResponse> CreateIdentity(const v1::CreateIdentityRequest& request);
  absl::StatusOr<v1::Identity> RevokeIdentity(const std::string& name);
  absl::StatusOr<v1::ListIdentitiesResponse> ListIdentities();

  // Follows an experiment until it has ended, across broken streams and restarts of the coordinator: each
  // change once, in order. `request.after_sequence` is where it starts.
  absl::Status Watch(v1::WatchExperimentRequest request, const WatchHandler& handler);

  // The experiment that `name` means: its id, a prefix of one id only, or "latest".
  // Errors: NOT_FOUND; INVALID_ARGUMENT several begin so (they are named).
  absl::StatusOr<std::string> ResolveExperiment(const std::string& name);
  // "<experiment>/<run>", both abbreviated alike, to a run's id.
  absl::StatusOr<std::string> ResolveRun(const std::string& name);

  v1::ArtifactService::StubInterface& artifacts() { return *artifacts_; }
  const ClientOptions& options() const { return options_; }

  // Runs `attempt` until it succeeds, fails otherwise than by the coordinator being away, or patience ends.
  // For calls that may be repeated.
  absl::Status Repeat(const std::function<absl::Status()>& attempt);

 private:
  explicit Client(ClientOptions options, std::shared_ptr<grpc::Channel> channel);

  // One answer of one call; `method` is a pointer to a method of the stub.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(Stub& stub,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request, bool repeatable = true);

  absl::Status WatchOnce(const v1::WatchExperimentRequest& request, const WatchHandler& handler,
                         int64_t* last_sequence, bool* ended);
  // What an unavailable coordinator means for people.
  absl::Status ForPeople(absl::Status status) const;

  // Constant after construction.
  const ClientOptions options_;
  const std::unique_ptr<v1::ExperimentService::StubInterface> experiments_;
  const std::unique_ptr<v1::ArtifactService::StubInterface> artifacts_;
  const std::unique_ptr<v1::WorkerService::StubInterface> workers_;
  const std::unique_ptr<v1::AdminService::StubInterface> admin_;
  // Own synchronisation.
  std::atomic<bool> answered_{false};
};

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_CONNECTION_CLIENT_H_
