// A stable, machine-readable reason on an absl::Status, beside its code: "DISK_FULL", "ATTEMPT_FENCED".
//
// It is sent as the reason of google.rpc.ErrorInfo (proto/status_bridge.h), so any module can set it
// without protobuf.
#ifndef QUANTLAB_BASE_RECORDS_ERROR_REASON_H_
#define QUANTLAB_BASE_RECORDS_ERROR_REASON_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace quantlab {

inline constexpr char kErrorReasonPayload[] = "quantlab/error-reason";

// `reason`: UPPER_SNAKE_CASE. An OK status stays as it is.
inline absl::Status WithReason(absl::Status status, absl::string_view reason) {
  if (!status.ok()) status.SetPayload(kErrorReasonPayload, absl::Cord(reason));
  return status;
}

// The reason that was set; else the name of the code ("NOT_FOUND"); empty for OK.
inline std::string ReasonOf(const absl::Status& status) {
  if (status.ok()) return "";
  const auto payload = status.GetPayload(kErrorReasonPayload);
  return payload ? std::string(*payload) : absl::StatusCodeToString(status.code());
}

}  // namespace quantlab

#endif  // QUANTLAB_BASE_RECORDS_ERROR_REASON_H_
