#include "client/connection/storage_client.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/files.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "platform/address.h"
#include "platform/unique_fd.h"
#include "proto/channel.h"
#include "proto/status_bridge.h"

namespace quantlab::client {
namespace {

// Counting the files of a large store, or removing the rows of a large experiment, takes longer than other
// calls.
constexpr absl::Duration kCallTimeout = absl::Minutes(10);
constexpr absl::Duration kBackupTimeout = absl::Hours(2);

absl::Status WriteAll(int fd, absl::string_view data, const std::string& path) {
  while (!data.empty()) {
    const ssize_t wrote = write(fd, data.data(), data.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return FileError(errno, "write", path);
    data.remove_prefix(static_cast<size_t>(wrote));
  }
  return absl::OkStatus();
}

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

absl::Status StorageClient::BackUpDatabase(const std::string& path) {
  const std::string part = path + ".part";
  if (access(path.c_str(), F_OK) == 0)
    return absl::AlreadyExistsError(absl::StrCat(path, " exists; name another file, or remove it"));
  const absl::Status status = client_.Repeat([&] { return ReceiveBackup(part); });
  if (!status.ok()) {
    unlink(part.c_str());
    return status;
  }
  if (rename(part.c_str(), path.c_str()) != 0) return FileError(errno, "rename", part);
  return SyncDirectory(DirectoryOf(path));
}

// From the beginning each time: the database has changed since.
absl::Status StorageClient::ReceiveBackup(const std::string& part) {
  const UniqueFd file(open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) return FileError(errno, "create", part);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kBackupTimeout));
  const Cancellation::Registration registration(client_.options().cancellation,
                                                [&context] { context.TryCancel(); });
  const auto stream = stub_->BackUpDatabase(&context, v1::BackUpDatabaseRequest());
  v1::BackUpDatabaseResponse message;
  Sha256 digest;
  int64_t size = 0;
  absl::Status written;
  while (written.ok() && stream->Read(&message)) {
    written = WriteAll(file.get(), message.data(), part);
    digest.Update(message.data());
    size += static_cast<int64_t>(message.data().size());
  }
  if (!written.ok()) context.TryCancel();
  const absl::Status status = FromGrpcStatus(stream->Finish());
  QL_RETURN_IF_ERROR(written);
  QL_RETURN_IF_ERROR(status);
  if (message.sha256() != digest.HexDigest() || message.size() != size)
    return absl::DataLossError("the backup that arrived is not the one that was sent; try again");
  return fsync(file.get()) == 0 ? absl::OkStatus() : FileError(errno, "sync", part);
}

}  // namespace quantlab::client
