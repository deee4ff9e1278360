// The names of checkpoints among the artifacts of an attempt: "checkpoint/step-000000000123.safetensors", the
// state of its training after that many steps. Unlike other artifacts, they belong to the run until it ends:
// EventRepository::ListArtifacts gives them as soon as their events are stored, also of running attempts.
#ifndef QUANTLAB_BASE_RECORDS_CHECKPOINT_NAMES_H_
#define QUANTLAB_BASE_RECORDS_CHECKPOINT_NAMES_H_

#include <cstdint>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace quantlab {

inline constexpr char kCheckpointFolder[] = "checkpoint";
// Of one run, the coordinator keeps this many: the last ones may not be uploaded yet.
inline constexpr int kKeptCheckpoints = 3;

// Without the folder. In order of steps the names are in alphabetical order.
inline std::string CheckpointFileName(int64_t step) {
  return absl::StrFormat("step-%012d.safetensors", step);
}

inline std::string CheckpointName(int64_t step) {
  return absl::StrFormat("%s/%s", kCheckpointFolder, CheckpointFileName(step));
}

inline bool IsCheckpointName(absl::string_view name) {
  return absl::StartsWith(name, kCheckpointFolder) &&
         absl::StartsWith(name.substr(sizeof kCheckpointFolder - 1), "/");
}

// The step in a checkpoint's name; 0 where it has another form.
inline int64_t CheckpointStep(absl::string_view name) {
  constexpr size_t kStart = sizeof kCheckpointFolder - 1 + sizeof "/step-" - 1, kDigits = 12;
  int64_t step = 0;
  const bool number = name.size() > kStart + kDigits && absl::SimpleAtoi(name.substr(kStart, kDigits), &step);
  return number && step > 0 && name == CheckpointName(step) ? step : 0;
}

}  // namespace quantlab

#endif  // QUANTLAB_BASE_RECORDS_CHECKPOINT_NAMES_H_
