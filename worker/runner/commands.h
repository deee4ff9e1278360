// The subcommands of quant-runner that work without a server: one function each.
#ifndef QUANTLAB_WORKER_RUNNER_COMMANDS_H_
#define QUANTLAB_WORKER_RUNNER_COMMANDS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/config/device.h"
#include "base/config/run_config.h"
#include "worker/runner/comparison/timing_child.h"

namespace quantlab::runner {

struct TokenizeOptions {
  std::string model;
  int max_length = 0;  // 0: no limit
  bool pairs = false;  // lines are two texts, separated by a tab; also where config.json says so
};
// Standard input's lines to JSON arrays of ids, one a line; pairs to objects with "ids" and "token_types".
absl::Status Tokenize(const TokenizeOptions& options);

struct PredictOptions {
  std::string model;
  Device device;
  int threads = 0;
  int max_length = 0;  // 0: as many tokens as the model has positions
  int batch_size = 1;
  // A safetensors file to write with the first line's output of each linear layer, FP32 [rows, out], named
  // INDEX/LAYER in order of computation. Empty: none.
  std::string layer_outputs;
  bool layer_by_layer = false;  // without the execution plan
  bool pairs = false;           // lines are two texts, separated by a tab; also where config.json says so
};
// Standard input's lines to JSON arrays of logits, one a line. Errors of a line name its number. Prints as
// soon as a batch is full or no more input is waiting.
absl::Status Predict(const PredictOptions& options);

struct BenchCommandOptions {
  std::vector<std::string> models;  // the first is the FP32 baseline
  Device device;
  int threads = 0;
  std::vector<int> batch_sizes = EvaluationConfig().latency_batch_sizes;
  int sequence_length = EvaluationConfig().latency_sequence_lengths.front();
  int warmup_iterations = EvaluationConfig().warmup_iterations;
  int min_samples = EvaluationConfig().min_samples;
  double min_duration_seconds = EvaluationConfig().min_duration_seconds;
  uint64_t seed = 42;
  bool json = false;
};
absl::Status Bench(const BenchCommandOptions& options);

// Times models in this process and prints the report for the process that started it (timing_json.h).
absl::Status PrintTimes(const TimingRequest& request);

// What this machine and LibTorch can do; `json` is what a worker reads.
absl::Status Info(bool json);

// Errors: those of engine::TestDevice.
absl::Status SelfTest(const Device& device, int threads);

// Writes to standard output. Errors: UNKNOWN it is closed or full.
absl::Status Print(const std::string& text);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_COMMANDS_H_
