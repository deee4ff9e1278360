#include "worker/agent/program/join.h"

#include <filesystem>

#include <grpcpp/client_context.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/files.h"
#include "base/messages/access.h"
#include "base/messages/message_catalogue.h"
#include "base/records/ids.h"
#include "base/status_macros.h"
#include "platform/paths.h"
#include "proto/status_bridge.h"
#include "quantlab/v1/admin.grpc.pb.h"
#include "security/secret_file.h"
#include "security/token.h"

namespace quantlab::agent {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(20);
constexpr int64_t kMaxAddressBytes = 1024;

std::string AddressFile(const std::string& data_dir) {
  return data_dir + "/coordinator";
}
std::string TokenFile(const std::string& data_dir) {
  return data_dir + "/token";
}
std::string AuthorityFile(const std::string& data_dir) {
  return data_dir + "/ca.crt";
}

bool Exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

// One spelling of each address: "unix:///s" and "unix:/s" are the same coordinator. Empty where there is
// none.
std::string Spelled(absl::string_view text) {
  const absl::StatusOr<Address> address = ParseAddress(absl::StripAsciiWhitespace(text));
  return address.ok() ? address->ToString() : "";
}

// An earlier join's token and authority, which must not reach another coordinator.
absl::Status RemoveFilesOfOther(const std::string& data_dir, const Address& address) {
  const absl::StatusOr<std::string> stored = ReadFile(AddressFile(data_dir), kMaxAddressBytes);
  if (stored.ok() && Spelled(*stored) == address.ToString()) return absl::OkStatus();
  for (const std::string& path : {TokenFile(data_dir), AuthorityFile(data_dir)}) {
    std::error_code error;
    std::filesystem::remove(path, error);
    if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot remove ", path));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Exchange(const Address& address, const ChannelSecurity& security,
                                     const std::string& worker_id) {
  const auto stub = v1::AdminService::NewStub(MakeChannel(address, {.security = security}));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kTimeout));
  v1::JoinWorkerRequest request;
  request.set_worker_id(worker_id);
  v1::JoinWorkerResponse response;
  QL_RETURN_IF_ERROR(FromGrpcStatus(stub->JoinWorker(&context, request, &response)));
  return response.token();
}

}  // namespace

absl::StatusOr<std::string> WorkerId(const std::string& data_dir) {
  const std::string path = data_dir + "/worker_id";
  absl::StatusOr<std::string> id = ReadFile(path, 256);
  if (id.ok()) {
    while (!id->empty() && id->back() == '\n') id->pop_back();
    if (!id->empty() && EscapeName(*id) == *id) return id;
    return absl::InvalidArgumentError(absl::StrCat(path, " holds no worker id; remove it to get a new one"));
  }
  if (!absl::IsNotFound(id.status())) return id.status();
  const std::string fresh = absl::StrCat("worker-", RandomId(8));
  QL_RETURN_IF_ERROR(WriteFileAtomically(path, fresh + "\n"));
  return fresh;
}

absl::Status Join(const JoinOptions& options) {
  QL_ASSIGN_OR_RETURN(const Address address, ParseAddress(options.coordinator));
  if (!IsToken(options.token))
    return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kSecretFileWrong("standard input"));
  QL_ASSIGN_OR_RETURN(ChannelSecurity security, LoadSecurity(address, options.security, kTimeout));
  security.token = options.token;
  QL_RETURN_IF_ERROR(MakeDirectories(options.data_dir));
  QL_ASSIGN_OR_RETURN(const std::string id, WorkerId(options.data_dir));
  QL_RETURN_IF_ERROR(RemoveFilesOfOther(options.data_dir, address));
  // Before the token is used up: a folder that cannot be written to must not cost it.
  QL_RETURN_IF_ERROR(WriteFileAtomically(AddressFile(options.data_dir), address.ToString() + "\n"));
  if (!security.authority.empty())
    QL_RETURN_IF_ERROR(WriteFileAtomically(AuthorityFile(options.data_dir), security.authority));
  QL_ASSIGN_OR_RETURN(const std::string token, Exchange(address, security, id));
  return ReplaceSecretFile(TokenFile(options.data_dir), token + "\n");
}

absl::Status UseJoinedFiles(const std::string& data_dir, std::string* coordinator, SecurityFiles* security) {
  if (!Exists(TokenFile(data_dir))) return absl::OkStatus();
  QL_ASSIGN_OR_RETURN(const std::string content, ReadFile(AddressFile(data_dir), kMaxAddressBytes));
  const std::string joined(absl::StripAsciiWhitespace(content));
  if (coordinator->empty()) *coordinator = joined;
  // The token is for the coordinator that gave it and no other.
  if (Spelled(*coordinator) != Spelled(joined)) return absl::OkStatus();
  if (security->token.empty()) security->token = TokenFile(data_dir);
  const bool names_authority = !security->ca.empty() || !security->ca_fingerprint.empty();
  if (!names_authority && Exists(AuthorityFile(data_dir))) security->ca = AuthorityFile(data_dir);
  return absl::OkStatus();
}

}  // namespace quantlab::agent
