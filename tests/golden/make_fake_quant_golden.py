#!/usr/bin/env python3
"""Makes fake_quant.safetensors: what a linear layer with fake quantization computes in PyTorch, and its gradients.

    python tests/golden/make_fake_quant_golden.py [OUTPUT]

Needs torch 2.13.0 and safetensors 0.8.0. Each case is one layer; the file's metadata says which. Its output is
linear(fake_quantize(x), fake_quantize(weight), bias), and its loss the sum of output * upstream. Weight steps are
max|w| / ((2^bits - 1) / 2), learned ones begin as 2 mean|w| / sqrt(2^(bits-1) - 1). Gradients of learned steps are
stored without LSQ's gradient scale (grad_factor 1).

PyTorch's results are compared with the formulas of Jacob 2018 and Esser 2020 in float64 before they are stored. They
differ in one thing: between the last level and half a step beyond it, PyTorch does not clip the gradient of the step
(nor that of the value), eq. 3 of Esser does. The C++ test that reads the file is
worker/engine/methods/fake_quant_linear_test.cc.
"""
import itertools
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file

ROWS, IN, OUT = 9, 13, 6
INPUT_SCALE, INPUT_ZERO = 1 / 64, 100  # a range of exact floats


def weight_step(weight, per_channel, bits, learned):
    magnitude = weight.abs()
    if learned:
        mean = magnitude.mean(1) if per_channel else magnitude.mean().reshape(1)
        return mean * (2 / (2 ** (bits - 1) - 1) ** 0.5)
    largest = magnitude.amax(1) if per_channel else magnitude.amax().reshape(1)
    return largest / ((2**bits - 1) / 2)


def fake_quantize_weight(weight, step, per_channel, low, high, learned):
    zero = torch.zeros_like(step).detach()
    if learned and per_channel:
        return torch._fake_quantize_learnable_per_channel_affine(weight, step, zero, 0, low, high, 1.0)
    if learned:
        return torch._fake_quantize_learnable_per_tensor_affine(weight, step, zero, low, high, 1.0)
    if per_channel:
        return torch.fake_quantize_per_channel_affine(weight, step.detach(), zero.int(), 0, low, high)
    return torch.fake_quantize_per_tensor_affine(weight, step.item(), 0, low, high)


def fake_quantize_input(x, step, learned):
    if learned:
        zero = torch.full((1,), float(INPUT_ZERO))
        return torch._fake_quantize_learnable_per_tensor_affine(x, step, zero, 0, 255, 1.0)
    return torch.fake_quantize_per_tensor_affine(x, INPUT_SCALE, INPUT_ZERO, 0, 255)


def formulas(v, step, zero, low, high, gradient):
    """v: quantized to low..high, gradient: of the loss by what comes out. Returns the gradients by v and by step."""
    step = step.reshape(-1, 1) if step.numel() > 1 else step
    # In float, as PyTorch: the largest weight of a channel is 127.5 steps, where float decides if it is clipped.
    level = torch.round(v * (1 / step)).double()
    v, gradient, step = v.double(), gradient.double(), step.double()
    inside = (level + zero >= low) & (level + zero <= high)
    by_step = torch.where(inside, level - v / step, (level + zero).clamp(low, high) - zero) * gradient
    return gradient * inside, by_step.sum(1) if step.numel() > 1 else by_step.sum().reshape(1)


def agree(name, torchs, ours):
    worst = (torchs.double() - ours).abs().max() / ours.abs().max().clamp_min(1e-30)
    assert worst < 1e-4, (name, float(worst))


def run(case, x, weight, bias, upstream):
    learned, bits = case["learned"], case["bits"]
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    step = weight_step(weight, case["per_channel"], bits, learned)
    input_step = torch.full((1,), INPUT_SCALE)
    leaves = [t.clone().requires_grad_() for t in (x, weight, bias, step, input_step)]
    quantized_x = fake_quantize_input(leaves[0], leaves[4], learned)
    quantized_weight = fake_quantize_weight(leaves[1], leaves[3], case["per_channel"], low, high, learned)
    y = torch.nn.functional.linear(quantized_x, quantized_weight, leaves[2])
    y.backward(upstream)
    by_weight, by_step = formulas(weight, step, 0, low, high, upstream.t() @ quantized_x.detach())
    by_x, by_input_step = formulas(x, input_step, INPUT_ZERO, 0, 255, upstream @ quantized_weight.detach())
    result = {"y": y.detach(), "weight_step": step}
    result |= {f"d_{name}": leaf.grad for name, leaf in zip(("x", "weight", "bias"), leaves)}
    agree("x", leaves[0].grad, by_x)
    agree("weight", leaves[1].grad, by_weight)
    if learned:
        result |= {"d_weight_step": leaves[3].grad, "d_input_step": leaves[4].grad}
        agree("weight step", leaves[3].grad, by_step)
        agree("input step", leaves[4].grad, by_input_step)
    return result


def main():
    default = pathlib.Path(__file__).parent / "fake_quant.safetensors"
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(20240911)
    tensors, cases = {}, []
    for bits, per_channel, learned in itertools.product((8, 4, 2), (True, False), (True, False)):
        name = f"case{len(cases)}"
        x = torch.randn(ROWS, IN, generator=generator) * 1.5  # a few values clip at both ends
        weight = torch.randn(OUT, IN, generator=generator) * torch.logspace(-2, 0, OUT).reshape(-1, 1)
        bias, upstream = torch.randn(OUT, generator=generator), torch.randn(ROWS, OUT, generator=generator)
        case = {"name": name, "bits": bits, "per_channel": per_channel, "learned": learned}
        stored = {"x": x, "weight": weight, "bias": bias, "upstream": upstream}
        stored |= run(case, x, weight, bias, upstream)
        tensors |= {f"{name}.{key}": value.contiguous() for key, value in stored.items()}
        cases.append(case)
    golden = {"torch": torch.__version__, "input_scale": INPUT_SCALE, "input_zero_point": INPUT_ZERO, "cases": cases}
    save_file(tensors, str(output), {"golden": json.dumps(golden)})  # one entry: their order is not kept
    print(f"{output}: {len(cases)} cases, {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
