// A library in the place of NVML, with two GPUs: one that reports all, one that reports its memory alone. A
// third does not answer. After quantlab_fake_nvml_lose(1) none does.
extern "C" {

struct nvmlDevice {
  unsigned index;
};
static nvmlDevice devices[] = {{0}, {1}};
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
int nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice** device) {
  if (index > 1 || lost != 0) return 15;  // NVML_ERROR_GPU_IS_LOST
  *device = &devices[index];
  return 0;
}
int nvmlDeviceGetTemperature(nvmlDevice* device, unsigned sensor, unsigned* celsius) {
  if (device->index != 0 || sensor != 0) return 3;  // NVML_ERROR_NOT_SUPPORTED
  *celsius = 61;
  return 0;
}
int nvmlDeviceGetMemoryInfo(nvmlDevice*, unsigned long long* total_free_used) {
  total_free_used[0] = 80'000'000'000;
  total_free_used[1] = 50'000'000'000;
  total_free_used[2] = 30'000'000'000;
  return 0;
}
int nvmlDeviceGetUtilizationRates(nvmlDevice* device, unsigned* gpu_memory) {
  if (device->index != 0) return 3;
  gpu_memory[0] = 87;
  gpu_memory[1] = 20;
  return 0;
}
int nvmlDeviceGetPowerUsage(nvmlDevice* device, unsigned* milliwatts) {
  if (device->index != 0) return 3;
  *milliwatts = 312'500;
  return 0;
}

}  // extern "C"
