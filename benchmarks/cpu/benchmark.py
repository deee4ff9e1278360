#!/usr/bin/env python3
"""The engine on one CPU beside PyTorch, ONNX Runtime and OpenVINO, in one interleaved run.

    cmake --build build/release --target cpu_engine
    python benchmarks/cpu/benchmark.py [--models bert-base minilm-l6] [--batches 1x128 8x128 ragged8] [--threads 1]

Each contestant is a process of its own; they take turns, in an order drawn anew for each block, and every ratio is
taken within a block. Printed are seconds (median) and the speed relative to PyTorch FP32, as medians over the blocks
with a bootstrap 95 % interval. Weights are random and the same for all contestants of a model; the logits of all are
compared with PyTorch's in FP32, as the cosine after the mean of each class over the texts is subtracted (1 for one
text: nothing is left of it). A contestant that cannot start is listed with its error and left out.

ragged8 and ragged32 hold texts of different lengths, drawn once from the distribution of the tokens of IMDB reviews cut
off at 384. The engine packs them; the others pad to the longest.

Needs what requirements.txt beside this file pins.
"""
import argparse
import json
import math
import os
import pathlib
import platform
import random
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from contestants import Contestant, bootstrap  # noqa: E402

MODELS = {"bert-base": {}, "minilm-l6": {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536}}
RAGGED32 = [384, 384, 384, 384, 381, 352, 317, 291, 268, 250, 236, 223, 211, 203, 195, 188, 181, 176, 172, 168, 163, 158,
            153, 149, 144, 139, 132, 119, 98, 76, 60, 44]
BATCHES = {**{f"{texts}x{tokens}": [tokens] * texts for texts, tokens in
              ((1, 16), (1, 128), (8, 128), (32, 128), (1, 384), (8, 384))},
           "ragged32": RAGGED32, "ragged8": RAGGED32[2::4]}
OURS = ["fp32", "static", "dynamic", "int8_weights", "int4_weights"]
OTHERS = ["pytorch-fp32", "pytorch-dynamic", "onnxruntime-fp32", "onnxruntime-dynamic", "openvino-fp32", "openvino-int8",
          "openvino-int8-bf16"]
HERE = pathlib.Path(__file__).resolve().parent
REFERENCE = "pytorch-fp32"


def save_model(name, folder):
    import torch
    from transformers import BertConfig, BertForSequenceClassification
    torch.manual_seed(1)
    BertForSequenceClassification(BertConfig(num_labels=8, **MODELS[name])).save_pretrained(folder)


def centred(logits, texts):
    classes = len(logits) // texts
    rows = [logits[i * classes:(i + 1) * classes] for i in range(texts)]
    means = [sum(column) / texts for column in zip(*rows)]
    return [value - mean for row in rows for value, mean in zip(row, means)]


def agreement(logits, reference, texts):
    """Cosine of the centred logits; for one text, of the logits as they are."""
    if texts > 1:
        logits, reference = centred(logits, texts), centred(reference, texts)
    dot = sum(a * b for a, b in zip(logits, reference))
    return dot / math.sqrt(sum(a * a for a in logits) * sum(b * b for b in reference))


def cpu_name():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def start(options, folder):
    contestants = []
    for kind in options.contestants:
        threads = ["--threads", options.threads]
        if kind in OTHERS:
            command = [sys.executable, HERE / "contestant.py", "--model", folder, "--kind", kind, *threads]
        else:
            name, _, execution = kind.partition("/")
            command = [options.engine, "--model", folder, "--kind", name, *threads,
                       "--execution", execution or "plan"]
        contestants.append(Contestant(kind, command))
    return contestants


