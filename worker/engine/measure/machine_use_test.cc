#include "worker/engine/measure/machine_use.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/messages/message_catalogue.h"

namespace quantlab::engine {
namespace {

// proc(5): user nice system idle iowait irq softirq steal guest guest_nice, in ticks.
constexpr char kBefore[] =
    "cpu  900 0 90 9000 0 0 0 0 0 0\n"
    "cpu0 100 0 20 800 10 5 5 60 50 0\n"
    "cpu1 300 10 20 600 10 5 5 50 0 0\n"
    "cpu10 1 1 1 1 1 1 1 1 0 0\nintr 5\n";

TEST(ParseProcessorTimesTest, AddsUpTheProcessorsThatMayBeUsed) {
  const MachineReading one = ParseProcessorTimes(kBefore, {0}, 100);
  EXPECT_DOUBLE_EQ(one.total, 10);
  EXPECT_DOUBLE_EQ(one.busy, 1.3);
  EXPECT_DOUBLE_EQ(one.stolen, 0.6);
  const MachineReading two = ParseProcessorTimes(kBefore, {0, 1}, 100);
  EXPECT_DOUBLE_EQ(two.total, 20);
  EXPECT_DOUBLE_EQ(two.busy, 4.7);
  EXPECT_EQ(ParseProcessorTimes("", {0}, 100).total, 0);
}

TEST(MachineUseTest, WhatOthersUsedIsWhatIsBusyLessWhatIsOwn) {
  const MachineUse use = Between({100, 40, 2, 10, 3000}, {120, 58, 3, 22, 2400});
  EXPECT_DOUBLE_EQ(use.seconds, 20);
  EXPECT_DOUBLE_EQ(use.stolen, 0.05);
  EXPECT_DOUBLE_EQ(use.others, 0.3);
  EXPECT_EQ(use.mhz_low, 2400);
  EXPECT_EQ(use.mhz_high, 3000);
  const MachineUse all = Together({use, {60, 0.01, 0.1, 0, 0}});
  EXPECT_DOUBLE_EQ(all.stolen, 0.02);
  EXPECT_DOUBLE_EQ(all.others, 0.15);
  EXPECT_EQ(all.mhz_low, 2400);
  EXPECT_EQ(Between({}, {}).others, 0);
}

TEST(WhyNotRepeatableTest, NamesWhatDisturbedTheTimes) {
  EXPECT_TRUE(WhyNotRepeatable({10, 0.005, 0.03, 2950, 3000}, 0.04).empty());
  std::vector<std::string> said;
  for (const Message& message : WhyNotRepeatable({10, 0.02, 0.3, 2400, 3000}, 0.25)) {
    said.push_back(English(message));
  }
  EXPECT_THAT(said,
              ::testing::ElementsAre("the hypervisor took 2.00% of the processor time for others",
                                     "other programs used 30.00% of the processor time",
                                     "the processor's frequency was between 2400 and 3000 MHz",
                                     "the median time of one model differs by 25.00% between processes"));
}

TEST(ReadMachineTest, TimePasses) {
  const MachineReading now = ReadMachine();
  EXPECT_GT(now.total, 0);
  EXPECT_GT(now.own, 0);
  EXPECT_GE(Between(now, ReadMachine()).others, 0);
}

}  // namespace
}  // namespace quantlab::engine
