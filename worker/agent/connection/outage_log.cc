#include "worker/agent/connection/outage_log.h"

#include "absl/strings/str_cat.h"

namespace quantlab::agent {

void OutageLog::Failed(const absl::Status& why) {
  MutexLock lock(mutex_);
  if (away_) return;
  away_ = true;
  log_.Warn(absl::StrCat("the coordinator does not answer (", why.ToString(),
                         "); continuing, with retries until it does"));
}

void OutageLog::Answered() {
  MutexLock lock(mutex_);
  if (!away_) return;
  away_ = false;
  log_.Info("the coordinator answers again");
}

}  // namespace quantlab::agent
