#include "client/connection/storage_client.h"

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "platform/address.h"
#include "proto/channel.h"
#include "proto/status_bridge.h"

namespace quantlab::client {
namespace {

// Counting the files of a large store, or removing the rows of a large experiment, takes longer than other
// calls.
constexpr absl::Duration kCallTimeout = absl::Minutes(10);

std::unique_ptr<v1::StorageService::StubInterface> MakeStub(const ClientOptions& options) {
  // Client::Create has parsed it.
  const absl::StatusOr<Address> address = ParseAddress(options.address);
  return v1::StorageService::NewStub(
      MakeChannel(address.value_or(Address()), {.security = options.security}));
}

}  // namespace

StorageClient::StorageClient(Client& client) : client_(client), stub_(MakeStub(client.options())) {}

template <typename Request, typename Response>
absl::StatusOr<Response> StorageClient::Call(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                          const Request&, Response*),
                                             const Request& request) {
  Response response;
  QL_RETURN_IF_ERROR(client_.Repeat([&]() -> absl::Status {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kCallTimeout));
    const Cancellation::Registration registration(client_.options().cancellation,
                                                  [&context] { context.TryCancel(); });
    return FromGrpcStatus((*stub_.*method)(&context, request, &response));
  }));
  return response;
}

absl::StatusOr<v1::StorageUsage> StorageClient::GetUsage(const std::string& experiment_id) {
  v1::GetStorageUsageRequest request;
  request.set_experiment_id(experiment_id);
  return Call(&Stub::GetStorageUsage, request);
}

absl::StatusOr<v1::DeleteExperimentResponse> StorageClient::DeleteExperiment(const std::string& id) {
  v1::DeleteExperimentRequest request;
  request.set_id(id);
  return Call(&Stub::DeleteExperiment, request);
}

absl::StatusOr<v1::CollectGarbageResponse> StorageClient::CollectGarbage(
    const v1::CollectGarbageRequest& request) {
  return Call(&Stub::CollectGarbage, request);
}

}  // namespace quantlab::client