def measure(options, contestants, batch, rng):
    """Blocks of one batch; each contestant runs once, about as long as the others, in each block."""
    alive = [c for c in contestants if not c.error]
    times = {c.name: [] for c in alive}
    for _ in range(options.blocks):
        for contestant in rng.sample(alive, len(alive)):
            before = contestant.cpu_seconds()
            answer = contestant.ask(do="block", batch=batch, iterations=options.iterations)
            if answer and options.clock == "cpu":
                times[contestant.name].append((contestant.cpu_seconds() - before) / options.iterations)
            elif answer:
                times[contestant.name].append(answer["seconds"])
    return {name: seconds for name, seconds in times.items() if len(seconds) == options.blocks}


def run_model(options, model, rng):
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        save_model(model, folder)
        contestants = start(options, folder)
        batches = {name: BATCHES[name] for name in options.batches}
        prepared = {}
        for contestant in contestants:  # one after the other: they compile and calibrate
            prepared[contestant.name] = contestant.ask(do="prepare", batches=batches)
            outcome = contestant.error or f"ready after {prepared[contestant.name]['seconds']:.0f} s"
            print(f"{model}: {contestant.name}: {outcome}", file=sys.stderr, flush=True)
        reference = prepared.get(REFERENCE)
        if reference is None:
            sys.exit(f"{REFERENCE} must be among the contestants and start")
        for batch in batches:
            times = measure(options, contestants, batch, rng)
            if REFERENCE not in times:
                error = next(c.error for c in contestants if c.name == REFERENCE)
                sys.exit(f"{REFERENCE} failed at {batch}: {error}")
            for name, seconds in times.items():
                ratios = [a / b for a, b in zip(times[REFERENCE], seconds)]
                rows.append({"model": model, "batch": batch, "contestant": name,
                             "seconds": statistics.median(seconds), "speed": statistics.median(ratios),
                             "interval": bootstrap(ratios, rng),
                             "agreement": agreement(prepared[name]["logits"][batch], reference["logits"][batch],
                                                    len(BATCHES[batch])),
                             "version": prepared[name].get("version", ""),
                             "kernels": prepared[name].get("kernels", [])})
        for contestant in contestants:
            contestant.close()
    return rows


def print_table(rows, batches):
    for model in dict.fromkeys(row["model"] for row in rows):
        print(f"\n| {model} | " + " | ".join(batches) + " | logits |")
        print("|---|" + "---|" * (len(batches) + 1))
        for name in dict.fromkeys(row["contestant"] for row in rows):
            mine = {row["batch"]: row for row in rows if row["model"] == model and row["contestant"] == name}
            cells = [f"{mine[b]['speed']:.2f} [{mine[b]['interval'][0]:.2f}, {mine[b]['interval'][1]:.2f}]"
                     if b in mine else "–" for b in batches]
            worst = min((row["agreement"] for row in mine.values()), default=float("nan"))
            print(f"| {name} | " + " | ".join(cells) + f" | {worst:.4f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="build/release/bin/cpu_engine")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--batches", nargs="+", default=["1x128", "8x128", "ragged8"], choices=list(BATCHES))
    parser.add_argument("--contestants", nargs="+", default=OURS + OTHERS,
                        help="also KIND/layers, the engine layer by layer (default: all, by the plan)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--blocks", type=int, default=15)
    parser.add_argument("--iterations", type=int, default=1, help="forward passes in a row in each block")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall",
                        help="cpu: seconds of CPU of all threads of a contestant, for a machine that does other things "
                             "as well; with one thread only")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", help="write all figures here as JSON")
    options = parser.parse_args()
    if options.clock == "cpu" and options.threads != 1:
        sys.exit("--clock cpu adds up the time of all threads: use it with --threads 1")
    rng = random.Random(options.seed)
    rows = []
    for model in options.models:
        rows += run_model(options, model, rng)
    print(f"{cpu_name()}, {options.threads} thread(s) of {os.cpu_count()} CPUs, {options.blocks} blocks, {options.clock} time; "
          f"speed relative to {REFERENCE}")
    print_table(rows, options.batches)
    if options.output:
        with open(options.output, "w") as file:
            json.dump({"cpu": cpu_name(), "threads": options.threads, "blocks": options.blocks, "clock": options.clock,
                       "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
