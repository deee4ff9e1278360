// WatchExperiment: an experiment's change log as a stream that resumes from a sequence number.
#ifndef QUANTLAB_SERVER_SERVICE_WATCH_H_
#define QUANTLAB_SERVER_SERVICE_WATCH_H_

#include <atomic>

#include <grpcpp/grpcpp.h>

#include "base/records/repositories.h"
#include "quantlab/v1/experiment.pb.h"
#include "server/core/change_feed.h"
#include "server/service/rpc/rpc.h"

namespace quantlab {

// Everything is borrowed.
struct WatchParts {
  const RpcEnvironment* rpc = nullptr;
  StateRepository* state = nullptr;
  EventRepository* events = nullptr;
  ChangeFeed* feed = nullptr;
};

// The reactor of one call; it deletes itself. `open` counts the calls; from `most` on they are refused
// with RESOURCE_EXHAUSTED. No thread waits while nothing changes.
grpc::ServerWriteReactor<v1::WatchExperimentResponse>* StartWatch(const WatchParts& parts,
                                                                  grpc::ServerContextBase& context,
                                                                  const v1::WatchExperimentRequest& request,
                                                                  std::atomic<int>& open, int most);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_WATCH_H_
