#include "worker/engine/layers/dynamic_int8_linear.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "base/status_macros.h"

namespace quantlab::engine {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
// Rows per thread and block.
constexpr int64_t kRowBlock = 64;

// [rows] scale and zero point by ATen, as ChooseActivationParams.
std::pair<at::Tensor, at::Tensor> ChooseByAten(const at::Tensor& min_in, const at::Tensor& max_in,
                                               bool reduce_range) {
  constexpr float kSmallScale = 6.1e-5f;
  const double top = reduce_range ? 127 : 255;
  at::Tensor min = min_in.clamp_max(0), max = max_in.clamp_min(0);
  at::Tensor scale = (max.to(at::kDouble) - min.to(at::kDouble)) / top;
  const at::Tensor single = scale.to(at::kFloat);
  scale = at::where(at::logical_or(single == 0, single.reciprocal().isinf()), 0.1, scale);
  const at::Tensor small = scale < kSmallScale;
  const at::Tensor amplifier = kSmallScale / scale.to(at::kFloat);
  const float reach = kSmallScale * static_cast<float>(top);
  const at::Tensor wide_max = at::where(min == 0, reach, at::where(max == 0, max, max * amplifier));
  const at::Tensor wide_min =
      at::where(at::logical_and(max == 0, min != 0), -reach, at::where(min == 0, min, min * amplifier));
  min = at::where(small, wide_min, min).to(at::kDouble);
  max = at::where(small, wide_max, max).to(at::kDouble);
  scale = at::where(small, static_cast<double>(kSmallScale), scale);
  const at::Tensor from_min = -min / scale, from_max = top - max / scale;
  const at::Tensor zero = at::where(-(min / scale).abs() < top - (max / scale).abs(), from_min, from_max);
  return {scale.to(at::kFloat), zero.clamp(0, top).round()};
}

}  // namespace

absl::StatusOr<std::unique_ptr<DynamicInt8Linear>> DynamicInt8Linear::Create(
    const Int8Weights& weights, const at::Tensor& bias, const DynamicInt8Options& options) {
  QL_RETURN_IF_ERROR(CheckInt8Weights(weights, bias));
  return std::unique_ptr<DynamicInt8Linear>(new DynamicInt8Linear(weights, bias, options));
}

DynamicInt8Linear::DynamicInt8Linear(const Int8Weights& weights, const at::Tensor& bias,
                                     const DynamicInt8Options& options)
    : Int8Linear(weights, bias),
      options_(options),
      weights_per_channel_(weights.scale.size(0) != 1 || weights.quantized.size(0) == 1) {}

bool DynamicInt8Linear::QuantizesLike(const Int8Linear& other) const {
  const auto* dynamic = dynamic_cast<const DynamicInt8Linear*>(&other);
  return dynamic != nullptr && dynamic->options_.per_token == options_.per_token &&
         dynamic->options_.reduce_range == options_.reduce_range;
}

ActivationParams DynamicInt8Linear::WholeParams(const float* x, int64_t rows) const {
  const Int8Isa isa = BestInt8Isa();
  const int64_t in = in_features();
  std::vector<RowRange> ranges(rows);
  at::parallel_for(0, rows, kRowBlock, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) ranges[r] = FindRowRange(isa, x + r * in, in);
  });
  RowRange all = ranges[0];
  for (const RowRange& range : ranges) {
    all.min = std::min(all.min, range.min);
    all.max = std::max(all.max, range.max);
    all.finite &= range.finite;
  }
  return all.finite ? ChooseActivationParams(all.min, all.max, options_.reduce_range)
                    : ActivationParams{kNan, 0};
}

ActivationParams DynamicInt8Linear::QuantizeInputRow(const float* row, const ActivationParams& whole,
                                                     uint8_t* bytes, int64_t padded) const {
  const Int8Isa isa = BestInt8Isa();
  ActivationParams params = whole;
  if (options_.per_token) {
    const RowRange range = FindRowRange(isa, row, in_features());
    params = range.finite ? ChooseActivationParams(range.min, range.max, options_.reduce_range)
                          : ActivationParams{kNan, 0};
  }
  if (!std::isnan(params.scale)) QuantizeRow(isa, row, in_features(), params, bytes, padded);
  return params;
}

Int8Linear::AtenInput DynamicInt8Linear::QuantizeInputByAten(const at::Tensor& input) const {
  const at::Tensor min = options_.per_token ? input.amin(1, true) : input.amin().reshape({1, 1});
  const at::Tensor max = options_.per_token ? input.amax(1, true) : input.amax().reshape({1, 1});
  const auto [scale, zero] = ChooseByAten(min, max, options_.reduce_range);
  // In double, where the product is exact: what a fused multiply-add gives.
  const at::Tensor inverse = scale.reciprocal().to(at::kDouble);
  return {(input.to(at::kDouble) * inverse + zero).to(at::kFloat).round().clamp(0, 255), scale, zero};
}

std::optional<gpu::QuantizeOptions> DynamicInt8Linear::GpuQuantization() const {
  if (!options_.per_token) return std::nullopt;
  gpu::QuantizeOptions options;
  options.top = options_.reduce_range ? 127 : 255;
  return options;
}

Params DynamicInt8Linear::options() const {
  return {{"granularity", std::string(options_.per_token ? "per_token" : "per_tensor")},
          {"weight_granularity", std::string(weights_per_channel_ ? "per_channel" : "per_tensor")},
          {"reduce_range", options_.reduce_range}};
}

LayerKind DynamicInt8Kind() {
  LayerKind kind;
  kind.name = DynamicInt8Linear::kKind;
  kind.options = {
      {"granularity", ParamType::kString, std::string(), {"per_token", "per_tensor"}, {}, {}, ""},
      {"weight_granularity", ParamType::kString, std::string(), {"per_channel", "per_tensor"}, {}, {}, ""},
      {"reduce_range", ParamType::kBool, false, {}, {}, {}, ""}};
  kind.load = [](const LayerPlan& layer, Weights& weights) -> absl::StatusOr<std::unique_ptr<Linear>> {
    const auto is = [&layer](const char* option, const char* value) {
      return std::get<std::string>(layer.options.at(option)) == value;
    };
    const int64_t out = layer.out_features;
    const int64_t scales = is("weight_granularity", "per_channel") ? out : 1;
    Int8Weights int8;
    QL_ASSIGN_OR_RETURN(int8.quantized,
                        TakeTensor(layer, "weight_int8", at::kChar, {out, layer.in_features}, weights));
    QL_ASSIGN_OR_RETURN(int8.scale, TakeTensor(layer, "weight_scale", at::kFloat, {scales}, weights));
    QL_ASSIGN_OR_RETURN(const at::Tensor bias, TakeOptionalTensor(layer, "bias", at::kFloat, {out}, weights));
    return DynamicInt8Linear::Create(
        int8, bias, {is("granularity", "per_token"), std::get<bool>(layer.options.at("reduce_range"))});
  };
  return kind;
}

}  // namespace quantlab::engine
