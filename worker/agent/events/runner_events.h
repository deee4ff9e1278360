// A runner's output: lines on its event pipe and on its standard error.
#ifndef QUANTLAB_WORKER_AGENT_EVENTS_RUNNER_EVENTS_H_
#define QUANTLAB_WORKER_AGENT_EVENTS_RUNNER_EVENTS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "quantlab/v1/event.pb.h"

namespace quantlab::agent {

// Splits a stream of bytes into lines, buffering at most one line of the maximum length.
class LineSplitter {
 public:
  explicit LineSplitter(size_t max_line) : max_line_(max_line) {}

  void Add(absl::string_view data) { buffer_.append(data.data(), data.size()); }

  // The next complete line without its end, or false. Of a line that is too long, the first `max_line`
  // bytes are returned with `too_long` set, and the rest is discarded.
  bool Next(std::string& line, bool& too_long);

  // The text after the last line end: an incomplete line at the end of the stream.
  bool Rest(std::string& line);

  // Bytes of the line that is being discarded; 0 if there is none.
  size_t thrown_away() const { return thrown_away_; }

  // Lines so far, for messages.
  int64_t lines() const { return lines_; }

 private:
  const size_t max_line_;
  std::string buffer_;
  size_t start_ = 0;
  bool skipping_ = false;
  size_t thrown_away_ = 0;
  int64_t lines_ = 0;
};

// Errors: INVALID_ARGUMENT describes what is wrong with `line`, and quotes its beginning.
absl::StatusOr<v1::RunnerEvent> ParseRunnerEvent(absl::string_view line);

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_EVENTS_RUNNER_EVENTS_H_
