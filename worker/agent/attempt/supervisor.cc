#include "worker/agent/attempt/supervisor.h"

#include <algorithm>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "proto/convert.h"

namespace quantlab::agent {
namespace {

constexpr size_t kMaxOutputLine = 8192;
constexpr int kReadsPerTurn = 16;
// A line longer than this many times the limit is treated as endless.
constexpr size_t kLongestLines = 64;
// How long pipes are read after the runner has exited; only what is already in them is expected.
constexpr int kDrainTurns = 64;

Outcome Crashed(const RunnerEnd& end) {
  const Message exit = ExitMessage(end.exit);
  Message message = messages::kRunnerStoppedUnasked(exit, end.last_output);
  if (!end.finished.has_value()) {
    message = messages::kRunnerEndedSilently(exit, end.last_output);
  } else if (end.finished->ok()) {
    message = messages::kRunnerDiedAfterSuccess(exit, end.last_output);
  }
  return {v1::RUN_STATE_CRASHED, message};
}

Outcome Finished(const v1::RunnerFinished& finished) {
  Message why = MessageOr(FromProto(finished.coded_message()).value_or(Message()),
                          CleanText(finished.message(), 16384));
  if (why.empty()) why = messages::kRunnerFailedSilently();
  // The code of a device that failed its self-test.
  const bool worker_fault = finished.code() == absl::StatusCodeToString(absl::StatusCode::kDataLoss);
  return {v1::RUN_STATE_FAILED, messages::kRunnerFailed(CleanText(finished.code(), 64), why), worker_fault};
}

}  // namespace

Outcome Classify(const RunnerEnd& end) {
  const bool done = end.finished.has_value();
  const bool succeeded = done && end.finished->ok() && end.exit.signal == 0 && end.exit.code == 0;
  switch (end.stop) {
    case StopReason::kFenced:
      return {v1::RUN_STATE_LOST, end.stop_detail};
    case StopReason::kCancelled:
      return {v1::RUN_STATE_CANCELLED,
              end.stop_detail.empty() ? messages::kRunCancelled({}) : end.stop_detail};
    default:
      break;
  }
  if (!end.failure.ok()) {
    // INVALID_ARGUMENT: the runner wrote something invalid; any other error: the spool cannot be written.
    return {v1::RUN_STATE_FAILED, MessageOf(end.failure), !absl::IsInvalidArgument(end.failure)};
  }
  if (succeeded) return {v1::RUN_STATE_SUCCEEDED, {}};
  if (done && !end.finished->ok() && !end.finished->stopped()) return Finished(*end.finished);
  if (end.timed_out) {
    return {v1::RUN_STATE_TIMED_OUT, messages::kRunTooLong(end.time_limit)};
  }
  if (end.stop != StopReason::kNone) return {v1::RUN_STATE_PREEMPTED, end.stop_detail};
  if (end.exit.signal == SIGKILL && !end.killed && (end.oom.group > 0 || end.oom.machine > 0)) {
    return {v1::RUN_STATE_FAILED, messages::kOutOfMemory()};
  }
  return Crashed(end);
}

Supervisor::Supervisor(SupervisorOptions options, ProcessLauncher* launcher, EventRecorder* recorder,
                       AttemptControl* control, const Clock* clock, LogScope log)
    : options_(std::move(options)),
      launcher_(launcher),
      recorder_(recorder),
      control_(control),
      clock_(clock),
      log_(std::move(log)),
      event_lines_(options_.max_event_line),
      output_lines_(kMaxOutputLine) {}

Outcome Supervisor::Run() {
  const OomCounts before = options_.oom_counts();
  if (const absl::Status launched = Launch(); !launched.ok()) {
    return {v1::RUN_STATE_FAILED, messages::kRunnerNotStarted(MessageOf(launched)), /*worker_fault=*/true};
  }
  start_ = clock_->Monotonic();
  log_.Info(absl::StrCat("the runner started as process ", process_->pid()));
  options_.started(process_->pid());
  Loop();
  end_.exit = process_->Wait();
  Drain();
  if (const absl::Status flushed = recorder_->Flush(true); !flushed.ok() && end_.failure.ok())
    end_.failure = flushed;
  const OomCounts after = options_.oom_counts();
  end_.oom = {after.group - before.group, after.machine - before.machine};
  end_.time_limit = options_.time_limit;
  end_.last_output = absl::StrJoin(recorder_->last_output(), " | ");
  if (control_->reason() > end_.stop) {
    end_.stop = control_->reason();
    end_.stop_detail = control_->detail();
  }
  log_.Info(absl::StrCat("the runner ", DescribeExit(end_.exit)));
  return Classify(end_);
}

absl::Status Supervisor::Launch() {
  QL_ASSIGN_OR_RETURN(Pipe events, MakePipe());
  fcntl(events.read.get(), F_SETFL, O_NONBLOCK);
  ProcessSpec spec = options_.process;
  spec.fds = {events.write.get()};
  QL_ASSIGN_OR_RETURN(process_, launcher_->Launch(spec));
  events_ = std::move(events.read);
  return absl::OkStatus();
}

void Supervisor::Loop() {
  while (!process_->exit_status().has_value()) {
    const bool read_events = events_open_ && !recorder_->overfull();
    pollfd fds[] = {{process_->exit_fd(), POLLIN, 0},
                    // Stays readable after the first reason; from then on it is polled by time instead.
                    {end_.stop == StopReason::kNone ? control_->wake_fd() : -1, POLLIN, 0},
                    {read_events ? events_.get() : -1, POLLIN, 0},
                    {output_open_ ? process_->output_fd() : -1, POLLIN, 0}};
    poll(fds, 4, PollTimeout());
    if (fds[2].revents != 0) ReadEvents(/*all=*/false);
    if (fds[3].revents != 0) ReadOutput();
    CheckControl();
    CheckTime();
    if (const absl::Status status = recorder_->Flush(false); !status.ok()) Fail(status);
  }
}

// Milliseconds until the next check that no descriptor triggers.
int Supervisor::PollTimeout() const {
  const bool impatient = end_.stop != StopReason::kNone || recorder_->overfull();
  absl::Duration wait = impatient ? absl::Milliseconds(50) : absl::Milliseconds(500);
  const absl::Duration now = clock_->Monotonic();
  if (!end_.timed_out && options_.time_limit != absl::InfiniteDuration()) {
    wait = std::min(wait, start_ + options_.time_limit - now);
  }
  wait = std::min(wait, kill_at_ - now);
  return static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(wait) + 1, 0, 1000));
}

