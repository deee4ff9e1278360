// Looks from outside whether a gRPC server is served at an address. Threads: safe.
#ifndef QUANTLAB_PLATFORM_PROBE_H_
#define QUANTLAB_PLATFORM_PROBE_H_

#include <string>
#include <sys/types.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "platform/address.h"
#include "platform/unique_fd.h"

namespace quantlab {

// Waits for poll's `events` on `fd`; false once Clock::Real().Monotonic() has reached `deadline`.
bool WaitUntilReady(int fd, short events, absl::Duration deadline);

// A connection, non-blocking, to the first of the host's addresses that takes one. Resolving a name may take
// longer than `timeout`, which is for all of them together.
// Errors: UNAVAILABLE an unknown name, nobody listens, or no connection within `timeout`.
absl::StatusOr<UniqueFd> ConnectTo(const Address& address, absl::Duration timeout);

// Connects without TLS and waits for the server's first bytes: whether new connections are served.
// Errors: UNAVAILABLE no connection; DEADLINE_EXCEEDED a connection, but no answer in time.
absl::Status CheckServes(const Address& address, absl::Duration timeout);

// A Unix socket as it was when the object was made, to notice that its file was removed or replaced: the
// process that listens on it cannot be reached any longer, and is not told so by the kernel.
class SocketFile {
 public:
  // Of the socket of an address; nothing to watch over for other addresses.
  explicit SocketFile(const Address& address);

  bool replaced() const;

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace quantlab

#endif  // QUANTLAB_PLATFORM_PROBE_H_
