// An experiment file, read, checked and completed with defaults. It is the input of plan.h, which makes the
// runs.
//
// base/config/settings.h has the keys with their ranges and defaults, MethodSpec::params those of the
// methods. Rules over several keys are in experiment_spec.cc and method_rules.h. Defaults of dataset's
// columns and labels come from the catalogue's entry, where there is one.
#ifndef QUANTLAB_SERVER_CONFIG_EXPERIMENT_SPEC_H_
#define QUANTLAB_SERVER_CONFIG_EXPERIMENT_SPEC_H_

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/config/run_config.h"
#include "base/config/settings.h"
#include "base/records/records.h"
#include "catalog/catalog.h"
#include "yaml/fields.h"

namespace quantlab {

inline constexpr int kMaxFiles = 64;
inline constexpr int64_t kMaxFileBytesInAll = 1 << 20;
inline constexpr size_t kMaxFileNameBytes = 1024;
inline constexpr int kMaxRuns = 1000;

// The request of a method's section: one variant, or a sweep.
struct MethodVariant {
  Params params;       // resolved
  std::string suffix;  // "granularity-per_tensor.reduce_range-true"; empty where nothing is swept
};
struct MethodRequest {
  const MethodSpec* spec = nullptr;
  Location at;
  std::vector<MethodVariant> variants;
  std::set<std::string> given;  // parameters that the file names; the others have their defaults
};

// The name of its runs without the seed: "dynamic_quantization.granularity-per_tensor".
std::string VariantName(const MethodRequest& method, const MethodVariant& variant);

// A model or a dataset as the user wrote it.
struct NamedAsset {
  std::string name;
  Location at;
};

struct ExperimentSpec {
  std::string name;
  std::vector<uint64_t> seeds = {42};
  ExperimentOptions options;

  NamedAsset model = {"minilm", {}};
  NamedAsset dataset_name = {"imdb", {}};
  std::vector<MethodRequest> methods;  // enabled ones, in the order of AllMethods()
  bool comparison = false;
  std::vector<std::string> runtimes;  // of the comparison, as the file lists them

  DatasetConfig dataset;  // without its asset
  TrainingConfig training;
  EvaluationConfig evaluation;
};

// `files`: the experiment first, then what it includes. Every problem goes to `diagnostics`; the result
// is valid only where they have no errors. The catalogue provides the row format of the dataset that is
// named.
ExperimentSpec ReadExperiment(const std::vector<SourceFile>& files, const Catalog& catalog,
                              Diagnostics& diagnostics);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CONFIG_EXPERIMENT_SPEC_H_
