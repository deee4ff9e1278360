#include "worker/agent/program/gpu_probe.h"

#include <dlfcn.h>
#include <utility>

#include "worker/agent/program/nvml_types.h"

namespace quantlab::agent {
namespace {

constexpr int kSuccess = 0;
constexpr unsigned kGpuTemperature = 0;  // NVML_TEMPERATURE_GPU

}  // namespace

struct GpuProbe::Library {
  void* handle = nullptr;
  bool initialized = false;
  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  int (*count)(unsigned*) = nullptr;
  int (*device)(unsigned, nvmlDevice_t*) = nullptr;
  int (*temperature)(nvmlDevice_t, unsigned, unsigned*) = nullptr;
  int (*memory)(nvmlDevice_t, nvmlMemory_t*) = nullptr;
  int (*utilization)(nvmlDevice_t, nvmlUtilization_t*) = nullptr;
  int (*power)(nvmlDevice_t, unsigned*) = nullptr;  // milliwatts

  ~Library() {
    if (initialized) shutdown();
    if (handle != nullptr) dlclose(handle);
  }

  template <typename Function>
  bool Find(const char* name, Function*& function) {
    function = reinterpret_cast<Function*>(dlsym(handle, name));
    return function != nullptr;
  }

  bool Load(const std::string& path) {
    handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    return handle != nullptr && Find("nvmlInit_v2", init) && Find("nvmlShutdown", shutdown) &&
           Find("nvmlDeviceGetCount_v2", count) && Find("nvmlDeviceGetHandleByIndex_v2", device) &&
           Find("nvmlDeviceGetTemperature", temperature) && Find("nvmlDeviceGetMemoryInfo", memory) &&
           Find("nvmlDeviceGetUtilizationRates", utilization) && Find("nvmlDeviceGetPowerUsage", power);
  }
};

GpuProbe::GpuProbe(std::unique_ptr<Library> library) : library_(std::move(library)) {}

GpuProbe::~GpuProbe() = default;

std::unique_ptr<GpuProbe> GpuProbe::Open(const std::string& library) {
  auto loaded = std::make_unique<Library>();
  if (!loaded->Load(library) || loaded->init() != kSuccess) return nullptr;
  loaded->initialized = true;
  return std::unique_ptr<GpuProbe>(new GpuProbe(std::move(loaded)));
}

std::vector<GpuReading> GpuProbe::Read() const {
  std::vector<GpuReading> readings;
  unsigned count = 0;
  if (library_->count(&count) != kSuccess) return readings;
  for (unsigned index = 0; index < count; ++index) {
    nvmlDevice_t device = nullptr;
    if (library_->device(index, &device) != kSuccess) continue;
    GpuReading reading;
    reading.index = static_cast<int>(index);
    unsigned value = 0;
    if (library_->temperature(device, kGpuTemperature, &value) == kSuccess)
      reading.temperature_celsius = value;
    if (library_->power(device, &value) == kSuccess) reading.power_watts = value / 1000.0;
    nvmlUtilization_t utilization = {};
    if (library_->utilization(device, &utilization) == kSuccess)
      reading.utilization = utilization.gpu / 100.0;
    nvmlMemory_t memory = {};
    if (library_->memory(device, &memory) == kSuccess) {
      reading.memory_used_bytes = static_cast<int64_t>(memory.used);
      reading.memory_size_bytes = static_cast<int64_t>(memory.total);
    }
    readings.push_back(reading);
  }
  return readings;
}

}  // namespace quantlab::agent
