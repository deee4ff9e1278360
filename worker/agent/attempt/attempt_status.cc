#include "worker/agent/attempt/attempt_status.h"

namespace quantlab::agent {

void AttemptStatus::SetPhase(AttemptPhase phase) {
  MutexLock lock(mutex_);
  phase_ = phase;
}

void AttemptStatus::SetSpool(const Spool* spool) {
  MutexLock lock(mutex_);
  spool_ = spool;
}

void AttemptStatus::SetRunner(pid_t pid) {
  MutexLock lock(mutex_);
  runner_ = pid;
}

AttemptSnapshot AttemptStatus::Get() const {
  MutexLock lock(mutex_);
  AttemptSnapshot snapshot;
  snapshot.device = device_;
  snapshot.phase = phase_;
  snapshot.runner = runner_;
  if (spool_ == nullptr) return snapshot;
  snapshot.spool_bytes = spool_->size_bytes();
  snapshot.backlog_bytes = spool_->backlog_bytes();
  snapshot.backlog_events = spool_->last_number() - spool_->acknowledged();
  return snapshot;
}

std::shared_ptr<AttemptStatus> AttemptObserver::Begin(const std::string& device) {
  return std::make_shared<AttemptStatus>(device);
}

AttemptObserver* AttemptObserver::None() {
  static auto* const none = new AttemptObserver();
  return none;
}

}  // namespace quantlab::agent
