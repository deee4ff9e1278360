#include "worker/runner/runner_environment.h"

#include "source_commit.h"  // made at each build

namespace quantlab::runner {

Environment DescribeRunner(const Device& device, int threads) {
  Environment environment = engine::DescribeEnvironment(device, threads);
  environment.facts["source_commit"] = QUANTLAB_SOURCE_COMMIT;
  return environment;
}

}  // namespace quantlab::runner
