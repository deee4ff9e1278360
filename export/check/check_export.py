"""Runs texts through an exported model and through quant-runner, and compares the logits.

quantctl export-model starts it with a Python that has the runtime:
  check_export.py --format onnx --runner quant-runner --source MODEL --exported FOLDER --texts FILE --result FILE
      --share 0.1
It needs NumPy and the runtime, and quantlab_runtimes.py beside it. The result is a JSON object; "error" in it says why there are no numbers.
"""

import argparse
import json
import pathlib
import struct
import subprocess
import sys
import time

import numpy as np
from quantlab_runtimes import RUNTIMES, ids_and_types, inputs_of

BATCH, TIMED_RUNS, TIMED_SECONDS, TIMED_TOKENS, TIMED_CHARACTERS = 16, 20, 2.0, 32, 512


def parse_arguments():
    parser = argparse.ArgumentParser()
    for name in ("format", "runner", "source", "exported", "texts", "result"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--share", type=float, required=True, help="tolerated difference over the largest logit")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--max-length", type=int, default=128)
    return parser.parse_args()


def run_runner(arguments, command, *options, text=""):
    done = subprocess.run([arguments.runner, command, *options], input=text, text=True, capture_output=True,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(f"quant-runner {command}: {done.stderr.strip()}")
    return done.stdout


def lines_of_json(text):
    return [json.loads(line) for line in text.splitlines()]


def lines_of_texts(texts, pairs):
    """Lines for quant-runner: as they are, or, for a model of pairs, each with the next one where none is a pair."""
    if not pairs or any("\t" in text for text in texts):
        return texts
    return [f"{first}\t{second}" for first, second in zip(texts, texts[1:] + texts[:1])]


def long_line(texts, pairs):
    """One line of many tokens."""
    text = " ".join(texts).replace("\t", " ")[:TIMED_CHARACTERS]
    middle = text.find(" ", len(text) // 2)
    return f"{text[:middle]}\t{text[middle + 1:]}" if pairs else text


# ---- comparison ------------------------------------------------------------------------------------------------


def sees_whole_input(source):
    """Whether a layer has one scale for its whole input, so that texts of a batch change each other's results."""
    plan = source / "plan.json"
    return plan.exists() and any(layer.get("granularity") == "per_tensor"
                                 for layer in json.loads(plan.read_text(encoding="utf-8"))["layers"])


def read_safetensors(path):
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[begin:end], np.float32).reshape(entry["shape"])
    return tensors


def first_difference(arguments, runtime, text, ids, padding_id, share):
    """The first layer in order of computation whose output differs by more than `share`; None: not found."""
    folder = pathlib.Path(arguments.exported)
    trace = folder / ".trace.safetensors"
    try:
        run_runner(arguments, "predict", "--model", arguments.source, "--max-length", str(arguments.max_length),
                   "--layer-outputs", str(trace), text=text + "\n")
        expected = read_safetensors(trace)
    finally:
        trace.unlink(missing_ok=True)
    order = sorted(expected, key=lambda name: int(name.split("/")[0]))
    names = [name.split("/", 1)[1] for name in order]
    traced = runtime(folder, arguments.threads, names)
    actual = traced.run(inputs_of([ids], traced.inputs, padding_id))
    for key, name in zip(order, names):
        # quant-runner computes the last block for the first token alone, transformers for all.
        want = expected[key]
        got = actual[name].reshape(-1, want.shape[-1])[:want.size // want.shape[-1]].reshape(want.shape)
        if not np.abs(want - got).max() <= share * max(np.abs(want).max(), 1e-6):
            return name
    return None


def timed(run):
    """The median time of a call, after two that are not counted."""
    times, end = [], time.perf_counter() + TIMED_SECONDS
    for _ in range(2):
        run()
    while len(times) < 3 or (len(times) < TIMED_RUNS and time.perf_counter() < end):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


def own_time(arguments, text, tokens):
    """The same for one line through quant-runner predict, with its way through two pipes."""
    command = [arguments.runner, "predict", "--model", arguments.source, "--max-length", str(tokens), "--threads",
               str(arguments.threads)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        def run():
            process.stdin.write(text + "\n")
            process.stdin.flush()
            if not process.stdout.readline():
                raise RuntimeError("quant-runner predict ended early")
        seconds = timed(run)
        process.stdin.close()
    return seconds


def check_against_own(arguments, kind, text, logits):
    """The runtime must give what quant-runner computes from the exported weights, where it can read them."""
    share = getattr(kind, "own_share", None)
    if share is None:
        return
    own = np.array(lines_of_json(run_runner(arguments, "predict", "--model", arguments.exported, "--max-length",
                                            str(arguments.max_length), text=text)), np.float64)
    difference, largest = float(np.abs(logits - own).max()), float(np.abs(own).max())
    if not difference <= share * max(largest, 1e-3):
        raise RuntimeError(f"on the exported weights, {kind.title} and quant-runner differ by {difference:.3g} "
                           f"(largest logit {largest:.3g})")


def compare(arguments):
    source, exported = pathlib.Path(arguments.source), pathlib.Path(arguments.exported)
    texts = [line for line in pathlib.Path(arguments.texts).read_text(encoding="utf-8").splitlines() if line.strip()]
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    texts = lines_of_texts(texts, bool(config.get("text_pairs")))
    text = "\n".join(texts) + "\n"
    padding_id = config.get("pad_token_id") or 0
    length = str(arguments.max_length)
    ids = lines_of_json(run_runner(arguments, "tokenize", "--model", arguments.source, "--max-length", length, text=text))
    expected = np.array(lines_of_json(run_runner(arguments, "predict", "--model", arguments.source, "--max-length",
                                                 length, text=text)), np.float64)
    kind = RUNTIMES[arguments.format]
    runtime = kind(exported, arguments.threads)
    logits = np.concatenate([runtime.run(inputs_of([row], runtime.inputs, padding_id))["logits"] for row in ids])
    check_against_own(arguments, kind, text, logits)
    if not sees_whole_input(source):
        # Padded, as a batch. Beyond some texts it would only take longer.
        together = runtime.run(inputs_of(ids[:BATCH], runtime.inputs, padding_id))["logits"]
        alone = np.abs(logits[:BATCH] - expected[:BATCH]).max(axis=1, keepdims=True)
        batched = np.abs(together - expected[:BATCH]).max(axis=1, keepdims=True)
        logits[:BATCH] = np.where(batched > alone, together, logits[:BATCH])
    share = arguments.share
    tolerance = share * max(float(np.abs(expected).max()), 1e-3)
    errors = np.abs(logits - expected).max(axis=1)
    difference = float(errors.max()) if np.isfinite(logits).all() else float("inf")
    # A label may change only where the two largest logits are as close as the tolerance.
    ordered = np.sort(expected, axis=1)
    close = ordered[:, -1] - ordered[:, -2] <= 2 * tolerance if expected.shape[1] > 1 else np.ones(len(ids), bool)
    agree = logits.argmax(axis=1) == expected.argmax(axis=1)
    passed = difference <= tolerance and bool((agree | close).all())
    result = {"runtime": f"{runtime.title} {runtime.version}", "texts": len(texts), "agreement": float(agree.mean()),
              "difference": difference if np.isfinite(difference) else None, "tolerance": tolerance,
              "largest_logit": float(np.abs(expected).max()), "passed": passed, **runtime.facts}
    if passed:
        # No longer than needed: quant-runner's time includes that of tokenizing it.
        long = long_line(texts, bool(config.get("text_pairs")))
        length = str(min(TIMED_TOKENS, arguments.max_length))
        row = lines_of_json(run_runner(arguments, "tokenize", "--model", arguments.source, "--max-length", length,
                                       text=long + "\n"))
        inputs = inputs_of(row, runtime.inputs, padding_id)
        result.update(tokens=len(ids_and_types(row[0])[0]), threads=arguments.threads,
                      seconds=timed(lambda: runtime.run(inputs)), own_seconds=own_time(arguments, long, length))
    else:
        worst = int(np.nan_to_num(errors, nan=np.inf).argmax())
        result["layer"] = first_difference(arguments, kind, texts[worst], ids[worst], padding_id, share)
    return result


def main():
    arguments = parse_arguments()
    try:
        result = compare(arguments)
    except Exception as error:  # whatever a runtime throws, its words are the answer
        result = {"error": f"{type(error).__name__}: {error}"[-2000:]}
    pathlib.Path(arguments.result).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
