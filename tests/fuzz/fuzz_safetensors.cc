// Any bytes as model.safetensors: shapes or an error.
#include "model_folder/safetensors_header.h"
#include "tests/fuzz/fuzz_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quantlab::fuzz;
  static const auto* const folder = new Folder();
  const auto shapes = quantlab::ReadSafetensorsShapes(folder->Write("model.safetensors", Text(data, size)));
  if (!shapes.ok()) CheckError(shapes.status());
  return 0;
}
