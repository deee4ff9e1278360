"""Linear layers and embedding tables of saved models, with the arithmetic of quant-runner.

Each class says what it computes. x is [rows, in] of any floating-point dtype; results have x's dtype. Sums of INT8
products are exact. Multiply-adds that the runner's kernels round once are computed in float64, where the product of
two float32 is exact, and rounded to float32 once.
"""

import functools
import pathlib

import torch
import torch.nn.functional as F
from torch import nn

from quantlab.torch.files import InvalidModel

FP8_MAX = 448.0
_SMALLEST_NORMAL = torch.finfo(torch.float32).tiny
_NAN = float("nan")
# Dynamic quantization widens ranges whose scale would be smaller (FBGEMM's ChooseQuantizationParams), as float32.
_SMALL_SCALE = torch.tensor(6.1e-5).item()


class Layer(nn.Module):
    """A layer whose tensors have the names and dtypes of the file. Derived values are made when they are first needed,
    and again after the layer has moved to another device."""

    def __init__(self):
        super().__init__()
        self._derived = {}

    def add(self, role, tensor):
        if tensor is None or tensor.dtype in (torch.float32, torch.bfloat16, torch.float16):
            self.register_parameter(role, None if tensor is None else nn.Parameter(tensor, requires_grad=False))
        else:
            self.register_buffer(role, tensor)

    def derive(self, name, make):
        if name not in self._derived:
            self._derived[name] = make()
        return self._derived[name]

    def _apply(self, fn, recurse=True):
        self._derived.clear()
        return super()._apply(fn, recurse)

    def __getstate__(self):
        return {**self.__dict__, "_derived": {}}


class Linear(Layer):
    """y = x W^T + b. `kind` and the options are those of plan.json."""

    # False: the result of a row depends on the other rows of the call.
    rows_are_independent = True

    def __init__(self, plan, bias):
        super().__init__()
        self.kind, self.in_features, self.out_features = plan.kind, plan.in_features, plan.out_features
        self.add("bias", bias)

    def extra_repr(self):
        return f"{self.in_features}, {self.out_features}, kind={self.kind}"


class FloatLinear(Linear):
    """Kinds fp32, bf16 and fp16: weights in that precision, and so the product, with sums in float32.

    Where a CPU has no arithmetic in half precision, weights are converted to float32 and x is not rounded, as
    quant-runner does.
    """

    def __init__(self, plan, take):
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[plan.kind]
        weight = take("weight", dtype, (plan.out_features, plan.in_features))
        super().__init__(plan, take("bias", dtype, (plan.out_features,), optional=plan.kind != "fp32"))
        self.add("weight", weight)

    def forward(self, x):
        weight, bias = self.derive("computed", self._computed)
        return F.linear(x.to(weight.dtype), weight, bias).to(x.dtype)

    def _computed(self):
        native = self.weight.device.type != "cpu" or self.weight.dtype in cpu_dtypes()
        dtype = self.weight.dtype if native else torch.float32
        return self.weight.to(dtype), None if self.bias is None else self.bias.to(dtype)


class Int8Linear(Linear):
    """Common part of int8_dynamic and int8_static.

    y = (sum of q_x q_w - z_x sum of q_w) s_x s_w + b, where x = s_x (q_x - z_x) and W = s_w q_w. The sum is rounded
    to float32, s_x s_w too, and the multiply-add once. A row with a NaN or an infinity gives NaN.
    """

    def quantize(self, x):
        """x: [rows, in] float32. Returns q [rows, in] as float32 0..255, s and z as [rows, 1] or [1, 1], and whether
        the input is finite, [rows, 1] or [1, 1]."""
        raise NotImplementedError

    def integers(self):
        """q_w, [out, in] int8."""
        return self.weight_int8

    def forward(self, x):
        return self.compute(x.float()).to(x.dtype)

    def compute(self, x):
        quantized, scale, zero, finite = self.quantize(x)
        weight, sums = self.derive("product", lambda: (ProductWeight(self.integers()),
                                                       self.integers().sum(1, dtype=torch.int32)))
        # Activations of 8 bits without sign, less 128, fit the product of signed bytes.
        centred = (quantized.nan_to_num(0) - 128).to(torch.int8)
        total = weight.multiply(centred) + (128 - zero).to(torch.int32) * sums
        factor = (scale * self.weight_scale.reshape(1, -1)).double()
        result = total.float().double() * factor
        if self.bias is not None:
            result = result + self.bias.double()
        return torch.where(finite, result.float(), _NAN)


