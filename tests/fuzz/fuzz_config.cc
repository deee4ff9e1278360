// Any text as config.json: a configuration that is read back the same once it is written, or an error.
#include "tests/fuzz/fuzz_folder.h"
#include "worker/engine/families/encoder_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quantlab::fuzz;
  using quantlab::engine::ModelConfigToJson;
  const auto config = quantlab::engine::ParseModelConfig(std::string(Text(data, size)), "config.json");
  if (!config.ok()) {
    CheckError(config.status());
    return 0;
  }
  const std::string written = ModelConfigToJson(*config);
  const auto again = quantlab::engine::ParseModelConfig(written, "written");
  Require(again.ok() && ModelConfigToJson(*again) == written);
  return 0;
}
