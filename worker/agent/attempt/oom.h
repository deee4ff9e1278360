// Whether the kernel killed something for lack of memory, as far as counters tell.
#ifndef QUANTLAB_WORKER_AGENT_ATTEMPT_OOM_H_
#define QUANTLAB_WORKER_AGENT_ATTEMPT_OOM_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace quantlab::agent {

// Out-of-memory kills in this process's control group and on the whole machine, since it started. 0 where
// the kernel does not say. `root` is "/" but in tests.
struct OomCounts {
  int64_t group = 0;
  int64_t machine = 0;
};
OomCounts ReadOomCounts(const std::string& root = "/");

// The number after `name` at the start of a line of `text`; 0 where there is none.
int64_t CounterOf(absl::string_view text, absl::string_view name);

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_ATTEMPT_OOM_H_
