#include "worker/agent/runner_events.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "proto/convert.h"
#include "proto/json.h"

namespace quantlab::agent {
namespace {

// Length of the valid UTF-8 sequence at the start of `text`, 0 where there is none.
size_t SequenceLength(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  size_t length = 0;
  uint32_t smallest = 0;
  uint32_t code = 0;
  if (first < 0x80) return 1;
  if ((first & 0xe0) == 0xc0) {
    length = 2, smallest = 0x80, code = first & 0x1f;
  } else if ((first & 0xf0) == 0xe0) {
    length = 3, smallest = 0x800, code = first & 0x0f;
  } else if ((first & 0xf8) == 0xf0) {
    length = 4, smallest = 0x10000, code = first & 0x07;
  } else {
    return 0;
  }
  if (text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3f);
  }
  const bool valid = code >= smallest && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  return valid ? length : 0;
}

}  // namespace

bool LineSplitter::Next(std::string& line, bool& too_long) {
  while (true) {
    const size_t end = buffer_.find('\n', start_);
    if (end == std::string::npos) break;
    const size_t length = end - start_;
    const bool rest_of_skipped = skipping_;
    skipping_ = false;
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
  // What the coordinator would refuse must not get into the spool.
  if (status.ok()) status = FromProto(event).status();
  if (status.ok()) return event;
  return absl::InvalidArgumentError(
      absl::StrCat(CleanText(status.message(), 300), "; the line begins \"", CleanText(line, 160), "\""));
}

std::string CleanText(absl::string_view text, size_t max_bytes) {
  std::string out;
  while (!text.empty() && out.size() < max_bytes) {
    const size_t length = SequenceLength(text);
    const auto first = static_cast<unsigned char>(text[0]);
    const bool control = (first < 0x20 && first != '\t') || first == 0x7f;
    if (length == 0 || control) {
      if (first != '\r') out += "\xef\xbf\xbd";
      text.remove_prefix(1);
      continue;
    }
    if (out.size() + length > max_bytes) break;
    out.append(text.data(), length);
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace quantlab::agent
