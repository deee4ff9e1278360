// The devices of base/config/device.h as LibTorch computes on them: one entry for each kind, in devices.cc.
#ifndef QUANTLAB_WORKER_ENGINE_MEASURE_DEVICES_H_
#define QUANTLAB_WORKER_ENGINE_MEASURE_DEVICES_H_

#include <cstdint>
#include <string>
#include <vector>

#include <c10/core/Device.h>

#include "absl/status/status.h"
#include "base/config/device.h"

namespace quantlab::engine {

// The kinds that LibTorch can compute on here, the CPU first.
std::vector<Device> AvailableDevices();

// Errors: INVALID_ARGUMENT the engine knows no such kind; FAILED_PRECONDITION there is no such device here,
// with what was looked for and what the kind needs.
absl::Status CheckDevice(const Device& device);

// Of a device that CheckDevice accepts. Without an index, LibTorch's current one of that kind.
at::Device TorchDevice(const Device& device);

// Most bytes that LibTorch's allocator of the device has handed out in this process so far; 0 for the CPU,
// whose memory is measured from outside the process.
int64_t PeakDeviceMemory(const Device& device);

// Bytes of the device's whole memory; 0 for the CPU, and where the device does not say.
int64_t TotalDeviceMemory(const Device& device);

// The models of the kind's devices on this machine ("NVIDIA H100 80GB HBM3"); empty for the CPU, whose model
// Environment has in any case.
std::string DeviceModels(const Device& device);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MEASURE_DEVICES_H_
