// Reads lines from a descriptor as they arrive.
#ifndef QUANTLAB_WORKER_RUNNER_LINE_READER_H_
#define QUANTLAB_WORKER_RUNNER_LINE_READER_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace quantlab::runner {

// Splits at '\n' only; any other bytes are part of a line. A last line without an end counts as a line.
//
// Threads: one at a time.
class LineReader {
 public:
  explicit LineReader(int fd) : fd_(fd) {}

  // The next line without its end, waiting for it; nullopt at the end of the input.
  // Errors: RESOURCE_EXHAUSTED for a line of more than kMaxLine bytes; UNKNOWN reading failed.
  absl::StatusOr<std::optional<std::string>> Next();

  // Whether Next would answer without waiting.
  bool Ready();

  static constexpr size_t kMaxLine = size_t{256} << 20;

 private:
  const int fd_;
  std::string buffer_;  // read, not yet returned; [start_, …)
  size_t start_ = 0;
  size_t searched_ = 0;  // no line ends in [start_, searched_)
  bool end_ = false;
};

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_LINE_READER_H_
