#include "server/service/access/audit_log.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/records/error_reason.h"

namespace quantlab {
namespace {

constexpr int kUnknownPerSecond = 20;

}  // namespace

bool AuditLog::TakeTurn(int64_t* left_out) {
  MutexLock lock(mutex_);
  const absl::Duration now = clock_->Monotonic();
  if (now - second_start_ >= absl::Seconds(1)) {
    second_start_ = now;
    lines_ = 0;
  }
  if (lines_ >= kUnknownPerSecond) {
    ++left_out_;
    return false;
  }
  ++lines_;
  *left_out = std::exchange(left_out_, 0);
  return true;
}

void AuditLog::Write(const AuditEntry& entry, const absl::Status& status) {
  int64_t left_out = 0;
  if (entry.caller.empty() && !TakeTurn(&left_out)) return;
  LogFields fields = {{"caller", entry.caller.empty() ? "unknown" : entry.caller},
                      {"role", entry.role.empty() ? "none" : entry.role},
                      {"rpc", entry.method},
                      {"from", entry.from},
                      {"code", absl::StatusCodeToString(status.code())}};
  if (!entry.object.empty()) fields.emplace_back("object", entry.object);
  if (!status.ok()) {
    fields.emplace_back("reason", ReasonOf(status));
    fields.emplace_back("error", std::string(status.message()));
  }
  if (left_out > 0) fields.emplace_back("left_out", absl::StrCat(left_out));
  log_->Write(status.ok() ? LogLevel::kInfo : LogLevel::kWarning, "audit", entry.subject, fields);
  log_->Flush();
}

}  // namespace quantlab
