// Several saved models in one process, timed against the best FP32 path of the first.
#ifndef QUANTLAB_WORKER_ENGINE_MEASURE_SIDE_BY_SIDE_H_
#define QUANTLAB_WORKER_ENGINE_MEASURE_SIDE_BY_SIDE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/config/device.h"
#include "worker/engine/measure/bench.h"
#include "worker/engine/models/saved_model.h"

namespace quantlab::engine {

struct SideBySideResult {
  BenchRun bench;               // the reference is the first model on its best FP32 path
  std::string fp32_path;        // the chosen kernel: "at::linear"
  std::string other_fp32_path;  // the other one; empty where there is only one, or none was timed
  double other_fp32_ratio = 1;  // its time over that of the chosen one
  // What the choice was made from; models: at::linear, again, the other path. Empty where there was no
  // choice.
  std::vector<BenchSample> trial;
};

// Ownership: owns the models.
// Threads:   Run from one thread at a time.
class SideBySide {
 public:
  struct Input {
    std::string name;
    std::string folder;
  };

  // Loads all of them onto `device`. The first must be FP32.
  // Errors: those of LoadModel; INVALID_ARGUMENT the first is quantized, or the shapes of two differ.
  static absl::StatusOr<std::unique_ptr<SideBySide>> Load(const std::vector<Input>& inputs,
                                                          const Device& device);

  const Encoder& model(size_t i) const { return *models_[i].model; }

  // Times everything against the FP32 path `fp32_path`, the fp32_path of an earlier result for this batch.
  // Empty: finds the best one by timing both. Errors: UNIMPLEMENTED the path does not exist here.
  // `remote` (borrowed) is timed with them.
  absl::StatusOr<SideBySideResult> Run(const BenchOptions& options, const std::string& fp32_path = "",
                                       const std::vector<RemoteModel*>& remote = {}) const;

 private:
  absl::Status ChoosePath(const BenchOptions& options, const Encoder& packed, SideBySideResult& result) const;

  std::vector<Input> inputs_;
  std::vector<LoadedModel> models_;
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MEASURE_SIDE_BY_SIDE_H_
