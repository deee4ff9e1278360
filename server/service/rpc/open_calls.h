// The calls that last (streams, transfers, a worker's Sync), so that one ends when its caller's identity is
// revoked or expires, and not only when it is over.
#ifndef QUANTLAB_SERVER_SERVICE_RPC_OPEN_CALLS_H_
#define QUANTLAB_SERVER_SERVICE_RPC_OPEN_CALLS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/records/identities.h"
#include "server/service/access/identity_directory.h"

namespace quantlab {

// Borrows both arguments, and outlives what Add returns. Threads: safe.
class OpenCalls {
 public:
  // How long a call may go on after its handler was asked to end it: one that waits for its caller to send or
  // to read cannot end by itself.
  static constexpr absl::Duration kEndTime = absl::Seconds(2);

  OpenCalls(const IdentityDirectory* identities, const Clock* clock)
      : identities_(identities), clock_(clock) {}

  // Watches the call until the returned object is destroyed. `end`, which may be empty, asks the handler to
  // end the call with the status that it gets. It is called at most once, by the thread of EndInvalid and
  // without a lock, and possibly after the returned object was destroyed.
  std::shared_ptr<void> Add(const IdentityRecord& identity, grpc::ServerContextBase& context,
                            std::function<void(const absl::Status&)> end);

  // Ends the calls whose identity may no longer call (IdentityDirectory::CheckActive). Call it regularly.
  void EndInvalid();

 private:
  struct Call {
    IdentityRecord identity;
    std::function<void(const absl::Status&)> end;
    std::shared_ptr<grpc_call> handle;         // a reference of its own
    std::optional<absl::Duration> asked = {};  // monotonic: when `end` was called
    bool cut = false;
  };

  void Remove(int64_t id);

  const IdentityDirectory* const identities_;
  const Clock* const clock_;
  Mutex mutex_;
  int64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<int64_t, Call> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_RPC_OPEN_CALLS_H_
