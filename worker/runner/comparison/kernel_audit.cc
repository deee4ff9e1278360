#include "worker/runner/comparison/kernel_audit.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace quantlab::runner {
namespace {

constexpr char kPrefix[] = "onednn_verbose,";

// onednn_verbose,v1,primitive,exec,cpu,matmul,brg_matmul:avx512_core_bf16,… ; may contain a time stamp.
bool ReadExecution(const std::string& line, std::string* primitive, std::string* implementation) {
  const std::vector<std::string> fields = absl::StrSplit(line, ',');
  const auto exec = std::find(fields.begin(), fields.end(), "exec");
  if (fields.end() - exec < 4) return false;
  *primitive = exec[2];
  *implementation = exec[3];
  return true;
}

bool IsReference(const std::string& implementation) {
  return absl::StartsWith(implementation, "ref") || absl::StrContains(implementation, ":ref");
}

}  // namespace

VerboseOutput SplitVerbose(const std::string& output) {
  VerboseOutput split;
  for (const absl::string_view line : absl::StrSplit(output, '\n')) {
    if (absl::StartsWith(line, kPrefix)) {
      split.onednn.emplace_back(line);
    } else {
      absl::StrAppend(&split.rest, line, "\n");
    }
  }
  return split;
}

std::vector<std::string> ReferencePrimitives(const std::vector<std::string>& onednn) {
  std::vector<std::string> found;
  std::string primitive, implementation;
  for (const std::string& line : onednn) {
    if (!ReadExecution(line, &primitive, &implementation)) continue;
    if (primitive == "reorder" || !IsReference(implementation)) continue;
    const std::string text = absl::StrCat(primitive, " by ", implementation);
    if (std::find(found.begin(), found.end(), text) == found.end()) found.push_back(text);
  }
  return found;
}

}  // namespace quantlab::runner
