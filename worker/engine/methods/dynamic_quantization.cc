// The method dynamic_quantization: every linear layer becomes a DynamicInt8Linear.
#include "base/status_macros.h"
#include "worker/engine/layers/dynamic_int8_linear.h"
#include "worker/engine/methods/method.h"

namespace quantlab::engine {
namespace {

class DynamicQuantization : public QuantizationMethod {
 public:
  const MethodSpec& spec() const override { return *FindMethod("dynamic_quantization"); }

 protected:
  absl::Status Quantize(Encoder& model, const Params& params,
                        const QuantizationContext& context) const override {
    const DynamicInt8Options options{Param<std::string>(params, "granularity") == "per_token",
                                     Param<bool>(params, "reduce_range")};
    const bool per_channel = Param<std::string>(params, "weight_granularity") == "per_channel";
    return ReplaceLinears(
        model, context,
        [&](const std::string&, const LinearFp32& layer) -> absl::StatusOr<std::unique_ptr<Linear>> {
          QL_ASSIGN_OR_RETURN(const Int8Weights weights, QuantizeWeights(layer.weight(), per_channel));
          return DynamicInt8Linear::Create(weights, layer.bias(), options);
        });
  }
};

}  // namespace

std::unique_ptr<QuantizationMethod> MakeDynamicQuantization() {
  return std::make_unique<DynamicQuantization>();
}

}  // namespace quantlab::engine
