// Runs an external program to its end: gnuplot, pandoc.
#ifndef QUANTLAB_CLIENT_RESULTS_TOOL_H_
#define QUANTLAB_CLIENT_RESULTS_TOOL_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/connection/cancellation.h"

namespace quantlab::client {

struct ToolCall {
  std::vector<std::string> argv;  // argv[0] as FindProgram() gives it; no shell interprets any of it
  std::string folder;             // where it runs
  absl::Duration timeout = absl::Minutes(5);
};

// Waits for it. What it started dies with it on a timeout or when `cancellation` (may be null) fires.
// Errors: DEADLINE_EXCEEDED; CANCELLED; INTERNAL with the last lines that it printed.
absl::Status RunTool(const ToolCall& call, const Cancellation* cancellation);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_RESULTS_TOOL_H_
