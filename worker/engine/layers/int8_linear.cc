#include "worker/engine/layers/int8_linear.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "absl/strings/str_cat.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "worker/engine/layers/activation.h"
#include "worker/engine/layers/quantized_parts.h"
#include "worker/engine/layers/weight_grid.h"

namespace quantlab::engine {
namespace {

// Rows that one thread quantizes and multiplies while they are in its cache.
constexpr int64_t kRowBlock = 64;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Blocks of rows for every thread; fewer rows are divided by output channels instead.
bool EnoughRows(int64_t rows) {
  return rows >= kRowBlock * at::get_num_threads() || at::get_num_threads() == 1;
}

template <typename Body>
void ForEachBlock(int64_t rows, const Body& body) {
  const int64_t blocks = (rows + kRowBlock - 1) / kRowBlock;
  at::parallel_for(0, blocks, 1, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) body(b * kRowBlock, std::min(rows, (b + 1) * kRowBlock));
  });
}

at::Tensor FloatRows(const at::Tensor& x) {
  return RowsOf(x.to(at::kFloat));
}

// a: [m, k] s8, weight: [n, k] s8; [m, n] s32. CUDA's kernel requires m > 16 and cuBLASLt requires sizes in
// multiples of 16, the second matrix column-major; the CPU's misreads a matrix of one row (k = 1). Zeros
// change no sum.
at::Tensor IntMm(const at::Tensor& a, const at::Tensor& weight) {
  constexpr int64_t kMultiple = 16, kLeastRows = 32;
  const auto missing = [](int64_t size) { return (kMultiple - size % kMultiple) % kMultiple; };
  const int64_t m = a.size(0), k = a.size(1), n = weight.size(0);
  const int64_t more_m = std::max(kLeastRows - m, missing(m));
  const at::Tensor rows = at::constant_pad_nd(a, {0, missing(k), 0, more_m}).contiguous();
  const at::Tensor columns = at::constant_pad_nd(weight, {0, missing(k), 0, missing(n)}).contiguous().t();
  const at::Tensor sums = at::_int_mm(rows, a.is_cuda() ? columns : columns.contiguous());
  return sums.slice(0, 0, m).slice(1, 0, n);
}

}  // namespace

absl::StatusOr<Int8Weights> QuantizeWeights(const at::Tensor& weight, bool per_channel, int bits) {
  const at::Tensor w = weight.detach().to(at::kFloat).contiguous();
  const float half_range = static_cast<float>((1 << bits) - 1) / 2;
  const at::Tensor largest = per_channel ? w.abs().amax(1) : w.abs().amax().reshape({1});
  return QuantizeWeightsWith(w, (largest / half_range).clamp_min(std::numeric_limits<float>::epsilon()),
                             bits);
}

absl::StatusOr<Int8Weights> QuantizeWeightsWith(const at::Tensor& weight, const at::Tensor& scale, int bits) {
  const at::Tensor w = weight.detach().to(at::kFloat).contiguous();
  QL_RETURN_IF_ERROR(CheckFiniteWeight(w));
  const int low = -(1 << (bits - 1)), high = (1 << (bits - 1)) - 1;
  const at::Tensor inverse = scale.detach().reciprocal().reshape({-1, 1});
  return Int8Weights{(w * inverse).round().clamp(low, high).to(at::kChar), scale.detach().clone()};
}

absl::Status CheckInt8Weights(const Int8Weights& weights, const at::Tensor& bias) {
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
  return CheckScaleAndBias("weight_int8", q, weights.scale, bias);
}

// Bytes of an input, and what they mean.
struct Int8Linear::QuantizedRows {
  at::Tensor bytes;  // [rows, padded_in] u8
  std::vector<ActivationParams> params;
  ActivationParams whole;
};

Int8Linear::Int8Linear(const Int8Weights& weights, const at::Tensor& bias)
    : in_(weights.quantized.size(1)),
      out_(weights.quantized.size(0)),
      scale_(weights.scale.detach().clone()),
      plain_(weights.quantized.detach().contiguous()) {
  if (bias.defined()) bias_ = bias.detach().clone();
  Pack();
}

