#!/usr/bin/env python3
"""The engine on a GPU beside PyTorch eager, torch.compile and torchao, in one run.

    python benchmarks/gpu/benchmark.py --engine build/…/bin/gpu_engine --output benchmark.json

Each contestant is a process of its own that has the whole GPU while it works: contestants take turns in
randomised blocks, and every ratio is taken within a block. Ratios are medians over the blocks with a
bootstrap 95 % interval; above 1, the engine is faster. Weights are random, the same for all contestants of a
model, and the logits are compared. Needs torch and transformers; torchao takes part where it is installed.
"""
import argparse
import concurrent.futures
import json
import pathlib
import random
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from contestants import Contestant, bootstrap  # noqa: E402

SHAPES = [[1, 128], [32, 128], [128, 128], [32, 384]]
MODELS = {"bert-base": {}, "minilm-l6": {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536}}
# Engine's precision -> what it is divided by.
RIVALS = {"fp16": ["eager-fp16", "compile-fp16"], "bf16": ["eager-bf16"],
          "int8": ["torchao-int8", "torchao-fp8", "compile-fp16", "eager-fp16"]}
HERE = pathlib.Path(__file__).resolve().parent


def save_models(folder):
    import torch
    from transformers import BertConfig, BertForSequenceClassification
    torch.manual_seed(1)
    for name, shape in MODELS.items():
        BertForSequenceClassification(BertConfig(**shape)).save_pretrained(folder / name)


def start(options, folder, model):
    contestants = []
    for precision in options.precisions:
        contestants.append(Contestant(precision, [options.engine, "--model", folder / model,
                                                  "--precision", precision]))
    kinds = sorted({rival for precision in options.precisions for rival in RIVALS[precision]})
    for kind in kinds:
        if kind.split("-")[0] not in options.without:
            contestants.append(Contestant(kind, [sys.executable, HERE / "contestant.py", "--model", folder / model,
                                                 "--kind", kind], TORCHINDUCTOR_COMPILE_THREADS="4"))
    return contestants


def iterations_for(seconds):
    """About 20 ms a block, so that starting and waiting do not count."""
    return max(2, min(200, int(0.02 / seconds)))


def race(contestants, shape, options, rng):
    """name -> seconds of each block, the contestants in a new order in each."""
    counts, times = {}, {c.name: [] for c in contestants}
    for contestant in contestants:
        first = contestant.ask(do="block", shape=shape, iterations=3)
        counts[contestant.name] = iterations_for(first["seconds"]) if first else 0
    for _ in range(options.blocks):
        for contestant in rng.sample(contestants, len(contestants)):
            answer = contestant.ask(do="block", shape=shape, iterations=counts[contestant.name])
            times[contestant.name].append(answer["seconds"] if answer else None)
    return {name: seconds for name, seconds in times.items() if seconds and None not in seconds}


def compare(model, shape, times, options, rng):
    rows = []
    for precision in options.precisions:
        for rival in RIVALS[precision]:
            if precision not in times or rival not in times:
                continue
            ratios = [theirs / ours for ours, theirs in zip(times[precision], times[rival])]
            low, high = bootstrap(ratios, rng)
            rows.append({"model": model, "texts": shape[0], "tokens": shape[1], "precision": precision, "rival": rival,
                         "engine_ms": 1e3 * statistics.median(times[precision]),
                         "rival_ms": 1e3 * statistics.median(times[rival]),
                         "speedup": statistics.median(ratios), "low": low, "high": high})
    return rows


def prepare(options, folder):
    """Model -> its contestants and their answers. All prepare at once: compiling takes them a minute and more."""
    contestants = {model: start(options, folder, model) for model in options.models}
    everyone = [c for some in contestants.values() for c in some]
    pool = concurrent.futures.ThreadPoolExecutor(len(everyone))
    answers = {c: pool.submit(c.ask, do="prepare", shapes=SHAPES) for c in everyone}
    concurrent.futures.wait(answers.values(), timeout=options.prepare_seconds)
    for contestant, answer in answers.items():
        if not answer.done():
            contestant.close()
            answer.result()
            contestant.error = f"was not ready after {options.prepare_seconds:.0f} s"
    pool.shutdown()
    return {model: (some, {c.name: answers[c].result() for c in some}) for model, some in contestants.items()}


def run_model(options, model, contestants, prepared, rng):
    reference = prepared.get("eager-fp16") or prepared.get("fp16")
    agreement = {}
    for name, answer in prepared.items():
        if answer and reference:
            agreement[name] = max(abs(a - b) for shape in answer["logits"]
                                  for a, b in zip(answer["logits"][shape], reference["logits"][shape]))
    rows, products = [], []
    for shape in SHAPES:
        times = race([c for c in contestants if not c.error], shape, options, rng)
        rows += compare(model, shape, times, options, rng)
        products += race_products(model, contestants, shape, options, rng)
    result = {"cells": rows, "products": products, "largest_difference_of_logits": agreement,
              "prepare_seconds": {name: answer["seconds"] for name, answer in prepared.items() if answer},
              "errors": {c.name: c.error for c in contestants if c.error}}
    for contestant in contestants:
        contestant.close()
    return result


