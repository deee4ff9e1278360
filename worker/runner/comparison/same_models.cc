#include "worker/runner/comparison/same_models.h"

#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/sha256.h"
#include "base/status_macros.h"

namespace quantlab::runner {
namespace {

constexpr int64_t kMaxPlanBytes = int64_t{64} << 20;

// What plan.json says of how the model computes; of a model without one, that it is FP32 throughout.
absl::StatusOr<std::string> PlanWithoutMethod(const std::string& folder) {
  const absl::StatusOr<std::string> text = ReadFile(folder + "/plan.json", kMaxPlanBytes);
  if (absl::IsNotFound(text.status())) return std::string();
  QL_RETURN_IF_ERROR(text.status());
  nlohmann::json plan = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!plan.is_object()) return absl::InvalidArgumentError(folder + "/plan.json: no JSON object");
  plan.erase("method");
  // A plan of nothing but FP32 layers is a model without a plan.
  const bool changes_dtype = plan.value("activation_dtype", nlohmann::json("fp32")) != "fp32";
  bool quantizes = changes_dtype;
  for (const char* part : {"layers", "embeddings"}) {
    for (const auto& entry : plan.value(part, nlohmann::json::array())) {
      quantizes = quantizes || !entry.is_object() || entry.value("kind", nlohmann::json()) != "fp32";
    }
  }
  return quantizes ? plan.dump() : std::string();
}

}  // namespace

absl::StatusOr<std::vector<size_t>> FirstOfSameModels(const std::vector<ModelInput>& inputs) {
  std::vector<std::pair<std::string, std::string>> models;  // digest of the weights, plan
  std::vector<size_t> first;
  for (size_t i = 0; i < inputs.size(); ++i) {
    QL_ASSIGN_OR_RETURN(std::string digest, Sha256OfFile(inputs[i].folder + "/model.safetensors"));
    QL_ASSIGN_OR_RETURN(std::string plan, PlanWithoutMethod(inputs[i].folder));
    models.emplace_back(std::move(digest), std::move(plan));
    size_t same = 0;
    while (models[same] != models[i]) ++same;
    first.push_back(same);
  }
  return first;
}

}  // namespace quantlab::runner
