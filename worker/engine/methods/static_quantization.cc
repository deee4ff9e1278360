// The method static_quantization: calibration, then every linear layer becomes a StaticInt8Linear.
#include <utility>

#include "base/status_macros.h"
#include "worker/engine/calibration/layer_inputs.h"
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
    const LabelledTexts texts =
        SampleTexts(*context.train, Param<int64_t>(params, "calibration_texts"), context.seed);
    const CalibrationOptions options = CalibrationOptionsFrom(params);
    QL_ASSIGN_OR_RETURN(const auto calibration, CalibrateInputs(model, texts, options, context));
    QL_RETURN_IF_ERROR(context.WriteFile("calibration.csv", CalibrationToCsv(calibration)));
    QL_ASSIGN_OR_RETURN(LayerMap layers, MakeStaticLayers(model, calibration, texts,
                                                          {options.weight_per_channel, options.weight_bits},
                                                          Param<bool>(params, "bias_correction"), context));
    InstallLayers(model, std::move(layers));
    return absl::OkStatus();
  }
};

}  // namespace

std::unique_ptr<QuantizationMethod> MakeStaticQuantization() {
  return std::make_unique<StaticQuantization>();
}

}  // namespace quantlab::engine
