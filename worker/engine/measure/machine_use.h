// What the machine did besides the work that was timed: times by themselves mean little where other programs
// or a hypervisor took the processor, or where its frequency changed. Linux only; without LibTorch.
#ifndef QUANTLAB_WORKER_ENGINE_MEASURE_MACHINE_USE_H_
#define QUANTLAB_WORKER_ENGINE_MEASURE_MACHINE_USE_H_

#include <set>
#include <string>
#include <vector>

#include "base/messages/message.h"

namespace quantlab::engine {

// Counters since the machine started, of the processors that this process may use.
struct MachineReading {
  double total = 0, busy = 0, stolen = 0;  // seconds of processor time
  double own = 0;                          // of it this process's, and that of its helpers
  double mhz = 0;                          // mean frequency now; 0: not known
};

// `helpers`: processes that work for this one. Zeros where the kernel does not say.
MachineReading ReadMachine(const std::vector<int>& helpers = {});

// The parts of it that /proc/stat has. `processors`: their numbers.
MachineReading ParseProcessorTimes(const std::string& stat, const std::set<int>& processors,
                                   double ticks_per_second);

// Between two readings.
struct MachineUse {
  double seconds = 0;                // of processor time, of all that may be used
  double stolen = 0, others = 0;     // shares of it: by the hypervisor, by other programs
  double mhz_low = 0, mhz_high = 0;  // 0: not known
};
MachineUse Between(const MachineReading& before, const MachineReading& after);

// Of several stretches of time: shares by their lengths, the least and the greatest frequency.
MachineUse Together(const std::vector<MachineUse>& parts);

// Shares of processor time, and relative differences, above which times are not called repeatable.
inline constexpr double kMaxStolen = 0.01;
inline constexpr double kMaxOthers = 0.05;
inline constexpr double kMaxFrequencyChange = 0.05;
inline constexpr double kMaxDrift = 0.1;

// Why times by themselves may not repeat; empty: nothing was seen. `drift`: of BenchResult.
std::vector<Message> WhyNotRepeatable(const MachineUse& use, double drift);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MEASURE_MACHINE_USE_H_
