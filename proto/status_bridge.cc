#include "proto/status_bridge.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "proto/json.h"
#include "quantlab/v1/error.pb.h"

namespace quantlab {
namespace {

constexpr char kDomain[] = "quantlab";
constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr char kEllipsis[] = "…";

// What fits the wire: UTF-8 of at most kMaxWireMessage bytes.
std::string WireMessage(absl::string_view message) {
  std::string text = ValidUtf8(message);
  if (text.size() <= kMaxWireMessage) return text;
  size_t end = kMaxWireMessage - (sizeof(kEllipsis) - 1);
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return absl::StrCat(text.substr(0, end), kEllipsis);
}

std::string EncodeDetails(int code, const std::string& message, const std::string& reason) {
  v1::ErrorInfo info;
  info.set_reason(ValidUtf8(reason));
  info.set_domain(kDomain);
  v1::RpcStatus details;
  details.set_code(code);
  details.set_message(message);
  auto* any = details.add_details();
  any->set_type_url(kErrorInfoUrl);
  any->set_value(info.SerializeAsString());
  return details.SerializeAsString();
}

std::string DecodeReason(const std::string& encoded) {
  v1::RpcStatus details;
  if (encoded.empty() || !details.ParseFromString(encoded)) return "";
  for (const auto& any : details.details()) {
    v1::ErrorInfo info;
    if (any.type_url() != kErrorInfoUrl || !info.ParseFromString(any.value())) continue;
    if (info.domain() == kDomain) return info.reason();
  }
  return "";
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  const std::string message = WireMessage(status.message());
  return grpc::Status(code, message, EncodeDetails(code, message, ReasonOf(status)));
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const int code = status.error_code();
  const bool known = code >= static_cast<int>(absl::StatusCode::kCancelled) &&
                     code <= static_cast<int>(absl::StatusCode::kUnauthenticated);
  absl::Status result(known ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kUnknown,
                      status.error_message());
  const std::string reason = DecodeReason(status.error_details());
  // A reason that only repeats the code is what ReasonOf gives anyway.
  return reason.empty() || reason == ReasonOf(result) ? result : WithReason(result, reason);
}

}  // namespace quantlab
