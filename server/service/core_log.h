// Writes core's events to the log and the metrics.
#ifndef QUANTLAB_SERVER_SERVICE_CORE_LOG_H_
#define QUANTLAB_SERVER_SERVICE_CORE_LOG_H_

#include <string>

#include "logging/log.h"
#include "server/core/observer.h"
#include "server/service/metrics.h"

namespace quantlab {

// Borrows both.
class CoreLog : public CoreObserver {
 public:
  CoreLog(Log* log, Metrics* metrics) : log_(log), metrics_(metrics) {}

  void OnTransition(const RunRecord& run, RunState from) override;
  void OnStart(const AttemptRecord& attempt, const RunRecord& run, absl::Duration waited) override;
  void OnAttemptEnd(const AttemptRecord& attempt, RunState outcome, absl::Duration took,
                    const std::string& message) override;
  void OnLeaseExpired(const AttemptKey& attempt) override;
  void OnCommit(absl::Duration took, const absl::Status& status) override;
  void OnBackgroundError(const std::string& what, const absl::Status& status) override;

 private:
  Log* const log_;
  Metrics* const metrics_;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_CORE_LOG_H_
