// Whether a caller may change an experiment.
#ifndef QUANTLAB_SERVER_SERVICE_ACCESS_OWNERSHIP_H_
#define QUANTLAB_SERVER_SERVICE_ACCESS_OWNERSHIP_H_

#include <string>

#include "absl/status/status.h"
#include "base/records/repositories.h"
#include "server/service/rpc/rpc.h"

namespace quantlab {

// OK where the caller's grant is not kOwn, or the caller submitted the experiment.
// Errors: NOT_FOUND; PERMISSION_DENIED (NOT_YOURS).
absl::Status CheckOwner(const RpcRecord& record, StateRepository& state, const std::string& experiment_id);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_ACCESS_OWNERSHIP_H_