void Int8Linear::Pack() {
  gpu_weights_ = {};
  joined_.Clear();
  if (!plain_.device().is_cpu()) {
    if (!gpu::WhyNotScaledProduct(plain_.device(), in_, out_).empty()) return;
    const at::Tensor scale = scale_.expand({out_}).contiguous();
    gpu_weights_ = {plain_, scale, plain_.sum(1, false, at::kInt).to(at::kFloat) * scale, bias_};
    return;
  }
  packed_ = std::make_unique<PackedInt8Weights>(plain_.data_ptr<int8_t>(), out_, in_);
  plain_ = at::Tensor();
  const float* scale = scale_.data_ptr<float>();
  packed_scale_.assign(packed_->panels() * kPanel, 0.0f);
  packed_bias_.assign(packed_->panels() * kPanel, 0.0f);
  for (int64_t i = 0; i < out_; ++i) packed_scale_[i] = scale[scale_.size(0) == 1 ? 0 : i];
  if (bias_.defined()) std::copy_n(bias_.data_ptr<float>(), out_, packed_bias_.begin());
}

Int8Weights Int8Linear::PlainWeights() const {
  if (plain_.defined()) return {plain_, scale_};
  at::Tensor quantized = at::empty({out_, in_}, at::kChar);
  packed_->Unpack(quantized.data_ptr<int8_t>());
  return {quantized, scale_};
}

void Int8Linear::To(const at::Device& device) {
  if (scale_.device() == device) return;
  plain_ = PlainWeights().quantized.to(device);
  packed_.reset();
  scale_ = scale_.to(device);
  if (bias_.defined()) bias_ = bias_.to(device);
  Pack();
}

LayerPrecision Int8Linear::precision() const {
  LayerPrecision precision{kind(), kind(), "at::_int_mm", {}};
  if (on_gpu_kernels() && GpuQuantization()) precision.kernel = "quantlab::ScaledGemm/int8";
  if (packed_ == nullptr) return precision;
  const Int8Isa isa = BestInt8Isa();
  precision.kernel = absl::StrCat("quantlab::Int8Gemm/", Int8IsaName(isa));
  if (isa < Int8Isa::kAvxVnni) {
    precision.reason = messages::kNoVnni();
  }
  return precision;
}

std::map<std::string, at::Tensor> Int8Linear::tensors() const {
  const Int8Weights weights = PlainWeights();
  std::map<std::string, at::Tensor> tensors = {{"weight_int8", weights.quantized}, {"weight_scale", scale_}};
  if (bias_.defined()) tensors["bias"] = bias_;
  return tensors;
}

at::Tensor Int8Linear::Forward(const at::Tensor& x) const {
  TORCH_CHECK(x.dim() >= 1 && x.size(-1) == in_, "a layer of ", in_, " input features was given ", x.sizes());
  if (on_cpu()) return RunTogether(x, {this}).front();
  return on_gpu_kernels() && GpuQuantization() ? RunTogetherOnGpu(x, {this}).front() : ForwardAten(x);
}

std::vector<at::Tensor> Int8Linear::ForwardTogether(const at::Tensor& x,
                                                    const std::vector<const Linear*>& others) const {
  std::vector<const Int8Linear*> layers = {this};
  for (const Linear* other : others) {
    const auto* int8 = dynamic_cast<const Int8Linear*>(other);
    const bool alike = int8 != nullptr && int8->on_cpu() == on_cpu() && int8->in_ == in_ &&
                       int8->on_gpu_kernels() == on_gpu_kernels() && QuantizesLike(*int8);
    if (alike) layers.push_back(int8);
  }
  const bool on_gpu = on_gpu_kernels() && GpuQuantization();
  if (!(on_cpu() || on_gpu) || layers.size() != others.size() + 1) return Linear::ForwardTogether(x, others);
  return on_cpu() ? RunTogether(x, layers) : RunTogetherOnGpu(x, layers);
}

