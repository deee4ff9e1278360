// The roles of identities, as protobuf messages name them.
#ifndef QUANTLAB_PROTO_CONVERT_ROLE_H_
#define QUANTLAB_PROTO_CONVERT_ROLE_H_

#include "absl/status/statusor.h"
#include "base/records/identities.h"
#include "quantlab/v1/admin.pb.h"

namespace quantlab {

v1::Role ToProto(Role role);

// Errors: INVALID_ARGUMENT it is unspecified or unknown.
absl::StatusOr<Role> FromProto(v1::Role role);

}  // namespace quantlab

#endif  // QUANTLAB_PROTO_CONVERT_ROLE_H_
