#include "worker/engine/measure/machine_use.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sched.h>
#include <sstream>
#include <sys/resource.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/messages/messages.h"

namespace quantlab::engine {
namespace {

std::set<int> UsableProcessors() {
  std::set<int> processors;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return processors;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &set)) processors.insert(i);
  }
  return processors;
}

std::string TextOf(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

double OwnSeconds() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Of another process, in user and in kernel mode. Its name, in parentheses, may have spaces.
double SecondsOf(int pid) {
  const std::string stat = TextOf(absl::StrCat("/proc/", pid, "/stat"));
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return 0;
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(stat).substr(name_end + 1), ' ', absl::SkipEmpty());
  double user = 0, kernel = 0;
  if (fields.size() < 13 || !absl::SimpleAtod(fields[11], &user) || !absl::SimpleAtod(fields[12], &kernel)) {
    return 0;
  }
  return (user + kernel) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// Mean over the processors; as the governor reports it, else as the kernel estimates it.
double FrequencyNow(const std::set<int>& processors) {
  double sum = 0, counted = 0;
  for (const int processor : processors) {
    double khz = 0;
    std::ifstream file(absl::StrCat("/sys/devices/system/cpu/cpu", processor, "/cpufreq/scaling_cur_freq"));
    if (!(file >> khz) || khz <= 0) continue;
    sum += khz / 1e3;
    ++counted;
  }
  if (counted > 0) return sum / counted;
  for (const absl::string_view line : absl::StrSplit(TextOf("/proc/cpuinfo"), '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, ':');
    double mhz = 0;
    if (parts.size() != 2 || !absl::StartsWith(line, "cpu MHz") || !absl::SimpleAtod(parts[1], &mhz))
      continue;
    sum += mhz;
    ++counted;
  }
  return counted > 0 ? sum / counted : 0;
}

}  // namespace

MachineReading ParseProcessorTimes(const std::string& stat, const std::set<int>& processors,
                                   double ticks_per_second) {
  MachineReading reading;
  for (const absl::string_view line : absl::StrSplit(stat, '\n')) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ', absl::SkipEmpty());
    int processor = 0;
    // A processor's line begins with three letters and its number; that of all together has no number.
    if (fields.size() < 9 || !absl::SimpleAtoi(absl::ClippedSubstr(fields[0], 3), &processor) ||
        processors.count(processor) == 0) {
      continue;
    }
    // user, nice, system, idle, iowait, irq, softirq, steal; a guest's time is in user already.
    double ticks[8] = {};
    for (int i = 0; i < 8; ++i) (void)absl::SimpleAtod(fields[i + 1], &ticks[i]);
    for (const double value : ticks) reading.total += value / ticks_per_second;
    reading.busy += (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / ticks_per_second;
    reading.stolen += ticks[7] / ticks_per_second;
  }
  return reading;
}

MachineReading ReadMachine(const std::vector<int>& helpers) {
  const std::set<int> processors = UsableProcessors();
  MachineReading reading =
      ParseProcessorTimes(TextOf("/proc/stat"), processors, static_cast<double>(sysconf(_SC_CLK_TCK)));
  reading.own = OwnSeconds();
  for (const int helper : helpers) reading.own += SecondsOf(helper);
  reading.mhz = FrequencyNow(processors);
  return reading;
}

MachineUse Between(const MachineReading& before, const MachineReading& after) {
  MachineUse use;
  use.seconds = std::max(0.0, after.total - before.total);
  use.mhz_low = std::min(before.mhz, after.mhz);
  use.mhz_high = std::max(before.mhz, after.mhz);
  if (use.seconds <= 0) return use;
  const auto share = [&](double seconds) { return std::clamp(seconds / use.seconds, 0.0, 1.0); };
  use.stolen = share(after.stolen - before.stolen);
  use.others = share((after.busy - before.busy) - (after.own - before.own));
  return use;
}

MachineUse Together(const std::vector<MachineUse>& parts) {
  MachineUse all;
  for (const MachineUse& part : parts) {
    all.seconds += part.seconds;
    all.stolen += part.stolen * part.seconds;
    all.others += part.others * part.seconds;
    if (part.mhz_low <= 0) continue;
    all.mhz_low = all.mhz_low > 0 ? std::min(all.mhz_low, part.mhz_low) : part.mhz_low;
    all.mhz_high = std::max(all.mhz_high, part.mhz_high);
  }
  if (all.seconds <= 0) return all;
  all.stolen /= all.seconds;
  all.others /= all.seconds;
  return all;
}

std::vector<Message> WhyNotRepeatable(const MachineUse& use, double drift) {
  std::vector<Message> why;
  if (use.stolen > kMaxStolen) why.push_back(messages::kCpuStolen(use.stolen));
  if (use.others > kMaxOthers) why.push_back(messages::kOtherPrograms(use.others));
  if (use.mhz_low > 0 && use.mhz_high / use.mhz_low > 1 + kMaxFrequencyChange) {
    why.push_back(messages::kFrequencyChanged(std::lround(use.mhz_low), std::lround(use.mhz_high)));
  }
  if (drift > kMaxDrift) why.push_back(messages::kTimesDrifted(drift));
  return why;
}

}  // namespace quantlab::engine
