// A library in the place of NVML, with two GPUs: one that reports all, one that reports its memory alone. A
// third does not answer. After quantlab_fake_nvml_lose(1) none does.
#include "worker/agent/program/nvml_types.h"

extern "C" {

struct nvmlDevice_st {
  unsigned index;
};
static nvmlDevice_st devices[] = {{0}, {1}};
static int lost = 0;

void quantlab_fake_nvml_lose(int all) {
  lost = all;
}

int nvmlInit_v2() {
  return 0;
}
int nvmlShutdown() {
  return 0;
}
int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = 3;
  return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t* device) {
  if (index > 1 || lost != 0) return 15;  // NVML_ERROR_GPU_IS_LOST
  *device = &devices[index];
  return 0;
}
int nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned sensor, unsigned* celsius) {
  if (device->index != 0 || sensor != 0) return 3;  // NVML_ERROR_NOT_SUPPORTED
  *celsius = 61;
  return 0;
}
int nvmlDeviceGetMemoryInfo(nvmlDevice_t, nvmlMemory_t* memory) {
  *memory = {80'000'000'000, 50'000'000'000, 30'000'000'000};
  return 0;
}
int nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t* utilization) {
  if (device->index != 0) return 3;
  *utilization = {87, 20};
  return 0;
}
int nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned* milliwatts) {
  if (device->index != 0) return 3;
  *milliwatts = 312'500;
  return 0;
}

}  // extern "C"