class DynamicInt8Linear(Int8Linear):
    """Kind int8_dynamic: s_x and z_x come from the least and the greatest value of each row (per_token) or of all rows
    of the call (per_tensor), as torch.ao.nn.quantized.dynamic.Linear finds them. q = round(x (1 / s_x) + z_x)."""

    def __init__(self, plan, take):
        out, options = plan.out_features, plan.options
        weight = take("weight_int8", torch.int8, (out, plan.in_features))
        scale = take("weight_scale", torch.float32, (out if options["weight_granularity"] == "per_channel" else 1,))
        super().__init__(plan, take("bias", torch.float32, (out,), optional=True))
        self.add("weight_int8", weight)
        self.add("weight_scale", check_scale(scale, take))
        self.rows_are_independent = options["granularity"] == "per_token"
        self.top = 127 if options["reduce_range"] else 255

    def quantize(self, x):
        low, high = (x.amin(1, keepdim=True), x.amax(1, keepdim=True)) if self.rows_are_independent else (
            x.amin().reshape(1, 1), x.amax().reshape(1, 1))
        finite = low.isfinite() & high.isfinite()
        scale, zero = choose_scale(low.nan_to_num(0, 0, 0), high.nan_to_num(0, 0, 0), self.top)
        return round_to_bytes(x, scale.reciprocal(), zero), scale, zero, finite


