// Finds the oneDNN primitives that ran on a reference implementation, from oneDNN's output with
// ONEDNN_VERBOSE=1. Such kernels are correct but a thousand times slower, and are reported nowhere else.
#ifndef QUANTLAB_WORKER_RUNNER_COMPARISON_KERNEL_AUDIT_H_
#define QUANTLAB_WORKER_RUNNER_COMPARISON_KERNEL_AUDIT_H_

#include <string>
#include <vector>

namespace quantlab::runner {

// A process's output in two parts: oneDNN's lines and the rest.
struct VerboseOutput {
  std::vector<std::string> onednn;
  std::string rest;
};
VerboseOutput SplitVerbose(const std::string& output);

// "matmul by ref:any" for each executed primitive on a reference implementation, each once. Reorders do not
// count: they copy.
std::vector<std::string> ReferencePrimitives(const std::vector<std::string>& onednn);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_COMPARISON_KERNEL_AUDIT_H_
