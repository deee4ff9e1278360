#include "client/inputs/input_checks.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/config/run_config.h"
#include "base/messages/messages.h"
#include "base/messages/task.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "client/inputs/assets.h"
#include "proto/convert.h"
#include "worker/engine/data/dataset.h"
#include "worker/engine/input_checks/input_checks.h"

namespace quantlab::client {
namespace {

// Limits of a line: number of classes, and bytes of each name.
constexpr size_t kMaxClasses = 20, kMaxShown = 60;

// The run that reads model and dataset first; nullptr if the coordinator's answer has no runs.
const v1::RunConfig* FirstRun(const v1::Experiment& experiment) {
  for (const v1::Run& run : experiment.runs()) {
    if (run.config().kind() == v1::RUN_KIND_BASELINE) return &run.config();
  }
  return nullptr;
}

// Something missing or too large within an existing input is an error of the input: INVALID_ARGUMENT.
absl::Status AsInvalid(const absl::Status& status) {
  const bool of_input = absl::IsNotFound(status) || absl::IsResourceExhausted(status);
  return of_input ? absl::InvalidArgumentError(status.message()) : status;
}

Message DescribeDataset(const std::string& name, const engine::Dataset& data) {
  if (data.numeric) {
    return messages::kDatasetOfNumbers(name, data.format, data.summary.encoding, data.summary.rows_read,
                                       data.summary.lowest, data.summary.highest);
  }
  std::vector<std::string> classes;
  for (size_t i = 0; i < data.labels.size() && i < kMaxClasses; ++i) {
    classes.push_back(
        absl::StrCat(Shorten(data.labels[i], kMaxShown), " (", data.summary.class_rows[i], ")"));
  }
  if (data.labels.size() > kMaxClasses) classes.push_back("…");
  return messages::kDatasetIs(name, data.format, data.summary.encoding, data.summary.rows_read,
                              static_cast<int64_t>(data.labels.size()), classes);
}

// The local path of a role's input; nullopt if workers download it, or if it may still be downloaded.
absl::StatusOr<std::optional<std::string>> Locate(const v1::SubmitExperimentResponse& checked,
                                                  const std::string& role,
                                                  const std::string& experiment_folder,
                                                  const std::map<std::string, std::string>& overrides,
                                                  InputFindings* findings) {
  for (const v1::RequiredInput& required : checked.required_inputs()) {
    if (required.role() != role) continue;
    absl::StatusOr<std::string> path = LocateAsset(required, experiment_folder, overrides);
    if (path.ok()) {
      QL_RETURN_IF_ERROR(CheckAsset(required, experiment_folder, overrides));
      return std::optional<std::string>(*std::move(path));
    }
    const bool from_catalogue = !required.path().empty() && required.path() != required.name();
    if (!from_catalogue) return path.status();
    findings->absent.emplace_back(path.status().message());
  }
  return std::optional<std::string>();
}

}  // namespace

absl::StatusOr<InputFindings> CheckInputs(const v1::SubmitExperimentResponse& checked,
                                          const std::string& experiment_folder,
                                          const std::map<std::string, std::string>& overrides) {
  InputFindings findings;
  QL_ASSIGN_OR_RETURN(const auto model_path,
                      Locate(checked, "model", experiment_folder, overrides, &findings));
  QL_ASSIGN_OR_RETURN(const auto dataset_path,
                      Locate(checked, "dataset", experiment_folder, overrides, &findings));
  const v1::RunConfig* const first = FirstRun(checked.experiment());
  if (!dataset_path || first == nullptr) return findings;
  QL_ASSIGN_OR_RETURN(const RunConfig config, FromProto(*first));
  absl::StatusOr<engine::Dataset> dataset = engine::LoadDataset(config.dataset, *dataset_path);
  if (!dataset.ok()) return AsInvalid(dataset.status());
  findings.dataset = DescribeDataset(config.dataset.asset.name, *dataset);
  findings.caveats = std::move(dataset->summary.caveats);
  if (!model_path) return findings;
  QL_ASSIGN_OR_RETURN(const engine::CheckedModel model, engine::CheckModel(*model_path));
  QL_RETURN_IF_ERROR(engine::CheckTogether(config, model, *dataset));
  return findings;
}

}  // namespace quantlab::client
