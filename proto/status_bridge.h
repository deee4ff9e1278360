// Converts between absl::Status, which all modules use, and grpc::Status on the wire.
//
// Codes map one to one. The reason (base/records/error_reason.h) is sent as google.rpc.ErrorInfo with domain
// "quantlab"; see quantlab/v1/error.proto.
#ifndef QUANTLAB_PROTO_STATUS_BRIDGE_H_
#define QUANTLAB_PROTO_STATUS_BRIDGE_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace quantlab {

// Trailers hold 8 KiB in all, so messages of more than kMaxWireMessage bytes are cut, at a character.
inline constexpr int kMaxWireMessage = 1500;

grpc::Status ToGrpcStatus(const absl::Status& status);

// Codes that gRPC does not define become UNKNOWN. Details of other domains, or that do not parse, are
// left out.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace quantlab

#endif  // QUANTLAB_PROTO_STATUS_BRIDGE_H_
