#include "base/config/device.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/config/method_spec.h"

namespace quantlab {

const std::vector<DeviceKind>& AllDeviceKinds() {
  static const auto* const kinds = new std::vector<DeviceKind>{
      {.name = "cpu", .title = "the CPU", .title_zh = "CPU"},
      {.name = "cuda",
       .title = "an NVIDIA GPU",
       .title_zh = "NVIDIA GPU",
       .needs = "an NVIDIA GPU, its driver and a CUDA build of torch",
       .needs_zh = "NVIDIA GPU、其驱动程序和 CUDA 版的 torch"},
  };
  return *kinds;
}

std::vector<std::string> DeviceKindNames() {
  std::vector<std::string> names;
  for (const DeviceKind& kind : AllDeviceKinds()) names.push_back(kind.name);
  return names;
}

const DeviceKind* FindDeviceKind(absl::string_view name) {
  for (const DeviceKind& kind : AllDeviceKinds()) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

Device::Device() : kind_(AllDeviceKinds().front().name) {}

absl::StatusOr<Device> Device::Parse(absl::string_view text) {
  const size_t colon = text.find(':');
  Device device(text.substr(0, colon));
  if (FindDeviceKind(device.kind_) == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no device \"", text, "\"; allowed: ", absl::StrJoin(DeviceKindNames(), ", ")));
  }
  if (colon == absl::string_view::npos) return device;
  int index = 0;
  const absl::string_view digits = text.substr(colon + 1);
  // SimpleAtoi takes signs and blanks too.
  if (digits.find_first_not_of("0123456789") != absl::string_view::npos ||
      !absl::SimpleAtoi(digits, &index)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text,
                                                   "\" is no device; after the colon stands its "
                                                   "number, from 0, as in ",
                                                   device.kind_, ":0"));
  }
  device.index_ = index;
  return device;
}

bool Device::is_cpu() const {
  return kind_ == AllDeviceKinds().front().name;
}

std::string Device::name() const {
  return index_ ? absl::StrCat(kind_, ":", *index_) : kind_;
}

std::vector<std::string> DeviceNames(const std::vector<Device>& devices) {
  std::vector<std::string> names;
  for (const Device& device : devices) names.push_back(device.name());
  return names;
}

const DeviceSupport* FindSupport(const MethodSpec& method, const Device& device) {
  for (const DeviceSupport& support : method.devices) {
    if (support.device == device.kind()) return &support;
  }
  return nullptr;
}

}  // namespace quantlab
