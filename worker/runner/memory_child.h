// Memory of one saved model, measured in a fresh process that does nothing else.
#ifndef QUANTLAB_WORKER_RUNNER_MEMORY_CHILD_H_
#define QUANTLAB_WORKER_RUNNER_MEMORY_CHILD_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/engine/measure/process_memory.h"

namespace quantlab::runner {

// Texts of a batch, and tokens of each.
struct InputShape {
  int batch_size = 8;
  int sequence_length = 128;
};

struct MemoryRequest {
  std::string model;  // folder
  std::string device = "cpu";
  int threads = 0;
  // Memory is measured with the first; the others only run, so that their kernels are audited too.
  std::vector<InputShape> shapes = {{}};
};

// Before anything is loaded (LibTorch is there already), after loading, after one forward pass.
struct MemoryReport {
  engine::ProcessMemory start, loaded, forward;
  // Most bytes that LibTorch's allocator of the device had handed out; 0 on the CPU.
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

// In the parent: starts `runner measure-memory …` and reads its report. `should_stop` is asked a few times
// a second; true kills the child and gives CANCELLED.
// Errors: those of the child, with its words; INTERNAL it died or said nothing sensible.
absl::StatusOr<MemoryReport> MeasureMemoryInChild(const std::string& runner, const MemoryRequest& request,
                                                  const std::function<bool()>& should_stop);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_MEMORY_CHILD_H_
