// The identities that may call, held in memory: who a token or a certificate belongs to.
#ifndef QUANTLAB_SERVER_SERVICE_ACCESS_IDENTITY_DIRECTORY_H_
#define QUANTLAB_SERVER_SERVICE_ACCESS_IDENTITY_DIRECTORY_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/records/identities.h"

namespace quantlab {

// Borrows both arguments. This process is the only one that changes the repository.
// Threads: safe. Errors: those of IdentityRepository, and as stated.
class IdentityDirectory {
 public:
  IdentityDirectory(IdentityRepository* repository, const Clock* clock)
      : repository_(repository), clock_(clock) {}

  // Reads the repository. Call it once, first.
  absl::Status Load();

  // Errors: UNAUTHENTICATED unknown, expired or revoked, each with its reason.
  absl::StatusOr<IdentityRecord> FindByToken(const std::string& token) const;
  // The identity of one of the names in a client certificate that TLS has verified.
  // Errors: UNAUTHENTICATED none of them is an active identity.
  absl::StatusOr<IdentityRecord> FindByCertificate(const std::vector<std::string>& names) const;

  // Whether `caller`, found at the start of a call, may go on with it.
  // Errors: UNAUTHENTICATED as FindByToken; unknown also when it has another token now.
  absl::Status CheckActive(const IdentityRecord& caller) const;

  // Creates an identity and returns its token. A worker's is good for an hour and one exchange; `lifetime` is
  // then that of the token which the exchange gives. Errors: INVALID_ARGUMENT the name; ALREADY_EXISTS.
  struct Created {
    IdentityRecord record;
    std::string token;
  };
  absl::StatusOr<Created> Create(const std::string& name, Role role, absl::Duration lifetime);
  absl::StatusOr<IdentityRecord> Revoke(const std::string& name);
  // Replaces a token that works once, of `caller`, and binds it to the worker id.
  // Errors: ABORTED it was replaced already; ALREADY_EXISTS another identity has that worker id.
  absl::StatusOr<Created> Exchange(const IdentityRecord& caller, const std::string& worker_id);
  std::vector<IdentityRecord> List() const;

 private:
  absl::StatusOr<IdentityRecord> FindByDigest(const std::string& token_sha256) const;
  absl::StatusOr<IdentityRecord> Checked(const IdentityRecord& record) const;
  absl::StatusOr<IdentityRecord> Get(const std::string& name) const;

  IdentityRepository* const repository_;
  const Clock* const clock_;
  // Held over a change and the reading that follows it: an older state must not replace a newer one.
  Mutex changing_ ABSL_ACQUIRED_BEFORE(mutex_);
  mutable Mutex mutex_;
  std::map<std::string, IdentityRecord> by_name_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> name_of_token_ ABSL_GUARDED_BY(mutex_);  // by digest
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_ACCESS_IDENTITY_DIRECTORY_H_
