#include "proto/status_bridge.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/records/error_reason.h"
#include "base/text/escape.h"
#include "proto/convert.h"
#include "proto/json.h"
#include "quantlab/v1/error.pb.h"

namespace quantlab {
namespace {

constexpr char kDomain[] = "quantlab";
constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr char kMessageUrl[] = "type.googleapis.com/quantlab.v1.Message";
// gRPC allows 8 KiB for all trailers of a call.
constexpr size_t kMaxWireDetail = 4096;

// What fits the wire: UTF-8 of at most kMaxWireMessage bytes.
std::string WireMessage(absl::string_view message) {
  return Shorten(ValidUtf8(message), kMaxWireMessage);
}

std::string EncodeDetails(int code, const std::string& message, const absl::Status& status) {
  v1::ErrorInfo info;
  info.set_reason(ValidUtf8(ReasonOf(status)));
  info.set_domain(kDomain);
  v1::RpcStatus details;
  details.set_code(code);
  details.set_message(message);
  auto* any = details.add_details();
  any->set_type_url(kErrorInfoUrl);
  any->set_value(info.SerializeAsString());
  const Message coded_message = MessageOf(status);
  const std::string coded = ToProto(coded_message).SerializeAsString();
  // A message that only repeats the text adds nothing.
  if (coded_message.code != messages::kText.code() && coded.size() <= kMaxWireDetail) {
    any = details.add_details();
    any->set_type_url(kMessageUrl);
    any->set_value(coded);
  }
  return details.SerializeAsString();
}

std::string DecodeReason(const v1::RpcStatus& details) {
  for (const auto& any : details.details()) {
    v1::ErrorInfo info;
    if (any.type_url() != kErrorInfoUrl || !info.ParseFromString(any.value())) continue;
    if (info.domain() == kDomain) return info.reason();
  }
  return "";
}

Message DecodeMessage(const v1::RpcStatus& details) {
  for (const auto& any : details.details()) {
    v1::Message message;
    if (any.type_url() != kMessageUrl || !message.ParseFromString(any.value())) continue;
    return FromProto(message).value_or(Message());
  }
  return Message();
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  const std::string message = WireMessage(status.message());
  return grpc::Status(code, message, EncodeDetails(code, message, status));
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const int code = status.error_code();
  const bool known = code >= static_cast<int>(absl::StatusCode::kCancelled) &&
                     code <= static_cast<int>(absl::StatusCode::kUnauthenticated);
  absl::Status result(known ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kUnknown,
                      status.error_message());
  v1::RpcStatus details;
  if (!details.ParseFromString(status.error_details())) return result;
  const std::string reason = DecodeReason(details);
  result = WithMessage(result, DecodeMessage(details));
  // A reason that only repeats the code is what ReasonOf gives anyway.
  return reason.empty() || reason == ReasonOf(result) ? result : WithReason(result, reason);
}

}  // namespace quantlab
