// Any text as model.safetensors.index.json beside two shards: what it names is in them, or it is refused.
#include "model_folder/model_folder.h"
#include "model_folder/weight_files.h"
#include "tests/fuzz/fuzz_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quantlab::fuzz;
  static const auto* const folder = [] {
    auto* made = new Folder();
    const std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
    std::string shard(1, static_cast<char>(header.size()));
    shard += std::string(7, '\0') + header + std::string(4, '\0');
    made->Write("x.safetensors", shard);
    made->Write("y.safetensors", shard);
    made->Write("config.json", "{}");
    made->Write("vocab.txt", "[PAD]\n");
    return made;
  }();
  folder->Write("model.safetensors.index.json", Text(data, size));
  const auto weights = quantlab::FindWeightFiles(folder->path());
  if (!weights.ok()) CheckError(weights.status());
  const absl::Status checked = quantlab::CheckModelFolder(folder->path());
  if (!checked.ok()) CheckError(checked);
  Require(weights.ok() || !checked.ok());
  return 0;
}
