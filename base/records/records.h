// The durable records of the service: experiments, runs, attempts, workers.
//
// `message` is English text; `coded_message` is the same as a message, for other languages. It is empty in
// records of versions without messages.
#ifndef QUANTLAB_BASE_RECORDS_RECORDS_H_
#define QUANTLAB_BASE_RECORDS_RECORDS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/config/run_config.h"
#include "base/records/event.h"
#include "base/records/run_state.h"

namespace quantlab {

struct SourceFile {
  std::string name;
  std::string content;
};

struct ExperimentRecord {
  std::string id;  // "quick-k3f9a2"
  std::string name;
  std::string request_id;
  std::string request_digest;  // of the request's content; empty for experiments stored by earlier versions
  std::string submitter;
  std::string report_language = "both";  // zh, en, both
  int priority = 0;                      // higher first
  bool reuse = true;
  ExperimentState state = ExperimentState::kActive;
  absl::Time create_time;
  std::optional<absl::Time> end_time;
  std::vector<SourceFile> files;
};

struct RunDependency {
  std::string run;           // run name within the experiment
  bool must_succeed = true;  // false: it must only have ended
};

struct AttemptKey {
  std::string run_id;
  int64_t number = 0;
  friend bool operator==(const AttemptKey&, const AttemptKey&) = default;
  friend auto operator<=>(const AttemptKey&, const AttemptKey&) = default;
};

// What a run needs of its worker, besides the device and the method.
struct RunRequirements {
  int64_t memory_bytes = 0;                   // of the device that it runs on; 0: any
  std::map<std::string, std::string> labels;  // the worker must have each of them, with this value
  // It measures time: nothing else may run on its machine meanwhile. Always so for comparisons.
  bool alone = false;
  friend bool operator==(const RunRequirements&, const RunRequirements&) = default;
};

struct RunRecord {
  std::string id;  // "<experiment>/<run name>"
  std::string experiment_id;
  std::string name;
  // The RunConfig as text (JSON mapping of quantlab.v1.RunConfig), which the scheduler and the storage do not
  // parse.
  std::string config_json;
  // The fields that they use, copied from it when the run is created:
  RunKind kind = RunKind::kBaseline;
  std::string method;  // empty for baseline and comparison
  int method_version = 0;
  std::string device;
  uint64_t seed = 0;
  // Digest of everything that determines the result, except the worker: config without names, model and
  // dataset digests, and the input keys of the runs that it needs. Empty: never reused (comparison).
  std::string input_key;
  std::string folder;  // of its results, relative to the experiment's
  std::vector<RunDependency> needs;
  absl::Duration time_limit = absl::Hours(24);
  RunRequirements requirements;

  RunState state = RunState::kPending;
  std::string message;
  Message coded_message;
  int64_t attempts = 0;              // number of the last attempt
  int crashes = 0;                   // attempts that ended CRASHED since the user's last retry
  int interruptions = 0;             // attempts that ended LOST or PREEMPTED since then
  std::optional<AttemptKey> result;  // set when SUCCEEDED
  bool reused = false;
  // A stop of the running attempt was requested; its worker gets it by Sync. Any transition clears it.
  bool cancel_requested = false;
  absl::Time create_time;
  std::optional<absl::Time> queue_time, start_time, end_time;
};

struct AttemptRecord {
  AttemptKey key;
  std::string worker_id;
  std::string worker_hostname;
  std::string worker_fingerprint;
  std::string runner_sha256;
  RunState state = RunState::kRunning;  // kRunning, or how it ended
  std::string message;
  Message coded_message;
  absl::Time start_time;
  std::optional<absl::Time> end_time;
  int64_t last_event = 0;  // number of the last stored event
};

struct MethodVersion {
  std::string name;
  int version = 0;
};

struct WorkerRecord {
  std::string id;
  std::string hostname;
  std::vector<std::string> devices;
  std::vector<MethodVersion> methods;
  std::string fingerprint;
  std::string runner_sha256;
  std::string version;
  std::map<std::string, std::string> facts;
  std::map<std::string, std::string> labels;  // given by its operator
  // Workers of one machine have the same; empty for workers of earlier versions.
  std::string machine_id;
  absl::Time last_seen;
};

// "quick-k3f9a2" and "baseline" make "quick-k3f9a2/baseline", and back.
std::string MakeRunId(const std::string& experiment_id, const std::string& run_name);
// {"", ""} where `run_id` has no '/'.
std::pair<std::string, std::string> SplitRunId(const std::string& run_id);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_RECORDS_RECORDS_H_