def race_products(model, contestants, shape, options, rng):
    """The engine's fused products beside cuBLASLt alone, on the shapes of this model."""
    hidden = MODELS[model].get("hidden_size", 768)
    wide = MODELS[model].get("intermediate_size", 3072)
    engine = next((c for c in contestants if c.name in options.precisions and not c.error), None)
    library = next((c for c in contestants if c.name.startswith("eager") and not c.error), None)
    if engine is None or library is None or options.product_blocks == 0:
        return []
    rows, m = [], shape[0] * shape[1]
    for kind in ("int8", "fp8"):
        for n, k in ((3 * hidden, hidden), (hidden, hidden), (wide, hidden), (hidden, wide)):
            what = {"do": "product", "kind": kind, "m": m, "n": n, "k": k}
            shares, seconds = [], []
            for _ in range(options.product_blocks):
                pair = [c.ask(**what, iterations=20) for c in (engine, library)]
                if None in pair:
                    engine.error = library.error = ""  # of this product alone
                    break
                shares.append(pair[1]["seconds"] / pair[0]["seconds"])
                seconds.append(pair[0]["seconds"])
            if shares:
                tiles = [engine.ask(**what, iterations=20, tile=tile) for tile in range(3)] if options.tiles else []
                low, high = bootstrap(shares, rng)
                rows.append({"model": model, "kind": kind, "m": m, "n": n, "k": k, "low": low, "high": high,
                             "share_of_cublaslt": statistics.median(shares),
                             "tiles_us": [1e6 * tile["seconds"] if tile else None for tile in tiles],
                             "engine_us": 1e6 * statistics.median(seconds),
                             "tops": 2e-12 * m * n * k / statistics.median(seconds)})
    return rows


def print_tables(report):
    print(f"{report['card']}, torch {report['torch']}")
    print(f"{'model':10} {'shape':8} {'engine':6} {'ms':>8}  {'rival':13} {'ms':>8}  speedup [95 %]")
    for model in report["models"].values():
        for row in model["cells"]:
            print(f"{row['model']:10} {row['texts']}x{row['tokens']:<5} {row['precision']:6} {row['engine_ms']:8.3f}  "
                  f"{row['rival']:13} {row['rival_ms']:8.3f}  {row['speedup']:.2f} [{row['low']:.2f}, {row['high']:.2f}]")
    print(f"{'model':10} {'kind':5} {'m':>6} {'n':>5} {'k':>5} {'us':>8} {'TOP/s':>6}  share of cuBLASLt alone [95 %]")
    for model in report["models"].values():
        for row in model["products"]:
            print(f"{row['model']:10} {row['kind']:5} {row['m']:6} {row['n']:5} {row['k']:5} {row['engine_us']:8.1f} "
                  f"{row['tops']:6.0f}  {row['share_of_cublaslt']:.2f} [{row['low']:.2f}, {row['high']:.2f}]")
    for name, model in report["models"].items():
        print(name, "largest difference of logits from eager-fp16:",
              {k: float(f"{v:.3g}") for k, v in model["largest_difference_of_logits"].items()})
        for contestant, error in model["errors"].items():
            print(f"{name}: {contestant} did not take part: {error[:300]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", required=True, help="the program gpu_engine")
    parser.add_argument("--output", default="benchmark.json")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--precisions", nargs="+", choices=RIVALS, default=list(RIVALS))
    parser.add_argument("--without", nargs="*", default=[], help="rivals to leave out: eager, compile, torchao")
    parser.add_argument("--prepare-seconds", type=float, default=150, help="who is not ready by then is left out")
    parser.add_argument("--tiles", action="store_true", help="time every tile of the products too")
    parser.add_argument("--blocks", type=int, default=15)
    parser.add_argument("--product-blocks", type=int, default=5, help="0: no products")
    options = parser.parse_args()
    import torch
    rng = random.Random(1)
    report = {"card": torch.cuda.get_device_name(0), "torch": torch.__version__,
              "command": " ".join(sys.argv), "models": {}}
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        save_models(pathlib.Path(folder))
        for model, (contestants, prepared) in prepare(options, pathlib.Path(folder)).items():
            report["models"][model] = run_model(options, model, contestants, prepared, rng)
            report["seconds"] = time.monotonic() - started
            pathlib.Path(options.output).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print_tables(report)


if __name__ == "__main__":
    main()
