#include "client/connection/client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/messages/access.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/messages/transfer.h"
#include "base/records/records.h"
#include "base/status_macros.h"
#include "platform/address.h"
#include "proto/channel.h"
#include "proto/status_bridge.h"

namespace quantlab::client {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(50);
constexpr absl::Duration kLongestPause = absl::Seconds(2);
// A watch is opened anew at least this often, so that even a stream that died in silence goes on.
constexpr absl::Duration kWatchDeadline = absl::Minutes(5);
// Times that a request is sent although each time the connection ended.
constexpr int kMaxEndedConnections = 2;
constexpr int kMaxMessageBytes = 256 << 20;

bool IsAway(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

// Whether the connection ended while the coordinator had the request, as opposed to there being none. gRPC
// says it in its text alone (https://github.com/grpc/grpc/blob/v1.51.1/src/core/lib/iomgr/tcp_posix.cc).
bool ConnectionEnded(const absl::Status& status) {
  if (!absl::IsUnavailable(status)) return false;
  // The request was never sent: nobody listens, or the other side closed before HTTP/2 was set up (no TLS).
  if (absl::StrContains(status.message(), "failed to connect to all addresses")) return false;
  for (const char* text : {"Socket closed", "Connection reset", "Broken pipe", "recvmsg", "sendmsg"}) {
    if (absl::StrContains(status.message(), text)) return true;
  }
  return false;
}

absl::Status Cancelled() {
  return absl::CancelledError("stopped before the coordinator had answered");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Create(ClientOptions options) {
  const absl::StatusOr<Address> address = ParseAddress(options.address);
  if (!address.ok()) return Annotate(address.status(), "the coordinator");
  options.address = address->ToString();
  if (!address->is_local() && options.security.authority.empty()) {
    return MessageStatus(absl::StatusCode::kFailedPrecondition,
                         messages::kAddressNeedsCa(address->ToString()));
  }
  std::shared_ptr<grpc::Channel> channel =
      MakeChannel(*address, {.max_message_bytes = kMaxMessageBytes, .security = options.security});
  return std::unique_ptr<Client>(new Client(std::move(options), std::move(channel)));
}

Client::Client(ClientOptions options, std::shared_ptr<grpc::Channel> channel)
    : options_(std::move(options)),
      experiments_(v1::ExperimentService::NewStub(channel)),
      artifacts_(v1::ArtifactService::NewStub(channel)),
      workers_(v1::WorkerService::NewStub(channel)),
      admin_(v1::AdminService::NewStub(channel)) {}

absl::Status Client::ForPeople(absl::Status status) const {
  if (!absl::IsUnavailable(status)) return status;
  return MessageStatus(absl::StatusCode::kUnavailable,
                       messages::kNoCoordinatorAnswers(options_.address, status.message()));
}

absl::Status Client::Repeat(const std::function<absl::Status()>& attempt) {
  Backoff backoff(kFirstPause, kLongestPause);
  const absl::Duration start = Clock::Real().Monotonic();
  while (true) {
    if (options_.cancellation != nullptr && options_.cancellation->cancelled()) return Cancelled();
    absl::Status status = attempt();
    if (!IsAway(status)) {
      answered_ = answered_ || !absl::IsCancelled(status);
      return status;
    }
    const absl::Duration patience = answered_ ? options_.patience : options_.first_patience;
    if (Clock::Real().Monotonic() - start > patience) return ForPeople(std::move(status));
    if (options_.on_unavailable) QL_RETURN_IF_ERROR(options_.on_unavailable(status));
    const absl::Duration pause = backoff.Next();
    if (options_.cancellation == nullptr) {
      absl::SleepFor(pause);
    } else if (options_.cancellation->WaitFor(pause)) {
      return Cancelled();
    }
  }
}

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Client::Call(Stub& stub,
                                      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                                   Response*),
                                      const Request& request, bool repeatable) {
  Response response;
  int ended_connections = 0;
  const auto attempt = [&]() -> absl::Status {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + options_.call_timeout));
    const Cancellation::Registration registration(options_.cancellation, [&context] { context.TryCancel(); });
    response.Clear();
    absl::Status status = FromGrpcStatus((stub.*method)(&context, request, &response));
    if (ConnectionEnded(status) && ++ended_connections == kMaxEndedConnections) {
      return MessageStatus(absl::StatusCode::kInternal,
                           messages::kConnectionEnded(options_.address, ended_connections, status.message()));
    }
    return status;
  };
  const absl::Status status = repeatable ? Repeat(attempt) : ForPeople(attempt());
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<v1::SubmitExperimentResponse> Client::Submit(const v1::SubmitExperimentRequest& request) {
  return Call(*experiments_, &v1::ExperimentService::StubInterface::SubmitExperiment, request);
}

absl::StatusOr<v1::Experiment> Client::GetExperiment(const std::string& id) {
  v1::GetExperimentRequest request;
  request.set_id(id);
  return Call(*experiments_, &v1::ExperimentService::StubInterface::GetExperiment, request);
}

absl::StatusOr<std::vector<v1::Experiment>> Client::ListExperiments(v1::ListExperimentsRequest request,
                                                                    int limit) {
  std::vector<v1::Experiment> all;
  while (true) {
    request.set_page_size(limit > 0 ? std::min(limit - static_cast<int>(all.size()), 1000) : 1000);
    QL_ASSIGN_OR_RETURN(v1::ListExperimentsResponse page,
                        Call(*experiments_, &v1::ExperimentService::StubInterface::ListExperiments, request));
    for (v1::Experiment& experiment : *page.mutable_experiments()) all.push_back(std::move(experiment));
    if (page.next_page_token().empty() || (limit > 0 && static_cast<int>(all.size()) >= limit)) return all;
    request.set_page_token(page.next_page_token());
  }
}

absl::StatusOr<v1::Experiment> Client::Cancel(const v1::CancelExperimentRequest& request) {
  return Call(*experiments_, &v1::ExperimentService::StubInterface::CancelExperiment, request);
}

absl::StatusOr<v1::Experiment> Client::Retry(const v1::RetryExperimentRequest& request) {
  return Call(*experiments_, &v1::ExperimentService::StubInterface::RetryExperiment, request,
              /*repeatable=*/false);
}

absl::Status Client::ListLogs(v1::ListLogsRequest request,
                              const std::function<void(const v1::LogEntry&)>& handler) {
  request.set_page_size(5000);
  while (true) {
    QL_ASSIGN_OR_RETURN(v1::ListLogsResponse page,
                        Call(*experiments_, &v1::ExperimentService::StubInterface::ListLogs, request));
    for (const v1::LogEntry& entry : page.entries()) handler(entry);
    if (page.next_page_token().empty()) return absl::OkStatus();
    request.set_page_token(page.next_page_token());
  }
}

absl::StatusOr<std::vector<v1::MetricEntry>> Client::ListMetrics(v1::ListMetricsRequest request) {
  request.set_page_size(1000);
  std::vector<v1::MetricEntry> all;
  while (true) {
    QL_ASSIGN_OR_RETURN(v1::ListMetricsResponse page,
                        Call(*experiments_, &v1::ExperimentService::StubInterface::ListMetrics, request));
    for (v1::MetricEntry& entry : *page.mutable_metrics()) all.push_back(std::move(entry));
    if (page.next_page_token().empty()) return all;
    request.set_page_token(page.next_page_token());
  }
}

absl::StatusOr<v1::ExplainRunResponse> Client::Explain(const std::string& run_id) {
  v1::ExplainRunRequest request;
  request.set_run_id(run_id);
  return Call(*experiments_, &v1::ExperimentService::StubInterface::ExplainRun, request);
}

absl::StatusOr<v1::ReportData> Client::GetReportData(const std::string& experiment_id) {
  v1::GetReportDataRequest request;
  request.set_experiment_id(experiment_id);
  return Call(*experiments_, &v1::ExperimentService::StubInterface::GetReportData, request);
}

absl::StatusOr<v1::ListMethodsResponse> Client::ListMethods() {
  return Call(*experiments_, &v1::ExperimentService::StubInterface::ListMethods, v1::ListMethodsRequest());
}

absl::StatusOr<v1::ListCatalogResponse> Client::ListCatalog() {
  return Call(*experiments_, &v1::ExperimentService::StubInterface::ListCatalog, v1::ListCatalogRequest());
}

absl::StatusOr<v1::ListWorkersResponse> Client::ListWorkers() {
  return Call(*workers_, &v1::WorkerService::StubInterface::ListWorkers, v1::ListWorkersRequest());
}

absl::StatusOr<v1::WorkerStatus> Client::SetWorkerMode(const v1::SetWorkerModeRequest& request) {
  return Call(*workers_, &v1::WorkerService::StubInterface::SetWorkerMode, request);
}

absl::StatusOr<v1::StatArtifactsResponse> Client::StatArtifacts(const v1::StatArtifactsRequest& request) {
  return Call(*artifacts_, &v1::ArtifactService::StubInterface::StatArtifacts, request);
}

absl::StatusOr<v1::CreateIdentityResponse> Client::CreateIdentity(const v1::CreateIdentityRequest& request) {
  return Call(*admin_, &v1::AdminService::StubInterface::CreateIdentity, request, /*repeatable=*/false);
}

absl::StatusOr<v1::Identity> Client::RevokeIdentity(const std::string& name) {
  v1::RevokeIdentityRequest request;
  request.set_name(name);
  return Call(*admin_, &v1::AdminService::StubInterface::RevokeIdentity, request);
}

absl::StatusOr<v1::ListIdentitiesResponse> Client::ListIdentities() {
  return Call(*admin_, &v1::AdminService::StubInterface::ListIdentities, v1::ListIdentitiesRequest());
}

absl::Status Client::WatchOnce(const v1::WatchExperimentRequest& request, const WatchHandler& handler,
                               int64_t* last_sequence, bool* ended) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kWatchDeadline));
  const Cancellation::Registration registration(options_.cancellation, [&context] { context.TryCancel(); });
  const auto stream = experiments_->WatchExperiment(&context, request);
  v1::WatchExperimentResponse change;
  while (stream->Read(&change)) {
    answered_ = true;
    if (change.sequence() <= *last_sequence) continue;
    *last_sequence = change.sequence();
    *ended = change.has_experiment_state();
    handler(change);
  }
  return FromGrpcStatus(stream->Finish());
}

