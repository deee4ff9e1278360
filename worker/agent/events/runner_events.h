// What comes out of a runner: lines on its event pipe, and lines on its standard error.
#ifndef QUANTLAB_WORKER_AGENT_EVENTS_RUNNER_EVENTS_H_
#define QUANTLAB_WORKER_AGENT_EVENTS_RUNNER_EVENTS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "quantlab/v1/event.pb.h"

namespace quantlab::agent {

// Cuts a stream of bytes into lines without ever holding more than one longest line.
class LineSplitter {
 public:
  explicit LineSplitter(size_t max_line) : max_line_(max_line) {}

  void Add(absl::string_view data) { buffer_.append(data.data(), data.size()); }

  // The next whole line without its end, or false. A line longer than allowed comes as its first
  // `max_line` bytes with `too_long` set; the rest of it is thrown away.
  bool Next(std::string& line, bool& too_long);

  // What stands after the last line end: an unfinished line, when the stream is over.
  bool Rest(std::string& line);

  // Bytes of the line that is being thrown away; 0 where none is.
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

// Errors: INVALID_ARGUMENT says what is wrong with `line`, and quotes its beginning.
absl::StatusOr<v1::RunnerEvent> ParseRunnerEvent(absl::string_view line);

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_EVENTS_RUNNER_EVENTS_H_
