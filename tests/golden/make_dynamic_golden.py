#!/usr/bin/env python3
"""Makes dynamic_linear.safetensors: what PyTorch's own dynamically quantized Linear computes.

    python tests/golden/make_dynamic_golden.py [OUTPUT]

Needs torch 2.13 and safetensors. Each case is one layer with one setting; the file's metadata says which.
Per token means PyTorch's layer applied to one row at a time. The C++ test that reads it is
worker/engine/layers/dynamic_int8_linear_test.cc.
"""
import json
import pathlib
import sys
import warnings

import torch
from safetensors.torch import save_file

warnings.filterwarnings("ignore")
SHAPES = [(1, 3), (16, 8), (33, 19), (64, 48), (127, 40), (384, 65)]


def odd_rows(columns, generator):
    """Ordinary rows, and the ones that go wrong: [rows, columns]."""
    normal = torch.randn(9, columns, generator=generator)
    normal[1] *= 30
    outlier = torch.randn(1, columns, generator=generator)
    outlier[0, columns // 2] = 2000.0
    return torch.cat([
        normal,
        outlier,
        torch.zeros(1, columns),
        torch.full((1, columns), 3.25),
        torch.full((1, columns), -0.75),
        -torch.rand(1, columns, generator=generator) - 0.5,
        torch.rand(1, columns, generator=generator) + 4.0,
        torch.randn(1, columns, generator=generator) * 1e-6,
        torch.rand(1, columns, generator=generator) * 1e-7,
    ])


def quantize_weight(weight, per_channel):
    from torch.ao.quantization import default_per_channel_weight_observer, default_weight_observer
    observer = (default_per_channel_weight_observer if per_channel else default_weight_observer)()
    observer(weight)
    scale, zero_point = observer.calculate_qparams()
    if per_channel:
        return torch.quantize_per_channel(weight, scale, zero_point, 0, torch.qint8), scale
    return torch.quantize_per_tensor(weight, float(scale), int(zero_point), torch.qint8), scale


def main():
    output = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "dynamic_linear.safetensors")
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(20240607)
    tensors, cases = {}, []
    for index, (columns, rows_out) in enumerate(SHAPES):
        layer = f"layer{index}"
        weight = torch.randn(rows_out, columns, generator=generator) * 0.08
        weight[0] = 0.0  # a channel of zeros has the smallest scale
        weight[-1] *= 25
        bias = torch.randn(rows_out, generator=generator)
        x = odd_rows(columns, generator)
        tensors.update({f"{layer}.weight": weight, f"{layer}.bias": bias, f"{layer}.x": x})
        for per_channel in (True, False):
            q, scale = quantize_weight(weight, per_channel)
            weights = f"{layer}.{'channel' if per_channel else 'tensor'}"
            tensors[f"{weights}.weight_int8"] = q.int_repr()
            tensors[f"{weights}.weight_scale"] = scale.float().reshape(-1)
            for with_bias in (True, False) if index == 1 else (True,):
                packed = torch.ops.quantized.linear_prepack(q, bias if with_bias else None)
                for reduce_range in (False, True):
                    for per_token in (True, False):
                        run = lambda v: torch.ops.quantized.linear_dynamic(v, packed, reduce_range=reduce_range)
                        y = torch.cat([run(x[i:i + 1]) for i in range(len(x))]) if per_token else run(x[:9])
                        name = f"case{len(cases)}"
                        tensors[f"{name}.y"] = y
                        cases.append({"name": name, "layer": layer, "weights": weights, "per_channel": per_channel,
                                      "bias": with_bias, "reduce_range": reduce_range, "per_token": per_token,
                                      "rows": len(y)})
    metadata = {"cases": json.dumps(cases), "torch": torch.__version__, "engine": torch.backends.quantized.engine}
    save_file({k: v.contiguous() for k, v in tensors.items()}, str(output), metadata)
    print(f"{output}: {len(cases)} cases, {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
