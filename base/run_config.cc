#include "base/run_config.h"

namespace quantlab {

const std::vector<std::string>& DatasetFormatNames() {
  static const auto* const names =
      new std::vector<std::string>{"auto", "acl_imdb", "csv", "tsv", "jsonl", "tab"};
  return *names;
}

const char* RunKindName(RunKind kind) {
  switch (kind) {
    case RunKind::kBaseline:
      return "baseline";
    case RunKind::kQuantization:
      return "quantization";
    case RunKind::kComparison:
      return "comparison";
  }
  return "unknown";
}

}  // namespace quantlab
