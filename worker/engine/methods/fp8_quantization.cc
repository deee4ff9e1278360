// The method fp8_quantization: every linear layer becomes an Fp8Linear.
#include "base/status_macros.h"
#include "worker/engine/layers/fp8_linear.h"
#include "worker/engine/methods/method.h"

namespace quantlab::engine {
namespace {

class Fp8Quantization : public QuantizationMethod {
 public:
  const MethodSpec& spec() const override { return *FindMethod("fp8_quantization"); }

 protected:
  absl::Status Quantize(Encoder& model, const Params& params,
                        const QuantizationContext& context) const override {
    const bool per_token = Param<std::string>(params, "granularity") == "per_token";
    const bool per_channel = Param<std::string>(params, "weight_granularity") == "per_channel";
    return ReplaceLinears(
        model, context,
        [&](const std::string&, const LinearFp32& layer) -> absl::StatusOr<std::unique_ptr<Linear>> {
          QL_ASSIGN_OR_RETURN(const Fp8Weights weights, QuantizeWeightsToFp8(layer.weight(), per_channel));
          return Fp8Linear::Create(weights, layer.bias(), per_token);
        });
  }
};

}  // namespace

std::unique_ptr<QuantizationMethod> MakeFp8Quantization() {
  return std::make_unique<Fp8Quantization>();
}

}  // namespace quantlab::engine