class StaticInt8Linear(Int8Linear):
    """Kind int8_static: s_x and z_x are fixed, and each feature of x has a factor f where SmoothQuant was used:
    q = round(x (f / s_x) + z_x), with f = 1 where there is none: x (1 / s_x).

    Weights of weight_bits 4 and fewer are stored as weight_int4, two in a byte.
    """

    def __init__(self, plan, take):
        out, inside, options = plan.out_features, plan.in_features, plan.options
        packed = options["weight_bits"] <= 4
        weight = (take("weight_int4", torch.uint8, (out, (inside + 1) // 2)) if packed
                  else take("weight_int8", torch.int8, (out, inside)))
        scale = take("weight_scale", torch.float32, (out if options["weight_granularity"] == "per_channel" else 1,))
        super().__init__(plan, take("bias", torch.float32, (out,), optional=True))
        self.add("weight_int4" if packed else "weight_int8", weight)
        self.add("weight_scale", check_scale(scale, take))
        self.add("input_scale", check_scale(take("input_scale", torch.float32, (1,)), take, "input_scale"))
        self.add("input_zero_point", take("input_zero_point", torch.int32, (1,)))
        self.add("input_smoothing", take("input_smoothing", torch.float32, (inside,), optional=True))
        self.packed = packed
        if not 0 <= self.input_zero_point.item() <= 255:
            take.fail("input_zero_point", f"is {self.input_zero_point.item()}; allowed: 0 to 255")
        if self.input_smoothing is not None:
            check_scale(self.input_smoothing, take, "input_smoothing")

    def integers(self):
        return unpack_int4(self.weight_int4, self.in_features) if self.packed else self.weight_int8

    def quantize(self, x):
        factor = (self.input_scale.reciprocal() if self.input_smoothing is None
                  else self.input_smoothing / self.input_scale)
        zero = self.input_zero_point.reshape(1, 1)
        finite = x.abs().amax(1, keepdim=True).isfinite()
        return round_to_bytes(x, factor.reshape(1, -1), zero), self.input_scale.reshape(1, 1), zero, finite


class Int8WeightOnlyLinear(Linear):
    """Kind int8_weight_only: W = s_w q_w, one s_w for each output.

    On CPUs with AVX512_BF16 x is rounded to BF16, as in quant-runner. Sums are float32, multiplied by s_w at their end.
    """

    def __init__(self, plan, take):
        weight = take("weight_int8", torch.int8, (plan.out_features, plan.in_features))
        scale = take("weight_scale", torch.float32, (plan.out_features,))
        super().__init__(plan, take("bias", torch.float32, (plan.out_features,), optional=True))
        self.add("weight_int8", weight)
        self.add("weight_scale", check_scale(scale, take))

    def forward(self, x):
        rows = x.bfloat16() if rounds_to_bf16(x.device) else x
        output = F.linear(rows.float(), self.weight_int8.float()) * self.weight_scale
        return (output if self.bias is None else output + self.bias).to(x.dtype)

    def dequantized(self):
        return self.weight_int8.float() * self.weight_scale.unsqueeze(1)


class Int4WeightOnlyLinear(Linear):
    """Kind int4_weight_only: W = s q_w + o for each group of group_size inputs of an output, where q_w is -8..7 and o is
    -s z rounded to BF16; s is BF16, z an integer, 0 where the layer is symmetric.

    On CPUs with AVX512_BF16 x and W are rounded to BF16, as in quant-runner. Sums are float32.
    """

    def __init__(self, plan, take):
        out, inside, options = plan.out_features, plan.in_features, plan.options
        self_groups = -(-inside // options["group_size"])
        weight = take("weight_int4", torch.uint8, (out, (inside + 1) // 2))
        scale = take("weight_scale", torch.bfloat16, (out, self_groups))
        zero = None if options["symmetric"] else take("weight_zero_point", torch.int8, (out, self_groups))
        super().__init__(plan, take("bias", torch.float32, (out,), optional=True))
        self.add("weight_int4", weight)
        self.add("weight_scale", check_scale(scale, take))
        self.add("weight_zero_point", zero)
        if zero is not None and not ((zero >= -8) & (zero <= 7)).all():
            take.fail("weight_zero_point", "holds a value out of -8 to 7")
        self.group_size = options["group_size"]

    def forward(self, x):
        rows, weight = x, self.dequantized()
        if rounds_to_bf16(x.device):
            rows, weight = rows.bfloat16(), weight.bfloat16()
        return F.linear(rows.float(), weight.float(), self.bias).to(x.dtype)

    def dequantized(self):
        weight = unpack_int4(self.weight_int4, self.in_features).float() * self._each_input(self.weight_scale.float())
        if self.weight_zero_point is None:
            return weight
        offset = -(self.weight_scale.float() * self.weight_zero_point).to(torch.bfloat16).float()
        return weight + self._each_input(offset)

    def _each_input(self, per_group):
        return per_group.repeat_interleave(self.group_size, 1)[:, :self.in_features]


class Fp8Linear(Linear):
    """Kind fp8: W = s_w q_w and x = s_x q_x with q in FP8 (E4M3). s_x = max|x| / 448 of each row (per_token) or of all
    rows of the call (per_tensor). Both sides are multiplied out, and the product is one of float32."""

    def __init__(self, plan, take):
        out, options = plan.out_features, plan.options
        weight = take("weight_fp8", torch.float8_e4m3fn, (out, plan.in_features))
        scale = take("weight_scale", torch.float32, (out if options["weight_granularity"] == "per_channel" else 1,))
        super().__init__(plan, take("bias", torch.float32, (out,), optional=True))
        self.add("weight_fp8", weight)
        self.add("weight_scale", check_scale(scale, take))
        self.rows_are_independent = options["granularity"] == "per_token"
        if weight.float().isnan().any():
            take.fail("weight_fp8", "holds a NaN")

    def forward(self, x):
        rows = x.float()
        if rows.shape[0] == 0:
            return x.new_empty((0, self.out_features))
        largest = rows.abs().amax(1, keepdim=True) if self.rows_are_independent else rows.abs().amax().reshape(1, 1)
        finite = largest.isfinite()
        scale = torch.where(finite, (largest / FP8_MAX).clamp_min(_SMALLEST_NORMAL), 1.0)
        values = (rows.nan_to_num(0, 0, 0) * scale.reciprocal()).clamp(-FP8_MAX, FP8_MAX).to(torch.float8_e4m3fn)
        rounded = values.float() * torch.where(finite, scale, _NAN)
        weight = self.derive("weight", lambda: self.weight_fp8.float() * self.weight_scale.reshape(-1, 1))
        return F.linear(rounded, weight, self.bias).to(x.dtype)


LINEAR_KINDS = {"fp32": FloatLinear, "bf16": FloatLinear, "fp16": FloatLinear, "int8_dynamic": DynamicInt8Linear,
                "int8_static": StaticInt8Linear, "int8_weight_only": Int8WeightOnlyLinear,
                "int4_weight_only": Int4WeightOnlyLinear, "fp8": Fp8Linear}


class FloatTable(Layer):
    """Embedding rows in fp32, bf16 or fp16, read as float32."""

    def __init__(self, kind, rows, width, take):
        super().__init__()
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[kind]
        self.add("weight", take("weight", dtype, (rows, width)))

    def forward(self, ids):
        return F.embedding(ids, self.weight).float()


class Int8Table(Layer):
    """Embedding rows of INT8, each with a scale: row = s q."""

    def __init__(self, kind, rows, width, take):
        super().__init__()
        self.add("weight_int8", take("weight_int8", torch.int8, (rows, width)))
        self.add("weight_scale", check_scale(take("weight_scale", torch.float32, (rows,)), take))

    def forward(self, ids):
        return self.weight_int8[ids].float() * self.weight_scale[ids].unsqueeze(-1)


class LayerNorm(Layer):
    """Over the last dimension, with float32 weights; the result has x's dtype."""

    def __init__(self, width, epsilon, take):
        super().__init__()
        self.add("weight", take("weight", torch.float32, (width,)))
        self.add("bias", take("bias", torch.float32, (width,)))
        self.width, self.epsilon = width, epsilon

    def forward(self, x):
        if x.device.type == "cpu" or x.dtype == torch.float32:
            return F.layer_norm(x, (self.width,), self.weight, self.bias, self.epsilon)
        return F.layer_norm(x.float(), (self.width,), self.weight, self.bias, self.epsilon).to(x.dtype)


class ProductWeight:
    """Weights of an exact product of signed bytes."""

    def __init__(self, weight):
        self.rows, self.columns = weight.shape
        if not integer_product_is_exact(weight.device):
            self.double, self.weight = weight.t().double(), None
            return
        # CUDA's product wants sizes in multiples of 16, and the CPU's misreads one column. Zeros change no sum.
        padded = F.pad(weight, (0, -self.columns % 16, 0, -self.rows % 16)).contiguous().t()
        self.weight = padded if weight.is_cuda else padded.contiguous()

    def multiply(self, x):
        """x: [rows, in] int8. Returns x W^T, [rows, out] int32."""
        if self.weight is None:
            return (x.double() @ self.double).to(torch.int32)
        rows = x.shape[0]
        padded = F.pad(x, (0, -self.columns % 16, 0, max(32 - rows, -rows % 16))).contiguous()
        return torch._int_mm(padded, self.weight)[:rows, :self.rows]


@functools.lru_cache(maxsize=None)
def integer_product_is_exact(device):
    """Whether torch has a product of signed bytes whose sums do not saturate; some are made for CPUs without VNNI."""
    if not hasattr(torch, "_int_mm"):
        return False
    extremes = torch.tensor([127, 127, -128, -128], dtype=torch.int8, device=device)
    left, right = extremes.repeat(32, 16), extremes.repeat(16, 16)
    try:
        found = torch._int_mm(left, right.t() if left.is_cuda else right.t().contiguous())
    except RuntimeError:
        return False
    return torch.equal(found.cpu(), (left.cpu().double() @ right.cpu().double().t()).to(torch.int32))


@functools.lru_cache(maxsize=None)
def cpu_flags():
    """Names of this CPU's features; empty elsewhere than on Linux."""
    path = pathlib.Path("/proc/cpuinfo")
    return frozenset(path.read_text(encoding="utf-8", errors="replace").split()) if path.exists() else frozenset()


@functools.lru_cache(maxsize=None)
def cpu_dtypes():
    """Dtypes in which this CPU computes; elsewhere than on Linux only float32 is known to be one."""
    flags = cpu_flags()
    dtypes = {torch.float32}
    if flags & {"avx512_bf16", "amx_bf16"}:
        dtypes.add(torch.bfloat16)
    if flags & {"avx512_fp16", "amx_fp16"}:
        dtypes.add(torch.float16)
    return frozenset(dtypes)


def rounds_to_bf16(device):
    """Whether quant-runner multiplies weight-only layers in BF16 there."""
    return device.type == "cpu" and "avx512_bf16" in cpu_flags()


def unpack_int4(packed, columns):
    """packed: [rows, (columns + 1) / 2] uint8, column 2i in the low half of byte i, both halves in two's complement.
    Returns [rows, columns] int8 in -8..7."""
    nibbles = torch.stack([packed & 0x0F, packed >> 4], 2).reshape(packed.shape[0], -1).to(torch.int8)
    return torch.where(nibbles > 7, nibbles - 16, nibbles)[:, :columns].contiguous()


def round_to_bytes(x, inverse, zero):
    """round(x * inverse + zero) within 0..255, ties to even, the multiply-add rounded to float32 once."""
    return (x.double() * inverse.double() + zero).float().round().clamp(0, 255)


def choose_scale(low, high, top):
    """Scale and zero point of ranges [low, high], float32, which are widened to contain 0: float32 and int32."""
    low, high = low.clamp_max(0), high.clamp_min(0)
    scale = (high.double() - low.double()) / top
    single = scale.float()
    scale = torch.where((single == 0) | single.reciprocal().isinf(), 0.1, scale)
    small = scale < _SMALL_SCALE
    if small.any():
        amplifier = _SMALL_SCALE / scale.float()
        reach = (torch.tensor(_SMALL_SCALE) * top).item()
        wide_high = torch.where(low == 0, reach, high * amplifier)
        wide_low = torch.where((high == 0) & (low != 0), -reach, low * amplifier)
        low, high = torch.where(small, wide_low, low), torch.where(small, wide_high, high)
        scale = torch.where(small, _SMALL_SCALE, scale)
    low, high = low.double() / scale, high.double() / scale
    # Of the two ends, the one whose arithmetic loses less fixes the zero point.
    zero = torch.where(-low.abs() < top - high.abs(), -low, top - high)
    return scale.float(), zero.clamp(0, top).round().to(torch.int32)


def check_scale(scale, take, role="weight_scale"):
    if not ((scale > 0) & scale.isfinite()).all():
        take.fail(role, "holds a value that is not positive and finite")
    return scale


class Taker:
    """Takes the tensors of one layer out of a file: `take(role, dtype, shape)`."""

    def __init__(self, tensors, name, names=None):
        self.tensors, self.name, self.names = tensors, name, names

    def __call__(self, role, dtype, shape, optional=False):
        name = f"{self.name}.{role}" if self.names is None else self.names.get(role)
        if name is None:
            if optional:
                return None
            raise InvalidModel(f"plan.json: {self.name}: tensors names no {role}")
        return self.tensors.take(name, dtype, shape)

    def fail(self, role, what):
        raise InvalidModel(f"{self.tensors.path}: {self.name}: {role} {what}")
