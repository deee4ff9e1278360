#include "worker/engine/measure/process_memory.h"

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

namespace quantlab::engine {
namespace {

constexpr char kStatus[] =
    "Name:\tx\nVmHWM:\t    2000 kB\nVmRSS:\t    1000 kB\nRssAnon:\t     600 kB\nRssFile:\t     300 kB\n"
    "RssShmem:\t     100 kB\n";

TEST(ProcessMemoryTest, TakesTheExactCountsWhereTheKernelHasThem) {
  const auto memory = ParseProcessMemory(kStatus, "Rss:  1100 kB\nPss: 5 kB\nAnonymous:    640 kB\n");
  ASSERT_TRUE(memory.ok());
  EXPECT_EQ(memory->resident, 1100 * 1024);
  EXPECT_EQ(memory->anonymous, 640 * 1024);
  EXPECT_EQ(memory->file, 360 * 1024);
  EXPECT_EQ(memory->peak, 2000 * 1024);
}

TEST(ProcessMemoryTest, DoesWithoutSmapsRollup) {
  const auto memory = ParseProcessMemory(kStatus, "");
  ASSERT_TRUE(memory.ok());
  EXPECT_EQ(memory->anonymous, 600 * 1024);
  EXPECT_EQ(memory->file, 300 * 1024);
}

TEST(ProcessMemoryTest, SaysSoWhenTheKernelDoesNotTell) {
  EXPECT_TRUE(absl::IsUnavailable(ParseProcessMemory("Name: x\n", "").status()));
  EXPECT_TRUE(absl::IsUnavailable(ParseProcessMemory("VmHWM: many kB\nVmRSS: 1 kB\n", "").status()));
}

TEST(ProcessMemoryTest, SeesMemoryThatIsTouched) {
  const auto before = ReadProcessMemory();
  ASSERT_TRUE(before.ok()) << before.status();
  std::vector<char> block(64 << 20);
  std::memset(block.data(), 1, block.size());
  const auto after = ReadProcessMemory();
  ASSERT_TRUE(after.ok());
  EXPECT_GT(after->anonymous - before->anonymous, 60 << 20);
  EXPECT_GE(after->peak, after->resident - (1 << 20));
  EXPECT_EQ(block[123], 1);
}

}  // namespace
}  // namespace quantlab::engine
