#include "worker/engine/layers/weight_only_linear.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "absl/strings/str_cat.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "worker/engine/layers/int4_packing.h"
#include "worker/engine/layers/quantized_parts.h"
#include "worker/engine/layers/weight_grid.h"

namespace quantlab::engine {
namespace {

constexpr int64_t kGroupSizes[] = {32, 64, 128, 256};

std::string Describe(const at::Tensor& tensor) {
  if (!tensor.defined()) return "nothing";
  std::string shape;
  for (const int64_t size : tensor.sizes()) absl::StrAppend(&shape, shape.empty() ? "" : ", ", size);
  return absl::StrCat(c10::toString(tensor.scalar_type()), " [", shape, "]");
}

absl::Status CheckTensor(const char* name, const at::Tensor& tensor, at::ScalarType dtype,
                         at::IntArrayRef shape) {
  if (tensor.defined() && tensor.scalar_type() == dtype && tensor.sizes() == shape) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, " must be ", Describe(at::empty(shape, dtype)), ", not ", Describe(tensor)));
}

absl::Status CheckBias(const at::Tensor& bias, int64_t out) {
  return bias.defined() ? CheckTensor("bias", bias, at::kFloat, {out}) : absl::OkStatus();
}

absl::Status CheckInt4(const Int4GroupWeights& weights, int64_t in, int64_t group_size) {
  if (std::find(std::begin(kGroupSizes), std::end(kGroupSizes), group_size) == std::end(kGroupSizes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("group_size is ", group_size, "; allowed: 32, 64, 128, 256"));
  }
  if (!weights.packed.defined() || weights.packed.dim() != 2 || weights.packed.size(0) < 1 || in < 1) {
    return absl::InvalidArgumentError("weight_int4 must be uint8 [out, (in + 1) / 2], not empty");
  }
  const int64_t out = weights.packed.size(0), groups = (in + group_size - 1) / group_size;
  QL_RETURN_IF_ERROR(CheckTensor("weight_int4", weights.packed, at::kByte, {out, (in + 1) / 2}));
  if (in % 2 == 1 && weights.packed.select(1, in / 2).gt(0x0F).any().item<bool>()) {
    return absl::InvalidArgumentError("weight_int4 holds something in the unused half of a row's last byte");
  }
  QL_RETURN_IF_ERROR(CheckTensor("weight_scale", weights.scale, at::kBFloat16, {out, groups}));
  QL_RETURN_IF_ERROR(CheckPositiveScale(weights.scale));
  if (!weights.zero_point.defined()) return absl::OkStatus();
  QL_RETURN_IF_ERROR(CheckTensor("weight_zero_point", weights.zero_point, at::kChar, {out, groups}));
  const at::Tensor& zero = weights.zero_point;
  if (at::logical_or(zero<kInt4Min, zero> kInt4Max).any().item<bool>()) {
    return absl::InvalidArgumentError("weight_zero_point holds a value out of -8 to 7");
  }
  return absl::OkStatus();
}

}  // namespace

WeightOnlyLinear::WeightOnlyLinear(int64_t in, int64_t out, const at::Tensor& bias) : in_(in), out_(out) {
  if (bias.defined()) bias_ = bias.detach().clone();
}

void WeightOnlyLinear::Pack() {
  packed_ = std::make_unique<PackedWeights>(PackWeights());
  stored_ = at::Tensor();
}

at::Tensor WeightOnlyLinear::Integers() const {
  if (stored_.defined()) return FromStored(stored_);
  at::Tensor integers = at::empty({out_, in_}, at::kChar);
  packed_->Unpack(integers.mutable_data_ptr<int8_t>());
  return integers;
}

at::Tensor WeightOnlyLinear::Stored() const {
  return stored_.defined() ? stored_ : ToStored(Integers());
}

at::Tensor WeightOnlyLinear::Forward(const at::Tensor& x) const {
  TORCH_CHECK(x.dim() >= 1 && x.size(-1) == in_, "a layer of ", in_, " input features was given ", x.sizes());
  const int64_t rows = x.numel() / in_;
  if (packed_ == nullptr || rows == 0) return ForwardDequantized(x);
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = out_;
  return RunPacked(x.detach().reshape({rows, in_})).to(x.scalar_type()).reshape(shape);
}

