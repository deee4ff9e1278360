// A file of any bytes in each format: rows or an error, and no row that a sink would have to distrust.
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <unistd.h>

#include <absl/status/status.h>

#include "base/text/utf8.h"
#include "worker/engine/data/dataset.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static const char* const kExtensions[] = {".csv", ".tsv", ".jsonl", ".tab"};
  const std::string path = "/tmp/quantlab_fuzz_" + std::to_string(::getpid()) + kExtensions[data[0] % 4];
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(data + 1), static_cast<long>(size - 1));
  quantlab::DatasetConfig config;
  config.test_size = -1;
  const auto dataset = quantlab::engine::LoadDataset(config, path);
  ::unlink(path.c_str());
  if (!dataset.ok()) return dataset.status().message().empty() ? (std::abort(), 0) : 0;
  for (const auto& example : dataset->train) {
    const bool label_ok = example.label >= 0 && static_cast<size_t>(example.label) < dataset->labels.size();
    if (!label_ok || !quantlab::IsValidUtf8(example.text)) std::abort();
  }
  return 0;
}
