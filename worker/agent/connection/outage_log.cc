#include "worker/agent/connection/outage_log.h"

#include "absl/strings/str_cat.h"

namespace quantlab::agent {

void OutageLog::Failed(const absl::Status& why) {
  MutexLock lock(mutex_);
  if (away_) return;
  away_ = true;
  ++outages_;
  log_.Warn(absl::StrCat("the coordinator does not answer (", why.ToString(),
                         "); continuing, with retries until it does"));
}

void OutageLog::Answered() {
  MutexLock lock(mutex_);
  if (!away_) return;
  away_ = false;
  log_.Info("the coordinator answers again");
}

bool OutageLog::away() const {
  MutexLock lock(mutex_);
  return away_;
}

int64_t OutageLog::outages() const {
  MutexLock lock(mutex_);
  return outages_;
}

}  // namespace quantlab::agent
