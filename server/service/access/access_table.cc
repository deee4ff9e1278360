#include "server/service/access/access_table.h"

namespace quantlab {

Grant AccessRule::For(Role role) const {
  switch (role) {
    case Role::kViewer:
      return viewer;
    case Role::kSubmitter:
      return submitter;
    case Role::kWorker:
      return worker;
    case Role::kAdmin:
      return admin;
  }
  return Grant::kNo;
}

const std::vector<AccessRule>& AccessRules() {
  constexpr Grant kNo = Grant::kNo, kYes = Grant::kYes;
  constexpr Lane kChange = Lane::kChange, kRead = Lane::kRead, kPlan = Lane::kPlan;
  constexpr bool kAudited = true, kStream = true;
  static const auto* const rules = new std::vector<AccessRule>{
      // method, viewer, submitter, worker, admin, lane
      {"SubmitExperiment", kNo, Grant::kQuota, kNo, kYes, kPlan, kAudited},
      {"GetExperiment", kYes, kYes, kNo, kYes, kRead},
      {"ListExperiments", kYes, kYes, kNo, kYes, kRead},
      {"WatchExperiment", kYes, kYes, kNo, kYes, kRead, false, kStream},
      {"CancelExperiment", kNo, Grant::kOwn, kNo, kYes, kChange, kAudited},
      {"RetryExperiment", kNo, Grant::kOwn, kNo, kYes, kChange, kAudited},
      {"ListLogs", kYes, kYes, kNo, kYes, kRead},
      {"ListMetrics", kYes, kYes, kNo, kYes, kRead},
      {"ExplainRun", kYes, kYes, kNo, kYes, kRead},
      {"GetReportData", kYes, kYes, kNo, kYes, kRead},
      {"ListMethods", kYes, kYes, kYes, kYes, kRead},
      {"ListCatalog", kYes, kYes, kYes, kYes, kRead},

      {"Sync", kNo, kNo, Grant::kLease, kNo, kChange},
      {"ReportEvents", kNo, kNo, Grant::kLease, kNo, kChange},
      {"FinishAttempt", kNo, kNo, Grant::kLease, kNo, kChange, kAudited},
      {"ListWorkers", Grant::kNames, Grant::kNames, kNo, kYes, kRead},
      {"SetWorkerMode", kNo, kNo, kNo, kYes, kChange, kAudited},

      // Every experiment is visible to those who may read; so are its artifacts, by their digests.
      {"StatArtifacts", kYes, kYes, Grant::kUpload, kYes, kRead},
      {"DownloadArtifact", kYes, kYes, Grant::kAssigned, kYes, kRead, false, kStream},
      {"UploadArtifact", kNo, Grant::kQuota, Grant::kUpload, kYes, kChange, kAudited, kStream},

      {"GetStorageUsage", kYes, kYes, kNo, kYes, kRead},
      {"DeleteExperiment", kNo, Grant::kOwn, kNo, kYes, kChange, kAudited},
      {"CollectGarbage", kNo, kNo, kNo, kYes, kChange, kAudited},
      {"BackUpDatabase", kNo, kNo, kNo, kYes, kChange, kAudited, kStream},

      {"CreateIdentity", kNo, kNo, kNo, kYes, kChange, kAudited},
      {"RevokeIdentity", kNo, kNo, kNo, kYes, kChange, kAudited},
      {"ListIdentities", kNo, kNo, kNo, kYes, kRead, kAudited},
      {"JoinWorker", kNo, kNo, Grant::kExchange, kNo, kChange, kAudited},
  };
  return *rules;
}

const AccessRule* FindAccessRule(absl::string_view method) {
  for (const AccessRule& rule : AccessRules()) {
    if (rule.method == method) return &rule;
  }
  return nullptr;
}

}  // namespace quantlab
