// The environment that a run records: the machine, the libraries and this program.
#ifndef QUANTLAB_WORKER_RUNNER_RUNNER_ENVIRONMENT_H_
#define QUANTLAB_WORKER_RUNNER_RUNNER_ENVIRONMENT_H_

#include <string>

#include "base/config/device.h"
#include "worker/engine/measure/environment.h"

namespace quantlab::runner {

// engine::DescribeEnvironment, and the fact source_commit: the commit that this program was built from,
// followed by " with local changes" where there were any. It is no part of the fingerprint.
Environment DescribeRunner(const Device& device, int threads);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_RUNNER_ENVIRONMENT_H_
