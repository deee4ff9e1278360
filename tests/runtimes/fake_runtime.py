#!/usr/bin/env python3
"""A runtime without a model: it shows the smallest program that speaks docs/en/runtime-protocol.md, and stands for one in
tests. Written from that page alone.

The logits of a text are sums over its token ids, so that a comparison leaves it out for its differences.
"""

import json
import pathlib
import sys
import time

MAX_LINE = 64 << 20
models, batches = [], {}


class Refused(Exception):
    pass


def check(condition, words):
    if not condition:
        raise Refused(words)


def whole(value, low, high):
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def model_of(request):
    check(whole(request.get("model"), 0, len(models) - 1), "there is no such model")
    return request["model"]


def batch_of(request):
    batch = request.get("batch")
    check(isinstance(batch, list) and 1 <= len(batch) <= 4096, "batch: 1 to 4096 texts")
    for text in batch:
        check(isinstance(text, list) and 1 <= len(text) <= 8192, "batch: texts of 1 to 8192 ids")
        check(all(whole(token, 0, 2147483647) for token in text), "batch: ids from 0 to 2147483647")
    return batch


def compute(classes, batch):
    return [[sum((token * (c + 3)) % 101 for token in text) / len(text) / 101 for c in range(classes)] for text in batch]


def hello(request):
    check(request.get("protocol") == 1, "only protocol 1")
    return {"protocol": 1, "title": "Fake", "version": "1.0", "versions": {"fake": "1.0"}, "formats": ["folder"]}


def load(request):
    folder = request.get("folder")
    check(isinstance(folder, str) and folder.startswith("/"), "folder: an absolute path")
    check(request.get("format") == "folder", "format: folder")
    check(whole(request.get("threads"), 1, 1024), "threads: 1 to 1024")
    config = json.loads((pathlib.Path(folder) / "config.json").read_text())
    models.append(len(config.get("id2label", {})) or config.get("num_labels", 2))
    return {"model": len(models) - 1}


def run(request):
    return {"logits": compute(models[model_of(request)], batch_of(request))}


def warm_up(request):
    model, batch = model_of(request), batch_of(request)
    check(whole(request.get("passes"), 0, 10000), "passes: 0 to 10000")
    for _ in range(request["passes"]):
        compute(models[model], batch)
    batches[model] = batch
    return {}


def measure(request):
    model = model_of(request)
    check(whole(request.get("passes"), 1, 1000), "passes: 1 to 1000")
    check(model in batches, "warm_up first")
    seconds = []
    for _ in range(request["passes"]):
        begin = time.perf_counter()
        compute(models[model], batches[model])
        seconds.append(time.perf_counter() - begin)
    return {"seconds": seconds}


def main():
    while line := sys.stdin.buffer.readline(MAX_LINE + 2):
        if len(line) > MAX_LINE + 1:
            return 1
        number = None
        try:
            request = json.loads(line)
            check(isinstance(request, dict) and whole(request.get("id"), 0, 2**53), "a request is an object with an id")
            number = request["id"]
            if request.get("do") == "quit":
                print(json.dumps({"id": number}), flush=True)
                return 0
            known = {"hello": hello, "load": load, "run": run, "warm_up": warm_up, "measure": measure}
            check(isinstance(request.get("do"), str) and request["do"] in known, "do: " + ", ".join(known))
            answer = {"id": number, **known[request["do"]](request)}
        except (Refused, OSError, ValueError, RecursionError) as error:
            answer = {"id": number, "error": str(error)}
        print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
