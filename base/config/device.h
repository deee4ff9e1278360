// The kinds of devices that runs compute on, in one table, and a device as one of them.
//
// To add a kind: its line in device.cc, what methods do on it in methods.cc, and its entry in
// worker/engine/measure/devices.cc. See docs/en/guides/add-a-device.md.
#ifndef QUANTLAB_BASE_CONFIG_DEVICE_H_
#define QUANTLAB_BASE_CONFIG_DEVICE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantlab {

struct DeviceSupport;
struct MethodSpec;

struct DeviceKind {
  std::string name;             // "cuda": in files, messages and stored data, and therefore never changed
  std::string title, title_zh;  // "an NVIDIA GPU": for help
  std::string needs = "",
              needs_zh = "";  // what a machine must have to offer it; empty: every machine offers it
};

// In the order in which they are listed. The first, the CPU, is on every machine.
const std::vector<DeviceKind>& AllDeviceKinds();

// {"cpu", "cuda"}
std::vector<std::string> DeviceKindNames();

// By name; nullptr when this version has no such kind.
const DeviceKind* FindDeviceKind(absl::string_view name);

// A kind and, where one of several is meant, its index: "cuda", "cuda:1". Experiments and workers name kinds
// alone; an index is for the commands of quant-runner.
class Device {
 public:
  // The CPU.
  Device();
  // `kind` is not checked: what another version has stored or sent may name a kind that this one lacks. Such
  // a device is kept, compared and shown by its name. What people write goes through Parse.
  explicit Device(absl::string_view kind) : kind_(kind) {}

  // Errors: INVALID_ARGUMENT no kind of this version, or no index; names the kinds that there are.
  static absl::StatusOr<Device> Parse(absl::string_view text);

  const std::string& kind() const { return kind_; }
  std::optional<int> index() const { return index_; }
  bool is_cpu() const;

  // "cuda:1": what Parse reads, and what is stored.
  std::string name() const;

  friend bool operator==(const Device&, const Device&) = default;

 private:
  std::string kind_;
  std::optional<int> index_;
};

// {"cpu", "cuda:1"}
std::vector<std::string> DeviceNames(const std::vector<Device>& devices);

// How a method stands to the device's kind; nullptr where the method does not state it.
const DeviceSupport* FindSupport(const MethodSpec& method, const Device& device);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_CONFIG_DEVICE_H_
