// One line for each call that changes something, and for each refused one: who, what, about what, from where,
// with which result.
//
//   time=… level=info msg=audit experiment=quick-k3f9a2 caller=alice role=submitter rpc=CancelExperiment
//   from=ipv4:10.0.0.7:51515 code=OK
#ifndef QUANTLAB_SERVER_SERVICE_ACCESS_AUDIT_LOG_H_
#define QUANTLAB_SERVER_SERVICE_ACCESS_AUDIT_LOG_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "logging/log.h"

namespace quantlab {

struct AuditEntry {
  std::string caller, role;  // empty: unknown
  std::string method;
  std::string from;    // gRPC's peer
  std::string object;  // beside the subject: an identity, an artifact; may be empty
  LogSubject subject;
};

// Lines about unknown callers are limited to 20 a second, so that a flood of them cannot push everything else
// out of a rotated file; the next line says how many were left out. Borrows the clock. Threads: safe.
class AuditLog {
 public:
  AuditLog(std::unique_ptr<Log> log, const Clock* clock) : log_(std::move(log)), clock_(clock) {}

  void Write(const AuditEntry& entry, const absl::Status& status);

 private:
  // Whether a line about an unknown caller may be written now, and how many were left out before it.
  bool TakeTurn(int64_t* left_out);

  const std::unique_ptr<Log> log_;
  const Clock* const clock_;
  Mutex mutex_;
  absl::Duration second_start_ ABSL_GUARDED_BY(mutex_);
  int lines_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_ACCESS_AUDIT_LOG_H_
