#include "worker/runner/comparison/runtime_plan.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/text/json_depth.h"

namespace quantlab::runner {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxPlanBytes = int64_t{16} << 20;

absl::StatusOr<std::string> TextOf(const Json& json, const char* key) {
  const auto it = json.is_object() ? json.find(key) : json.end();
  if (!json.is_object() || it == json.end() || !it->is_string()) {
    return absl::InvalidArgumentError(absl::StrCat("no text ", key));
  }
  return it->get<std::string>();
}

absl::StatusOr<const Json*> ListOf(const Json& json, const char* key) {
  const auto it = json.is_object() ? json.find(key) : json.end();
  if (!json.is_object() || it == json.end() || !it->is_array()) {
    return absl::InvalidArgumentError(absl::StrCat("no list ", key));
  }
  return &*it;
}

absl::StatusOr<PlannedRuntime> RuntimeFrom(const Json& json) {
  PlannedRuntime runtime;
  QL_ASSIGN_OR_RETURN(runtime.name, TextOf(json, "name"));
  QL_ASSIGN_OR_RETURN(const Json* argv, ListOf(json, "argv"));
  for (const Json& word : *argv) {
    if (!word.is_string()) return absl::InvalidArgumentError("argv must be texts");
    runtime.argv.push_back(word.get<std::string>());
  }
  QL_ASSIGN_OR_RETURN(const Json* models, ListOf(json, "models"));
  for (const Json& model : *models) {
    PlannedRuntime::Model& planned = runtime.models.emplace_back();
    QL_ASSIGN_OR_RETURN(planned.folder, TextOf(model, "folder"));
    QL_ASSIGN_OR_RETURN(planned.format, TextOf(model, "format"));
  }
  return runtime;
}

absl::StatusOr<RuntimePlan> PlanFrom(const std::string& text) {
  QL_RETURN_IF_ERROR(CheckJsonDepth(text));
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.value("version", Json()) != 1) {
    return absl::InvalidArgumentError("no JSON of version 1");
  }
  QL_ASSIGN_OR_RETURN(const Json* runtimes, ListOf(json, "runtimes"));
  RuntimePlan plan;
  for (const Json& runtime : *runtimes) {
    QL_ASSIGN_OR_RETURN(plan.emplace_back(), RuntimeFrom(runtime));
  }
  return plan;
}

}  // namespace

absl::Status WriteRuntimePlan(const RuntimePlan& plan, const std::string& path) {
  Json runtimes = Json::array();
  for (const PlannedRuntime& runtime : plan) {
    Json models = Json::array();
    for (const PlannedRuntime::Model& model : runtime.models) {
      models.push_back({{"folder", model.folder}, {"format", model.format}});
    }
    runtimes.push_back({{"name", runtime.name}, {"argv", runtime.argv}, {"models", models}});
  }
  const Json json = {{"version", 1}, {"runtimes", runtimes}};
  return WriteFileAtomically(path, json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

absl::StatusOr<RuntimePlan> ReadRuntimePlan(const std::string& path) {
  QL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxPlanBytes));
  absl::StatusOr<RuntimePlan> plan = PlanFrom(text);
  return plan.ok() ? plan : Annotate(plan.status(), path);
}

}  // namespace quantlab::runner
