#!/usr/bin/env python3
"""Makes gptq.safetensors: what Intel Neural Compressor's GPTQ makes of small layers.

    pip install neural-compressor-pt==3.10 torch==2.13.0 safetensors    (in an environment of their own)
    python tests/golden/make_gptq_golden.py [OUTPUT]

Each case is one layer with one setting; the file's metadata says which. Stored are the weights, the
calibration inputs, and of the result the integers (less 2^(bits-1), so that they are signed), the scales and
the zero points. So that one answer is right:
- the reference computes in double, and weights are drawn again where one of them is rounded from a place near
  the middle of two integers;
- blocks are as long as groups: in the middle of a block the reference finds a group's scale from weights that
  lack the corrections of that block, at its beginning from weights that have them all;
- a dead input's weights are zero, which is what the reference makes of them.
The C++ test that reads the file is worker/engine/calibration/gptq_test.cc.
"""
import json
import pathlib
import sys

import torch
from neural_compressor.torch.algorithms.weight_only.gptq import GPTQ, Quantizer
from safetensors.torch import save_file

# outputs, inputs, rows, dead inputs, damping
SHAPES = {"small": (12, 64, 150, [5], 0.01), "wide": (8, 128, 200, [], 0.01), "few": (8, 96, 30, [0, 95], 0.1)}
NEAR = 3e-5  # of a step


class WatchedQuantizer(Quantizer):
    """Remembers how near to the middle of two integers it rounded."""
    nearest = 1.0

    def quantize(self, x, scale, zero, maxq):
        steps = x / scale
        inside = (steps + zero > 0) & (steps + zero < maxq + 0.75)
        distance = ((steps - steps.floor()) - 0.5).abs()[inside]
        if distance.numel():
            WatchedQuantizer.nearest = min(WatchedQuantizer.nearest, float(distance.min()))
        return super().quantize(x, scale, zero, maxq)


def make_inputs(columns, rows, dead, generator):
    """Inputs that depend on each other and differ in size: [rows, columns]."""
    mixing = torch.randn(columns, columns, generator=generator) / columns ** 0.5 + torch.eye(columns)
    sizes = torch.exp(torch.randn(columns, generator=generator))
    inputs = torch.randn(rows, columns, generator=generator) @ mixing * sizes
    inputs[:, dead] = 0
    return inputs.to(torch.float32)


def quantizer(bits, symmetric):
    made = WatchedQuantizer()
    made.configure({"dtype": "int", "bits": bits, "perchannel": True, "sym": symmetric, "mse": False,
                    "group_size": -1, "use_double_quant": False, "double_quant_dtype": "int",
                    "double_quant_bits": 8, "double_quant_sym": False, "double_quant_group_size": 256})
    return made


def grids(weight, bits, symmetric, group):
    """Scale and zero point of each group of the weights as they are: [out, groups] each."""
    found = []
    for begin in range(0, weight.shape[1], group):
        made = quantizer(bits, symmetric)
        made.find_params(weight[:, begin:begin + group], weight=True)
        found.append((made.scale, made.zero))
    return torch.cat([scale for scale, _ in found], 1), torch.cat([zero for _, zero in found], 1)


def run(weight, inputs, case):
    gptq = GPTQ(torch.nn.Linear(weight.shape[1], weight.shape[0]), weight)
    gptq.quantizer = quantizer(case["bits"], case["symmetric"])
    gptq.add_batch(inputs, None)
    group, order = case["group"], case["activation_order"]
    scale, _, zero, dequantized = gptq.fasterquant(
        weight.clone(), blocksize=group or 128, percdamp=case["damping"], groupsize=group or -1,
        act_order=order, static_groups=order and group != 0)
    if order and group:
        scale, zero = grids(weight, case["bits"], case["symmetric"], group)
    columns = torch.arange(weight.shape[1]) // (group or weight.shape[1])
    half = 2 ** (case["bits"] - 1)
    integers = torch.round(dequantized / scale[:, columns]) + zero[:, columns] - half
    assert integers.min() >= -half and integers.max() < half
    return {"integers": integers.to(torch.int8), "scale": scale.to(torch.float32),
            "zero_point": (zero - half).to(torch.int8)}


def settings():
    for bits, group in ((4, 32), (4, 64), (4, 0), (8, 0), (3, 32)):
        for symmetric in (False, True):
            for order in (False, True):
                yield {"bits": bits, "group": group, "symmetric": symmetric, "activation_order": order}


def main():
    folder = pathlib.Path(__file__).parent
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else folder / "gptq.safetensors"
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double  # the reference would go back to FP32
    generator = torch.Generator().manual_seed(20221017)
    tensors, cases = {}, []
    for layer, (out, columns, rows, dead, damping) in SHAPES.items():
        inputs = make_inputs(columns, rows, dead, generator)
        tensors[f"{layer}.inputs"] = inputs
        for setting in settings():
            if setting["group"] and columns % setting["group"]:
                continue
            case = {"name": f"case{len(cases)}", "layer": layer, "damping": damping, **setting}
            WatchedQuantizer.nearest = 0
            while WatchedQuantizer.nearest < NEAR:
                WatchedQuantizer.nearest = 1
                weight = (torch.randn(out, columns, generator=generator) * 0.1).to(torch.float32)
                weight[:, dead] = 0
                result = run(weight.double(), inputs.double(), case)
            tensors[f"{case['name']}.weight"] = weight
            tensors.update({f"{case['name']}.{key}": value.contiguous() for key, value in result.items()})
            cases.append(case)
    save_file(tensors, output, metadata={"cases": json.dumps(cases)})
    print(f"{output}: {len(cases)} cases")


if __name__ == "__main__":
    main()