at::Tensor Int8Linear::ForwardInto(const at::Tensor& x, Activation activation, const Linear& next) const {
  const auto* int8 = dynamic_cast<const Int8Linear*>(&next);
  if (int8 != nullptr && int8->in_ == out_ && on_gpu_kernels() && GpuQuantization() &&
      int8->on_gpu_kernels() && int8->GpuQuantization()) {
    return RunIntoOnGpu(x, activation, *int8);
  }
  const bool fits = int8 != nullptr && int8->on_cpu() && int8->in_ == out_ && int8->rows_are_independent();
  if (!fits || !on_cpu()) return Linear::ForwardInto(x, activation, next);
  const at::Tensor rows = FloatRows(x);
  // FP32 between the two however many rows there are, so that a row's result does not depend on their number.
  if (!EnoughRows(rows.size(0))) return ShapedLike(Linear::ForwardInto(rows, activation, next), x);
  return ShapedLike(RunInto(rows, activation, *int8), x);
}

Int8Linear::QuantizedRows Int8Linear::AllocateRows(const float* x, int64_t rows) const {
  QuantizedRows quantized{at::empty({rows, packed_->padded_in()}, at::kByte), {}, {}};
  quantized.params.resize(rows);
  if (!rows_are_independent()) quantized.whole = WholeParams(x, rows);
  return quantized;
}

void Int8Linear::QuantizeInto(const float* x, const ActivationParams& whole, int64_t rows, uint8_t* bytes,
                              ActivationParams* params) const {
  const int64_t padded = packed_->padded_in();
  for (int64_t r = 0; r < rows; ++r) {
    params[r] = QuantizeInputRow(x + r * in_, whole, bytes + r * padded, padded);
    // The bytes of a NaN row do not matter, but must be initialised.
    if (std::isnan(params[r].scale)) std::fill_n(bytes + r * padded, padded, uint8_t{0});
  }
}

void Int8Linear::QuantizeRows(const float* x, int64_t rows, uint8_t* bytes, ActivationParams* params) const {
  QuantizeInto(x, {}, rows, bytes, params);
}

void Int8Linear::QuantizeRows(const float* x, int64_t begin, int64_t end, QuantizedRows& rows) const {
  uint8_t* const bytes = rows.bytes.data_ptr<uint8_t>() + begin * rows.bytes.size(1);
  QuantizeInto(x, rows.whole, end - begin, bytes, rows.params.data() + begin);
}

void Int8Linear::MultiplyRows(const uint8_t* bytes, const ActivationParams* params, int64_t rows,
                              int64_t panel_begin, int64_t panel_end, float* out, int64_t out_stride) const {
  Int8GemmArgs args;
  args.a_stride = packed_->padded_in();
  args.a = bytes;
  args.row_params = params;
  args.rows = rows;
  args.weights = packed_.get();
  args.weight_scale = packed_scale_.data();
  args.bias = packed_bias_.data();
  args.out = out;
  args.out_stride = out_stride;
  Int8Gemm(BestInt8Isa(), args, panel_begin, panel_end);
}

void Int8Linear::Multiply(const QuantizedRows& rows, int64_t begin, int64_t end, int64_t panel_begin,
                          int64_t panel_end, float* out) const {
  MultiplyRows(rows.bytes.data_ptr<uint8_t>() + begin * packed_->padded_in(), rows.params.data() + begin,
               end - begin, panel_begin, panel_end, out, out_);
}

std::vector<at::Tensor> Int8Linear::RunTogether(const at::Tensor& x,
                                                const std::vector<const Int8Linear*>& layers) const {
  const at::Tensor input = FloatRows(x);
  const int64_t rows = input.size(0);
  std::vector<at::Tensor> outputs;
  for (const Int8Linear* layer : layers) outputs.push_back(at::empty({rows, layer->out_}, at::kFloat));
  if (rows > 0) {
    const float* data = input.data_ptr<float>();
    QuantizedRows quantized = AllocateRows(data, rows);
    const auto multiply = [&](size_t l, int64_t begin, int64_t end, int64_t panel, int64_t panel_end) {
      float* out = outputs[l].data_ptr<float>() + begin * layers[l]->out_;
      layers[l]->Multiply(quantized, begin, end, panel, panel_end, out);
    };
    if (EnoughRows(rows)) {
      ForEachBlock(rows, [&](int64_t begin, int64_t end) {
        QuantizeRows(data + begin * in_, begin, end, quantized);
        for (size_t l = 0; l < layers.size(); ++l) multiply(l, begin, end, 0, layers[l]->packed_->panels());
      });
    } else {
      QuantizeRows(data, 0, rows, quantized);
      for (size_t l = 0; l < layers.size(); ++l) {
        at::parallel_for(0, layers[l]->packed_->panels(), 1,
                         [&](int64_t first, int64_t last) { multiply(l, 0, rows, first, last); });
      }
    }
  }
  for (at::Tensor& output : outputs) output = ShapedLike(output, x);
  return outputs;
}

