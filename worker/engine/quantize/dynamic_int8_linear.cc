#include "worker/engine/quantize/dynamic_int8_linear.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace quantlab::engine {
namespace {

// Rows that one thread quantizes and multiplies while they are in its cache.
constexpr int64_t kRowBlock = 64;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

absl::Status CheckWeights(const Int8Weights& weights, const at::Tensor& bias) {
  const at::Tensor& q = weights.quantized;
  if (q.dim() != 2 || q.scalar_type() != at::kChar || q.size(0) < 1 || q.size(1) < 1) {
    return absl::InvalidArgumentError(absl::StrCat("weight_int8 must be int8 [out, in], not ",
                                                   c10::toString(q.scalar_type()), " with ", q.dim(),
                                                   " dimensions"));
  }
  if (q.size(1) > kMaxInFeatures) {
    return absl::InvalidArgumentError(absl::StrCat(q.size(1), " input features: more than ", kMaxInFeatures,
                                                   " could overflow the 32-bit sums of INT8 products"));
  }
  const at::Tensor& scale = weights.scale;
  const bool shape_fits = scale.dim() == 1 && (scale.size(0) == 1 || scale.size(0) == q.size(0));
  if (!shape_fits || scale.scalar_type() != at::kFloat) {
    return absl::InvalidArgumentError(
        absl::StrCat("weight_scale must be float [1] or [", q.size(0), "] as weight_int8 has rows"));
  }
  // Negated, so that NaN is refused too.
  if (!at::logical_and(scale > 0, scale < std::numeric_limits<float>::infinity()).all().item<bool>()) {
    return absl::InvalidArgumentError("weight_scale holds a value that is not positive and finite");
  }
  if (bias.defined() && (bias.dim() != 1 || bias.size(0) != q.size(0) || bias.scalar_type() != at::kFloat)) {
    return absl::InvalidArgumentError(absl::StrCat("bias must be float [", q.size(0), "]"));
  }
  return absl::OkStatus();
}

// ActivationParams of `rows` rows in one: per tensor.
ActivationParams WholeRange(const float* x, int64_t rows, int64_t in, bool reduce_range, bool* finite) {
  const Int8Isa isa = BestInt8Isa();
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
  *finite = all.finite;
  return all.finite ? ChooseActivationParams(all.min, all.max, reduce_range) : ActivationParams{};
}

// One quantized input: bytes, and what they mean.
struct QuantizedRows {
  at::Tensor bytes;  // [rows, padded_in] u8
  std::vector<ActivationParams> params;
};

void QuantizeRows(const float* x, int64_t begin, int64_t end, int64_t in, const DynamicInt8Options& options,
                  QuantizedRows& rows) {
  const Int8Isa isa = BestInt8Isa();
  const int64_t padded = rows.bytes.size(1);
  uint8_t* bytes = rows.bytes.data_ptr<uint8_t>();
  for (int64_t r = begin; r < end; ++r) {
    const float* row = x + r * in;
    if (options.per_token) {
      const RowRange range = FindRowRange(isa, row, in);
      // A scale of NaN makes the whole row NaN; its bytes do not matter.
      rows.params[r] = range.finite ? ChooseActivationParams(range.min, range.max, options.reduce_range)
                                    : ActivationParams{kNan, 0};
    }
    if (rows.params[r].scale == rows.params[r].scale) {
      QuantizeRow(isa, row, in, rows.params[r], bytes + r * padded, padded);
    } else {
      std::fill_n(bytes + r * padded, padded, uint8_t{0});
    }
  }
}

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

// a: [m, k] s8, b: [k, n] s8; [m, n] s32. CUDA's kernel wants m > 16 and k, n in multiples of 8; the CPU's
// misreads a matrix of one row (k = 1). Zeros change no sum.
at::Tensor IntMm(const at::Tensor& a, const at::Tensor& b) {
  const int64_t m = a.size(0), k = a.size(1), n = b.size(1);
  const int64_t more_m = std::max<int64_t>(0, 17 - m), more_k = (8 - k % 8) % 8, more_n = (8 - n % 8) % 8;
  const at::Tensor sums = at::_int_mm(at::constant_pad_nd(a, {0, more_k, 0, more_m}).contiguous(),
                                      at::constant_pad_nd(b, {0, more_n, 0, more_k}).contiguous());
  return sums.slice(0, 0, m).slice(1, 0, n);
}

}  // namespace

