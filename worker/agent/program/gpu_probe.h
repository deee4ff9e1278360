// Temperature, memory and use of this machine's NVIDIA GPUs, by the driver's library NVML.
#ifndef QUANTLAB_WORKER_AGENT_PROGRAM_GPU_PROBE_H_
#define QUANTLAB_WORKER_AGENT_PROGRAM_GPU_PROBE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace quantlab::agent {

// Of one GPU; empty: it does not report this.
struct GpuReading {
  int index = 0;  // as nvidia-smi numbers them
  std::optional<double> temperature_celsius;
  std::optional<double> utilization;  // 0 to 1: the part of the last moment in which a kernel ran
  std::optional<double> power_watts;
  std::optional<int64_t> memory_used_bytes, memory_size_bytes;
};

// The library belongs to the driver, so it is loaded when the program runs. Its functions and structures are
// those of the NVML API reference, versions that every driver since 2012 has.
//
// Threads: safe.
class GpuProbe {
 public:
  // nullptr where there is no library, or it finds no driver.
  static std::unique_ptr<GpuProbe> Open(const std::string& library = "libnvidia-ml.so.1");
  ~GpuProbe();
  GpuProbe(const GpuProbe&) = delete;
  GpuProbe& operator=(const GpuProbe&) = delete;

  // A GPU that does not answer at all is left out.
  std::vector<GpuReading> Read() const;

 private:
  struct Library;
  explicit GpuProbe(std::unique_ptr<Library> library);
  std::unique_ptr<Library> library_;
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_PROGRAM_GPU_PROBE_H_
