#!/usr/bin/env python3
"""Makes observer_golden.json: what other implementations choose as the range of activations.

    python tests/golden/make_observer_golden.py [OUTPUT]

Needs torch 2.13.0 (min-max, moving average, histogram with least squares), numpy 2.4.6 (percentiles), and for
entropy nvidia-modelopt 0.47.0 with scipy 1.17.1 (what TensorRT's own toolkit computes, for magnitudes) and
onnxruntime 1.32.0 with onnx 1.23.2. `pip install --no-deps nvidia-modelopt` is enough: one function of it is read
from its file, so that the package's many dependencies need not be there. Takes a minute.

Inputs are not stored: `values` makes them by exact arithmetic, and the C++ test that reads the file,
worker/engine/calibration/observer_test.cc, repeats it; `bits` in each case is the sum of the values' bit patterns,
so that a difference between the two shows as such.
"""
import ast
import collections
import contextlib
import importlib.metadata
import io
import json
import pathlib
import sys
import warnings

import numpy as np
import scipy.stats
import torch
from onnxruntime.quantization.calibrate import HistogramCollector
from torch.ao.quantization import HistogramObserver, MinMaxObserver, MovingAverageMinMaxObserver

warnings.filterwarnings("ignore")
BINS = 2048
AVERAGING_CONSTANTS = [0.01, 0.3]
PERCENTILES = [99.0, 99.9, 99.99, 100.0]
# name: (recipe, batches, values in a batch). A recipe that begins with "mirrored_" appends the values' negatives.
CASES = {
    "normal": ("normal", 1, 60000),
    "shifted": ("shifted", 1, 20000),
    "heavy_tail": ("heavy_tail", 1, 60000),
    "outliers": ("outliers", 1, 60000),
    "one_sided": ("one_sided", 1, 60000),
    "negative": ("negative", 1, 20000),
    "tiny": ("tiny", 1, 20000),
    "magnitude": ("magnitude", 1, 60000),
    "mirrored_normal": ("mirrored_normal", 1, 30000),
    "mirrored_heavy_tail": ("mirrored_heavy_tail", 1, 30000),
    "mirrored_outliers": ("mirrored_outliers", 1, 30000),
    "few": ("normal", 1, 7),
    "constant": ("constant", 1, 50),
    "negative_constant": ("negative_constant", 1, 50),
    "zero": ("zero", 1, 50),
    "normal_batches": ("normal", 5, 20000),
    "heavy_tail_batches": ("heavy_tail", 5, 20000),
    "one_sided_batches": ("one_sided", 5, 20000),
}


def normal(seed, count):
    """About normal: sums of twelve uniform multiples of 2^-24, so exact in any order of summation."""
    index = np.arange(count * 12, dtype=np.uint64) + np.uint64(seed << 32)
    x = index * np.uint64(0x9E3779B97F4A7C15)
    x ^= x >> np.uint64(29)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(32)
    uniform = (x >> np.uint64(40)).astype(np.float64) / 2.0**24
    return uniform.reshape(count, 12).sum(axis=1) - 6.0


def values(recipe, batch, count):
    """float32 [count], mirrored [2 count]. Later batches are wider, so that ranges grow."""
    if recipe.startswith("mirrored_"):
        half = values(recipe.removeprefix("mirrored_"), batch, count)
        return np.concatenate([half, -half])
    z = normal(batch + 1, count) * (1.0 + 0.25 * batch)
    if recipe == "shifted":
        z = z * 0.5 + 1.5
    elif recipe == "heavy_tail":
        z = z * z * z
    elif recipe == "outliers":
        z[17::4999] *= 40.0
    elif recipe == "one_sided":  # like a GELU: hardly below zero
        z = 2.0 * z
        z = z * np.clip(0.5 + 0.3 * z, 0.0, 1.0)
    elif recipe == "negative":
        z = -(z * z) - 0.25
    elif recipe == "magnitude":
        z = np.abs(z)
    elif recipe == "tiny":
        z = z * 1e-6
    elif recipe == "constant":
        z = z * 0.0 + 3.25
    elif recipe == "negative_constant":
        z = z * 0.0 - 0.75
    elif recipe == "zero":
        z = np.zeros(count)
    return z.astype(np.float32)


def pair(low, high):
    """The range as float32, which Python's floats hold exactly."""
    return [float(np.float32(low)), float(np.float32(high))]


def torch_ranges(batches):
    result = {}
    observers = {"min_max": MinMaxObserver(), "histogram_mse": HistogramObserver(bins=BINS)}
    observers |= {f"moving_average {c}": MovingAverageMinMaxObserver(averaging_constant=c) for c in AVERAGING_CONSTANTS}
    if len(batches) > 1:
        observers["histogram_mse at once"] = HistogramObserver(bins=BINS)
    for name, observer in observers.items():
        for batch in [np.concatenate(batches)] if "at once" in name else batches:
            observer(torch.from_numpy(batch))
        low, high = observer.min_val, observer.max_val
        if name.startswith("histogram_mse"):
            low, high = observer._non_linear_param_search()
        result[name] = pair(low, high)
    return result


def nvidia_entropy():
    """The function of nvidia-modelopt, without importing the package around it."""
    package = importlib.metadata.distribution("nvidia-modelopt")
    path = package.locate_file("modelopt/torch/quantization/calib/histogram.py")
    name = "_compute_amax_entropy"
    tree = ast.parse(pathlib.Path(path).read_text())
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    scope = {"np": np, "torch": torch, "Counter": collections.Counter, "entropy": scipy.stats.entropy}
    exec(compile(tree, str(path), "exec"), scope)
    return scope[name]


def nvidia_range(x):
    """Of values that are symmetric, or not below 0: all that it is defined for."""
    unsigned = bool(x.min() >= 0)
    counts, edges = np.histogram(np.abs(x), bins=BINS, range=(0, np.abs(x).max()))
    reach = nvidia_entropy()(counts, edges, 8, unsigned, start_bin=256 if unsigned else 128)
    return pair(0 if unsigned else -reach, reach)


def onnxruntime_range(x):
    """Signed values of 8 bits: 256 levels, and TensorRT's 2048 bins on each side of zero."""
    collector = HistogramCollector("entropy", False, 2 * BINS, 256, None, None)
    with contextlib.redirect_stdout(io.StringIO()):
        collector.collect({"x": x})
        return pair(*collector.compute_collection_result()["x"][:2])


def main():
    output = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "observer_golden.json")
    torch.set_num_threads(1)
    cases = []
    for name, (recipe, count, size) in CASES.items():
        batches = [values(recipe, b, size) for b in range(count)]
        x = np.concatenate(batches)
        case = {"name": name, "recipe": recipe, "batches": count, "size": size,
                "bits": int(x.view(np.uint32).sum(dtype=np.uint64)), "ranges": torch_ranges(batches)}
        for p in PERCENTILES:
            case["ranges"][f"percentile {p}"] = pair(*np.percentile(x.astype(np.float64), [100 - p, p]))
        if x.min() < x.max() and name != "few":
            case["onnxruntime"] = onnxruntime_range(x)
        if recipe == "magnitude" or recipe.startswith("mirrored_"):
            case["ranges"]["histogram_entropy"] = nvidia_range(x)
        cases.append(case)
    versions = {name: importlib.metadata.version(name)
                for name in ("torch", "numpy", "scipy", "nvidia-modelopt", "onnxruntime", "onnx")}
    text = json.dumps({"versions": versions, "bins": BINS, "cases": cases}, indent=1)
    output.write_text(text + "\n")
    print(f"{output}: {len(cases)} cases, {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