absl::StatusOr<Int8Weights> QuantizeWeights(const at::Tensor& weight, bool per_channel) {
  const at::Tensor w = weight.detach().to(at::kFloat).contiguous();
  if (!at::isfinite(w).all().item<bool>()) {
    return absl::InvalidArgumentError("the weights hold a NaN or an infinity: the checkpoint is broken");
  }
  const at::Tensor largest = per_channel ? w.abs().amax(1) : w.abs().amax().reshape({1});
  const at::Tensor scale = (largest / 127.5f).clamp_min(std::numeric_limits<float>::epsilon());
  const at::Tensor inverse = scale.reciprocal().reshape({-1, 1});
  return Int8Weights{(w * inverse).round().clamp(-128, 127).to(at::kChar), scale};
}

absl::StatusOr<std::unique_ptr<DynamicInt8Linear>> DynamicInt8Linear::Create(
    const Int8Weights& weights, const at::Tensor& bias, const DynamicInt8Options& options) {
  if (auto status = CheckWeights(weights, bias); !status.ok()) return status;
  return std::unique_ptr<DynamicInt8Linear>(new DynamicInt8Linear(weights, bias, options));
}

DynamicInt8Linear::DynamicInt8Linear(const Int8Weights& weights, const at::Tensor& bias,
                                     const DynamicInt8Options& options)
    : in_(weights.quantized.size(1)),
      out_(weights.quantized.size(0)),
      options_(options),
      scale_(weights.scale.detach().clone()),
      plain_(weights.quantized.detach().contiguous()) {
  if (bias.defined()) bias_ = bias.detach().clone();
  Pack();
}

void DynamicInt8Linear::Pack() {
  if (!plain_.device().is_cpu()) return;
  packed_ = std::make_unique<PackedInt8Weights>(plain_.data_ptr<int8_t>(), out_, in_);
  plain_ = at::Tensor();
  const float* scale = scale_.data_ptr<float>();
  packed_scale_.assign(packed_->panels() * kPanel, 0.0f);
  packed_bias_.assign(packed_->panels() * kPanel, 0.0f);
  for (int64_t i = 0; i < out_; ++i) packed_scale_[i] = scale[scale_.size(0) == 1 ? 0 : i];
  if (bias_.defined()) std::copy_n(bias_.data_ptr<float>(), out_, packed_bias_.begin());
}

Int8Weights DynamicInt8Linear::PlainWeights() const {
  if (plain_.defined()) return {plain_, scale_};
  at::Tensor quantized = at::empty({out_, in_}, at::kChar);
  packed_->Unpack(quantized.data_ptr<int8_t>());
  return {quantized, scale_};
}

void DynamicInt8Linear::To(const at::Device& device) {
  if (scale_.device() == device) return;
  plain_ = PlainWeights().quantized.to(device);
  packed_.reset();
  scale_ = scale_.to(device);
  if (bias_.defined()) bias_ = bias_.to(device);
  Pack();
}

LayerPrecision DynamicInt8Linear::precision() const {
  LayerPrecision precision{kKind, kKind, "at::_int_mm", ""};
  if (packed_ == nullptr) return precision;
  const Int8Isa isa = BestInt8Isa();
  precision.kernel = absl::StrCat("quantlab::Int8Gemm/", Int8IsaName(isa));
  if (isa < Int8Isa::kAvxVnni) {
    precision.reason =
        "no VNNI on this CPU (or ONEDNN_MAX_CPU_ISA hides it): exact 16-bit products instead, slower";
  }
  return precision;
}

