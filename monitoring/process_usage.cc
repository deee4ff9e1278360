#include "monitoring/process_usage.h"

#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace quantlab {
namespace {

constexpr int64_t kMaxProcFile = 1 << 16;

// Fields of /proc/<pid>/stat, counted from 1 as in proc(5).
constexpr size_t kUserTime = 14, kSystemTime = 15, kChildrenUserTime = 16, kChildrenSystemTime = 17,
                 kThreads = 20, kStartTime = 22, kVirtualSize = 23, kResidentPages = 24;

// When the machine started, in seconds since 1970; 0 when unknown.
double BootTime() {
  const absl::StatusOr<std::string> text = ReadFile("/proc/stat", 1 << 22);
  if (!text.ok()) return 0;
  for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
    double seconds = 0;
    if (line.substr(0, 6) == "btime " && absl::SimpleAtod(line.substr(6), &seconds)) return seconds;
  }
  return 0;
}

int64_t OpenFiles() {
  std::error_code error;
  int64_t count = 0;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end;
       it.increment(error))
    ++count;
  return count;
}

prometheus::MetricFamily Family(const char* name, const char* help, prometheus::MetricType type,
                                double value) {
  prometheus::ClientMetric metric;
  metric.counter.value = type == prometheus::MetricType::Counter ? value : 0;
  metric.gauge.value = value;
  return {name, help, type, {std::move(metric)}};
}

}  // namespace

absl::StatusOr<ProcessUsage> ReadProcessUsage(pid_t pid) {
  QL_ASSIGN_OR_RETURN(const std::string text, ReadFile(absl::StrCat("/proc/", pid, "/stat"), kMaxProcFile));
  // The program's name, field 2, may contain spaces and parentheses; fields are counted from its end.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return absl::DataLossError(absl::StrCat("/proc/", pid, "/stat"));
  const std::vector<std::string> fields =
      absl::StrSplit(absl::string_view(text).substr(name_end + 1), absl::ByAnyChar(" \n"), absl::SkipEmpty());
  const auto field = [&](size_t number) {
    int64_t value = 0;
    return number - 3 < fields.size() && absl::SimpleAtoi(fields[number - 3], &value) ? value : 0;
  };
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  ProcessUsage usage;
  usage.cpu_seconds = static_cast<double>(field(kUserTime) + field(kSystemTime)) / ticks;
  usage.children_cpu_seconds =
      static_cast<double>(field(kChildrenUserTime) + field(kChildrenSystemTime)) / ticks;
  usage.threads = field(kThreads);
  usage.virtual_bytes = field(kVirtualSize);
  usage.resident_bytes = field(kResidentPages) * sysconf(_SC_PAGESIZE);
  usage.start_seconds = BootTime() + static_cast<double>(field(kStartTime)) / ticks;
  return usage;
}

std::vector<prometheus::MetricFamily> ProcessMetrics() {
  const absl::StatusOr<ProcessUsage> usage = ReadProcessUsage(getpid());
  if (!usage.ok()) return {};
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  constexpr auto kGauge = prometheus::MetricType::Gauge;
  return {
      Family("process_cpu_seconds_total", "User and system CPU time of this process.",
             prometheus::MetricType::Counter, usage->cpu_seconds),
      Family("process_resident_memory_bytes", "Memory of this process that is in RAM.", kGauge,
             static_cast<double>(usage->resident_bytes)),
      Family("process_virtual_memory_bytes", "Address space of this process.", kGauge,
             static_cast<double>(usage->virtual_bytes)),
      Family("process_open_fds", "Open file descriptors.", kGauge, static_cast<double>(OpenFiles())),
      Family("process_max_fds", "Limit of open file descriptors.", kGauge,
             static_cast<double>(files.rlim_cur)),
      Family("process_threads", "Threads of this process.", kGauge, static_cast<double>(usage->threads)),
      Family("process_start_time_seconds", "When this process started, since 1970.", kGauge,
             usage->start_seconds),
  };
}

}  // namespace quantlab
