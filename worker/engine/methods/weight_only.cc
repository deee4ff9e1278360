// The method weight_only: INT8 or INT4 weights, floating-point activations; rounded to nearest or by GPTQ.
#include <string>
#include <utility>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "base/messages.h"
#include "base/numbers.h"
#include "base/status_macros.h"
#include "worker/engine/calibration/gptq.h"
#include "worker/engine/calibration/layer_inputs.h"
#include "worker/engine/layers/int4_packing.h"
#include "worker/engine/layers/weight_grid.h"
#include "worker/engine/layers/weight_only_linear.h"
#include "worker/engine/methods/method.h"

namespace quantlab::engine {
namespace {

// Calibration texts per batch. Affects only the memory for their activations.
constexpr int kHessianBatch = 8;

// By layer, of its inputs. Layers that read the same tensor (query, key, value) share one.
using Hessians = std::map<std::string, std::shared_ptr<Hessian>>;

absl::StatusOr<Hessians> CollectHessians(Encoder& model, const LabelledTexts& sample,
                                         const QuantizationContext& context) {
  Hessians hessians;
  at::Tensor last_input;
  std::shared_ptr<Hessian> last;
  const auto add = [&](const std::string& layer, const at::Tensor& x) {
    if (!last_input.defined() || !last_input.is_same(x)) {
      std::shared_ptr<Hessian>& own = hessians[layer];
      if (own == nullptr) own = std::make_shared<Hessian>();
      own->Add(x);
      last = own;
    }
    last_input = x;
    hessians[layer] = last;
  };
  absl::Status report;
  const int64_t total = static_cast<int64_t>(sample.texts.size());
  const absl::Status visited = VisitLayerInputs(model, sample.texts, kHessianBatch, add, [&](int64_t done) {
    report = context.Report(messages::kCalibrating(), done, total, "text");
    return report.ok();
  });
  QL_RETURN_IF_ERROR(report);
  QL_RETURN_IF_ERROR(visited);
  return hessians;
}

// calibration.csv: the inputs on which each layer was rounded, and the remaining error of its output (gptq.h,
// OutputError) beside that of rounding to nearest.
class CalibrationLog {
 public:
  void Add(const std::string& layer, const at::Tensor& weight, const GridWeights& rounded,
           const Hessian& hessian, const GridOptions& grid) {
    const at::Tensor matrix = hessian.Matrix();
    const auto error = [&](const GridWeights& weights) {
      return OutputError(weight, Dequantize(weights, grid.group_size, grid.bf16_scales), matrix);
    };
    absl::StrAppend(
        &csv_, layer, ",", hessian.rows(), ",", at::eq(matrix.diagonal(), 0).sum().item().toLong(), ",",
        RoundTrip(error(RoundToNearest(weight, grid).value())), ",", RoundTrip(error(rounded)), "\n");
  }
  const std::string& csv() const { return csv_; }

 private:
  std::string csv_ = "layer,rows,unused_inputs,error_nearest,error_gptq\n";
};

class WeightOnly : public QuantizationMethod {
 public:
  const MethodSpec& spec() const override { return *FindMethod("weight_only"); }

 protected:
  absl::Status Quantize(Encoder& model, const Params& params,
                        const QuantizationContext& context) const override {
    const GptqOptions options = Options(params);
    if (Param<std::string>(params, "algorithm") == "rtn") {
      return ReplaceLinears(model, context, [&](const std::string&, const LinearFp32& layer) {
        return Make(layer, RoundToNearest(layer.weight(), options.grid), options.grid);
      });
    }
    const LabelledTexts sample =
        SampleTexts(*context.train, Param<int64_t>(params, "calibration_texts"), context.seed);
    QL_ASSIGN_OR_RETURN(const Hessians hessians, CollectHessians(model, sample, context));
    CalibrationLog log;
    QL_RETURN_IF_ERROR(ReplaceLinears(model, context, [&](const std::string& name, const LinearFp32& layer) {
      const Hessian& hessian = *hessians.at(name);
      auto rounded = Gptq(layer.weight(), hessian.Matrix(), options);
      if (rounded.ok()) log.Add(name, layer.weight(), *rounded, hessian, options.grid);
      return Make(layer, std::move(rounded), options.grid);
    }));
    return context.WriteFile("calibration.csv", log.csv());
  }

 private:
  static GptqOptions Options(const Params& params) {
    GptqOptions options;
    if (Param<std::string>(params, "dtype") == "int8") {
      options.grid = {8, 0, true, false};
    } else {
      options.grid = {4, std::stoll(Param<std::string>(params, "group_size")),
                      Param<bool>(params, "symmetric"), true};
    }
    options.damping = Param<double>(params, "damping");
    options.activation_order = Param<bool>(params, "activation_order");
    return options;
  }

  static absl::StatusOr<std::unique_ptr<Linear>> Make(const LinearFp32& layer,
                                                      const absl::StatusOr<GridWeights>& rounded,
                                                      const GridOptions& grid) {
    QL_RETURN_IF_ERROR(rounded.status());
    QL_ASSIGN_OR_RETURN(std::unique_ptr<Linear> linear, Wrap(*rounded, layer.bias(), grid));
    return KeepIfSmaller(layer, std::move(linear));
  }

  // Rounds and packs on the CPU, then moves the result to the layer's device.
  static absl::StatusOr<std::unique_ptr<Linear>> Wrap(const GridWeights& rounded, const at::Tensor& bias,
                                                      const GridOptions& grid) {
    const at::Tensor cpu_bias = bias.defined() ? bias.cpu() : bias;
    const at::Tensor integers = rounded.quantized.cpu(), scale = rounded.scale.cpu();
    std::unique_ptr<Linear> linear;
    if (grid.bits == 8) {
      QL_ASSIGN_OR_RETURN(linear, Int8WeightOnlyLinear::Create({integers, scale.squeeze(1)}, cpu_bias));
    } else {
      const at::Tensor zero = rounded.zero_point.defined() ? rounded.zero_point.cpu() : at::Tensor();
      QL_ASSIGN_OR_RETURN(linear,
                          Int4WeightOnlyLinear::Create({PackInt4(integers), scale.to(at::kBFloat16), zero},
                                                       integers.size(1), grid.group_size, cpu_bias));
    }
    return linear;
  }

  static int64_t Bytes(const Linear& layer) {
    int64_t bytes = 0;
    for (const auto& [role, tensor] : layer.tensors()) bytes += static_cast<int64_t>(tensor.nbytes());
    return bytes;
  }

  static std::unique_ptr<Linear> KeepIfSmaller(const LinearFp32& layer, std::unique_ptr<Linear> linear) {
    if (const int64_t fp32 = Bytes(layer), quantized = Bytes(*linear); quantized >= fp32) {
      auto kept = std::make_unique<LinearFp32>(layer.weight(), layer.bias());
      kept->KeepInsteadOf(linear->kind(), messages::kLargerThanFp32(quantized, fp32));
      return kept;
    }
    linear->To(layer.weight().device());
    return linear;
  }
};

}  // namespace

std::unique_ptr<QuantizationMethod> MakeWeightOnly() {
  return std::make_unique<WeightOnly>();
}

}  // namespace quantlab::engine
