#include "worker/runner/line_reader.h"

#include <cerrno>
#include <cstring>
#include <poll.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace quantlab::runner {

absl::StatusOr<std::optional<std::string>> LineReader::Next() {
  while (true) {
    const size_t found = buffer_.find('\n', searched_);
    if (found != std::string::npos) {
      std::string line = buffer_.substr(start_, found - start_);
      start_ = searched_ = found + 1;
      return std::optional<std::string>(std::move(line));
    }
    if (end_) {
      if (start_ == buffer_.size()) return std::optional<std::string>();
      std::string line = buffer_.substr(start_);
      start_ = searched_ = buffer_.size();
      return std::optional<std::string>(std::move(line));
    }
    buffer_.erase(0, start_);
    start_ = 0;
    searched_ = buffer_.size();
    if (buffer_.size() > kMaxLine) {
      return absl::ResourceExhaustedError(
          absl::StrCat("standard input: a line of more than ", kMaxLine, " bytes"));
    }
    char chunk[1 << 16];
    const ssize_t n = read(fd_, chunk, sizeof chunk);
    if (n > 0) buffer_.append(chunk, static_cast<size_t>(n));
    if (n == 0) end_ = true;
    if (n < 0 && errno != EINTR) {
      return absl::UnknownError(absl::StrCat("reading standard input: ", std::strerror(errno)));
    }
  }
}

bool LineReader::Ready() {
  if (end_ || buffer_.find('\n', searched_) != std::string::npos) return true;
  pollfd watched{fd_, POLLIN, 0};
  return poll(&watched, 1, 0) > 0;
}

}  // namespace quantlab::runner
