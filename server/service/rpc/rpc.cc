#include "server/service/rpc/rpc.h"

#include <exception>
#include <memory>
#include <new>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/records/error_reason.h"
#include "proto/status_bridge.h"

namespace quantlab {
namespace {

// Errors of the coordinator, as opposed to those of the caller.
bool IsServerError(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
      return true;
    default:
      return false;
  }
}

}  // namespace

RpcRecord::RpcRecord(const RpcEnvironment& environment, const grpc::ServerContextBase& context,
                     std::string method)
    : environment_(environment),
      method_(std::move(method)),
      peer_(context.peer()),
      start_(environment.clock->Monotonic()) {
  absl::StatusOr<Admission> admission = environment.access->Admit(context, method_, &caller_);
  admitted_ = admission.status();
  if (!admission.ok()) return;
  grant_ = admission->grant;
  lane_ = admission->lane;
  open_call_ = std::move(admission->open_call);
}

void RpcRecord::EndWithIdentity(grpc::ServerContextBase& context,
                                std::function<void(const absl::Status&)> end) {
  if (!caller_.identity) return;
  ends_with_identity_ = environment_.access->open_calls().Add(*caller_.identity, context, std::move(end));
}

absl::Status RpcRecord::CheckActive() const {
  if (!caller_.identity) return absl::OkStatus();
  return environment_.access->identities().CheckActive(*caller_.identity);
}

void RpcRecord::End(const absl::Status& status) const {
  const absl::Duration took = environment_.clock->Monotonic() - start_;
  environment_.metrics->OnRpc(method_, status.code(), took);
  environment_.access->Audit({caller_.name(), "", method_, peer_, object, subject}, caller_, status);
  LogLevel level = frequent ? LogLevel::kDebug : LogLevel::kInfo;
  if (!status.ok() && !absl::IsCancelled(status))
    level = IsServerError(status.code()) ? LogLevel::kWarning : LogLevel::kInfo;
  if (!environment_.log->Shows(level)) return;
  LogFields fields = {{"rpc", method_},
                      {"code", absl::StatusCodeToString(status.code())},
                      {"ms", absl::StrFormat("%.1f", absl::ToDoubleMilliseconds(took))}};
  if (!status.ok()) {
    fields.emplace_back("reason", ReasonOf(status));
    fields.emplace_back("error", std::string(status.message()));
  }
  environment_.log->Write(level, "call ended", subject, fields);
}

absl::Status CallHandler(const std::function<absl::Status()>& handler) {
  try {
    return handler();
  } catch (const std::bad_alloc&) {
    return WithReason(absl::ResourceExhaustedError("the coordinator has no memory for this request"),
                      "OUT_OF_MEMORY");
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat("a fault of the coordinator: ", e.what()));
  }
}

grpc::ServerUnaryReactor* RunUnary(const RpcEnvironment& environment, grpc::CallbackServerContext* context,
                                   std::string method, std::function<absl::Status(RpcRecord&)> handler) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto record = std::make_shared<RpcRecord>(environment, *context, std::move(method));
  if (!record->admitted().ok()) {
    record->End(record->admitted());
    reactor->Finish(ToGrpcStatus(record->admitted()));
    return reactor;
  }
  const bool accepted = environment.pool->Submit(
      [context, reactor, record, handler = std::move(handler)] {
        absl::Status status = context->IsCancelled()
                                  ? absl::CancelledError("the caller disconnected, or its deadline passed")
                                  : CallHandler([&] { return handler(*record); });
        record->End(status);
        reactor->Finish(ToGrpcStatus(status));
      },
      record->lane());
  if (!accepted) {
    const absl::Status status = MessageStatus(absl::StatusCode::kUnavailable, messages::kOverloaded());
    record->End(status);
    reactor->Finish(ToGrpcStatus(status));
  }
  return reactor;
}

absl::Status WriteFailed(const RpcRecord& record) {
  const absl::Status active = record.CheckActive();
  return active.ok() ? absl::CancelledError("the caller disconnected") : active;
}

absl::StatusOr<int> CheckPageSize(int32_t size, int standard, int most) {
  if (size == 0) return standard;
  if (size < 0 || size > most) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_size is ", size, "; allowed: 1 to ", most, ", or 0 for ", standard));
  }
  return size;
}

}  // namespace quantlab
