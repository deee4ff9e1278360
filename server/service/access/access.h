// Decides about every call before its handler runs: who calls, and whether they may.
//
// A Unix socket is protected by its file mode, so whoever connects to it is this machine's user, who may call
// everything; so is a loopback address, unless `require_auth`. A call that brings a token is that token's
// identity everywhere. Over TLS a call needs a token, or a client certificate whose name is that of an
// identity.
#ifndef QUANTLAB_SERVER_SERVICE_ACCESS_ACCESS_H_
#define QUANTLAB_SERVER_SERVICE_ACCESS_ACCESS_H_

#include <memory>
#include <optional>
#include <string>

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/service/access/access_table.h"
#include "server/service/access/audit_log.h"
#include "server/service/access/caller_limits.h"
#include "server/service/access/identity_directory.h"
#include "server/service/rpc/open_calls.h"

namespace quantlab {

// Who makes a call.
struct Caller {
  std::optional<IdentityRecord> identity;  // none: this machine's user, or unknown until admitted

  std::string name() const { return identity ? identity->name : ""; }
};

struct Admission {
  Caller caller;
  Grant grant = Grant::kYes;
  Lane lane = Lane::kRead;
  std::shared_ptr<void> open_call;  // held while a stream or transfer is open
};

// Borrows everything; `audit` may be null. Threads: safe.
class Access {
 public:
  Access(bool require_auth, IdentityDirectory* identities, CallerLimits* limits, AuditLog* audit,
         const Clock* clock)
      : require_auth_(require_auth),
        identities_(identities),
        limits_(limits),
        audit_(audit),
        open_calls_(identities, clock) {}

  // Errors: UNAUTHENTICATED no or a wrong token; PERMISSION_DENIED the role may not; RESOURCE_EXHAUSTED a
  // limit of the caller. `caller` is set as far as it is known.
  absl::StatusOr<Admission> Admit(const grpc::ServerContextBase& context, const std::string& method,
                                  Caller* caller);

  // Writes the audit line of a call that has ended, where its rule or its result asks for one.
  // `entry` without its role.
  void Audit(AuditEntry entry, const Caller& caller, const absl::Status& status) const;

  IdentityDirectory& identities() { return *identities_; }
  CallerLimits& limits() { return *limits_; }
  OpenCalls& open_calls() { return open_calls_; }

 private:
  absl::StatusOr<Caller> Identify(const grpc::ServerContextBase& context) const;

  const bool require_auth_;
  IdentityDirectory* const identities_;
  CallerLimits* const limits_;
  AuditLog* const audit_;
  OpenCalls open_calls_;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_ACCESS_ACCESS_H_
