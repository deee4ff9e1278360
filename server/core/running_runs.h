// The runs that workers execute now, as the queue needs to know them: how many each submitter has, and which
// machines are in use.
#ifndef QUANTLAB_SERVER_CORE_RUNNING_RUNS_H_
#define QUANTLAB_SERVER_CORE_RUNNING_RUNS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace quantlab {

// Threads: one at a time (guarded by its owner).
class RunningRuns {
 public:
  // Of submitters without a running run, at most this many turns are remembered; the oldest are forgotten.
  static constexpr size_t kMaxSubmitters = 10'000;

  // A run started on a machine. `alone`: nothing else may run there meanwhile. Replaces an entry of the same
  // run.
  void Start(const std::string& run_id, const std::string& submitter, const std::string& machine, bool alone);
  // No effect on a run that is not there.
  void End(const std::string& run_id);

  // Running runs of the submitter.
  int Of(const std::string& submitter) const;
  // Orders submitters by their last start: greater for a later one, 0 for one without any.
  uint64_t LastStart(const std::string& submitter) const;

  // Running runs on the machine.
  int On(const std::string& machine) const;
  // The run that has the machine alone; empty where none has.
  std::string AloneOn(const std::string& machine) const;

 private:
  struct Run {
    std::string submitter, machine;
    bool alone = false;
  };
  struct Submitter {
    int running = 0;
    uint64_t last_start = 0;
  };

  void ForgetOldest();

  std::map<std::string, Run> runs_;              // by run id
  std::map<std::string, Submitter> submitters_;  // by name
  // Run ids by machine. A run that was alone when it started is so to its end.
  std::map<std::string, std::map<std::string, bool>> machines_;
  uint64_t starts_ = 0;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_RUNNING_RUNS_H_
