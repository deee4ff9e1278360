#include "worker/engine/measure/devices.h"

#include <filesystem>
#include <set>

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <torch/version.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "worker/engine/measure/proc_file.h"

namespace quantlab::engine {
namespace {

// What differs between kinds of devices.
struct Backend {
  std::string kind;  // DeviceKind::name
  at::DeviceType type;
  int (*count)();  // that LibTorch can compute on here
  std::string (*models)();
  Message (*missing)() = nullptr;  // why there is none; by default what the kind needs
};

int CudaCount() {
  return at::hasCUDA() ? static_cast<int>(at::detail::getCUDAHooks().deviceCount()) : 0;
}

Message WhyNoCuda() {
  return at::hasCUDA() ? messages::kNoGpu(TORCH_VERSION) : messages::kNoCudaInBuild(TORCH_VERSION);
}

std::string NvidiaModels() {
  std::set<std::string> names;
  std::error_code error;
  for (const auto& gpu : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", error)) {
    names.insert(FirstLineValue((gpu.path() / "information").string(), "Model"));
  }
  return absl::StrJoin(names, ", ");
}

const std::vector<Backend>& Backends() {
  static const auto* const backends = new std::vector<Backend>{
      {"cpu", at::kCPU, [] { return 1; }, [] { return std::string(); }},
      {"cuda", at::kCUDA, CudaCount, NvidiaModels, WhyNoCuda},
  };
  return *backends;
}

const Backend* FindBackend(const Device& device) {
  for (const Backend& backend : Backends()) {
    if (backend.kind == device.kind()) return &backend;
  }
  return nullptr;
}

Message WhyMissing(const Device& device, const Backend& backend) {
  if (backend.missing != nullptr) return backend.missing();
  return TextMessage(absl::StrCat("device ", device.name(), " is requested, but LibTorch ", TORCH_VERSION,
                                  " finds none; use device ", Device().name(), ", or a machine with ",
                                  FindDeviceKind(device.kind())->needs));
}

}  // namespace

std::vector<Device> AvailableDevices() {
  std::vector<Device> devices;
  for (const Backend& backend : Backends()) {
    if (backend.count() > 0) devices.emplace_back(backend.kind);
  }
  return devices;
}

absl::Status CheckDevice(const Device& device) {
  const Backend* const backend = FindBackend(device);
  if (backend == nullptr) {
    return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kNoSuchDevice(device.name()));
  }
  const int count = backend->count();
  if (count == 0) {
    return MessageStatus(absl::StatusCode::kFailedPrecondition, WhyMissing(device, *backend));
  }
  if (device.index().value_or(0) >= count) {
    return absl::FailedPreconditionError(absl::StrCat("there is no device ", device.name(),
                                                      " here; the last is ", device.kind(), ":", count - 1));
  }
  return absl::OkStatus();
}

at::Device TorchDevice(const Device& device) {
  const Backend* const backend = FindBackend(device);
  TORCH_CHECK(backend != nullptr, "there is no device ", device.name());
  // LibTorch numbers CPUs too, but all of them are the same device.
  const int index = device.is_cpu() ? -1 : device.index().value_or(-1);
  return {backend->type, static_cast<c10::DeviceIndex>(index)};
}

int64_t PeakDeviceMemory(const Device& device) {
  if (device.is_cpu()) return 0;
  const auto stats =
      at::accelerator::getDeviceStats(static_cast<c10::DeviceIndex>(device.index().value_or(0)));
  return stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
}

int64_t TotalDeviceMemory(const Device& device) {
  if (device.is_cpu()) return 0;
  try {
    const auto [free, total] =
        at::accelerator::getMemoryInfo(static_cast<c10::DeviceIndex>(device.index().value_or(0)));
    return static_cast<int64_t>(total);
  } catch (const std::exception&) {
    return 0;
  }
}

std::string DeviceModels(const Device& device) {
  const Backend* const backend = FindBackend(device);
  return backend == nullptr ? "" : backend->models();
}

}  // namespace quantlab::engine
