// Which oneDNN primitives ran on a reference implementation, read from what oneDNN prints when
// ONEDNN_VERBOSE=1: such kernels are correct and a thousand times slower, and nothing else tells of them.
#ifndef QUANTLAB_WORKER_RUNNER_KERNEL_AUDIT_H_
#define QUANTLAB_WORKER_RUNNER_KERNEL_AUDIT_H_

#include <string>
#include <vector>

namespace quantlab::runner {

// What a process printed, in two: oneDNN's lines and the rest.
struct VerboseOutput {
  std::vector<std::string> onednn;
  std::string rest;
};
VerboseOutput SplitVerbose(const std::string& output);

// "matmul by ref:any" for each executed primitive on a reference implementation, each once. Reorders do not
// count: they copy.
std::vector<std::string> ReferencePrimitives(const std::vector<std::string>& onednn);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_KERNEL_AUDIT_H_