at::Tensor Int8Linear::RunInto(const at::Tensor& input, Activation activation, const Int8Linear& next) const {
  const int64_t rows = input.size(0);
  at::Tensor output = at::empty({rows, next.out_}, at::kFloat);
  if (rows == 0) return output;
  const float* data = input.data_ptr<float>();
  QuantizedRows quantized = AllocateRows(data, rows);
  QuantizedRows between = next.AllocateRows(nullptr, rows);
  ForEachBlock(rows, [&](int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;  // grad mode belongs to a thread
    QuantizeRows(data + begin * in_, begin, end, quantized);
    at::Tensor wide = at::empty({end - begin, out_}, at::kFloat);
    Multiply(quantized, begin, end, 0, packed_->panels(), wide.data_ptr<float>());
    wide = Activate(activation, wide).contiguous();
    next.QuantizeRows(wide.data_ptr<float>(), begin, end, between);
    next.Multiply(between, begin, end, 0, next.packed_->panels(),
                  output.data_ptr<float>() + begin * next.out_);
  });
  return output;
}

std::vector<at::Tensor> Int8Linear::RunTogetherOnGpu(const at::Tensor& x,
                                                     const std::vector<const Int8Linear*>& layers) const {
  const gpu::QuantizedRows rows = gpu::QuantizeRows(RowsOf(x), *GpuQuantization());
  if (layers.size() == 1) return {ShapedLike(gpu::ScaledProduct(rows, gpu_weights_, /*gelu=*/false), x)};
  std::vector<gpu::ProductWeights> weights;
  for (const Int8Linear* layer : layers) weights.push_back(layer->gpu_weights_);
  return ProductTogether(rows, weights, x, joined_);
}

at::Tensor Int8Linear::RunIntoOnGpu(const at::Tensor& x, Activation activation,
                                    const Int8Linear& next) const {
  const gpu::QuantizedRows rows = gpu::QuantizeRows(RowsOf(x), *GpuQuantization());
  const bool gelu = activation == Activation::kGelu;
  at::Tensor wide = gpu::ScaledProduct(rows, gpu_weights_, gelu);
  if (!gelu) wide = Activate(activation, wide);
  const gpu::QuantizedRows between = gpu::QuantizeRows(wide.contiguous(), *next.GpuQuantization());
  return ShapedLike(gpu::ScaledProduct(between, next.gpu_weights_, /*gelu=*/false), x);
}

at::Tensor Int8Linear::ForwardAten(const at::Tensor& x) const {
  const at::Tensor input = FloatRows(x);
  if (input.size(0) == 0) return ShapedLike(at::empty({0, out_}, input.options()), x);
  const Int8Weights weights = PlainWeights();
  const AtenInput quantized = QuantizeInputByAten(input);
  // s8 activations are 128 less; the sums of the weights correct for this, together with the zero point.
  const at::Tensor centred = (quantized.bytes.nan_to_num(0) - 128).to(at::kChar);
  const at::Tensor sums = weights.quantized.sum(1, false, at::kInt);
  const at::Tensor shift = (128 - quantized.zero.nan_to_num(0)).to(at::kInt) * sums;
  const at::Tensor acc = IntMm(centred, weights.quantized) + shift;
  const at::Tensor factor = (quantized.scale.to(at::kFloat) * weights.scale.reshape({1, -1})).to(at::kDouble);
  // In double, where the product is exact: what a fused multiply-add gives.
  at::Tensor result = acc.to(at::kDouble) * factor;
  if (bias_.defined()) result = result + bias_.to(at::kDouble);
  const at::Tensor finite = at::isfinite(input).all(1, /*keepdim=*/true);
  const at::Tensor good = rows_are_independent() ? finite : finite.all();
  return ShapedLike(at::where(good, result.to(at::kFloat), kNan), x);
}

}  // namespace quantlab::engine
