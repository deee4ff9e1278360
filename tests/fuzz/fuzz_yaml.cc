// Any text as an experiment file and as a catalogue: a plan or diagnostics.
#include "catalog/catalog.h"
#include "server/config/plan.h"
#include "tests/fuzz/fuzz_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quantlab::fuzz;
  const std::string text(Text(data, size));
  quantlab::PlanRequest request;
  request.files = {{"experiment.yaml", text}};
  const quantlab::PlanResult plan = quantlab::PlanExperiment(request, quantlab::Catalog());
  Require(plan.ok() || !plan.diagnostics.all().empty());
  for (const auto& diagnostic : plan.diagnostics.all()) Require(!diagnostic.message.empty());
  const auto catalog = quantlab::Catalog::Parse("catalog.yaml", text);
  if (!catalog.ok()) CheckError(catalog.status());
  return 0;
}
