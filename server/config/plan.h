// Makes the runs of an experiment file.
//
//   PlanResult result = PlanExperiment({files, inputs, only, false}, catalog);
//   if (result.ok()) … result.runs …
#ifndef QUANTLAB_SERVER_CONFIG_PLAN_H_
#define QUANTLAB_SERVER_CONFIG_PLAN_H_

#include <string>
#include <vector>

#include "base/config/run_config.h"
#include "base/records/records.h"
#include "catalog/catalog.h"
#include "yaml/diagnostics.h"

namespace quantlab {

// Files that the client uploaded for one name.
struct ProvidedAsset {
  std::string name;
  std::vector<AssetFile> files;
};

struct PlanRequest {
  std::vector<SourceFile> files;  // the experiment first, then what it includes
  std::vector<ProvidedAsset> inputs;
  std::vector<std::string> only;  // methods or run names; empty: all
  // False: inputs that are still missing are listed, but are not an error (validation).
  bool inputs_needed = true;
};

// A file or folder of the user that must be uploaded.
struct RequiredAsset {
  std::string name;
  std::string path;
  AssetRole role = AssetRole::kModel;
  std::string remedy;
};

struct PlannedRun {
  RunConfig config;  // without experiment_id
  std::string folder;
  std::vector<RunDependency> needs;
  std::string input_key;  // empty: never reused
  RunRequirements requirements;
};

struct PlanResult {
  std::string name;
  std::string report_language;
  int priority = 0;
  bool reuse = true;
  absl::Duration time_limit;
  std::vector<PlannedRun> runs;  // each run after its dependencies
  std::vector<RequiredAsset> required;
  Diagnostics diagnostics;

  bool ok() const { return !diagnostics.has_errors(); }
};

// Threads: a pure function.
PlanResult PlanExperiment(const PlanRequest& request, const Catalog& catalog);

// Digest of everything in a configuration that determines its result, except the worker
// (RunRecord::input_key). `needed`: the input keys of the runs that it needs, in order.
std::string InputKey(const RunConfig& config, const std::vector<std::string>& needed);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CONFIG_PLAN_H_
