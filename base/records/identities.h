// Who may call the coordinator: named identities with a role and a token, and where they are kept.
#ifndef QUANTLAB_BASE_RECORDS_IDENTITIES_H_
#define QUANTLAB_BASE_RECORDS_IDENTITIES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace quantlab {

enum class Role { kViewer, kSubmitter, kWorker, kAdmin };

inline constexpr Role kAllRoles[] = {Role::kViewer, Role::kSubmitter, Role::kWorker, Role::kAdmin};

// "viewer", "submitter", "worker", "admin".
inline const char* RoleName(Role role) {
  switch (role) {
    case Role::kViewer:
      return "viewer";
    case Role::kSubmitter:
      return "submitter";
    case Role::kWorker:
      return "worker";
    case Role::kAdmin:
      return "admin";
  }
  return "viewer";
}

inline std::optional<Role> RoleFromName(const std::string& name) {
  for (const Role role : kAllRoles) {
    if (name == RoleName(role)) return role;
  }
  return std::nullopt;
}

struct IdentityRecord {
  std::string name;
  Role role = Role::kViewer;
  std::string token_sha256;  // hex; the token itself is not kept
  // A worker's first token: good for one exchange (ReplaceToken) and nothing else.
  bool joins = false;
  std::string worker_id;  // of workers, once bound
  absl::Time create_time;
  absl::Time expire_time;   // of the token
  absl::Duration lifetime;  // of the token that an exchange gives
  std::optional<absl::Time> revoke_time;

  bool Active(absl::Time now) const { return !revoke_time && now < expire_time; }
};

// Threads: safe. Errors beside those named: as in base/records/repositories.h. A failed call changes nothing.
class IdentityRepository {
 public:
  virtual ~IdentityRepository() = default;

  // Replaces an identity of the same name that is not active at `record.create_time`.
  // Errors: ALREADY_EXISTS it is active.
  virtual absl::Status CreateIdentity(const IdentityRecord& record) = 0;
  // Keeps the time of an earlier call. Errors: NOT_FOUND.
  virtual absl::Status RevokeIdentity(const std::string& name, absl::Time time) = 0;
  // The exchange: `old_sha256` must be a token that joins; it is replaced, and the identity bound to
  // `worker_id`.
  // Errors: ABORTED there is no such token any more; ALREADY_EXISTS another active identity has that worker
  // id.
  virtual absl::Status ReplaceToken(const std::string& old_sha256, const std::string& new_sha256,
                                    const std::string& worker_id, absl::Time now, absl::Time expire_time) = 0;
  // By name.
  virtual absl::StatusOr<std::vector<IdentityRecord>> ListIdentities() = 0;
};

}  // namespace quantlab

#endif  // QUANTLAB_BASE_RECORDS_IDENTITIES_H_
