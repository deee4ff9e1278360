// Runs another quant-runner that measures in a process of its own.
#ifndef QUANTLAB_WORKER_RUNNER_COMPARISON_MEASURING_CHILD_H_
#define QUANTLAB_WORKER_RUNNER_COMPARISON_MEASURING_CHILD_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/messages/message.h"

namespace quantlab::runner {

struct MeasuringChild {
  std::vector<std::string> argv;
  size_t max_output = 0;                      // bytes
  std::string doing;                          // for errors: "timing the models"
  std::function<Message(int signal)> killed;  // for a child that ended by a signal
};

// What it wrote to standard output.
// Errors: RESOURCE_EXHAUSTED a signal ended it, as where memory runs out; INTERNAL it failed, with what it
// wrote to standard error; CANCELLED `should_stop` said so.
absl::StatusOr<std::string> RunMeasuringChild(const MeasuringChild& child,
                                              const std::function<bool()>& should_stop);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_COMPARISON_MEASURING_CHILD_H_
