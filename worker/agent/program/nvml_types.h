// The types of NVML's functions that are used here, with the names of NVIDIA's nvml.h (NVML API reference): a
// pointer to a function needs the very type of the function.
#ifndef QUANTLAB_WORKER_AGENT_PROGRAM_NVML_TYPES_H_
#define QUANTLAB_WORKER_AGENT_PROGRAM_NVML_TYPES_H_

extern "C" {

struct nvmlDevice_st;  // opaque
using nvmlDevice_t = nvmlDevice_st*;

struct nvmlMemory_t {
  unsigned long long total, free, used;  // bytes
};

struct nvmlUtilization_t {
  unsigned gpu, memory;  // percent
};

}  // extern "C"

#endif  // QUANTLAB_WORKER_AGENT_PROGRAM_NVML_TYPES_H_
