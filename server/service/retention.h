// How long the coordinator keeps what nobody has to keep, and how much.
#ifndef QUANTLAB_SERVER_SERVICE_RETENTION_H_
#define QUANTLAB_SERVER_SERVICE_RETENTION_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/records/deletion.h"

namespace quantlab {

struct RetentionPolicy {
  // A kind without an age is kept for ever.
  std::map<RetentionKind, absl::Duration> ages;
  // Of the artifact store. Above it files go before their age is reached; 0: no limit.
  int64_t quota_bytes = 0;
};

// The name of a kind in settings: "attempts", "failed-models", "models", "experiments".
std::string RetentionKindName(RetentionKind kind);

// "models=180d": ages in h or d, at least an hour. Each kind once.
// Errors: INVALID_ARGUMENT names what is allowed.
absl::StatusOr<std::map<RetentionKind, absl::Duration>> ParseRetention(const std::vector<std::string>& rules);

// "200GB", "500 MB": decimal units. Errors: INVALID_ARGUMENT.
absl::StatusOr<int64_t> ParseByteSize(const std::string& text);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_RETENTION_H_
