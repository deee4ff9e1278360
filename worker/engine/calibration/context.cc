#include "worker/engine/calibration/context.h"

#include <utility>

#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"

namespace quantlab::engine {

absl::Status QuantizationContext::Report(const Message& phase, int64_t done, int64_t total,
                                         const std::string& unit) const {
  if (!progress || progress(phase, done, total, unit)) return absl::OkStatus();
  return MessageStatus(absl::StatusCode::kCancelled, messages::kStopped(phase, done, total));
}

void QuantizationContext::Record(Metric metric) const {
  if (record) record(std::move(metric));
}

void QuantizationContext::Log(const std::string& line) const {
  if (log) log(line);
}

absl::Status QuantizationContext::WriteFile(const std::string& name, const std::string& content) const {
  return write_file ? write_file(name, content) : absl::OkStatus();
}

void QuantizationContext::Warn(const std::string& code, const Message& message) const {
  if (warn) warn(code, message);
}

}  // namespace quantlab::engine
