#include "server/service/access_table.h"

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
  constexpr bool kAudited = true, kStream = true;
  static const auto* const rules = new std::vector<AccessRule>{
      // method, viewer, submitter, worker, admin
      {"SubmitExperiment", kNo, Grant::kQuota, kNo, kYes, kAudited},
      {"GetExperiment", kYes, kYes, kNo, kYes},
      {"ListExperiments", kYes, kYes, kNo, kYes},
      {"WatchExperiment", kYes, kYes, kNo, kYes, false, kStream},
      {"CancelExperiment", kNo, Grant::kOwn, kNo, kYes, kAudited},
      {"RetryExperiment", kNo, Grant::kOwn, kNo, kYes, kAudited},
      {"ListLogs", kYes, kYes, kNo, kYes},
      {"ListMetrics", kYes, kYes, kNo, kYes},
      {"ExplainRun", kYes, kYes, kNo, kYes},
      {"GetReportData", kYes, kYes, kNo, kYes},
      {"ListMethods", kYes, kYes, kYes, kYes},
      {"ListCatalog", kYes, kYes, kYes, kYes},

      {"Sync", kNo, kNo, Grant::kLease, kNo},
      {"ReportEvents", kNo, kNo, Grant::kLease, kNo},
      {"FinishAttempt", kNo, kNo, Grant::kLease, kNo, kAudited},
      {"ListWorkers", Grant::kNames, Grant::kNames, kNo, kYes},

      // Every experiment is visible to those who may read; so are its artifacts, by their digests.
      {"StatArtifacts", kYes, kYes, Grant::kUpload, kYes},
      {"DownloadArtifact", kYes, kYes, Grant::kAssigned, kYes, false, kStream},
      {"UploadArtifact", kNo, Grant::kQuota, Grant::kUpload, kYes, kAudited, kStream},

      {"CreateIdentity", kNo, kNo, kNo, kYes, kAudited},
      {"RevokeIdentity", kNo, kNo, kNo, kYes, kAudited},
      {"ListIdentities", kNo, kNo, kNo, kYes, kAudited},
      {"JoinWorker", kNo, kNo, Grant::kExchange, kNo, kAudited},
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
