// This process's memory as the kernel reports it. Linux only; without LibTorch.
#ifndef QUANTLAB_WORKER_ENGINE_MEASURE_PROCESS_MEMORY_H_
#define QUANTLAB_WORKER_ENGINE_MEASURE_PROCESS_MEMORY_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace quantlab::engine {

// Bytes, resident now unless said otherwise.
struct ProcessMemory {
  int64_t resident = 0;
  int64_t anonymous = 0;  // heap, stacks, private copies of file pages
  int64_t file = 0;       // pages of files: programs, libraries, mapped weights
  int64_t shared = 0;     // shared memory
  int64_t peak = 0;       // the most that was ever resident
};

// Anonymous and file-backed memory from smaps_rollup, which counts pages that a process has written into
// a private mapping of a file as anonymous (RssFile of /proc/self/status does so as well); the peak from
// VmHWM.
// Errors: UNAVAILABLE the kernel does not report it.
absl::StatusOr<ProcessMemory> ReadProcessMemory();

// The parts of it, from the text of the two files of /proc.
absl::StatusOr<ProcessMemory> ParseProcessMemory(const std::string& status, const std::string& smaps_rollup);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MEASURE_PROCESS_MEMORY_H_
