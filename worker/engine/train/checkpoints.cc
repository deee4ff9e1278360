#include "worker/engine/train/checkpoints.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/messages/checkpoint.h"
#include "base/messages/message_catalogue.h"
#include "base/records/checkpoint_names.h"
#include "base/status_macros.h"

namespace quantlab::engine {
namespace {

// The most of its time that a training spends on writing files.
constexpr double kMaxShare = 0.01;
// The newest, and the one before it, which may still be on its way to the coordinator.
constexpr size_t kKeptFiles = 2;

absl::Status CheckUsable(const TrainingState& state, const std::string& inputs, int64_t total_steps) {
  const auto steps = static_cast<int64_t>(state.steps.size());
  if (state.inputs != inputs || state.total_steps != total_steps || steps > total_steps) {
    return MessageStatus(absl::StatusCode::kFailedPrecondition, messages::kCheckpointOfOtherInputs());
  }
  return absl::OkStatus();
}

}  // namespace

Checkpoints::Checkpoints(Options options) : options_(std::move(options)), last_(Clock::now()) {}

std::optional<TrainingState> Checkpoints::Resume(const std::string& inputs, int64_t total_steps) {
  last_ = Clock::now();
  if (options_.resume_from.empty()) return std::nullopt;
  absl::StatusOr<TrainingState> state = ReadTrainingState(options_.resume_from);
  const absl::Status usable =
      state.ok()
          ? CheckUsable(*state, inputs, total_steps)
          : MessageStatus(state.status().code(), messages::kCheckpointDamaged(MessageOf(state.status())));
  if (!usable.ok()) {
    Refuse(usable);
    return std::nullopt;
  }
  return *std::move(state);
}

void Checkpoints::Accept(const TrainingState& state) {
  executed_by_ = state.executed_by;
  if (options_.on_resumed) options_.on_resumed(state);
}

void Checkpoints::Refuse(const absl::Status& why) {
  if (options_.on_refused) options_.on_refused(why);
}

bool Checkpoints::Due() const {
  if (options_.folder.empty()) return false;
  const std::chrono::duration<double> since = Clock::now() - last_;
  if (options_.interval_seconds <= 0) return true;
  return since.count() >= std::max(options_.interval_seconds, last_cost_ / kMaxShare);
}

void Checkpoints::Write(TrainingState state) {
  const std::string name = CheckpointFileName(static_cast<int64_t>(state.steps.size()));
  if (options_.folder.empty() || (!names_.empty() && names_.back() == name)) return;
  const Clock::time_point start = Clock::now();
  state.attempt = options_.attempt;
  state.executed_by = executed_by_;
  if (std::count(executed_by_.begin(), executed_by_.end(), options_.executed_by) == 0) {
    state.executed_by.push_back(options_.executed_by);
  }
  absl::Status status = MakeDirectories(options_.folder);
  if (status.ok()) status = WriteTrainingState(absl::StrCat(options_.folder, "/", name), state);
  last_ = Clock::now();
  last_cost_ = std::chrono::duration<double>(last_ - start).count();
  if (!status.ok()) {
    if (options_.on_failed) options_.on_failed(status);
    return;
  }
  names_.push_back(name);
  if (options_.on_written) options_.on_written(name);
  while (names_.size() > kKeptFiles) {
    std::remove(absl::StrCat(options_.folder, "/", names_.front()).c_str());
    names_.erase(names_.begin());
  }
}

void Checkpoints::WriteFinal() {
  if (final_) Write(*std::exchange(final_, std::nullopt));
}

}  // namespace quantlab::engine
