// A file of any bytes in one format (QUANTLAB_FUZZ_FORMAT): rows or an error, and no row that a sink would
// have to distrust. The first byte chooses the encoding.
#include "base/text/utf8.h"
#include "tests/fuzz/fuzz_folder.h"
#include "worker/engine/data/dataset.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quantlab::fuzz;
  static const auto* const folder = new Folder();
  static const char* const kEncodings[] = {"",         "auto",      "utf-8",      "gbk",
                                           "utf-16le", "shift_jis", "iso-2022-jp"};
  if (size == 0) return 0;
  quantlab::DatasetConfig config;
  config.format = QUANTLAB_FUZZ_FORMAT;
  config.encoding = kEncodings[data[0] % 7];
  config.test_size = -1;
  const auto dataset = quantlab::engine::LoadDataset(config, folder->Write("data", Text(data + 1, size - 1)));
  if (!dataset.ok()) {
    CheckError(dataset.status());
    return 0;
  }
  for (const auto& example : dataset->train) {
    Require(example.label >= 0 && static_cast<size_t>(example.label) < dataset->labels.size());
    Require(quantlab::IsValidUtf8(example.text));
  }
  for (const std::string& label : dataset->labels) Require(quantlab::IsValidUtf8(label) && !label.empty());
  return 0;
}
