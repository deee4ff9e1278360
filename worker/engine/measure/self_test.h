// Whether a device computes what it should: exact products and sums of small integers in each precision that
// methods use, and memory that keeps what was written to it. A GPU whose memory or arithmetic has failed
// otherwise gives plausible wrong results.
#ifndef QUANTLAB_WORKER_ENGINE_MEASURE_SELF_TEST_H_
#define QUANTLAB_WORKER_ENGINE_MEASURE_SELF_TEST_H_

#include <cstdint>

#include "absl/status/status.h"
#include "base/config/device.h"

namespace quantlab::engine {

struct SelfTestOptions {
  int64_t memory_bytes = 64 << 20;  // written and read back; less where the device has less left
};

// Takes some milliseconds once the device is set up. Threads: safe.
// Errors: those of CheckDevice; DATA_LOSS names what the device got wrong; RESOURCE_EXHAUSTED it has no
// memory left; INTERNAL its driver reports an error.
absl::Status TestDevice(const Device& device, const SelfTestOptions& options = {});

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MEASURE_SELF_TEST_H_
