#include "worker/agent/events/runner_events.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/text/escape.h"
#include "proto/convert.h"
#include "proto/json.h"

namespace quantlab::agent {

bool LineSplitter::Next(std::string& line, bool& too_long) {
  while (true) {
    const size_t end = buffer_.find('\n', start_);
    if (end == std::string::npos) break;
    const size_t length = end - start_;
    const bool rest_of_skipped = skipping_;
    skipping_ = false;
    thrown_away_ = 0;
    if (!rest_of_skipped) {
      ++lines_;
      too_long = length > max_line_;
      line.assign(buffer_, start_, std::min(length, max_line_));
    }
    start_ = end + 1;
    if (!rest_of_skipped) return true;
  }
  buffer_.erase(0, start_);
  start_ = 0;
  if (buffer_.size() <= max_line_) return false;
  const bool report = !skipping_;
  if (report) {
    ++lines_;
    line.assign(buffer_, 0, max_line_);
    too_long = true;
  }
  skipping_ = true;
  thrown_away_ += buffer_.size();
  buffer_.clear();
  return report;
}

bool LineSplitter::Rest(std::string& line) {
  if (skipping_ || start_ >= buffer_.size()) return false;
  ++lines_;
  line = buffer_.substr(start_);
  buffer_.clear();
  start_ = 0;
  return true;
}

absl::StatusOr<v1::RunnerEvent> ParseRunnerEvent(absl::string_view line) {
  v1::RunnerEvent event;
  absl::Status status = FromJson(line, &event);
  // An event that the coordinator would refuse must not enter the spool.
  if (status.ok()) status = FromProto(event).status();
  if (status.ok()) return event;
  return absl::InvalidArgumentError(
      absl::StrCat(CleanText(status.message(), 300), "; the line begins \"", CleanText(line, 160), "\""));
}

}  // namespace quantlab::agent
