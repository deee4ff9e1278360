#include "worker/engine/measure/self_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/measure/devices.h"

namespace quantlab::engine {
namespace {

TEST(SelfTest, EveryDeviceHerePasses) {
  for (const Device& device : AvailableDevices()) {
    const absl::Status status = TestDevice(device, {.memory_bytes = 1 << 20});
    EXPECT_TRUE(status.ok()) << device.name() << ": " << status;
  }
}

TEST(SelfTest, ADeviceThatIsNotHereIsNamed) {
  EXPECT_EQ(TestDevice(Device("abacus")).code(), absl::StatusCode::kInvalidArgument);
  if (AvailableDevices().size() > 1) return;
  EXPECT_EQ(TestDevice(Device("cuda")).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(SelfTest, MemoryThatIsNotThereIsAnError) {
  const absl::Status status = TestDevice(Device(), {.memory_bytes = int64_t{1} << 50});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
}

}  // namespace
}  // namespace quantlab::engine
