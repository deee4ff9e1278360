// The method dynamic_quantization: every linear layer becomes a DynamicInt8Linear.
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "worker/engine/model/torch_status.h"
#include "worker/engine/quantize/dynamic_int8_linear.h"
#include "worker/engine/quantize/method.h"

namespace quantlab::engine {
namespace {

LayerPlan PlanLayer(const std::string& name, const DynamicInt8Linear& layer, bool per_channel) {
  LayerPlan plan;
  plan.name = name;
  plan.kind = LayerKind::kInt8Dynamic;
  plan.in_features = layer.in_features();
  plan.out_features = layer.out_features();
  plan.per_token = layer.options().per_token;
  plan.per_channel = per_channel;
  plan.reduce_range = layer.options().reduce_range;
  for (const auto& [suffix, tensor] : layer.tensors()) plan.tensors[suffix] = absl::StrCat(name, ".", suffix);
  return plan;
}

class DynamicQuantization : public QuantizationMethod {
 public:
  const MethodSpec& spec() const override { return *FindMethod("dynamic_quantization"); }

  absl::StatusOr<QuantizationResult> Apply(BertForSequenceClassification& model, const Params& params,
                                           const QuantizationContext& context) const override {
    QL_ASSIGN_OR_RETURN(const Params resolved, ResolveParams(spec(), params));
    const DynamicInt8Options options{std::get<std::string>(resolved.at("granularity")) == "per_token",
                                     std::get<bool>(resolved.at("reduce_range"))};
    const bool per_channel = std::get<std::string>(resolved.at("weight_granularity")) == "per_channel";
    int64_t total = 0;
    std::as_const(model).ForEachLinear([&total](const std::string&, const Linear&) { ++total; });
    QuantizationResult result{{spec().name, spec().version, resolved, {}}};
    absl::Status status;
    model.ForEachLinear([&](const std::string& name, std::unique_ptr<Linear>& slot) {
      if (!status.ok()) return;
      if (context.should_stop && context.should_stop()) {
        status = absl::CancelledError("stopped between two layers");
        return;
      }
      absl::StatusOr<LayerPlan> layer = QuantizeLayer(name, slot, options, per_channel);
      status = layer.status();
      if (!status.ok()) return;
      result.plan.layers.push_back(*std::move(layer));
      if (context.progress) context.progress(static_cast<int64_t>(result.plan.layers.size()), total);
    });
    QL_RETURN_IF_ERROR(status);
    return result;
  }

 private:
  // Replaces the layer in `slot`.
  static absl::StatusOr<LayerPlan> QuantizeLayer(const std::string& name, std::unique_ptr<Linear>& slot,
                                                 const DynamicInt8Options& options, bool per_channel) {
    const auto tensors = slot->tensors();
    const auto weight = tensors.find("weight");
    if (weight == tensors.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " is ", slot->precision().effective, " already; quantize an FP32 checkpoint"));
    }
    const auto bias = tensors.find("bias");
    return CatchTorch(absl::StrCat("quantizing ", name), [&]() -> absl::StatusOr<LayerPlan> {
      auto weights = QuantizeWeights(weight->second, per_channel);
      if (!weights.ok()) return Annotate(weights.status(), name);
      auto layer =
          DynamicInt8Linear::Create(*weights, bias == tensors.end() ? at::Tensor() : bias->second, options);
      if (!layer.ok()) return Annotate(layer.status(), name);
      LayerPlan plan = PlanLayer(name, **layer, per_channel);
      slot = *std::move(layer);
      return plan;
    });
  }
};

}  // namespace

std::unique_ptr<QuantizationMethod> MakeDynamicQuantization() {
  return std::make_unique<DynamicQuantization>();
}

}  // namespace quantlab::engine
