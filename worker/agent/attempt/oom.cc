#include "worker/agent/attempt/oom.h"

#include <fstream>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace quantlab::agent {
namespace {

// Files of /proc and /sys have no size, and are small.
std::string ReadKernelFile(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// "0::/a/b" for version 2, "7:memory:/a/b" for version 1.
std::string GroupPath(const std::string& root, absl::string_view kind) {
  const std::string text = ReadKernelFile(absl::StrCat(root, "proc/self/cgroup"));
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::pair<absl::string_view, absl::string_view> rest =
        absl::StrSplit(line, absl::MaxSplits(':', 1));
    absl::string_view path = rest.second;
    if (absl::ConsumePrefix(&path, absl::StrCat(kind, ":"))) return std::string(path == "/" ? "" : path);
  }
  return "";
}

}  // namespace

int64_t CounterOf(absl::string_view text, absl::string_view name) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    int64_t value = 0;
    if (absl::ConsumePrefix(&line, name) && absl::ConsumePrefix(&line, " ") &&
        absl::SimpleAtoi(line, &value)) {
      return value;
    }
  }
  return 0;
}

OomCounts ReadOomCounts(const std::string& root) {
  OomCounts counts;
  counts.group = CounterOf(
      ReadKernelFile(absl::StrCat(root, "sys/fs/cgroup", GroupPath(root, ""), "/memory.events")), "oom_kill");
  if (counts.group == 0) {
    counts.group = CounterOf(ReadKernelFile(absl::StrCat(root, "sys/fs/cgroup/memory",
                                                         GroupPath(root, "memory"), "/memory.oom_control")),
                             "oom_kill");
  }
  counts.machine = CounterOf(ReadKernelFile(absl::StrCat(root, "proc/vmstat")), "oom_kill");
  return counts;
}

}  // namespace quantlab::agent
