#include "server/service/access/caller_limits.h"

#include <algorithm>

#include "base/messages/access.h"
#include "base/messages/message_catalogue.h"
#include "base/records/error_reason.h"

namespace quantlab {
namespace {

absl::Status Exhausted(const Message& message, absl::string_view reason) {
  return WithReason(MessageStatus(absl::StatusCode::kResourceExhausted, message), reason);
}

}  // namespace

CallerLimits::Use& CallerLimits::UseOf(const std::string& name) {
  const auto [entry, fresh] = uses_.try_emplace(name);
  if (fresh) {
    entry->second.requests = 2.0 * options_.requests_per_second;
    entry->second.refilled = clock_->Monotonic();
    entry->second.day_start = entry->second.refilled;
  }
  return entry->second;
}

absl::Status CallerLimits::CountRequest(const std::string& name) {
  MutexLock lock(mutex_);
  Use& use = UseOf(name);
  const absl::Duration now = clock_->Monotonic();
  const double fresh = absl::ToDoubleSeconds(now - use.refilled) * options_.requests_per_second;
  use.requests = std::min(use.requests + fresh, 2.0 * options_.requests_per_second);
  use.refilled = now;
  if (use.requests < 1)
    return Exhausted(messages::kTooManyRequests(name, options_.requests_per_second), "TOO_MANY_REQUESTS");
  use.requests -= 1;
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<void>> CallerLimits::OpenCall(const std::string& name) {
  MutexLock lock(mutex_);
  Use& use = UseOf(name);
  if (use.open >= options_.open_calls)
    return Exhausted(messages::kTooManyOpenCalls(name, options_.open_calls), "TOO_MANY_OPEN_CALLS");
  ++use.open;
  return std::shared_ptr<void>(this, [name](void* limits) {
    auto* self = static_cast<CallerLimits*>(limits);
    MutexLock closing(self->mutex_);
    --self->UseOf(name).open;
  });
}

absl::Status CallerLimits::CountUpload(const std::string& name, int64_t bytes) {
  MutexLock lock(mutex_);
  Use& use = UseOf(name);
  const absl::Duration now = clock_->Monotonic();
  if (now - use.day_start >= absl::Hours(24)) {
    use.day_start = now;
    use.uploaded = 0;
  }
  if (use.uploaded + bytes > options_.upload_bytes_per_day)
    return Exhausted(messages::kUploadQuotaUsed(name, options_.upload_bytes_per_day), "UPLOAD_QUOTA_USED");
  use.uploaded += bytes;
  return absl::OkStatus();
}

}  // namespace quantlab
