// Runs an external program, such as gnuplot or pandoc, and waits for its end.
#ifndef QUANTLAB_CLIENT_RESULTS_TOOL_H_
#define QUANTLAB_CLIENT_RESULTS_TOOL_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/connection/cancellation.h"

namespace quantlab::client {

struct ToolCall {
  std::vector<std::string> argv;  // argv[0] from FindProgram(); not interpreted by a shell
  std::string folder;             // working folder
  absl::Duration timeout = absl::Minutes(5);
};

// Waits for it. On a timeout or cancellation (`cancellation` may be null), its child processes are killed
// too. Errors: DEADLINE_EXCEEDED; CANCELLED; INTERNAL with the last lines of its output.
absl::Status RunTool(const ToolCall& call, const Cancellation* cancellation);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_RESULTS_TOOL_H_
