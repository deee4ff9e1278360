// The hardware and software that results are computed with, for attempts, for `quant-runner info`, and for
// what a worker advertises.
#ifndef QUANTLAB_WORKER_ENGINE_MEASURE_ENVIRONMENT_H_
#define QUANTLAB_WORKER_ENGINE_MEASURE_ENVIRONMENT_H_

#include <cstdint>

#include "base/config/device.h"
#include "base/records/event.h"

namespace quantlab::engine {

// Makes results repeatable: intra-op threads (0: one for each core that this process may use), LibTorch's
// deterministic algorithms, the default generators' seed. Call once, before any tensor is computed.
// Returns the number of threads.
int SetUpDeterminism(int threads, uint64_t seed);

// Cores that this process may run on.
int UsableCores();

// Facts of this machine, library and program, and the fingerprint over those that can change a result:
// CPU model, flags and microcode, SMT and frequency governor, threads, LibTorch, kernel choices, variables of
// the environment that libraries choose by, the GPU where `device` is one. It excludes the runner's binary,
// which has a digest of its own.
Environment DescribeEnvironment(const Device& device, int threads);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MEASURE_ENVIRONMENT_H_