absl::Status Client::Watch(v1::WatchExperimentRequest request, const WatchHandler& handler) {
  int64_t last = request.after_sequence();
  bool ended = false;
  while (true) {
    // Patience is for a coordinator that stays away, so it starts anew whenever a change arrived.
    const absl::Status status = Repeat([&]() -> absl::Status {
      const int64_t before = last;
      request.set_after_sequence(last);
      absl::Status once = WatchOnce(request, handler, &last, &ended);
      const bool went_on = last > before || absl::IsDeadlineExceeded(once);
      // A stream cut off by a coordinator that dies ends with one of these as well.
      const bool broken =
          absl::IsInternal(once) || absl::IsUnknown(once) || IsAway(once) ||
          (absl::IsCancelled(once) && !(options_.cancellation && options_.cancellation->cancelled()));
      if (ended || (broken && went_on)) return absl::OkStatus();
      return broken ? absl::UnavailableError(once.message()) : once;
    });
    QL_RETURN_IF_ERROR(status);
    if (ended) return absl::OkStatus();
    if (options_.cancellation != nullptr && options_.cancellation->WaitFor(kFirstPause)) return Cancelled();
    if (options_.cancellation == nullptr) absl::SleepFor(kFirstPause);
  }
}

absl::StatusOr<std::string> Client::ResolveExperiment(const std::string& name) {
  if (name == "latest") {
    QL_ASSIGN_OR_RETURN(const std::vector<v1::Experiment> newest, ListExperiments({}, 1));
    if (newest.empty()) {
      return MessageStatus(absl::StatusCode::kNotFound, messages::kNoExperimentYet());
    }
    return newest[0].id();
  }
  QL_ASSIGN_OR_RETURN(const std::vector<v1::Experiment> all, ListExperiments({}, 0));
  std::vector<std::string> matches;
  for (const v1::Experiment& experiment : all) {
    if (experiment.id() == name) return name;
    if (absl::StartsWith(experiment.id(), name)) matches.push_back(experiment.id());
  }
  if (matches.empty()) {
    return MessageStatus(absl::StatusCode::kNotFound, messages::kExperimentUnknown(name));
  }
  if (matches.size() == 1) return matches[0];
  if (matches.size() > 5) {
    matches.resize(5);
    matches.push_back("…");
  }
  return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kExperimentAmbiguous(name, matches));
}

absl::StatusOr<std::string> Client::ResolveRun(const std::string& name) {
  const size_t slash = name.find('/');
  if (slash == std::string::npos) {
    return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kNotARun(name));
  }
  QL_ASSIGN_OR_RETURN(const std::string id, ResolveExperiment(name.substr(0, slash)));
  QL_ASSIGN_OR_RETURN(const v1::Experiment experiment, GetExperiment(id));
  const std::string wanted = name.substr(slash + 1);
  std::vector<std::string> matches, names;
  for (const v1::Run& run : experiment.runs()) {
    const std::string run_name = SplitRunId(run.id()).second;
    if (run_name == wanted) return run.id();
    if (!wanted.empty() && absl::StartsWith(run_name, wanted)) matches.push_back(run.id());
    names.push_back(run_name);
  }
  if (matches.size() == 1) return matches[0];
  const std::string what = matches.empty() ? "no run" : "more than one run";
  return absl::Status(
      matches.empty() ? absl::StatusCode::kNotFound : absl::StatusCode::kInvalidArgument,
      absl::StrCat(what, " '", wanted, "' in ", id, "; its runs: ", absl::StrJoin(names, ", ")));
}

}  // namespace quantlab::client
