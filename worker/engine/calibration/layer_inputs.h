// The inputs of a model's linear layers while it predicts texts: for calibration, for measuring a layer's
// error, and for anything else that works on one layer at a time.
#ifndef QUANTLAB_WORKER_ENGINE_CALIBRATION_LAYER_INPUTS_H_
#define QUANTLAB_WORKER_ENGINE_CALIBRATION_LAYER_INPUTS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "worker/engine/models/encoder.h"
#include "worker/engine/train/trainer.h"

namespace quantlab::engine {

// Called with each linear layer's input, [rows, in], on the model's device, in order of computation; no
// padding among the rows. Layers that read the same tensor (query, key, value) receive the same one.
// Where LayerInfo::every_token is false, rows are the first tokens of the texts; else all tokens.
using InputVisitor = std::function<void(const std::string& layer, const at::Tensor& input)>;

// Runs `model` without gradients over `texts`, batch_size at a time, in their order, and calls `visit` with
// every layer's input. `on_batch` is called after each batch with the number of texts done; if it returns
// false, returns CANCELLED; may be empty. The model's layers are unchanged afterwards, also after an error.
absl::Status VisitLayerInputs(Encoder& model, absl::Span<const TokenizedText> texts, int batch_size,
                              const InputVisitor& visitor,
                              const std::function<bool(int64_t done)>& on_batch = {});

// `count` texts (or all, where there are fewer) drawn without replacement by `seed`, in order of index.
LabelledTexts SampleTexts(const LabelledTexts& texts, int64_t count, uint64_t seed);

// The first `count` texts (or all, where there are fewer) of those that SampleTexts(texts, used, seed) leaves
// out, in its order of drawing: for judging what was found on the others.
LabelledTexts HeldOutTexts(const LabelledTexts& texts, int64_t used, int64_t count, uint64_t seed);

// What quantization does to single layers, by their names.
struct LayerNoise {
  // Signal to quantization noise, dB: ten times the decimal logarithm of sum(y^2) / sum((y - q)^2), where y
  // is the output of the FP32 layer and q of the quantized one, both given the FP32 model's inputs. A layer
  // whose outputs are equal to the bit is left out.
  std::map<std::string, double> sqnr_db;
  // The median of the rows' own SQNR: the sums above are ruled by the rows with the largest outputs. A layer
  // half of whose rows are equal to the bit is left out.
  std::map<std::string, double> median_sqnr_db;
  // The largest magnitude of those inputs over their root mean square; layers whose inputs are all 0 are left
  // out.
  std::map<std::string, double> input_peak;
};

// Of each linear layer of `quantized` that is not FP32, for `texts`, on the device of both models.
absl::StatusOr<LayerNoise> MeasureLayerNoise(Encoder& fp32, const Encoder& quantized,
                                             absl::Span<const TokenizedText> texts, int batch_size);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_CALIBRATION_LAYER_INPUTS_H_
