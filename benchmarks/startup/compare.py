#!/usr/bin/env python3
"""From exec to the first answer: quant-runner beside Python with PyTorch and Python with ONNX Runtime.

    pip install torch==2.13.0 transformers==5.24.0 onnxruntime==1.32.0 onnx==1.23.2 tokenizers==0.23.3
    python benchmarks/startup/compare.py --program build/release/bin/quant-runner --model FOLDER [--quantized FOLDER]

FOLDER is the saved model of a baseline, and of a quantization. Each start is a fresh process that loads the model,
classifies one text and prints its logits. The programs take turns; files are in the page cache, as on a machine that
serves. The ONNX file is exported by PyTorch beforehand. Every program must give the same logits within 1e-3, the
quantized one within 1.
"""
import argparse
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

TEXT = "A quiet, funny film that stays with you; the last half hour is as good as anything this year."

PYTORCH = """
import json, sys
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
torch.set_num_threads(1)
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1]).eval()
with torch.inference_mode():
    print(json.dumps(model(**tokenizer([sys.argv[3]], return_tensors="pt")).logits[0].tolist()), flush=True)
"""

ONNX_RUNTIME = """
import json, sys
import numpy, onnxruntime, tokenizers
tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
tokenizer.no_padding()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[2], options, providers=["CPUExecutionProvider"])
encoded = tokenizer.encode(sys.argv[3])
inputs = {"input_ids": encoded.ids, "attention_mask": encoded.attention_mask, "token_type_ids": encoded.type_ids}
names = {i.name for i in session.get_inputs()}
feed = {k: numpy.array([v], dtype=numpy.int64) for k, v in inputs.items() if k in names}
print(json.dumps(session.run(None, feed)[0][0].tolist()), flush=True)
"""


def export(model, path):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    loaded = AutoModelForSequenceClassification.from_pretrained(model).eval()
    encoded = AutoTokenizer.from_pretrained(model)([TEXT], return_tensors="pt")
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {name: {0: "batch", 1: "tokens"} for name in names}
    torch.onnx.export(loaded, tuple(encoded[name] for name in names), path, input_names=names, output_names=["logits"],
                      dynamic_axes=axes, opset_version=17, dynamo=False)


def runner_words(program, folder):
    return [program, "predict", "--model", folder, "--threads", "1", "--batch-size", "1"]


def answer(words, lines):
    """Seconds from exec to the end of the first line, and the logits on it."""
    start = time.perf_counter()
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if lines:
        process.stdin.write(lines)
        process.stdin.flush()
    line = process.stdout.readline()
    seconds = time.perf_counter() - start
    process.stdin.close()
    process.stdout.close()
    if process.wait() != 0 or not line:
        raise SystemExit(f"{words[0]} failed")
    value = json.loads(line)
    return seconds, value["logits"] if isinstance(value, dict) else value


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", required=True, help="quant-runner")
    parser.add_argument("--model", required=True, help="saved model of a baseline")
    parser.add_argument("--quantized", help="saved model of a quantization of it")
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    line = (TEXT + "\n").encode()
    with tempfile.TemporaryDirectory() as folder:
        onnx = str(pathlib.Path(folder) / "model.onnx")
        export(args.model, onnx)
        contestants = {"quant-runner FP32": (runner_words(args.program, args.model), line),
                       "Python, PyTorch FP32": ([sys.executable, "-c", PYTORCH, args.model, onnx, TEXT], b""),
                       "Python, ONNX Runtime FP32": ([sys.executable, "-c", ONNX_RUNTIME, args.model, onnx, TEXT], b"")}
        if args.quantized:
            contestants["quant-runner INT8"] = (runner_words(args.program, args.quantized), line)
        times = {name: [] for name in contestants}
        reference = None
        for number in range(args.rounds + 1):
            order = list(contestants)
            random.shuffle(order)
            for name in order:
                seconds, logits = answer(*contestants[name])
                reference = reference or answer(*contestants["Python, PyTorch FP32"])[1]
                most = max(abs(a - b) for a, b in zip(logits, reference))
                if most > (1 if "INT8" in name else 1e-3):
                    raise SystemExit(f"{name}: the logits differ by {most}")
                if number > 0:  # the first round fills the page cache
                    times[name].append(seconds)
    for name, values in times.items():
        values.sort()
        print(f"{name}: median {statistics.median(values):.3f} s, quartiles {values[len(values) // 4]:.3f} to "
              f"{values[3 * len(values) // 4]:.3f} s ({len(values)} starts)")


if __name__ == "__main__":
    main()
