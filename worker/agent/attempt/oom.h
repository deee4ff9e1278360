// Counts the kernel's out-of-memory kills.
#ifndef QUANTLAB_WORKER_AGENT_ATTEMPT_OOM_H_
#define QUANTLAB_WORKER_AGENT_ATTEMPT_OOM_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace quantlab::agent {

// Out-of-memory kills in this process's control group and on the whole machine, since it started. 0 if the
// kernel does not report them. `root` is "/" except in tests.
struct OomCounts {
  int64_t group = 0;
  int64_t machine = 0;
};
OomCounts ReadOomCounts(const std::string& root = "/");

// The number after `name` at the start of a line of `text`; 0 if there is none.
int64_t CounterOf(absl::string_view text, absl::string_view name);

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_ATTEMPT_OOM_H_
