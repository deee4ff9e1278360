#include "proto/convert_role.h"

#include "absl/status/status.h"

namespace quantlab {

v1::Role ToProto(Role role) {
  switch (role) {
    case Role::kViewer:
      return v1::ROLE_VIEWER;
    case Role::kSubmitter:
      return v1::ROLE_SUBMITTER;
    case Role::kWorker:
      return v1::ROLE_WORKER;
    case Role::kAdmin:
      return v1::ROLE_ADMIN;
  }
  return v1::ROLE_UNSPECIFIED;
}

absl::StatusOr<Role> FromProto(v1::Role role) {
  switch (role) {
    case v1::ROLE_VIEWER:
      return Role::kViewer;
    case v1::ROLE_SUBMITTER:
      return Role::kSubmitter;
    case v1::ROLE_WORKER:
      return Role::kWorker;
    case v1::ROLE_ADMIN:
      return Role::kAdmin;
    default:
      return absl::InvalidArgumentError("role is missing or unknown");
  }
}

}  // namespace quantlab
