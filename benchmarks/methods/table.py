#!/usr/bin/env python3
"""Prints a results folder of `quantctl run` as the Markdown tables of docs/en/measurements.md.

    python3 benchmarks/methods/table.py results/methods

Reads only report_data.json; every number was measured by a run. Below the table it prints the bounds that the
project requires, and whether this experiment meets them.
"""

import json
import pathlib
import sys

BASELINE = "baseline"


class Experiment:
    def __init__(self, folder):
        data = json.loads((pathlib.Path(folder) / "report_data.json").read_text(encoding="utf-8"))
        self.runs = {run["run"]["config"]["runName"]: run for run in data["runs"]}
        self.comparison = self.runs.get("comparison")

    def variants(self):
        return [name for name, run in self.runs.items() if run["run"]["config"]["kind"] != "RUN_KIND_COMPARISON"]

    def find(self, run, name, **labels):
        for metric in self.runs[run].get("metrics", []):
            if metric["name"] == name and int(metric.get("step", 0)) == 0 and matches(metric, labels):
                return metric
        return None

    def compared(self, name, **labels):
        return self.find("comparison", name, **labels) if self.comparison else None

    def fact(self, name):
        return self.runs[BASELINE]["environment"]["facts"].get(name, "?")


def matches(metric, labels):
    have = metric.get("labels", {})
    # A label that is asked for as None must not be there.
    return all(have.get(key) == value for key, value in labels.items())


def number(metric):
    return None if metric is None else float(metric.get("value", 0))


def percent(metric, digits=2):
    return "–" if metric is None else f"{100 * number(metric):.{digits}f} %"


def interval(metric, scale=1.0, digits=2, unit=""):
    if metric is None:
        return "–"
    low, high = float(metric.get("low", 0)), float(metric.get("high", 0))
    return f"{scale * number(metric):.{digits}f}{unit} [{scale * low:.{digits}f}, {scale * high:.{digits}f}]"


def row(experiment, name, shapes):
    variant = experiment.runs[name]["run"]["config"].get("variant", name)
    if experiment.runs[name]["run"]["state"] != "RUN_STATE_SUCCEEDED":
        return [f"`{name}`", experiment.runs[name]["run"]["state"].removeprefix("RUN_STATE_")]
    cells = [f"`{name}`", percent(experiment.find(name, "accuracy", split="test"))]
    cells.append(interval(experiment.find(name, "accuracy_difference", split="test", variant=None), 100))
    cells.append(percent(experiment.find(name, "agreement", split="test")))
    holm = experiment.compared("mcnemar_p_holm", variant=variant)
    cells.append("–" if holm is None else f"{number(holm):.3f}")
    size = experiment.compared("model_size", variant=variant, part="model")
    cells.append("–" if size is None else f"{number(size) / 1e6:.1f}")
    ratio = experiment.compared("compression_ratio", variant=variant, part="quantized_layers")
    cells.append("–" if ratio is None else f"{number(ratio):.2f}×")
    for batch, tokens in shapes:
        cells.append(interval(experiment.compared("speedup", variant=variant, batch_size=batch, sequence_length=tokens),
                              unit="×"))
    memory = experiment.compared("memory_usage", variant=variant, kind="peak")
    cells.append("–" if memory is None else f"{number(memory) / 1e6:.0f}")
    return cells


def timed_shapes(experiment):
    """(batch size, tokens) of all speedups; tokens are None in results from before lengths were told apart."""
    if experiment.comparison is None:
        return []
    labels = [m["labels"] for m in experiment.comparison.get("metrics", []) if m["name"] == "speedup"]
    shapes = {(label["batch_size"], label.get("sequence_length")) for label in labels}
    return sorted(shapes, key=lambda shape: [int(side or 0) for side in shape])


def shape_name(batch, tokens):
    return f"{batch} × {tokens} tokens" if tokens else f"batch {batch}"


def print_table(experiment):
    shapes = timed_shapes(experiment)
    head = ["variant", "accuracy", "difference, points", "same answers", "p (Holm)", "size, MB", "quantized layers"]
    head += [f"speedup, {shape_name(*shape)}" for shape in shapes] + ["peak memory, MB"]
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for name in experiment.variants():
        cells = row(experiment, name, shapes)
        print("| " + " | ".join(cells + [""] * (len(head) - len(cells))) + " |")


