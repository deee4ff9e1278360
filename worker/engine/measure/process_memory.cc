#include "worker/engine/measure/process_memory.h"

#include <cstdio>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"

namespace quantlab::engine {
namespace {

// Files in /proc report a size of 0.
std::string ReadProc(const char* path) {
  std::string text;
  std::FILE* file = std::fopen(path, "r");
  if (file == nullptr) return text;
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, file)) text.append(buffer, n);
  std::fclose(file);
  return text;
}

// "VmHWM:     1234 kB" gives 1234 * 1024.
std::optional<int64_t> Field(const std::string& text, absl::string_view name) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::StartsWith(line, name) || line.size() <= name.size() || line[name.size()] != ':') continue;
    const std::vector<absl::string_view> words =
        absl::StrSplit(line.substr(name.size() + 1), absl::ByAnyChar(" \t"), absl::SkipEmpty());
    int64_t kilobytes = 0;
    if (words.size() == 2 && words[1] == "kB" && absl::SimpleAtoi(words[0], &kilobytes))
      return kilobytes * 1024;
  }
  return std::nullopt;
}

absl::StatusOr<int64_t> Need(const std::string& text, absl::string_view name) {
  if (const auto value = Field(text, name)) return *value;
  return absl::UnavailableError(
      absl::StrCat("/proc/self/status has no ", std::string(name), ": memory can be measured on Linux only"));
}

}  // namespace

absl::StatusOr<ProcessMemory> ParseProcessMemory(const std::string& status, const std::string& smaps_rollup) {
  ProcessMemory memory;
  QL_ASSIGN_OR_RETURN(memory.resident, Need(status, "VmRSS"));
  QL_ASSIGN_OR_RETURN(memory.peak, Need(status, "VmHWM"));
  QL_ASSIGN_OR_RETURN(memory.anonymous, Need(status, "RssAnon"));
  QL_ASSIGN_OR_RETURN(memory.file, Need(status, "RssFile"));
  QL_ASSIGN_OR_RETURN(memory.shared, Need(status, "RssShmem"));
  // The counters of status lag behind by up to 64 pages per thread; smaps_rollup walks the pages.
  const auto resident = Field(smaps_rollup, "Rss");
  const auto anonymous = Field(smaps_rollup, "Anonymous");
  if (resident && anonymous) {
    memory.resident = *resident;
    memory.anonymous = *anonymous;
    memory.file = *resident - *anonymous - memory.shared;
  }
  return memory;
}

absl::StatusOr<ProcessMemory> ReadProcessMemory() {
  return ParseProcessMemory(ReadProc("/proc/self/status"), ReadProc("/proc/self/smaps_rollup"));
}

}  // namespace quantlab::engine
