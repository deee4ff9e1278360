// The command line of quant-coordinator.
#ifndef QUANTLAB_SERVER_MAIN_OPTIONS_H_
#define QUANTLAB_SERVER_MAIN_OPTIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "logging/log.h"
#include "server/service/access/caller_limits.h"
#include "server/service/retention.h"
#include "server/service/rpc/listen.h"
#include "server/service/rpc/rpc_server.h"

namespace quantlab {

// The exit codes of the process.
enum ExitCode {
  kExitOk = 0,
  kExitUsage = 2,       // a wrong command line
  kExitDataFolder = 3,  // in use, damaged, made by a newer version, or not to be written to
  kExitListen = 4,      // an address cannot be listened on
  kExitCatalog = 5,     // the catalogue cannot be read, or is wrong
  kExitInternal = 70,   // a fault of the program
};

struct Options {
  std::string data_dir;
  Address listen;
  std::string metrics_address;  // empty: off
  std::string catalog;
  absl::Duration lease_term = absl::Seconds(30);
  int lifeline_fd = -1;  // exit when this pipe closes; -1: none
  int ready_fd = -1;     // write the address here when serving; -1: none
  bool reflection = false;
  bool check_artifacts = false;
  RetentionPolicy retention;
  std::string restore;  // put this backup into the data folder, and exit; empty: serve
  // On loopback too a call needs a token; always true in effect where there is TLS.
  bool require_auth = false;
  std::optional<TlsFiles> tls;
  std::optional<Address> local;  // this machine's own socket, beside a port that needs tokens
  // Where other machines reach the coordinator; empty: where it listens, unless that is every address.
  std::string advertise;
  std::string audit_log;  // empty: none
  CallerLimitOptions limits;
  LogOptions log;
};

// What to do: go on with `options`, or print `text` and exit.
struct ParsedCommandLine {
  Options options;
  bool exits = false;
  int exit_code = kExitOk;
  std::string text;  // help and version go to stdout, errors to stderr
};

ParsedCommandLine ParseCommandLine(const std::vector<std::string>& arguments);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_MAIN_OPTIONS_H_
