// Calibration: the quantization of each linear layer's input to bytes, from the inputs that the FP32 model's
// layers receive while it predicts a part of the training texts.
#ifndef QUANTLAB_WORKER_ENGINE_CALIBRATION_CALIBRATION_H_
#define QUANTLAB_WORKER_ENGINE_CALIBRATION_CALIBRATION_H_

#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "worker/engine/calibration/context.h"
#include "worker/engine/calibration/observer.h"
#include "worker/engine/layers/static_int8_linear.h"
#include "worker/engine/models/encoder.h"

namespace quantlab::engine {

enum class Smoothing {
  kOff,
  kGiven,   // CalibrationOptions::alpha for every layer
  kSearch,  // the best alpha of each group of layers that read one input
};

// Texts of each forward pass over calibration texts. Fixed, since moving averages and the sample of rows that
// SmoothQuant searches with depend on it.
inline constexpr int kCalibrationBatch = 32;

struct CalibrationOptions {
  ObserverOptions observer;
  Smoothing smoothing = Smoothing::kOff;
  double alpha = 0.5;  // kGiven
  // How the weights of these layers are quantized; the search for alpha measures errors with them.
  bool weight_per_channel = true;
  int weight_bits = 8;
};

struct LayerCalibration {
  ActivationRange range;        // of the input, after smoothing
  StaticInput input;            // the same as scale and zero point, with 1 / s
  std::optional<double> alpha;  // of SmoothQuant, where it is used
};

// Returns calibrations by layer. Layers that read one tensor (query, key and value) share a calibration, so
// that it is quantized once. Makes at most two passes over `texts`, and one more for smoothing; keeps only
// sums, histograms and a sample of rows. Deterministic.
// Errors: INVALID_ARGUMENT an input that is not finite, with the layer's name; CANCELLED by context.progress.
absl::StatusOr<std::map<std::string, LayerCalibration>> CalibrateInputs(Encoder& model,
                                                                        const LabelledTexts& texts,
                                                                        const CalibrationOptions& options,
                                                                        const QuantizationContext& context);

// calibration.csv: one line for each layer.
std::string CalibrationToCsv(const std::map<std::string, LayerCalibration>& calibration);

// The parameters that methods with a calibration share (base/config/methods.cc).
CalibrationOptions CalibrationOptionsFrom(const Params& params);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_CALIBRATION_CALIBRATION_H_
