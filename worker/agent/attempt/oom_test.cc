#include "worker/agent/attempt/oom.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"

namespace quantlab::agent {
namespace {

void Write(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

TEST(OomTest, ReadsBothVersionsOfControlGroups) {
  TempFolder folder;
  const std::string root = folder.path() + "/";
  EXPECT_EQ(ReadOomCounts(root).group, 0);
  Write(root + "proc/vmstat", "pgfault 12\noom_kill 7\nother 3\n");
  Write(root + "proc/self/cgroup", "0::/work/a\n");
  Write(root + "sys/fs/cgroup/work/a/memory.events", "low 0\nmax 4\noom 3\noom_kill 2\noom_group_kill 9\n");
  EXPECT_EQ(ReadOomCounts(root).group, 2);
  EXPECT_EQ(ReadOomCounts(root).machine, 7);
  Write(root + "proc/self/cgroup", "9:cpu:/x\n7:memory:/b\n0::/\n");
  Write(root + "sys/fs/cgroup/memory/b/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n");
  EXPECT_EQ(ReadOomCounts(root).group, 5);
}

}  // namespace
}  // namespace quantlab::agent