at::Tensor WeightOnlyLinear::RunPacked(const at::Tensor& x) const {
  const int64_t rows = x.size(0), padded = packed_->padded_in();
  at::Tensor input = x.to(WeightGemmUsesBf16() ? at::kBFloat16 : at::kFloat);
  input = (padded == in_ ? input : at::constant_pad_nd(input, {0, padded - in_})).contiguous();
  at::Tensor output = at::empty({rows, out_}, at::kFloat);
  WeightGemmArgs args;
  args.x = input.const_data_ptr();
  args.rows = rows;
  args.weights = packed_.get();
  args.bias = bias_.defined() ? bias_.const_data_ptr<float>() : nullptr;
  args.out = output.mutable_data_ptr<float>();
  at::parallel_for(0, packed_->panels(), 1, [&](int64_t begin, int64_t end) {
    const at::Tensor scratch = at::empty({WeightGemmScratch(*packed_)}, at::kByte);
    WeightGemmArgs own = args;
    own.scratch = scratch.mutable_data_ptr();
    WeightGemm(own, begin, end);
  });
  return output;
}

at::Tensor WeightOnlyLinear::ForwardDequantized(const at::Tensor& x) const {
  const auto bias = bias_.defined() ? std::optional<at::Tensor>(bias_) : std::nullopt;
  return at::linear(x.detach().to(at::kFloat), DequantizedWeight(), bias).to(x.scalar_type());
}

LayerPrecision WeightOnlyLinear::precision() const {
  if (packed_ != nullptr)
    return {kind(), kind(), absl::StrCat("quantlab::WeightGemm/", WeightGemmName()), {}};
  return {kind(), LinearFp32::kKind, "at::linear", messages::kNoPackedKernel(device_.str())};
}

void WeightOnlyLinear::To(const at::Device& device) {
  if (device_ == device) return;
  stored_ = Stored().to(device);
  packed_.reset();
  MoveWeights(device);
  if (bias_.defined()) bias_ = bias_.to(device);
  device_ = device;
  if (device.is_cpu()) Pack();
}

absl::StatusOr<std::unique_ptr<Int8WeightOnlyLinear>> Int8WeightOnlyLinear::Create(
    const Int8ChannelWeights& weights, const at::Tensor& bias) {
  const at::Tensor& q = weights.quantized;
  if (!q.defined() || q.dim() != 2 || q.scalar_type() != at::kChar || q.numel() == 0) {
    return absl::InvalidArgumentError(absl::StrCat("weight_int8 must be int8 [out, in], not ", Describe(q)));
  }
  QL_RETURN_IF_ERROR(CheckTensor("weight_scale", weights.scale, at::kFloat, {q.size(0)}));
  QL_RETURN_IF_ERROR(CheckPositiveScale(weights.scale));
  QL_RETURN_IF_ERROR(CheckBias(bias, q.size(0)));
  return std::unique_ptr<Int8WeightOnlyLinear>(new Int8WeightOnlyLinear(weights, bias));
}

Int8WeightOnlyLinear::Int8WeightOnlyLinear(const Int8ChannelWeights& weights, const at::Tensor& bias)
    : WeightOnlyLinear(weights.quantized.size(1), weights.quantized.size(0), bias),
      scale_(weights.scale.detach().clone()) {
  stored_ = weights.quantized.detach().contiguous();
  Pack();
}

std::map<std::string, at::Tensor> Int8WeightOnlyLinear::tensors() const {
  std::map<std::string, at::Tensor> tensors = {{"weight_int8", Stored()}, {"weight_scale", scale_}};
  if (bias_.defined()) tensors["bias"] = bias_;
  return tensors;
}

at::Tensor Int8WeightOnlyLinear::DequantizedWeight() const {
  return Integers().to(at::kFloat) * scale_.unsqueeze(1);
}

PackedWeights Int8WeightOnlyLinear::PackWeights() const {
  const at::Tensor integers = Integers(), scale = scale_.contiguous();
  return PackedWeights::Int8(integers.const_data_ptr<int8_t>(), out_, in_, scale.const_data_ptr<float>());
}

void Int8WeightOnlyLinear::MoveWeights(const at::Device& device) {
  scale_ = scale_.to(device);
}

absl::StatusOr<std::unique_ptr<Int4WeightOnlyLinear>> Int4WeightOnlyLinear::Create(
    const Int4GroupWeights& weights, int64_t in_features, int64_t group_size, const at::Tensor& bias) {
  QL_RETURN_IF_ERROR(CheckInt4(weights, in_features, group_size));
  QL_RETURN_IF_ERROR(CheckBias(bias, weights.packed.size(0)));
  return std::unique_ptr<Int4WeightOnlyLinear>(
      new Int4WeightOnlyLinear(weights, in_features, group_size, bias));
}

