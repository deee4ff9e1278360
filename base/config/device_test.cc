#include "base/config/device.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/config/method_spec.h"
#include "base/config/settings.h"

namespace quantlab {
namespace {

using ::testing::HasSubstr;

TEST(DeviceTest, EachKindIsNamedOnceAndExplainedInBothLanguages) {
  std::set<std::string> names;
  for (const DeviceKind& kind : AllDeviceKinds()) {
    EXPECT_TRUE(names.insert(kind.name).second) << kind.name;
    EXPECT_EQ(kind.name.find(':'), std::string::npos) << kind.name;
    EXPECT_FALSE(kind.title.empty() || kind.title_zh.empty()) << kind.name;
    EXPECT_EQ(kind.needs.empty(), kind.needs_zh.empty()) << kind.name;
    EXPECT_EQ(FindDeviceKind(kind.name), &kind);
  }
  EXPECT_EQ(FindDeviceKind("tpu"), nullptr);
}

TEST(DeviceTest, TheFirstKindIsTheCpuWhichEveryMachineHas) {
  EXPECT_EQ(Device().name(), "cpu");
  EXPECT_TRUE(Device().is_cpu());
  EXPECT_TRUE(AllDeviceKinds().front().needs.empty());
  EXPECT_FALSE(Device("cuda").is_cpu());
}

TEST(DeviceTest, ReadsBackWhatItWrites) {
  for (const char* text : {"cpu", "cuda", "cuda:0", "cuda:12"}) {
    const auto device = Device::Parse(text);
    ASSERT_TRUE(device.ok()) << device.status();
    EXPECT_EQ(device->name(), text);
    EXPECT_EQ(*Device::Parse(device->name()), *device);
  }
  EXPECT_EQ(Device::Parse("cuda:1")->index(), 1);
  EXPECT_EQ(Device::Parse("cuda")->index(), std::nullopt);
  EXPECT_FALSE(*Device::Parse("cuda:1") == *Device::Parse("cuda:0"));
}

TEST(DeviceTest, RefusesWhatIsNoDeviceAndNamesThoseThatAre) {
  for (const char* text : {"", "tpu", "CPU", ":0", " cpu", "cuda0"}) {
    const auto device = Device::Parse(text);
    EXPECT_EQ(device.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(device.status().message()), HasSubstr("allowed: cpu, cuda")) << text;
  }
  for (const char* text :
       {"cuda:", "cuda:-1", "cuda:+1", "cuda: 1", "cuda:x", "cuda:99999999999", "cuda:1:2"}) {
    const auto device = Device::Parse(text);
    EXPECT_THAT(std::string(device.status().message()), HasSubstr("as in cuda:0")) << text;
  }
}

// An older version opens what a newer one has stored.
TEST(DeviceTest, AKindOfANewerVersionIsKept) {
  EXPECT_EQ(DeviceNames({Device(), Device("tpu")}), (std::vector<std::string>{"cpu", "tpu"}));
  EXPECT_EQ(Device("tpu"), Device("tpu"));
  EXPECT_FALSE(Device("tpu") == Device("cuda"));
}

TEST(DeviceTest, EveryMethodStatesWhatItDoesOnEveryKind) {
  for (const MethodSpec& method : AllMethods()) {
    for (const DeviceKind& kind : AllDeviceKinds()) {
      EXPECT_NE(FindSupport(method, Device(kind.name)), nullptr) << method.name << " on " << kind.name;
    }
    EXPECT_EQ(method.devices.size(), AllDeviceKinds().size()) << method.name;
  }
}

TEST(DeviceTest, ExperimentsMayAskForEachKind) {
  EXPECT_EQ(FindSetting("device")->allowed, DeviceKindNames());
}

}  // namespace
}  // namespace quantlab
