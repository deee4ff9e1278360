#!/usr/bin/env python3
"""Dynamic quantization of this project beside PyTorch's own, on one fine-tuned checkpoint.

    python benchmarks/dynamic_vs_pytorch.py speed BASELINE QUANTIZED [--runner PATH] [--batch-sizes 1 8]
    python benchmarks/dynamic_vs_pytorch.py agreement BASELINE QUANTIZED --texts LINES [--runner PATH]

BASELINE and QUANTIZED are the model folders of a baseline and a dynamic_quantization run. Needs
what requirements-pytorch.txt beside this file pins; nothing of this project needs them.

speed: four contestants take turns in randomised blocks on one core set: PyTorch FP32 (eager), PyTorch
quantize_dynamic (per-channel weights), and `quant-runner predict` on both folders. quant-runner runs as a
process of its own that is fed lines, so that its times hold tokenization, pipes and JSON as well, while
PyTorch's are of the model alone: the comparison leans to PyTorch's side. Ratios are medians over blocks
with a bootstrap 95 % interval.

agreement: share of texts with the same label, and the largest difference of logits, between PyTorch's
layers and this project's, in FP32 and dynamically quantized, one text at a time.
"""
import argparse
import json
import random
import statistics
import subprocess
import sys
import time
import warnings

from contestants import bootstrap, cpu_seconds

warnings.filterwarnings("ignore")
import torch  # noqa: E402
from transformers import AutoTokenizer, BertForSequenceClassification  # noqa: E402


def pytorch_models(folder):
    fp32 = BertForSequenceClassification.from_pretrained(folder, attn_implementation="sdpa").eval()
    from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic
    copy = BertForSequenceClassification.from_pretrained(folder, attn_implementation="sdpa").eval()
    int8 = quantize_dynamic(copy, {torch.nn.Linear: per_channel_dynamic_qconfig})
    return fp32, int8


class Runner:
    """`quant-runner predict`, fed line by line."""

    def __init__(self, program, folder, threads, batch_size=1, max_length=0):
        self.process = subprocess.Popen(
            [program, "predict", "--model", folder, "--threads", str(threads), "--batch-size", str(batch_size),
             "--max-length", str(max_length)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, lines):
        # One write below PIPE_BUF arrives whole, so the runner sees the batch at once.
        data = "".join(line + "\n" for line in lines).encode()
        self.process.stdin.write(data)
        self.process.stdin.flush()
        return [json.loads(self.process.stdout.readline()) for _ in lines]

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)


def speed(args):
    torch.set_num_threads(args.threads)
    rng = random.Random(1)
    tokenizer = AutoTokenizer.from_pretrained(args.baseline)
    fp32, int8 = pytorch_models(args.baseline)
    report = {"torch": torch.__version__, "threads": args.threads, "tokens": args.tokens, "clock": args.clock, "results": []}
    for batch_size in args.batch_sizes:
        line = " ".join(["the"] * (args.tokens - 2))
        lines = [line] * batch_size
        assert len("".join(lines)) + batch_size <= 4096, "more than one write of a pipe"
        inputs = tokenizer(lines, return_tensors="pt")
        assert inputs["input_ids"].shape[1] == args.tokens
        ours = {"quant-runner FP32": Runner(args.runner, args.baseline, args.threads, batch_size),
                "quant-runner INT8": Runner(args.runner, args.quantized, args.threads, batch_size)}
        contestants = {"PyTorch FP32": lambda: fp32(**inputs), "PyTorch dynamic": lambda: int8(**inputs)}
        contestants.update({name: (lambda r=runner: r(lines)) for name, runner in ours.items()})
        times = {name: [] for name in contestants}
        with torch.inference_mode():
            for block in range(args.blocks + 3):
                for name in rng.sample(list(contestants), len(contestants)):
                    clock = time.perf_counter
                    if args.clock == "cpu":
                        clock = ours[name].cpu_seconds if name in ours else time.thread_time
                    start = clock()
                    contestants[name]()
                    if block >= 3:
                        times[name].append(clock() - start)
        print(f"\nbatch {batch_size} x {args.tokens} tokens, {args.threads} threads, {args.blocks} blocks, {args.clock} time")
        for name, seconds in times.items():
            row = {"batch_size": batch_size, "name": name, "p50_seconds": statistics.median(seconds)}
            for other in ("PyTorch FP32", "PyTorch dynamic"):
                ratios = [a / b for a, b in zip(times[other], seconds)]
                row["speedup over " + other] = [statistics.median(ratios), *bootstrap(ratios, rng)]
            report["results"].append(row)
            over = "   ".join(f"{v[0]:5.2f}x [{v[1]:.2f}, {v[2]:.2f}] {k[13:]}" for k, v in row.items() if k[:7] == "speedup")
            print(f"  {name:18} {1e3 * row['p50_seconds']:8.2f} ms   {over}")
        for runner in ours.values():
            runner.process.stdin.close()
            runner.process.wait()
    if args.json:
        with open(args.json, "w") as file:
            json.dump(report, file, indent=1)


def agreement(args):
    torch.set_num_threads(args.threads)
    tokenizer = AutoTokenizer.from_pretrained(args.baseline)
    models = dict(zip(("FP32", "dynamic INT8"), pytorch_models(args.baseline)))
    folders = {"FP32": args.baseline, "dynamic INT8": args.quantized}
    with open(args.texts, encoding="utf-8", errors="replace") as file:
        lines = [line.rstrip("\n") for line in file][: args.limit]
    for name, model in models.items():
        runner = Runner(args.runner, folders[name], args.threads, 1, args.max_length)
        same, worst, total = 0, 0.0, 0.0
        for line in lines:
            inputs = tokenizer(line, return_tensors="pt", truncation=True, max_length=args.max_length)
            with torch.inference_mode():
                theirs = model(**inputs).logits[0].tolist()
            ours = runner([line])[0]
            same += theirs.index(max(theirs)) == ours.index(max(ours))
            difference = max(abs(a - b) for a, b in zip(theirs, ours))
            worst, total = max(worst, difference), total + difference
        runner.process.stdin.close()
        runner.process.wait()
        print(f"{name:13} labels agree on {same} of {len(lines)} texts ({100 * same / len(lines):.2f} %); largest "
              f"difference of a logit {worst:.2g}, mean {total / len(lines):.2g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "agreement"])
    parser.add_argument("baseline")
    parser.add_argument("quantized")
    parser.add_argument("--runner", default="build/release/bin/quant-runner")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--blocks", type=int, default=60)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall",
                        help="cpu: time of the one thread that computes, for a machine that does other things as well")
    parser.add_argument("--json", help="write the figures here")
    parser.add_argument("--texts", help="agreement: a file of one text a line")
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--max-length", type=int, default=192)
    args = parser.parse_args()
    if args.what == "agreement" and not args.texts:
        sys.exit("agreement needs --texts")
    if args.clock == "cpu" and args.threads != 1:
        sys.exit("--clock cpu sees one thread only")
    (speed if args.what == "speed" else agreement)(args)


if __name__ == "__main__":
    main()
