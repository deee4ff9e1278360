// Which role may call what, and where it runs: one table, in which every RPC of the contract stands
// (access_test.cc compares it with the descriptors).
#ifndef QUANTLAB_SERVER_SERVICE_ACCESS_ACCESS_TABLE_H_
#define QUANTLAB_SERVER_SERVICE_ACCESS_ACCESS_TABLE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/records/identities.h"
#include "server/service/rpc/work_pool.h"

namespace quantlab {

// What a role may do with an RPC. The handler checks the conditions of those between kNo and kYes.
enum class Grant {
  kNo,
  kOwn,       // experiments that it submitted
  kLease,     // attempts that its worker holds, under its own worker id
  kAssigned,  // artifacts that are inputs of the run that its worker executes
  kUpload,    // while its worker executes a run, within its quota
  kQuota,     // within its quota
  kNames,     // without hosts, versions and facts of the machines
  kExchange,  // with a token that works once
  kYes,
};

struct AccessRule {
  std::string method;  // "SubmitExperiment"
  Grant viewer, submitter, worker, admin;
  Lane lane;             // where its handler runs; transfers of artifacts have threads of their own
  bool audited = false;  // each call is written to the audit log, not only refused ones
  bool stream = false;   // lasts: counted among the caller's open calls

  Grant For(Role role) const;
};

const std::vector<AccessRule>& AccessRules();
// nullptr: no such RPC; nobody may call it.
const AccessRule* FindAccessRule(absl::string_view method);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_ACCESS_ACCESS_TABLE_H_
