// How a worker on another machine gets its token, and where it keeps it.
//
//   <data-dir>/coordinator   the address, one line
//   <data-dir>/token         its token (0600)
//   <data-dir>/ca.crt        the authority that signed the coordinator's certificate
#ifndef QUANTLAB_WORKER_AGENT_PROGRAM_JOIN_H_
#define QUANTLAB_WORKER_AGENT_PROGRAM_JOIN_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/channel_security.h"

namespace quantlab::agent {

// The id in the data folder, made on the first call.
// Errors: INVALID_ARGUMENT the file holds none; those of base/files.h.
absl::StatusOr<std::string> WorkerId(const std::string& data_dir);

struct JoinOptions {
  std::string coordinator, data_dir;
  SecurityFiles security;  // without a token
  std::string token;       // works once
};

// Exchanges the token and writes the three files. A failure leaves the token of an earlier join only if that
// was with the same coordinator. Errors: those of AdminService.JoinWorker and of LoadSecurity.
absl::Status Join(const JoinOptions& options);

// Fills what the command line left open from the files of an earlier Join, unless it names another
// coordinator.
absl::Status UseJoinedFiles(const std::string& data_dir, std::string* coordinator, SecurityFiles* security);

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_PROGRAM_JOIN_H_