bool Supervisor::StopNow() const {
  return control_->reason() >= StopReason::kPreemptedNow;
}

void Supervisor::ReadEvents(bool all) {
  char buffer[65536];
  for (int i = 0; i < kReadsPerTurn && end_.failure.ok() && (all || !recorder_->overfull()); ++i) {
    const ssize_t got = read(events_.get(), buffer, sizeof(buffer));
    if (got < 0) return;  // nothing available
    if (got == 0) {
      events_open_ = false;
      std::string rest;
      if (event_lines_.Rest(rest)) HandleLine(rest, false);
      return;
    }
    event_lines_.Add(absl::string_view(buffer, static_cast<size_t>(got)));
    std::string line;
    bool too_long = false;
    while (end_.failure.ok() && event_lines_.Next(line, too_long)) HandleLine(line, too_long);
    if (end_.failure.ok() && event_lines_.thrown_away() > kLongestLines * options_.max_event_line) {
      Fail(absl::InvalidArgumentError(
          absl::StrCat("line ", event_lines_.lines(), " of the runner's events has no end")));
    }
  }
  if (end_.failure.ok()) return;
  events_open_ = false;  // later events are ignored
}

void Supervisor::HandleLine(const std::string& line, bool too_long) {
  const auto place = [&] { return absl::StrCat("line ", event_lines_.lines(), " of the runner's events"); };
  if (too_long) {
    // Losing one event is better than losing the run; the event of its end is always short.
    const absl::Status status = recorder_->RecordOutput(
        absl::StrCat(place(), " was left out: it is longer than ", options_.max_event_line, " bytes: \"",
                     CleanText(line, 120), "…\""));
    return status.ok() ? void() : Fail(status);
  }
  if (line.empty()) return;
  if (end_.finished.has_value()) {
    return Fail(absl::InvalidArgumentError(
        absl::StrCat(place(), " comes after the runner had said that it was done")));
  }
  absl::StatusOr<v1::RunnerEvent> event = ParseRunnerEvent(line);
  if (!event.ok()) {
    return Fail(absl::InvalidArgumentError(absl::StrCat(
        place(), " cannot be read: ", std::string(event.status().message()),
        "; agent and runner are not of one version, or something else writes to the event pipe")));
  }
  if (event->has_finished()) return HandleFinished(event->finished());
  const absl::Status status = recorder_->Record(std::move(*event), [this] { return StopNow(); });
  if (absl::IsInvalidArgument(status)) {
    Fail(absl::InvalidArgumentError(absl::StrCat(place(), ": ", std::string(status.message()))));
  } else if (!status.ok() && !absl::IsCancelled(status)) {
    Fail(status);
  }
}

