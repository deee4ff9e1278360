#include "runtimes/agreement.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/text/json_depth.h"
#include "runtimes/programs.h"

namespace quantlab::runtimes {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxPlanBytes = int64_t{64} << 20;
constexpr double kFp32Share = 1e-4, kHalfShare = 0.05;
// Models whose logits are all next to zero are held to that of a logit of this size.
constexpr double kSmallestLogit = 1e-3;

bool IsDense(absl::string_view format) {
  return absl::StartsWith(format, "transformers");
}

absl::StatusOr<std::string> Word(const Json& json, const char* key, const std::string& otherwise) {
  const auto it = json.find(key);
  if (it == json.end()) return otherwise;
  if (it->is_string()) return it->get<std::string>();
  return absl::InvalidArgumentError(absl::StrCat(key, " must be a text"));
}

absl::StatusOr<ModelForm> FormOf(const std::string& text) {
  QL_RETURN_IF_ERROR(CheckJsonDepth(text));
  const Json plan = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto layers = plan.is_object() ? plan.find("layers") : plan.end();
  if (!plan.is_object() || layers == plan.end() || !layers->is_array()) {
    return absl::InvalidArgumentError("no JSON object with a list of layers");
  }
  ModelForm form;
  QL_ASSIGN_OR_RETURN(form.activation_dtype, Word(plan, "activation_dtype", "fp32"));
  for (const Json& layer : *layers) {
    if (!layer.is_object()) return absl::InvalidArgumentError("a layer must be an object");
    QL_ASSIGN_OR_RETURN(const std::string kind, Word(layer, "kind", "fp32"));
    form.kinds.insert(kind);
  }
  return form;
}

size_t LargestOf(const std::vector<float>& row) {
  return static_cast<size_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

// Between the largest and the second largest.
double Margin(std::vector<float> row) {
  if (row.size() < 2) return 0;
  std::partial_sort(row.begin(), row.begin() + 2, row.end(), std::greater<>());
  return static_cast<double>(row[0]) - static_cast<double>(row[1]);
}

}  // namespace

bool ModelForm::is_fp32() const {
  return activation_dtype == "fp32" &&
         std::all_of(kinds.begin(), kinds.end(), [](const std::string& kind) { return kind == "fp32"; });
}

absl::StatusOr<ModelForm> ReadModelForm(const std::string& folder) {
  const std::string path = folder + "/plan.json";
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxPlanBytes);
  if (absl::IsNotFound(text.status())) return ModelForm();
  QL_RETURN_IF_ERROR(text.status());
  const absl::StatusOr<ModelForm> form = FormOf(*text);
  return form.ok() ? form : Annotate(form.status(), path);
}

bool ComputesAsMeasured(absl::string_view format, const ModelForm& form) {
  if (format == "transformers") return form.is_fp32();
  if (format == "transformers-bf16") {
    return form.activation_dtype == "bf16" && form.kinds == std::set<std::string>{"bf16"};
  }
  // transformers multiplies its weights out, so that it does not compute in integers.
  return format != "compressed-tensors";
}

double ToleratedShare(const ModelForm& form, absl::string_view format) {
  const double integer = IsDense(format) ? 0.3 : 0.1;
  const std::map<std::string, double> shares = {
      {"bf16", kHalfShare},       {"fp16", 0.01},           {"int8_weight_only", 0.05},
      {"int4_weight_only", 0.05}, {"int8_static", integer}, {"int8_dynamic", integer},
      {"fp8", integer},
  };
  double share = format == "transformers-bf16" ? kHalfShare : kFp32Share;
  for (const std::string& kind : form.kinds) {
    const auto it = shares.find(kind);
    if (it != shares.end()) share = std::max(share, it->second);
  }
  return share;
}

absl::string_view BuiltInTexts() {
  return kBuiltInTexts;
}

absl::StatusOr<Agreement> Compare(const Logits& expected, const Logits& actual, double share) {
  if (expected.empty() || expected.size() != actual.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("logits of ", actual.size(), " texts instead of ", expected.size()));
  }
  Agreement result;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (expected[i].empty() || expected[i].size() != actual[i].size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(actual[i].size(), " logits of a text instead of ", expected[i].size()));
    }
    for (size_t c = 0; c < expected[i].size(); ++c) {
      const double difference = std::abs(static_cast<double>(expected[i][c]) - actual[i][c]);
      result.difference = std::isfinite(difference) ? std::max(result.difference, difference)
                                                    : std::numeric_limits<double>::infinity();
      result.largest_logit = std::max(result.largest_logit, std::abs(static_cast<double>(expected[i][c])));
    }
  }
  result.tolerance = share * std::max(result.largest_logit, kSmallestLogit);
  size_t equal = 0, excusable = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const bool same = LargestOf(expected[i]) == LargestOf(actual[i]);
    equal += same;
    excusable += same || Margin(expected[i]) <= 2 * result.tolerance;
  }
  result.agreement = static_cast<double>(equal) / static_cast<double>(expected.size());
  result.passed = result.difference <= result.tolerance && excusable == expected.size();
  return result;
}

}  // namespace quantlab::runtimes
