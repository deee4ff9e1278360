// What decides which runs a worker is given besides its devices and methods: its machine and its labels.
#ifndef QUANTLAB_WORKER_AGENT_PROGRAM_PLACEMENT_H_
#define QUANTLAB_WORKER_AGENT_PROGRAM_PLACEMENT_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace quantlab::agent {

// An id of this machine, the same for all of its workers, also for those in containers: a digest of the
// kernel's boot id, else of machine-id(5), else of the host's name. `root`: "/", or another folder for tests.
// It changes when the machine restarts, and its workers with it.
std::string MachineId(const std::string& root, const std::string& hostname);

// {"gpu=h100", "room=2"} as a map.
// Errors: INVALID_ARGUMENT one is not KEY=VALUE of allowed texts (base/records/worker_labels.h), a key is
// there twice, or there are too many.
absl::StatusOr<std::map<std::string, std::string>> ParseLabels(const std::vector<std::string>& labels);

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_PROGRAM_PLACEMENT_H_
