#include <algorithm>

#include "absl/strings/match.h"
#include "report/facts/collect.h"

namespace quantlab::report {
namespace {

// Position of a method in the order of reports; unknown ones last.
size_t MethodOrder(const std::string& name) {
  const auto& methods = AllMethods();
  const auto it =
      std::find_if(methods.begin(), methods.end(), [&](const MethodSpec& spec) { return spec.name == name; });
  return static_cast<size_t>(it - methods.begin());
}

// The digests of a run's model files, by name; empty where it saved none.
std::map<std::string, std::string> ModelFiles(const RunReport& run) {
  std::map<std::string, std::string> files;
  for (const Artifact& artifact : run.artifacts) {
    if (absl::EndsWith(artifact.name, ".safetensors")) files[artifact.name] = artifact.sha256;
  }
  return files;
}

bool SameModels(const VariantFacts& one, const VariantFacts& other) {
  if (one.runs.size() != other.runs.size()) return false;
  for (size_t i = 0; i < one.runs.size(); ++i) {
    const auto files = ModelFiles(*one.runs[i]);
    if (files.empty() || files != ModelFiles(*other.runs[i])) return false;
    if (one.runs[i]->run.seed != other.runs[i]->run.seed) return false;
  }
  return true;
}

void FindSameModels(std::vector<VariantFacts>& variants) {
  for (VariantFacts& variant : variants) {
    for (const VariantFacts& before : variants) {
      if (&before == &variant) break;
      if (!before.same_as.empty() || !SameModels(before, variant)) continue;
      variant.same_as = before.name;
      break;
    }
  }
}

// The method's title, where no other variant has that method.
void SetLabels(std::vector<VariantFacts>& variants) {
  for (VariantFacts& variant : variants) {
    const auto same = std::count_if(variants.begin(), variants.end(), [&](const VariantFacts& other) {
      return other.method == variant.method && other.baseline == variant.baseline;
    });
    if (same > 1) continue;
    if (variant.baseline) variant.label = {"FP32 baseline", "FP32 基线"};
    if (variant.spec != nullptr) variant.label = {variant.spec->title, variant.spec->title_zh};
  }
}

}  // namespace

std::vector<VariantFacts> CollectVariants(const ReportData& data) {
  std::vector<VariantFacts> variants;
  for (const RunReport& run : data.runs) {
    if (run.run.kind == RunKind::kComparison) continue;
    const std::string& name = run.config.variant.empty() ? run.run.name : run.config.variant;
    auto it = std::find_if(variants.begin(), variants.end(),
                           [&](const VariantFacts& variant) { return variant.name == name; });
    if (it == variants.end()) {
      VariantFacts variant;
      variant.name = name;
      variant.baseline = run.run.kind == RunKind::kBaseline;
      variant.method = run.run.method;
      variant.spec = FindMethod(run.run.method);
      variant.task = &TaskNamed(run.config.dataset.task);
      it = variants.insert(variants.end(), variant);
    }
    it->runs.push_back(&run);
    if (run.run.state == RunState::kSucceeded) ++it->succeeded;
  }
  for (VariantFacts& variant : variants) {
    std::stable_sort(variant.runs.begin(), variant.runs.end(),
                     [](const RunReport* a, const RunReport* b) { return a->run.seed < b->run.seed; });
  }
  std::stable_sort(variants.begin(), variants.end(), [](const VariantFacts& a, const VariantFacts& b) {
    if (a.baseline != b.baseline) return a.baseline;
    return MethodOrder(a.method) < MethodOrder(b.method);
  });
  FindSameModels(variants);
  SetLabels(variants);
  return variants;
}

}  // namespace quantlab::report