void Supervisor::HandleFinished(const v1::RunnerFinished& finished) {
  end_.finished = finished;
  // A runner that has reported its end must exit soon.
  kill_at_ = std::min(kill_at_, clock_->Monotonic() + options_.grace);
}

void Supervisor::ReadOutput() {
  char buffer[16384];
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const ssize_t got = read(process_->output_fd(), buffer, sizeof(buffer));
    if (got < 0) return;
    std::string line;
    bool too_long = false;
    if (got == 0) {
      output_open_ = false;
      if (!output_lines_.Rest(line)) return;
      if (const absl::Status status = recorder_->RecordOutput(line); !status.ok()) Fail(status);
      return;
    }
    output_lines_.Add(absl::string_view(buffer, static_cast<size_t>(got)));
    while (output_lines_.Next(line, too_long)) {
      if (too_long) line += " …";
      if (const absl::Status status = recorder_->RecordOutput(line); !status.ok()) Fail(status);
    }
  }
}

void Supervisor::CheckControl() {
  const StopReason reason = control_->reason();
  if (reason <= end_.stop) return;
  end_.stop = reason;
  end_.stop_detail = control_->detail();
  if (reason >= StopReason::kPreemptedNow) return Kill(English(end_.stop_detail));
  Terminate(English(end_.stop_detail));
}

void Supervisor::CheckTime() {
  const absl::Duration now = clock_->Monotonic();
  if (!end_.timed_out && now - start_ >= options_.time_limit) {
    end_.timed_out = true;
    Terminate("its time is up");
  }
  if (now >= kill_at_) Kill("it did not end in time");
}

void Supervisor::Terminate(absl::string_view why) {
  log_.Info(absl::StrCat("stopping the runner: ", why));
  process_->Signal(SIGTERM);
  kill_at_ = std::min(kill_at_, clock_->Monotonic() + options_.grace);
}

void Supervisor::Kill(absl::string_view why) {
  log_.Warn(absl::StrCat("killing the runner: ", why));
  end_.killed = true;
  kill_at_ = absl::InfiniteDuration();
  process_->Signal(SIGKILL);
}

void Supervisor::Fail(const absl::Status& why) {
  if (!end_.failure.ok()) return;
  end_.failure = why;
  Kill(why.message());
}

void Supervisor::Drain() {
  for (int i = 0; i < kDrainTurns && output_open_; ++i) ReadOutput();
  // Everything that it wrote before it exited counts, regardless of the backlog for the coordinator: a pipe
  // holds little.
  for (int i = 0; i < kDrainTurns && events_open_ && !StopNow(); ++i) ReadEvents(/*all=*/true);
}

}  // namespace quantlab::agent
