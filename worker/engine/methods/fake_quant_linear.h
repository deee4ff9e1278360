// A linear layer in quantization-aware training: its weights and its input are quantized and dequantized, so
// that the loss includes the rounding error. Gradients pass straight through (Bengio 2013; Jacob 2018, arXiv
// 1712.05877) except where a value was clipped.
#ifndef QUANTLAB_WORKER_ENGINE_METHODS_FAKE_QUANT_LINEAR_H_
#define QUANTLAB_WORKER_ENGINE_METHODS_FAKE_QUANT_LINEAR_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "worker/engine/calibration/calibration.h"
#include "worker/engine/layers/linear.h"

namespace quantlab::engine {

struct FakeQuantOptions {
  int weight_bits = 8;
  bool per_channel = true;
  // Step sizes are parameters too (LSQ, Esser 2020, arXiv 1902.08153); false: they follow the weights' range
  // and a moving average of the input's.
  bool learned_steps = false;
  double averaging_constant = 0.01;  // of the input's range, as torch.ao's MovingAverageMinMaxObserver
};

// First step size of LSQ for each row of `weight` [out, in] (per_channel) or for all of it:
// 2 mean|w| / sqrt(Q_P), Q_P = 2^(bits-1) - 1; float [out] or [1]. Source: Esser 2020, sec. 2.1.
at::Tensor LsqInitialStep(const at::Tensor& weight, bool per_channel, int bits);

// 1 / sqrt(N Q_P): LSQ's scale for the gradient of a step size that N values share (Esser 2020, sec. 2.2).
double LsqGradientScale(int64_t values, int quant_max);

// A learned step size s is the parameter log(s / s_0) / kLearnedStepRate: AdamW moves every parameter by
// about the learning rate whatever its size, and a step size must move in proportion to its own.
inline constexpr double kLearnedStepRate = 10;

// Ownership: shares the FP32 layer's weight and bias, which training changes.
// Threads:   one: Forward updates the input's range while it observes.
class FakeQuantLinear : public Linear {
 public:
  static constexpr char kKind[] = "fake_quant";  // never saved: training ends with Convert

  // `calibration` without smoothing: the first range of the input.
  FakeQuantLinear(const LinearFp32& layer, const LayerCalibration& calibration,
                  const FakeQuantOptions& options);

  // The integer layer that computes what this one simulates. Errors: those of StaticInt8Linear::Create.
  absl::StatusOr<std::unique_ptr<Linear>> Convert() const;

  // Whether Forward still updates the input's range. Has no effect with learned steps.
  void SetObserving(bool observing) { observing_ = observing; }

  // What training reads and changes besides the parameters, for a checkpoint: {"range": float [2]} and, with
  // learned steps, {"first_input": double [2], "first_weight_step": float, as its step}.
  std::map<std::string, at::Tensor> Observed() const;
  // Sets it from such tensors. Errors: INVALID_ARGUMENT one is missing or malformed; nothing has changed.
  absl::Status Restore(const std::map<std::string, at::Tensor>& observed);

  at::Tensor Forward(const at::Tensor& x) const override;
  // Fake-quantizes the input once where all layers do so alike.
  std::vector<at::Tensor> ForwardTogether(const at::Tensor& x,
                                          const std::vector<const Linear*>& others) const override;
  int64_t in_features() const override { return weight_.size(1); }
  int64_t out_features() const override { return weight_.size(0); }
  LayerPrecision precision() const override { return {kKind, kKind, "at::linear", {}}; }
  std::string kind() const override { return kKind; }
  std::map<std::string, at::Tensor> tensors() const override { return parameters(); }
  // {"weight", "bias"} and, with learned steps, {"weight_step": [out] or [1], "input_step": [1]}.
  std::map<std::string, at::Tensor> parameters() const override;
  void To(const at::Device& device) override;

 private:
  ActivationParams InputParams() const;
  void ObserveInput(const at::Tensor& x) const;
  at::Tensor FakeQuantizeInput(const at::Tensor& x) const;
  at::Tensor FakeQuantizedWeight() const;
  at::Tensor Product(const at::Tensor& fake_quantized) const;
  at::Tensor WeightStep() const;  // differentiable with learned steps

  FakeQuantOptions options_;
  at::Tensor weight_, bias_;
  mutable ActivationRange range_;  // of the input
  bool observing_ = true;
  ActivationParams first_input_;         // with learned steps: what input_step_ starts from
  at::Tensor first_weight_step_;         // [out] or [1]: what weight_step_ starts from
  at::Tensor weight_step_, input_step_;  // parameters of learned steps; undefined without
};

// Puts a FakeQuantLinear into every slot of `model`, whose layers are FP32 and calibrated.
void InstallFakeQuant(Encoder& model, const std::map<std::string, LayerCalibration>& calibration,
                      const FakeQuantOptions& options);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_METHODS_FAKE_QUANT_LINEAR_H_
