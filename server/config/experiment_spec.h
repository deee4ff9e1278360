// An experiment file, read and checked: what the user wrote, completed with defaults, before it becomes
// runs (plan.h).
//
// The keys, their ranges and their defaults:
//
//   name            letters, digits, . _ -; up to 64            the file's name without its ending
//   include         list of files, relative to this one; later ones win over earlier ones, and this file
//                   over all of them
//   seed, seeds     0 to 2^53; one seed, or a list               42
//   device          cpu, cuda                                    cpu
//   threads         0 to 1024; 0: one per core                   0
//   priority        -1000 to 1000; higher first                  0
//   reuse           take over results computed before            true
//   time_limit      of each run: "90m", "2h"; up to 720h         24h
//   report.language zh, en, both                                 both
//   experiments     baseline, comparison, and the methods (`quantctl methods`), each a map:
//     …enabled      true, false                                  true where the key stands
//     baseline.model, baseline.dataset                           minilm, imdb
//                   a name of the catalogue, or a path (with a '/' or a leading '.')
//     baseline.fine_tune  false: the checkpoint is fine-tuned    true
//     <method>.<parameter>  a value, or a list of values: a sweep over all combinations
//   dataset         train_size, validation_size, test_size (0: as the dataset's own splits or a fifth
//                   suggest), split_seed, max_length, format, text_column, label_column, filter_column,
//                   filter_value, labels; defaults: the catalogue's entry, then base/run_config.h
//   training        optimizer (adamw), epochs, batch_size, learning_rate, weight_decay, warmup_ratio,
//                   max_grad_norm, adam_beta1, adam_beta2, adam_epsilon, dropout, dtype (fp32, bf16);
//                   defaults: TrainingConfig in base/run_config.h
//   evaluation      metrics (all), batch_size, latency: {batch_sizes, sequence_length,
//                   warmup_iterations, min_samples, min_duration}; defaults: EvaluationConfig
#ifndef QUANTLAB_SERVER_CONFIG_EXPERIMENT_SPEC_H_
#define QUANTLAB_SERVER_CONFIG_EXPERIMENT_SPEC_H_

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/records.h"
#include "base/run_config.h"
#include "server/config/catalog.h"
#include "server/config/fields.h"

namespace quantlab {

inline constexpr int kMaxFiles = 64;
inline constexpr int64_t kMaxFileBytesInAll = 1 << 20;
inline constexpr size_t kMaxFileNameBytes = 1024;
inline constexpr int kMaxRuns = 1000;

// What a method's section asks for: one variant, or a sweep.
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

// As runs are called, but for the seed: "dynamic_quantization.granularity-per_tensor".
std::string VariantName(const MethodRequest& method, const MethodVariant& variant);

// A model or a dataset as the user wrote it.
struct NamedAsset {
  std::string name;
  Location at;
};

struct ExperimentSpec {
  std::string name;
  std::vector<uint64_t> seeds = {42};
  std::string device = "cpu";
  int threads = 0;
  int priority = 0;
  bool reuse = true;
  absl::Duration time_limit = absl::Hours(24);
  std::string report_language = "both";

  NamedAsset model = {"minilm", {}};
  NamedAsset dataset_name = {"imdb", {}};
  std::vector<MethodRequest> methods;  // enabled ones, in the order of AllMethods()
  bool comparison = false;

  DatasetConfig dataset;  // without its asset
  TrainingConfig training;
  EvaluationConfig evaluation;
};

// `files`: the experiment first, then what it includes. Every problem goes to `diagnostics`; the result
// is to be used only where they have no errors.
// The catalogue gives the row format of the dataset that is named.
ExperimentSpec ReadExperiment(const std::vector<SourceFile>& files, const Catalog& catalog,
                              Diagnostics& diagnostics);

// The name of a file that another one includes: relative to it, without "." and "..".
//   ResolveInclude("configs/a.yaml", "../b.yaml") == "b.yaml"
std::string ResolveInclude(const std::string& includer, const std::string& included);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CONFIG_EXPERIMENT_SPEC_H_
