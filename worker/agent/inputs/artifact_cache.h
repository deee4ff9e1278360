// Artifacts on this machine, named by their digest: inputs downloaded from the coordinator, and outputs that
// later runs may need.
#ifndef QUANTLAB_WORKER_AGENT_INPUTS_ARTIFACT_CACHE_H_
#define QUANTLAB_WORKER_AGENT_INPUTS_ARTIFACT_CACHE_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "platform/digest.h"
#include "worker/agent/connection/control.h"
#include "worker/agent/connection/coordinator.h"

namespace quantlab::agent {

// Ownership: borrows `coordinator`, which outlives it. Owns the folder; one process uses it.
// Threads:   one at a time.
class ArtifactCache {
 public:
  // Keeps at most `max_bytes`, apart from what the current attempt needs; evicts the least recently used.
  // `store`: the coordinator's artifact store, where it is on this machine and this user may link its files;
  // empty: artifacts are downloaded. With it, inputs are links to the store's files, and the cache stays
  // empty.
  ArtifactCache(std::string folder, int64_t max_bytes, Coordinator* coordinator, std::string store = "")
      : folder_(std::move(folder)),
        store_(std::move(store)),
        max_bytes_(max_bytes),
        coordinator_(coordinator) {}

  // Creates the folder; removes incomplete files of a process that died, except downloads that can be
  // resumed.
  absl::Status Open();

  // Puts the artifact at `path`, as a link into the cache. A cached artifact is hashed again before it is
  // used; a missing one is downloaded, resuming an interrupted download, with retries while the
  // coordinator is unavailable. `progress` gets the bytes so far; may be empty.
  // Errors: CANCELLED by `control`; DATA_LOSS the coordinator sent other content three times;
  // NOT_FOUND it does not have it; RESOURCE_EXHAUSTED the disk is full.
  absl::Status Place(const std::string& sha256, int64_t size, const std::string& path,
                     AttemptControl& control, CallCanceller* canceller,
                     const std::function<void(int64_t)>& progress);

  // Adds a file whose digest the caller has just computed. Failure is no error: it is only a cache.
  void Keep(const std::string& path, const FileDigest& digest);

  struct Usage {
    int64_t files = 0, bytes = 0;  // with incomplete downloads
    int64_t limit_bytes = 0;
  };
  // Reads the folder. Safe beside the other functions, whose changes it may see in part.
  Usage MeasureUsage() const;

 private:
  std::string PathOf(const std::string& sha256) const;
  absl::Status Fetch(const std::string& sha256, int64_t size, AttemptControl& control,
                     CallCanceller* canceller, const std::function<void(int64_t)>& progress);
  absl::Status Download(const std::string& partial, const std::string& sha256, int64_t size,
                        CallCanceller* canceller, const std::function<void(int64_t)>& progress);
  // Whether `path` is a link to the store's file now, whose content is good.
  bool LinkFromStore(const std::string& sha256, int64_t size, const std::string& path,
                     const AttemptControl& control) const;
  void MakeRoom(int64_t bytes);

  const std::string folder_, store_;
  const int64_t max_bytes_;
  Coordinator* const coordinator_;
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_INPUTS_ARTIFACT_CACHE_H_
