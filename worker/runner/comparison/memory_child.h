// Measures the memory of one saved model in a fresh process that does nothing else.
#ifndef QUANTLAB_WORKER_RUNNER_COMPARISON_MEMORY_CHILD_H_
#define QUANTLAB_WORKER_RUNNER_COMPARISON_MEMORY_CHILD_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/config/device.h"
#include "worker/engine/measure/process_memory.h"

namespace quantlab::runner {

// Texts of a batch, and tokens of each.
struct InputShape {
  int batch_size = 8;
  int sequence_length = 128;
};

struct MemoryRequest {
  std::string model;  // folder
  Device device;
  int threads = 0;
  // Memory is measured with the first; the others only run, so that their kernels are audited too.
  std::vector<InputShape> shapes = {{}};
};

// Before anything is loaded (LibTorch is there already), after loading, after one forward pass.
struct MemoryReport {
  engine::ProcessMemory start, loaded, forward;
  // Peak bytes that LibTorch's allocator of the device had allocated; 0 on the CPU.
  int64_t device_peak = 0;
  // oneDNN primitives that ran on a reference implementation (kernel_audit.h). Filled by the parent.
  std::vector<std::string> reference_primitives;
};

// In the child: loads the model, runs one batch of each shape, measures in between. A child whose parent dies
// is killed.
absl::StatusOr<MemoryReport> MeasureMemory(const MemoryRequest& request);
// "8x128". INVALID_ARGUMENT says how it is written.
absl::StatusOr<InputShape> ParseInputShape(const std::string& text);
std::string MemoryReportToJson(const MemoryReport& report);

// In the parent: starts `runner measure-memory …` and reads its report. `should_stop` is called a few times a
// second; if it returns true, the child is killed and the result is CANCELLED.
// Errors: those of the child, with its message; INTERNAL it died or its report is malformed.
absl::StatusOr<MemoryReport> MeasureMemoryInChild(const std::string& runner, const MemoryRequest& request,
                                                  const std::function<bool()>& should_stop);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_COMPARISON_MEMORY_CHILD_H_
