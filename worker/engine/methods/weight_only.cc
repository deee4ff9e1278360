// The method weight_only: INT8 or INT4 weights, floating-point activations; rounded to nearest or by GPTQ.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "base/messages/messages.h"
#include "base/statistics/numbers.h"
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
// Training examples outside the calibration on which its errors are measured again.
constexpr int64_t kHeldOutTexts = 64;

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

// calibration.csv: the inputs on which each layer was rounded, the damping that was used, and the remaining
// error of its output (gptq.h, OutputError) beside that of rounding to nearest: on the calibration texts,
// which the rounding has seen, and on other training examples, where there are any.
class CalibrationLog {
 public:
  // hessian: of the calibration texts; others: of the others, or null.
  void Add(const std::string& layer, const at::Tensor& weight, const GridWeights& rounded, double damping,
           const Hessian& hessian, const Hessian* others, const GridOptions& grid) {
    const at::Tensor matrix = hessian.Matrix();
    const GridWeights nearest = RoundToNearest(weight, grid).value();
    const auto error = [&](const GridWeights& weights, const at::Tensor& h) {
      return RoundTrip(OutputError(weight, Dequantize(weights, grid.group_size, grid.bf16_scales), h));
    };
    absl::StrAppend(&csv_, layer, ",", hessian.rows(), ",",
                    at::eq(matrix.diagonal(), 0).sum().item().toLong(), ",", RoundTrip(damping), ",",
                    error(nearest, matrix), ",", error(rounded, matrix), ",");
    if (others != nullptr) {
      const at::Tensor h = others->Matrix();
      absl::StrAppend(&csv_, others->rows(), ",", error(nearest, h), ",", error(rounded, h), "\n");
    } else {
      csv_ += "0,,\n";
    }
  }
  const std::string& csv() const { return csv_; }

 private:
  std::string csv_ =
      "layer,rows,unused_inputs,damping,error_nearest,error_gptq,rows_held_out,error_nearest_held_out,"
      "error_gptq_held_out\n";
};

// A layer's weights rounded by GPTQ.
struct Rounded {
  GridWeights weights;
  double damping = 0;
};

// With more damping where there are fewer rows than inputs, so that the Hessian says nothing about most
// directions: the damping with the least error on other texts. others: null where there are none.
absl::StatusOr<Rounded> RoundByGptq(const at::Tensor& weight, const Hessian& hessian, const Hessian* others,
                                    GptqOptions options) {
  const at::Tensor matrix = hessian.Matrix();
  const bool few = others != nullptr && hessian.rows() < weight.size(1);
  Rounded best;
  std::optional<double> least;
  for (const double factor : {1.0, 10.0, 100.0}) {
    GptqOptions damped = options;
    damped.damping = std::min(1.0, options.damping * factor);
    QL_ASSIGN_OR_RETURN(GridWeights weights, Gptq(weight, matrix, damped));
    if (!few) return Rounded{std::move(weights), damped.damping};
    const double error = OutputError(
        weight, Dequantize(weights, options.grid.group_size, options.grid.bf16_scales), others->Matrix());
    if (least.has_value() && error >= *least) continue;
    least = error;
    best = {std::move(weights), damped.damping};
  }
  return best;
}

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
    const int64_t count = Param<int64_t>(params, "calibration_texts");
    QL_ASSIGN_OR_RETURN(const Hessians hessians,
                        CollectHessians(model, SampleTexts(*context.train, count, context.seed), context));
    const LabelledTexts held_out = HeldOutTexts(*context.train, count, kHeldOutTexts, context.seed);
    Hessians others;
    if (!held_out.texts.empty()) {
      QL_ASSIGN_OR_RETURN(others, CollectHessians(model, held_out, context));
    }
    if (held_out.texts.empty()) {
      context.Log(
          "every training text calibrates, so that none is left to judge the damping by: it stays as given");
    }
    CalibrationLog log;
    std::optional<Message> few;  // of the first layer with few rows
    QL_RETURN_IF_ERROR(ReplaceLinears(
        model, context,
        [&](const std::string& name, const LinearFp32& layer) -> absl::StatusOr<std::unique_ptr<Linear>> {
          const Hessian& hessian = *hessians.at(name);
          const Hessian* const other = others.empty() ? nullptr : others.at(name).get();
          QL_ASSIGN_OR_RETURN(const Rounded rounded, RoundByGptq(layer.weight(), hessian, other, options));
          log.Add(name, layer.weight(), rounded.weights, rounded.damping, hessian, other, options.grid);
          if (rounded.damping > options.damping && !few) {
            few =
                messages::kFewCalibrationRows(name, hessian.rows(), layer.weight().size(1), rounded.damping);
          }
          return Make(layer, rounded.weights, options.grid);
        }));
    if (few) context.Warn("few_calibration_rows", *few);
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
