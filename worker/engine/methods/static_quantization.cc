// The method static_quantization: calibration, then every linear layer becomes a StaticInt8Linear. Whether a
// searched SmoothQuant is kept is judged by the answers of the whole model on other texts.
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "worker/engine/calibration/layer_inputs.h"
#include "worker/engine/methods/answers.h"
#include "worker/engine/methods/method.h"
#include "worker/engine/methods/static_layers.h"

namespace quantlab::engine {
namespace {

class StaticQuantization : public QuantizationMethod {
 public:
  const MethodSpec& spec() const override { return *FindMethod("static_quantization"); }

 protected:
  absl::Status Quantize(Encoder& model, const Params& params,
                        const QuantizationContext& context) const override {
    const int64_t count = Param<int64_t>(params, "calibration_texts");
    const LabelledTexts texts = SampleTexts(*context.train, count, context.seed);
    CalibrationOptions options = CalibrationOptionsFrom(params);
    QL_ASSIGN_OR_RETURN(Candidate chosen, Make(model, texts, options, params, context));
    // What lowers the errors of single layers on the calibration texts may not lower those of the model on
    // others.
    const LabelledTexts others = HeldOutTexts(*context.train, count, kJudgingTexts, context.seed);
    if (options.smoothing == Smoothing::kSearch && !others.texts.empty()) {
      options.smoothing = Smoothing::kOff;
      QuantizationContext quiet = context;  // caveats of the calibration were recorded already
      quiet.warn = nullptr;
      QL_ASSIGN_OR_RETURN(Candidate plain, Make(model, texts, options, params, quiet));
      QL_ASSIGN_OR_RETURN(const bool smooth, SmoothingIsBetter(model, chosen, plain, others, context));
      if (!smooth) chosen = std::move(plain);
    }
    if (options.smoothing == Smoothing::kSearch && others.texts.empty()) {
      context.Log("every training text calibrates, so that none is left to judge smoothing by: it is kept");
    }
    QL_RETURN_IF_ERROR(context.WriteFile("calibration.csv", CalibrationToCsv(chosen.calibration)));
    InstallLayers(model, std::move(chosen.layers));
    return absl::OkStatus();
  }

 private:
  // Training examples outside the calibration by which smoothing is judged.
  static constexpr int64_t kJudgingTexts = 64;

  struct Candidate {
    std::map<std::string, LayerCalibration> calibration;
    LayerMap layers;
  };

  static absl::StatusOr<Candidate> Make(Encoder& model, const LabelledTexts& texts,
                                        const CalibrationOptions& options, const Params& params,
                                        const QuantizationContext& context) {
    Candidate candidate;
    QL_ASSIGN_OR_RETURN(candidate.calibration, CalibrateInputs(model, texts, options, context));
    QL_ASSIGN_OR_RETURN(candidate.layers, MakeStaticLayers(model, candidate.calibration, texts,
                                                           {options.weight_per_channel, options.weight_bits},
                                                           Param<bool>(params, "bias_correction"), context));
    return candidate;
  }

  // By the divergence of the model's answers from FP32's. Leaves the model as it was.
  static absl::StatusOr<bool> SmoothingIsBetter(Encoder& model, Candidate& smoothed, Candidate& plain,
                                                const LabelledTexts& texts,
                                                const QuantizationContext& context) {
    const int batch_size = std::max(1, context.evaluation.batch_size);
    QL_ASSIGN_OR_RETURN(const Answers fp32, Ask(model, texts, batch_size));
    double divergence[2] = {};
    Candidate* const candidates[2] = {&smoothed, &plain};
    for (int i = 0; i < 2; ++i) {
      SwapLayers(model, candidates[i]->layers);
      const absl::StatusOr<Answers> answers = Ask(model, texts, batch_size);
      SwapLayers(model, candidates[i]->layers);
      QL_RETURN_IF_ERROR(answers.status());
      divergence[i] = DivergenceOf(fp32, *answers).value;
    }
    context.Log(absl::StrFormat(
        "smooth_quant: on %d texts outside the calibration the model's answers diverge by %.3e nats with "
        "smoothing, %.3e without; %s is taken",
        texts.texts.size(), divergence[0], divergence[1],
        divergence[0] <= divergence[1] ? "with" : "without"));
    return divergence[0] <= divergence[1];
  }

  // Exchanges the model's layers and those of `layers`.
  static void SwapLayers(Encoder& model, LayerMap& layers) {
    model.ForEachLinear([&](const LayerInfo& info, std::unique_ptr<Linear>& slot) {
      if (const auto it = layers.find(info.name); it != layers.end()) std::swap(slot, it->second);
    });
  }
};

}  // namespace

std::unique_ptr<QuantizationMethod> MakeStaticQuantization() {
  return std::make_unique<StaticQuantization>();
}

}  // namespace quantlab::engine
