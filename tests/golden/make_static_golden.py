#!/usr/bin/env python3
"""Makes static_linear.safetensors: what statically quantized linear layers compute.

    python tests/golden/make_static_golden.py [OUTPUT]

Needs torch 2.13.0 and safetensors 0.8.0; on x86 a CPU with VNNI, without which PyTorch's own INT8 products saturate.
Each case is one layer; the file's metadata says which. Stored are `q`, the bytes of the input times its smoothing;
`y`, the product of the dequantized bytes and weights in float64, as float32; and `y_bytes`, what PyTorch's
quantized::linear makes of the same bytes and weights, requantized to the case's output scale and zero point. No
input lies near the middle between two levels, so `q` does not depend on how a quantizer multiplies. The C++ test that
reads the file is worker/engine/layers/static_int8_linear_test.cc.
"""
import json
import pathlib
import sys
import warnings

import torch
from safetensors.torch import save_file

warnings.filterwarnings("ignore")
# in, out, weight bits, per channel, bias, smoothing, input scale, input zero point
LAYERS = [
    (1, 3, 8, True, True, False, 0.031, 128),
    (16, 8, 8, True, True, False, 0.02, 0),
    (33, 19, 8, False, True, True, 0.013, 77),
    (64, 48, 8, True, False, False, 0.05, 255),
    (65, 33, 8, True, True, True, 0.031, 113),
    (384, 40, 8, True, True, False, 0.0077, 120),
    (384, 40, 4, True, True, True, 0.0077, 120),
    (47, 20, 4, False, True, False, 0.031, 130),
    (20, 9, 2, True, True, False, 0.031, 130),
]
ROWS = 11


def away_from_middles(x, factor):
    """x, moved where x * factor is within 0.02 of the middle between two integers."""
    position = (x.double() * factor).remainder(1)
    near = (position - 0.5).abs() < 0.02
    return torch.where(near, x + (0.05 / factor).float(), x)


def quantized_weight(weight, scale, per_channel):
    if per_channel:
        zeros = torch.zeros(len(scale), dtype=torch.long)
        return torch._make_per_channel_quantized_tensor(weight, scale.double(), zeros, 0)
    return torch._make_per_tensor_quantized_tensor(weight, float(scale), 0)


def random_layer(layer, generator):
    columns, rows_out, bits, per_channel, with_bias, with_smoothing, scale, zero = layer
    top = 2 ** (bits - 1) - 1
    tensors = {
        "weight_int8": torch.randint(-top - 1, top + 1, (rows_out, columns), generator=generator, dtype=torch.int8),
        "weight_scale": torch.rand(rows_out if per_channel else 1, generator=generator) * 0.01 + 1e-4,
    }
    if with_bias:
        tensors["bias"] = torch.randn(rows_out, generator=generator)
    if with_smoothing:
        tensors["smoothing"] = torch.rand(columns, generator=generator) * 3 + 0.1
    factor = tensors.get("smoothing", torch.ones(columns)).double() / scale
    x = torch.randn(ROWS, columns, generator=generator) * 60 / factor
    x[1] *= 10  # clips
    x = away_from_middles(x.float(), factor)
    q = torch.round(x.double() * factor + zero).clamp(0, 255)
    return tensors | {"x": x, "q": q.to(torch.uint8)}


def simulate(tensors, scale, zero):
    """The product in float64."""
    sums = (tensors["q"].double() - zero) @ tensors["weight_int8"].double().t()
    return sums * scale * tensors["weight_scale"].double() + tensors.get("bias", torch.zeros(1)).double()


def torchs_bytes(tensors, per_channel, scale, zero, y_scale, y_zero):
    weight = quantized_weight(tensors["weight_int8"], tensors["weight_scale"], per_channel)
    packed = torch.ops.quantized.linear_prepack(weight, tensors.get("bias"))
    x = torch._make_per_tensor_quantized_tensor(tensors["q"], scale, zero)
    return torch.ops.quantized.linear(x, packed, y_scale, y_zero).int_repr()


def make(layer, generator):
    _, _, bits, per_channel, _, _, scale, zero = layer
    scale = float(torch.tensor(scale))  # a float32
    tensors = random_layer((*layer[:6], scale, zero), generator)
    y = simulate(tensors, scale, zero)
    y_range = float(y.max() - y.min())
    y_scale = float(torch.tensor(y_range / 255))
    y_zero = round(float(-y.min()) / y_range * 255)
    y_bytes = torchs_bytes(tensors, per_channel, scale, zero, y_scale, y_zero)
    simulated = torch.round(y / y_scale + y_zero).clamp(0, 255)
    assert (simulated - y_bytes.double()).abs().max() <= 1, "PyTorch's product saturates on this CPU"
    case = {"bits": bits, "scale": scale, "zero_point": zero, "y_scale": y_scale, "y_zero_point": y_zero}
    return tensors | {"y": y.float(), "y_bytes": y_bytes}, case


def main():
    default = pathlib.Path(__file__).parent / "static_linear.safetensors"
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(20240912)
    tensors, cases = {}, []
    for layer in LAYERS:
        name = f"case{len(cases)}"
        stored, case = make(layer, generator)
        tensors |= {f"{name}.{key}": value.contiguous() for key, value in stored.items()}
        cases.append({"name": name} | case)
    golden = {"torch": torch.__version__, "engine": torch.backends.quantized.engine, "cases": cases}
    save_file(tensors, str(output), {"golden": json.dumps(golden)})  # one entry: their order is not kept
    print(f"{output}: {len(cases)} cases, {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
