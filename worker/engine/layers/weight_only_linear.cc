#include "worker/engine/layers/weight_only_linear.h"

#include <limits>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Version.h>

#include "absl/strings/str_cat.h"
#include "base/messages.h"
#include "base/status_macros.h"
#include "worker/engine/layers/int4_packing.h"
#include "worker/engine/layers/quantized_parts.h"
#include "worker/engine/layers/weight_grid.h"

namespace quantlab::engine {
namespace {

// LibTorch's AVX-512 kernel for INT8 reads inputs 16 at a time, aligned, and goes past the end of a row
// whose length is no multiple of that: wrong sums or a crash, without any check (2.13).
constexpr int64_t kInt8InBlock = 16;
// The INT4 kernel's required divisor of the number of outputs, and its smallest group.
constexpr int64_t kInt4OutBlock = 16, kInt4SmallestGroup = 32;
constexpr int64_t kGroupSizes[] = {256, 128, 64, 32};

// Instructions for which LibTorch has these kernels. ATEN_CPU_CAPABILITY can hide them.
const std::string& CpuCapability() {
  static const auto* const name = new std::string(at::get_cpu_capability());
  return *name;
}

bool CpuHasKernels() {
  return CpuCapability() == "AVX512" || CpuCapability() == "AVX2";
}

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// The largest group that divides both, so that no input has to be copied into longer rows; else the
// smallest.
int64_t KernelGroup(int64_t in, int64_t group_size) {
  for (const int64_t size : kGroupSizes) {
    if (group_size % size == 0 && in % size == 0) return size;
  }
  return kInt4SmallestGroup;
}

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
  if (KernelGroup(group_size, group_size) != group_size) {
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

// Undoes the kernel's layout of [out, in] integers of four bits, which is not documented: it is a
// permutation, and applying it to the positions themselves, four bits at a time, reveals where each went.
at::Tensor UndoKernelLayout(const at::Tensor& kernel_weight, int64_t out, int64_t in) {
  const auto nibbles = [&](const at::Tensor& bytes) {
    return UnpackInt4(bytes.reshape({1, -1}), out * in).reshape({-1});
  };
  const at::Tensor places = at::arange(out * in, at::kInt).reshape({out, in});
  at::Tensor origin = at::zeros({out * in}, at::kInt);
  for (int shift = 0; (out * in - 1) >> shift > 0; shift += 4) {
    const at::Tensor part = places.bitwise_right_shift(shift).bitwise_and(0x0F);
    const at::Tensor laid = nibbles(at::_convert_weight_to_int4pack_for_cpu(part, 1)).to(at::kInt);
    origin.add_(laid.bitwise_and(0x0F).bitwise_left_shift(shift));
  }
  // The kernel's integers are 0..15 for -8..7.
  const at::Tensor values = nibbles(kernel_weight).bitwise_and(0x0F) - 8;
  return at::empty_like(values).index_copy_(0, origin.to(at::kLong), values).reshape({out, in});
}

}  // namespace

WeightOnlyLinear::WeightOnlyLinear(int64_t in, int64_t out, int64_t padded_in, const at::Tensor& bias)
    : in_(in), out_(out), padded_in_(padded_in) {
  if (bias.defined()) bias_ = bias.detach().clone();
}

at::Tensor WeightOnlyLinear::Forward(const at::Tensor& x) const {
  TORCH_CHECK(x.dim() >= 1 && x.size(-1) == in_, "a layer of ", in_, " input features was given ", x.sizes());
  const int64_t rows = x.numel() / in_;
  if (!OnKernels() || rows == 0) return ForwardDequantized(x);
  // Always in memory of its own: a view may begin where the kernels' aligned loads cannot.
  at::Tensor input = at::empty({rows, padded_in_}, at::kBFloat16);
  if (padded_in_ != in_) input.slice(1, in_).zero_();
  input.slice(1, 0, in_).copy_(x.detach().reshape({rows, in_}));
  at::Tensor output = Multiply(input).slice(1, 0, out_);
  if (bias_.defined()) output = output.add(bias_);
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = out_;
  return output.to(x.scalar_type()).reshape(shape);
}

at::Tensor WeightOnlyLinear::ForwardDequantized(const at::Tensor& x) const {
  const auto bias = bias_.defined() ? std::optional<at::Tensor>(bias_) : std::nullopt;
  return at::linear(x.detach().to(at::kFloat), DequantizedWeight(), bias).to(x.scalar_type());
}

bool WeightOnlyLinear::OnKernels() const {
  return device_.is_cpu() && CpuHasKernels();
}

LayerPrecision WeightOnlyLinear::precision() const {
  if (OnKernels()) return {kind(), kind(), absl::StrCat(Kernel(), "/", CpuCapability()), {}};
  return {kind(), LinearFp32::kKind, "at::linear",
          device_.is_cpu() ? messages::kNoPackedKernelOnCpu() : messages::kNoPackedKernel(device_.str())};
}

void WeightOnlyLinear::To(const at::Device& device) {
  if (device_ == device) return;
  MoveWeights(device);
  if (bias_.defined()) bias_ = bias_.to(device);
  device_ = device;
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
    : WeightOnlyLinear(weights.quantized.size(1), weights.quantized.size(0),
                       RoundUp(weights.quantized.size(1), kInt8InBlock), bias),
      quantized_(at::constant_pad_nd(weights.quantized.detach(), {0, RoundUp(in_, kInt8InBlock) - in_})
                     .contiguous()
                     .clone()),
      scale_(weights.scale.detach().clone()),
      ones_(at::ones({out_}, at::kBFloat16)) {}

std::map<std::string, at::Tensor> Int8WeightOnlyLinear::tensors() const {
  std::map<std::string, at::Tensor> tensors = {{"weight_int8", quantized_.slice(1, 0, in_).contiguous()},
                                               {"weight_scale", scale_}};
  if (bias_.defined()) tensors["bias"] = bias_;
  return tensors;
}

at::Tensor Int8WeightOnlyLinear::DequantizedWeight() const {
  return quantized_.slice(1, 0, in_).to(at::kFloat) * scale_.unsqueeze(1);
}

at::Tensor Int8WeightOnlyLinear::Multiply(const at::Tensor& x) const {
  return at::_weight_int8pack_mm(x, quantized_, ones_).to(at::kFloat).mul_(scale_);
}

void Int8WeightOnlyLinear::MoveWeights(const at::Device& device) {
  quantized_ = quantized_.to(device);
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
    : WeightOnlyLinear(in, weights.packed.size(0), RoundUp(in, KernelGroup(in, group_size)), bias),
      group_size_(group_size),
      kernel_group_(KernelGroup(in, group_size)),
      scale_(weights.scale.detach().clone()),
      plain_(weights.packed.detach().clone()) {
  if (weights.zero_point.defined()) zero_point_ = weights.zero_point.detach().clone();
  if (OnKernels()) Pack();
}

void Int4WeightOnlyLinear::Pack() {
  const int64_t in = RoundUp(in_, kernel_group_), out = RoundUp(out_, kInt4OutBlock);
  const at::Tensor integers = at::constant_pad_nd(UnpackInt4(plain_, in_), {0, in - in_, 0, out - out_});
  kernel_weight_ = at::_convert_weight_to_int4pack_for_cpu((integers.to(at::kInt) + 8).contiguous(), 1);
  const at::Tensor scale = scale_.to(at::kFloat);
  const at::Tensor offset =
      zero_point_.defined() ? Offset(scale, zero_point_, /*bf16=*/true) : at::zeros_like(scale);
  // [out, groups, 2] -> the kernel's groups, which may be smaller, and its outputs.
  const at::Tensor each = at::stack({scale, offset}, 2).repeat_interleave(group_size_ / kernel_group_, 1);
  const at::Tensor padded =
      at::constant_pad_nd(each.slice(1, 0, in / kernel_group_), {0, 0, 0, 0, 0, out - out_});
  kernel_scales_ = padded.transpose(0, 1).to(at::kBFloat16).contiguous();
  plain_ = at::Tensor();
}

at::Tensor Int4WeightOnlyLinear::PlainPacked() const {
  if (plain_.defined()) return plain_;
  const at::Tensor integers =
      UndoKernelLayout(kernel_weight_, RoundUp(out_, kInt4OutBlock), RoundUp(in_, kernel_group_));
  return PackInt4(integers.slice(0, 0, out_).slice(1, 0, in_));
}

Params Int4WeightOnlyLinear::options() const {
  return {{"group_size", group_size_}, {"symmetric", !zero_point_.defined()}};
}

std::map<std::string, at::Tensor> Int4WeightOnlyLinear::tensors() const {
  std::map<std::string, at::Tensor> tensors = {{"weight_int4", PlainPacked()}, {"weight_scale", scale_}};
  if (zero_point_.defined()) tensors["weight_zero_point"] = zero_point_;
  if (bias_.defined()) tensors["bias"] = bias_;
  return tensors;
}

at::Tensor Int4WeightOnlyLinear::DequantizedWeight() const {
  return Dequantize({UnpackInt4(PlainPacked(), in_), scale_, zero_point_}, group_size_, /*bf16=*/true);
}

at::Tensor Int4WeightOnlyLinear::Multiply(const at::Tensor& x) const {
  return at::_weight_int4pack_mm_for_cpu(x, kernel_weight_, kernel_group_, kernel_scales_);
}

void Int4WeightOnlyLinear::MoveWeights(const at::Device& device) {
  plain_ = PlainPacked().to(device);
  kernel_weight_ = kernel_scales_ = at::Tensor();
  scale_ = scale_.to(device);
  if (zero_point_.defined()) zero_point_ = zero_point_.to(device);
  if (device.is_cpu() && CpuHasKernels()) Pack();
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
