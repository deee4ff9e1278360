// The common part of all RPCs: whether the caller may make them is decided first (access.h); they run on the
// pool, are logged and counted, and answer with machine-readable statuses.
#ifndef QUANTLAB_SERVER_SERVICE_RPC_RPC_H_
#define QUANTLAB_SERVER_SERVICE_RPC_RPC_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "logging/log.h"
#include "server/service/access/access.h"
#include "server/service/metrics.h"
#include "server/service/rpc/work_pool.h"

namespace quantlab {

// Shared by the services; everything is borrowed.
struct RpcEnvironment {
  Log* log = nullptr;
  Metrics* metrics = nullptr;
  WorkPool* pool = nullptr;
  const Clock* clock = nullptr;
  Access* access = nullptr;
};

// One call from its start to its end. Every handler makes one first, and does nothing unless `admitted` is
// OK.
class RpcRecord {
 public:
  // Asks `environment.access` whether the caller may make this call.
  RpcRecord(const RpcEnvironment& environment, const grpc::ServerContextBase& context, std::string method);

  // OK, or why the caller may not; to be passed to End.
  const absl::Status& admitted() const { return admitted_; }
  // Under which conditions it may: the handler checks them.
  Grant grant() const { return grant_; }
  // Where the pool runs it.
  Lane lane() const { return lane_; }
  // Who calls; no identity: this machine's user.
  const Caller& caller() const { return caller_; }

  // For calls that last. From now on the call ends soon after its caller's identity is revoked or expires:
  // `end`, which may be empty, is called as OpenCalls::Add says, and must hold no reference to this object.
  void EndWithIdentity(grpc::ServerContextBase& context, std::function<void(const absl::Status&)> end = {});
  // Whether the caller may go on; OK or UNAUTHENTICATED. Calls that move data ask before each piece.
  absl::Status CheckActive() const;

  // The experiment, run and attempt of the call, for its log line.
  LogSubject subject;
  // What the call is about besides, for the audit log: an identity's name, an artifact's digest.
  std::string object;
  // Frequent calls are logged only when they fail, or at level debug.
  bool frequent = false;

  // Counts, logs and audits the end.
  void End(const absl::Status& status) const;
  const std::string& method() const { return method_; }

 private:
  const RpcEnvironment& environment_;
  const std::string method_;
  const std::string peer_;
  const absl::Duration start_;
  Caller caller_;
  Grant grant_ = Grant::kNo;
  Lane lane_ = Lane::kRead;
  std::shared_ptr<void> open_call_, ends_with_identity_;
  absl::Status admitted_;
};

// Calls `handler` and catches the exceptions of a request, so that none ends the process: RESOURCE_EXHAUSTED
// when memory runs out, INTERNAL for any other.
absl::Status CallHandler(const std::function<absl::Status()>& handler);

// Runs `handler(RpcRecord&)` on the pool and finishes the call with what it returns. A call whose caller
// is gone, or whose deadline has passed, before its turn is not run.
grpc::ServerUnaryReactor* RunUnary(const RpcEnvironment& environment, grpc::CallbackServerContext* context,
                                   std::string method, std::function<absl::Status(RpcRecord&)> handler);

// The status of a call to whose caller nothing can be sent any more: why it was ended, or that the caller
// disconnected.
absl::Status WriteFailed(const RpcRecord& record);

// Checks the requested page size: 0 gives `standard`.
// Errors: INVALID_ARGUMENT outside 1 to `most`.
absl::StatusOr<int> CheckPageSize(int32_t size, int standard, int most);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_RPC_RPC_H_
