#include "base/config/run_config.h"

#include "absl/strings/ascii.h"

namespace quantlab {

const std::vector<std::string>& DatasetFormatNames() {
  static const auto* const names =
      new std::vector<std::string>{"auto", "acl_imdb", "csv", "tsv", "jsonl", "tab"};
  return *names;
}

std::string SplitNamedBy(const std::string& path) {
  // npos + 1 is 0.
  const std::string file = absl::AsciiStrToLower(path.substr(path.find_last_of('/') + 1));
  const std::string stem = file.substr(0, file.find_last_of('.'));
  const std::string word = stem.substr(stem.find_last_of("-_.") + 1);
  if (word == "train" || word == "test") return word;
  if (word == "dev" || word == "val" || word == "valid" || word == "validation") return "validation";
  return "";
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
