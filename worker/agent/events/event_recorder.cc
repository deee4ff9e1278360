#include "worker/agent/events/event_recorder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "base/records/checkpoint_names.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "platform/paths.h"
#include "proto/convert.h"

namespace quantlab::agent {
namespace {

constexpr size_t kMaxLine = 8192;
constexpr size_t kLastLines = 5;

}  // namespace

EventRecorder::EventRecorder(Spool* spool, const Clock* clock, std::string output_folder,
                             RecorderLimits limits, std::function<void()> recorded,
                             std::function<bool()> checkpoint_pending)
    : spool_(spool),
      clock_(clock),
      output_folder_(std::move(output_folder)),
      limits_(limits),
      recorded_(std::move(recorded)),
      checkpoint_pending_(std::move(checkpoint_pending)),
      line_tokens_(limits.line_burst),
      last_line_(clock->Monotonic()) {}

absl::Status EventRecorder::Append(v1::Event event) {
  if (spool_->size_bytes() > limits_.total_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the runner wrote more than ", limits_.total_bytes, " bytes of events; log less often"));
  }
  *event.mutable_time() = ToProto(clock_->Now());
  QL_RETURN_IF_ERROR(spool_->Append(event));
  if (recorded_) recorded_();
  return absl::OkStatus();
}

absl::Status EventRecorder::Record(v1::RunnerEvent event, const StopCheck& stop) {
  v1::Event out;
  bool known = false;
  switch (event.kind_case()) {
    case v1::RunnerEvent::kProgress:
      return RecordProgress(std::move(*event.mutable_progress()));
    case v1::RunnerEvent::kMetric:
      out.mutable_metric()->Swap(event.mutable_metric());
      break;
    case v1::RunnerEvent::kLog:
      out.mutable_log()->Swap(event.mutable_log());
      break;
    case v1::RunnerEvent::kArtifact:
      if (IsCheckpointName(event.artifact().name())) {
        held_checkpoint_ = std::move(*event.mutable_artifact());
        return FlushCheckpoint(/*all=*/false);
      }
      QL_RETURN_IF_ERROR(FillArtifact(*event.mutable_artifact(), stop, known));
      if (known) return absl::OkStatus();
      out.mutable_artifact()->Swap(event.mutable_artifact());
      break;
    case v1::RunnerEvent::kLayer:
      out.mutable_layer()->Swap(event.mutable_layer());
      break;
    case v1::RunnerEvent::kEnvironment:
      out.mutable_environment()->Swap(event.mutable_environment());
      break;
    case v1::RunnerEvent::kCaveat:
      out.mutable_caveat()->Swap(event.mutable_caveat());
      break;
    default:  // the supervisor handles `finished`; unknown kinds are ignored
      return absl::OkStatus();
  }
  return Append(std::move(out));
}

absl::Status EventRecorder::FillArtifact(v1::Artifact& artifact, const StopCheck& stop, bool& known) {
  if (!IsSafeRelativePath(artifact.name())) {
    return absl::InvalidArgumentError(absl::StrCat("the artifact name '", CleanText(artifact.name(), 200),
                                                   "' leads out of the output folder"));
  }
  absl::StatusOr<FileDigest> digest = DigestFile(absl::StrCat(output_folder_, "/", artifact.name()), stop);
  if (!digest.ok()) {
    if (absl::IsCancelled(digest.status())) return digest.status();
    return absl::InvalidArgumentError(absl::StrCat(
        "artifact '", artifact.name(), "' was announced, but: ", std::string(digest.status().message())));
  }
  const auto [entry, added] = artifacts_.emplace(artifact.name(), digest->sha256);
  if (!added && entry->second != digest->sha256) {
    return absl::InvalidArgumentError(
        absl::StrCat("artifact '", artifact.name(), "' was announced twice, with different content"));
  }
  known = !added;
  artifact.set_sha256(digest->sha256);
  artifact.set_size(digest->size);
  return absl::OkStatus();
}

absl::Duration EventRecorder::ProgressInterval() const {
  return spool_->backlog_bytes() > limits_.away_bytes ? limits_.progress_interval_away
                                                      : limits_.progress_interval;
}

absl::Status EventRecorder::RecordProgress(v1::Progress progress) {
  // The end of a phase is never lost.
  if (held_.has_value() && held_->phase() != progress.phase()) QL_RETURN_IF_ERROR(FlushProgress(true));
  const bool new_phase = progress.phase() != phase_;
  held_ = std::move(progress);
  return FlushProgress(new_phase);
}

absl::Status EventRecorder::Flush(bool all) {
  QL_RETURN_IF_ERROR(FlushCheckpoint(all));
  return FlushProgress(all);
}

// The runner removes old checkpoints, and all of them when its results are complete: one that is gone is not
// needed.
absl::Status EventRecorder::FlushCheckpoint(bool all) {
  if (!held_checkpoint_.has_value()) return absl::OkStatus();
  if (!all && checkpoint_pending_ && checkpoint_pending_()) return absl::OkStatus();
  v1::Event event;
  event.mutable_artifact()->Swap(&*held_checkpoint_);
  held_checkpoint_.reset();
  bool known = false;
  if (!FillArtifact(*event.mutable_artifact(), nullptr, known).ok() || known) return absl::OkStatus();
  return Append(std::move(event));
}

absl::Status EventRecorder::FlushProgress(bool all) {
  const absl::Duration now = clock_->Monotonic();
  if (all && dropped_lines_ > 0) {
    const std::string note = absl::StrCat(dropped_lines_, " lines of output were left out: more than ",
                                          limits_.lines_per_second, " a second");
    dropped_lines_ = 0;
    QL_RETURN_IF_ERROR(RecordLog(v1::SEVERITY_WARNING, note));
  }
  if (!held_.has_value() || (!all && now - last_progress_ < ProgressInterval())) return absl::OkStatus();
  v1::Event event;
  event.mutable_progress()->Swap(&*held_);
  held_.reset();
  phase_ = event.progress().phase();
  last_progress_ = now;
  return Append(std::move(event));
}

absl::Status EventRecorder::RecordOutput(absl::string_view line) {
  std::string text = CleanText(line, kMaxLine);
  if (text.empty()) return absl::OkStatus();
  last_output_.push_back(text);
  if (last_output_.size() > kLastLines) last_output_.erase(last_output_.begin());
  const absl::Duration now = clock_->Monotonic();
  line_tokens_ = std::min<double>(
      limits_.line_burst, line_tokens_ + absl::ToDoubleSeconds(now - last_line_) * limits_.lines_per_second);
  last_line_ = now;
  if (line_tokens_ < 1 || overfull()) {
    ++dropped_lines_;
    return absl::OkStatus();
  }
  line_tokens_ -= 1;
  return RecordLog(v1::SEVERITY_INFO, text);
}

absl::Status EventRecorder::RecordLog(v1::Severity severity, absl::string_view message) {
  v1::Event event;
  event.mutable_log()->set_severity(severity);
  event.mutable_log()->set_message(CleanText(message, 65536));
  return Append(std::move(event));
}

absl::Status EventRecorder::RecordLog(v1::Severity severity, const Message& message) {
  v1::Event event;
  event.mutable_log()->set_severity(severity);
  event.mutable_log()->set_message(English(message));
  *event.mutable_log()->mutable_coded_message() = ToProto(message);
  return Append(std::move(event));
}

}  // namespace quantlab::agent