def drop(experiment, name):
    return -100 * number(experiment.find(name, "accuracy_difference", split="test", variant=None))


def against(experiment, variant, other):
    """The paired difference variant - other, whichever way round the comparison tested it; (value, low, high)."""
    metric = experiment.compared("accuracy_difference", variant=variant, against=other)
    sign = 1
    if metric is None:
        metric, sign = experiment.compared("accuracy_difference", variant=other, against=variant), -1
    if metric is None:
        return None
    ends = sorted(sign * float(metric.get(key, 0)) for key in ("low", "high"))
    return sign * number(metric), ends[0], ends[1]


def wins_back(experiment, have, static, qat):
    if not {static, qat} <= have:
        return
    lost, left = drop(experiment, static), drop(experiment, qat)
    if lost <= 0:  # nothing to win back, and so nothing to show
        return
    yield f"at 4-bit weights `{qat}` wins back at least half of what `{static}` loses (by the values alone)", (
        "yes" if 1 - left / lost >= 0.5 else "**no**"), f"{lost:.2f} points lost, {left:.2f} after QAT"


def verdict(difference, margin):
    """What a paired difference with its 95 % interval shows of a loss of at most `margin`: "yes" only where the whole
    interval lies above -margin, "**no**" where all of it lies below, and "not shown" between, where the data are
    compatible with both. An interval that merely reaches 0 shows nothing. Source: Piaggio et al., CONSORT for
    non-inferiority trials, JAMA 308(24), 2012."""
    _, low, high = difference
    if low >= -margin:
        return "yes"
    return "**no**" if high < -margin else "not shown"


def interval_text(difference):
    value, low, high = (100 * part for part in difference)
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


def from_baseline(experiment, name):
    """The paired difference from the baseline; (value, low, high), or None."""
    metric = experiment.find(name, "accuracy_difference", split="test", variant=None)
    if metric is None or not {"low", "high"} & set(metric):
        return None
    return number(metric), float(metric.get("low", 0)), float(metric.get("high", 0))


def bounds(experiment):
    """(bound, verdict, figure) of each."""
    have = set(experiment.variants())

    def at_most(name, most):
        difference = from_baseline(experiment, name) if name in have else None
        if difference:
            yield f"`{name}` loses at most {most} points", verdict(difference, most / 100), interval_text(difference)

    def not_worse(name, other, margin=0.5):
        pair = against(experiment, name, other) if {name, other} <= have else None
        if pair:
            yield f"`{name}` is at most {margin} points less accurate than `{other}`", verdict(pair, margin / 100), (
                interval_text(pair))

    whole = "mixed_precision.mode-whole"
    if whole in have:
        agreement = number(experiment.find(whole, "agreement", split="test"))
        yield f"`{whole}` (BF16) gives at least 99.5 % of FP32's answers", (
            "yes" if agreement >= 0.995 else "**no**"), f"{100 * agreement:.2f} %"
    yield from wins_back(experiment, have, "static_quantization", "qat.learned_steps-false")
    yield from wins_back(experiment, have, "static_quantization", "qat.learned_steps-true")
    static8, static4 = "static_quantization.weight_bits-8", "static_quantization.weight_bits-4"
    qat8, qat4 = "qat.weight_bits-8", "qat.weight_bits-4"
    mixed = "mixed_precision.mode-per_layer"
    yield from at_most("dynamic_quantization", 0.5)
    for name in (static8, qat8, mixed):
        yield from at_most(name, 1.0)
    yield from not_worse(qat8, static8)
    yield from not_worse(mixed, static8)
    yield from wins_back(experiment, have, static4, qat4)


def print_bounds(experiment):
    print("\n| bound | measured | shown |\n|---|---|---|")
    for text, shown, figure in bounds(experiment):
        print(f"| {text} | {figure} | {shown} |")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    experiment = Experiment(sys.argv[1])
    print_table(experiment)
    print_bounds(experiment)
    facts = ("cpu_model", "threads", "torch", "int8_kernels", "os")
    print("\n" + "; ".join(f"{fact}: {experiment.fact(fact)}" for fact in facts))


if __name__ == "__main__":
    main()
