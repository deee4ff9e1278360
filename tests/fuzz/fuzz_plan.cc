// Any text as plan.json: a plan that is read back the same once it is written, or an error. Needs LibTorch.
#include "tests/fuzz/fuzz_folder.h"
#include "worker/engine/models/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quantlab::fuzz;
  const auto plan = quantlab::engine::ParsePlan(std::string(Text(data, size)), "plan.json");
  if (!plan.ok()) {
    CheckError(plan.status());
    return 0;
  }
  const std::string written = quantlab::engine::PlanToJson(*plan);
  const auto again = quantlab::engine::ParsePlan(written, "written");
  Require(again.ok() && quantlab::engine::PlanToJson(*again) == written);
  return 0;
}