Params DynamicInt8Linear::options() const {
  return {{"granularity", std::string(options_.per_token ? "per_token" : "per_tensor")},
          {"weight_granularity", std::string(scale_.size(0) == 1 ? "per_tensor" : "per_channel")},
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

std::map<std::string, at::Tensor> DynamicInt8Linear::tensors() const {
  const Int8Weights weights = PlainWeights();
  std::map<std::string, at::Tensor> tensors = {{"weight_int8", weights.quantized}, {"weight_scale", scale_}};
  if (bias_.defined()) tensors["bias"] = bias_;
  return tensors;
}

at::Tensor DynamicInt8Linear::Forward(const at::Tensor& x) const {
  TORCH_CHECK(x.dim() >= 1 && x.size(-1) == in_, "a layer of ", in_, " input features was given ", x.sizes());
  return packed_ != nullptr ? ForwardCpu(x) : ForwardAten(x);
}

at::Tensor DynamicInt8Linear::ForwardCpu(const at::Tensor& x) const {
  const at::Tensor input = x.detach().to(at::kFloat).contiguous();
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = out_;
  at::Tensor output = at::empty(shape, at::kFloat);
  const int64_t rows = input.numel() / in_;
  if (rows == 0) return output.to(x.scalar_type());
  const float* data = input.data_ptr<float>();
  QuantizedRows quantized{at::empty({rows, packed_->padded_in()}, at::kByte), {}};
  quantized.params.resize(rows);
  if (!options_.per_token) {
    bool finite = true;
    const ActivationParams all = WholeRange(data, rows, in_, options_.reduce_range, &finite);
    if (!finite) return output.fill_(kNan).to(x.scalar_type());
    std::fill(quantized.params.begin(), quantized.params.end(), all);
  }
  const auto multiply = [&](int64_t begin, int64_t end, int64_t panel_begin, int64_t panel_end) {
    Int8GemmArgs args;
    args.a_stride = packed_->padded_in();
    args.a = quantized.bytes.data_ptr<uint8_t>() + begin * args.a_stride;
    args.row_params = quantized.params.data() + begin;
    args.rows = end - begin;
    args.weights = packed_.get();
    args.weight_scale = packed_scale_.data();
    args.bias = packed_bias_.data();
    args.out = output.data_ptr<float>() + begin * out_;
    args.out_stride = out_;
    Int8Gemm(BestInt8Isa(), args, panel_begin, panel_end);
  };
  if (rows >= kRowBlock * at::get_num_threads() || at::get_num_threads() == 1) {
    const int64_t blocks = (rows + kRowBlock - 1) / kRowBlock;
    at::parallel_for(0, blocks, 1, [&](int64_t first, int64_t last) {
      for (int64_t b = first; b < last; ++b) {
        const int64_t begin = b * kRowBlock, end = std::min(rows, begin + kRowBlock);
        QuantizeRows(data, begin, end, in_, options_, quantized);
        multiply(begin, end, 0, packed_->panels());
      }
    });
  } else {
    // Too few rows for every thread: the threads share the output channels.
    QuantizeRows(data, 0, rows, in_, options_, quantized);
    at::parallel_for(0, packed_->panels(), 1,
                     [&](int64_t first, int64_t last) { multiply(0, rows, first, last); });
  }
  return output.to(x.scalar_type());
}

at::Tensor DynamicInt8Linear::ForwardAten(const at::Tensor& x) const {
  const at::Tensor input = x.detach().to(at::kFloat).reshape({-1, in_});
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = out_;
  if (input.size(0) == 0) return at::empty(shape, x.options());
  const Int8Weights weights = PlainWeights();
  const at::Tensor min = options_.per_token ? input.amin(1, true) : input.amin().reshape({1, 1});
  const at::Tensor max = options_.per_token ? input.amax(1, true) : input.amax().reshape({1, 1});
  const auto [scale, zero] = ChooseByAten(min, max, options_.reduce_range);
  // In double, where the product is exact: what a fused multiply-add gives.
  const at::Tensor inverse = scale.reciprocal().to(at::kDouble);
  const at::Tensor bytes = (input.to(at::kDouble) * inverse + zero).to(at::kFloat).round().clamp(0, 255);
  // s8 activations: 128 less, which the sums of the weights make good, together with the zero point.
  const at::Tensor centred = (bytes.nan_to_num(0) - 128).to(at::kChar);
  const at::Tensor sums = weights.quantized.sum(1, false, at::kInt);
  const at::Tensor shift = (128 - zero.nan_to_num(0)).to(at::kInt) * sums;
  const at::Tensor acc = IntMm(centred, weights.quantized.t()) + shift;
  const at::Tensor factor = (scale * weights.scale.reshape({1, -1})).to(at::kDouble);
  at::Tensor result = acc.to(at::kDouble) * factor;
  if (bias_.defined()) result = result + bias_.to(at::kDouble);
  const at::Tensor finite = at::isfinite(min + max);
  return at::where(finite, result.to(at::kFloat), kNan).reshape(shape).to(x.scalar_type());
}

}  // namespace quantlab::engine
