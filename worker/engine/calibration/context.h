// The inputs of a quantization method and its parts, besides the model.
#ifndef QUANTLAB_WORKER_ENGINE_CALIBRATION_CONTEXT_H_
#define QUANTLAB_WORKER_ENGINE_CALIBRATION_CONTEXT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/config/run_config.h"
#include "base/messages/message.h"
#include "base/records/event.h"
#include "worker/engine/layers/linear.h"
#include "worker/engine/train/trainer.h"

namespace quantlab::engine {

class Encoder;

// What a method may use besides the model. It never gets test texts.
struct QuantizationContext {
  // Tokenized, with labels: for calibration and training. Required where the spec's inputs
  // have training_texts; else may be nullptr.
  const LabelledTexts* train = nullptr;
  // For every choice that a method makes by measuring accuracy. Required where the
  // spec's inputs have validation_texts; else may be nullptr.
  const LabelledTexts* validation = nullptr;
  // Of everything random; the run's seed.
  uint64_t seed = 0;
  // The experiment's training settings, from which a method that trains starts.
  TrainingConfig training;
  // The batch sizes and lengths at which a method that measures cost measures it.
  EvaluationConfig evaluation;

  // Called after each step of `phase` (messages::kQuantizing()), with what is counted ("layer");
  // false ends Apply with CANCELLED. Never from another thread. May be empty.
  std::function<bool(const Message& phase, int64_t done, int64_t total, const std::string& unit)> progress;
  // The method's results: metrics (calibration ranges, training curves), lines of the log, and files of its
  // own ("pareto.csv"). May be empty.
  std::function<void(Metric)> record;
  std::function<void(const std::string& line)> log;
  std::function<absl::Status(const std::string& name, const std::string& content)> write_file;
  // Records a caveat, such as a budget that could not be kept. May be empty.
  std::function<void(const std::string& code, const Message& message)> warn;
  // Seconds of one forward pass of a layer over `rows` rows, for methods that choose by cost. Empty: they
  // measure it. Tests set it, since measured times differ from run to run.
  std::function<double(const Linear& layer, int64_t rows)> layer_seconds;
  // Takes the FP32 model that a method trained before it quantized it: what the error of quantization is
  // measured against, since the weights are no longer those of the model that was given. May be empty.
  std::function<void(std::unique_ptr<Encoder> trained)> keep_trained;
  // Where a method that trains keeps the state of its training (train/checkpoints.h). nullptr: nowhere.
  Checkpoints* checkpoints = nullptr;

  // Call the callback of the same name where it is set. Report returns CANCELLED where `progress` returns
  // false.
  absl::Status Report(const Message& phase, int64_t done, int64_t total, const std::string& unit) const;
  void Record(Metric metric) const;
  void Log(const std::string& line) const;
  absl::Status WriteFile(const std::string& name, const std::string& content) const;
  void Warn(const std::string& code, const Message& message) const;
};

// A parameter by name, of the type that its spec has.
template <typename T>
const T& Param(const Params& params, const std::string& name) {
  return std::get<T>(params.at(name));
}

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_CALIBRATION_CONTEXT_H_