Int4WeightOnlyLinear::Int4WeightOnlyLinear(const Int4GroupWeights& weights, int64_t in, int64_t group_size,
                                           const at::Tensor& bias)
    : WeightOnlyLinear(in, weights.packed.size(0), bias),
      group_size_(group_size),
      scale_(weights.scale.detach().clone()) {
  if (weights.zero_point.defined()) zero_point_ = weights.zero_point.detach().clone();
  stored_ = weights.packed.detach();
  Pack();
}

PackedWeights Int4WeightOnlyLinear::PackWeights() const {
  const at::Tensor integers = Integers(), scale = scale_.to(at::kFloat).contiguous();
  const at::Tensor shift = zero_point_.defined()
                               ? Offset(scale, zero_point_, /*bf16=*/true).neg().to(at::kFloat).contiguous()
                               : at::zeros_like(scale);
  return PackedWeights::Int4(integers.const_data_ptr<int8_t>(), out_, in_,
                             {group_size_, scale.const_data_ptr<float>(), shift.const_data_ptr<float>()});
}

Params Int4WeightOnlyLinear::options() const {
  return {{"group_size", group_size_}, {"symmetric", !zero_point_.defined()}};
}

std::map<std::string, at::Tensor> Int4WeightOnlyLinear::tensors() const {
  std::map<std::string, at::Tensor> tensors = {{"weight_int4", Stored()}, {"weight_scale", scale_}};
  if (zero_point_.defined()) tensors["weight_zero_point"] = zero_point_;
  if (bias_.defined()) tensors["bias"] = bias_;
  return tensors;
}

at::Tensor Int4WeightOnlyLinear::DequantizedWeight() const {
  return Dequantize({Integers(), scale_, zero_point_}, group_size_, /*bf16=*/true);
}

void Int4WeightOnlyLinear::MoveWeights(const at::Device& device) {
  scale_ = scale_.to(device);
  if (zero_point_.defined()) zero_point_ = zero_point_.to(device);
}

at::Tensor Int4WeightOnlyLinear::ToStored(const at::Tensor& integers) const {
  return PackInt4(integers);
}

at::Tensor Int4WeightOnlyLinear::FromStored(const at::Tensor& stored) const {
  return UnpackInt4(stored, in_).contiguous();
}

LayerKind Int8WeightOnlyKind() {
  LayerKind kind;
  kind.name = Int8WeightOnlyLinear::kKind;
  kind.load = [](const LayerPlan& layer, Weights& weights) -> absl::StatusOr<std::unique_ptr<Linear>> {
    const int64_t out = layer.out_features;
    Int8ChannelWeights int8;
    QL_ASSIGN_OR_RETURN(int8.quantized,
                        TakeTensor(layer, "weight_int8", at::kChar, {out, layer.in_features}, weights));
    QL_ASSIGN_OR_RETURN(int8.scale, TakeTensor(layer, "weight_scale", at::kFloat, {out}, weights));
    QL_ASSIGN_OR_RETURN(const at::Tensor bias, TakeOptionalTensor(layer, "bias", at::kFloat, {out}, weights));
    return Int8WeightOnlyLinear::Create(int8, bias);
  };
  return kind;
}

LayerKind Int4WeightOnlyKind() {
  LayerKind kind;
  kind.name = Int4WeightOnlyLinear::kKind;
  kind.options = {{"group_size", ParamType::kInt, int64_t{64}, {}, 32, 256, ""},
                  {"symmetric", ParamType::kBool, false, {}, {}, {}, ""}};
  kind.load = [](const LayerPlan& layer, Weights& weights) -> absl::StatusOr<std::unique_ptr<Linear>> {
    const int64_t in = layer.in_features, out = layer.out_features;
    const int64_t group_size = std::get<int64_t>(layer.options.at("group_size"));
    const int64_t groups = (in + group_size - 1) / group_size;
    Int4GroupWeights int4;
    QL_ASSIGN_OR_RETURN(int4.packed,
                        TakeTensor(layer, "weight_int4", at::kByte, {out, (in + 1) / 2}, weights));
    QL_ASSIGN_OR_RETURN(int4.scale, TakeTensor(layer, "weight_scale", at::kBFloat16, {out, groups}, weights));
    if (!std::get<bool>(layer.options.at("symmetric"))) {
      QL_ASSIGN_OR_RETURN(int4.zero_point,
                          TakeTensor(layer, "weight_zero_point", at::kChar, {out, groups}, weights));
    }
    QL_ASSIGN_OR_RETURN(const at::Tensor bias, TakeOptionalTensor(layer, "bias", at::kFloat, {out}, weights));
    return Int4WeightOnlyLinear::Create(int4, in, group_size, bias);
  };
  return kind;
}

}  // namespace quantlab::engine
