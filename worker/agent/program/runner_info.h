// Reads the output of `quant-runner info --json` into the capabilities that the worker advertises.
#ifndef QUANTLAB_WORKER_AGENT_PROGRAM_RUNNER_INFO_H_
#define QUANTLAB_WORKER_AGENT_PROGRAM_RUNNER_INFO_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "platform/process.h"
#include "quantlab/v1/worker.pb.h"

namespace quantlab::agent {

// Fills devices, methods, fingerprint and facts from the JSON text; everything else stays empty.
//
// {"version": 1, "devices": ["cpu"], "methods": [{"name": "dynamic_quantization", "version": 1}],
//  "fingerprint": "…", "facts": {"cpu_model": "…", "torch": "2.13.0"}}
//
// Unknown keys are ignored; values of facts may be strings, numbers or booleans.
// Errors: INVALID_ARGUMENT the text has another form.
absl::StatusOr<v1::WorkerInfo> ParseRunnerInfo(const std::string& json);

// Runs the runner, and adds its binary's digest.
// Errors: NOT_FOUND there is no runner, FAILED_PRECONDITION it does not work here; both with the remedy.
absl::StatusOr<v1::WorkerInfo> AskRunner(ProcessLauncher& launcher, const std::string& runner, int stop_fd);

// Restricts the devices of `info` to `wanted` (empty: all).
// Errors: FAILED_PRECONDITION the runner cannot use one of them.
absl::Status RestrictDevices(const std::vector<std::string>& wanted, v1::WorkerInfo& info);

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_PROGRAM_RUNNER_INFO_H_
