"""Serves one runtime to a comparison, by the protocol of docs/en/runtime-protocol.md.

    python serve_runtime.py onnxruntime|openvino|pytorch

Requests are JSON objects, one a line, on standard input; answers go to standard output. Needs NumPy, the runtime, and
quantlab_runtimes.py beside this file.
"""

import gc
import importlib
import json
import math
import os
import pathlib
import platform
import sys
import time

PROTOCOL = 1
MAX_LINE = 64 << 20
MAX_TEXTS, MAX_TOKENS, MAX_ID = 4096, 8192, 2**31 - 1
MAX_THREADS, MAX_WARM_UP, MAX_PASSES, MAX_MODELS = 1024, 10000, 1000, 256
# By name: the title, the formats of exported models, and the packages whose versions are reported; the first of them is
# the runtime.
RUNTIMES = {
    "onnxruntime": ("ONNX Runtime", ("onnx",), ("onnxruntime", "numpy")),
    "openvino": ("OpenVINO", ("openvino",), ("openvino", "numpy")),
    "pytorch": ("PyTorch", ("transformers", "transformers-bf16"), ("torch", "transformers", "numpy")),
}


class RequestError(Exception):
    """The request is wrong, and the runtime goes on."""


def integer(request, key, low, high):
    value = request.get(key)
    if type(value) is not int or not low <= value <= high:
        raise RequestError(f"{key} must be an integer from {low} to {high}")
    return value


def text(request, key):
    value = request.get(key)
    if not isinstance(value, str) or not value:
        raise RequestError(f"{key} must be a text")
    return value


def batch_of(request):
    batch = request.get("batch")
    if not isinstance(batch, list) or not 1 <= len(batch) <= MAX_TEXTS:
        raise RequestError(f"batch must be a list of 1 to {MAX_TEXTS} texts")
    for ids in batch:
        if not isinstance(ids, list) or not 1 <= len(ids) <= MAX_TOKENS:
            raise RequestError(f"each text of batch must be a list of 1 to {MAX_TOKENS} token ids")
        if not all(type(number) is int and 0 <= number <= MAX_ID for number in ids):
            raise RequestError(f"token ids must be integers from 0 to {MAX_ID}")
    return batch


class Model:
    """A loaded model, and the batch that it is timed with."""

    def __init__(self, kind, folder, threads):
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.padding_id = config.get("pad_token_id") or 0
        self.runtime = kind(folder, threads)
        self.timed = None

    def inputs_of(self, batch):
        import quantlab_runtimes
        return quantlab_runtimes.inputs_of(batch, self.runtime.inputs, self.padding_id)

    def run(self, inputs):
        return self.runtime.run(inputs)["logits"]


class Server:
    """One answer for each request."""

    def __init__(self, name):
        self.title, self.formats, self.packages = RUNTIMES[name]
        self.models = []

    def hello(self, request):
        if request.get("protocol") != PROTOCOL:
            raise RequestError(f"this program speaks protocol {PROTOCOL}")
        versions = {"python": platform.python_version()}
        for package in self.packages:
            versions[package] = str(importlib.import_module(package).__version__)
        return {"protocol": PROTOCOL, "title": self.title,
                "version": versions[self.packages[0]].split("-")[0].split("+")[0], "versions": versions,
                "formats": list(self.formats)}

    def load(self, request):
        folder, format_name = pathlib.Path(text(request, "folder")), text(request, "format")
        threads = integer(request, "threads", 1, MAX_THREADS)
        if format_name not in self.formats:
            raise RequestError(f"format must be one of {', '.join(self.formats)}")
        if not folder.is_absolute() or not folder.is_dir():
            raise RequestError("folder must be the absolute path of a folder")
        if len(self.models) == MAX_MODELS:
            raise RequestError(f"at most {MAX_MODELS} models are loaded at a time")
        import quantlab_runtimes
        self.models.append(Model(quantlab_runtimes.RUNTIMES[format_name], folder, threads))
        return {"model": len(self.models) - 1}

    def model(self, request):
        if not self.models:
            raise RequestError("no model is loaded")
        return self.models[integer(request, "model", 0, len(self.models) - 1)]

    def run(self, request):
        model = self.model(request)
        logits = [[float(value) for value in row] for row in model.run(model.inputs_of(batch_of(request)))]
        if not all(math.isfinite(value) for row in logits for value in row):
            raise RequestError("the model's logits are not finite")
        return {"logits": logits}

    def warm_up(self, request):
        model, passes = self.model(request), integer(request, "passes", 0, MAX_WARM_UP)
        inputs = model.inputs_of(batch_of(request))
        for _ in range(passes):
            model.run(inputs)
        model.timed = inputs
        gc.collect()
        gc.freeze()  # what is loaded is not looked at again in the middle of a timed pass
        return {}

    def measure(self, request):
        model, passes = self.model(request), integer(request, "passes", 1, MAX_PASSES)
        if model.timed is None:
            raise RequestError("warm_up must come before measure")
        seconds = []
        for _ in range(passes):
            begin = time.perf_counter()
            model.run(model.timed)
            seconds.append(time.perf_counter() - begin)
        return {"seconds": seconds}

    def answer(self, line):
        """The answer to a line, and whether it is the last one."""
        number = None
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise RequestError("a request must be a JSON object")
            number = integer(request, "id", 0, 2**53)
            handlers = {"hello": self.hello, "load": self.load, "run": self.run, "warm_up": self.warm_up,
                        "measure": self.measure, "quit": lambda _: {}}
            handler = handlers.get(text(request, "do"))
            if handler is None:
                raise RequestError(f"do must be one of {', '.join(handlers)}")
            return {"id": number, **handler(request)}, handler is handlers["quit"]
        except (RequestError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            return {"id": number, "error": str(error)[:2000]}, False
        except Exception as error:  # whatever a runtime throws, its words are the answer
            return {"id": number, "error": f"{type(error).__name__}: {error}"[:2000]}, False


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in RUNTIMES:
        sys.exit(f"usage: serve_runtime.py {'|'.join(RUNTIMES)}")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    server, requests = Server(sys.argv[1]), sys.stdin.buffer
    while line := requests.readline(MAX_LINE + 2):
        too_long = len(line) > MAX_LINE + 1  # with its end
        answer, done = ({"id": None, "error": f"a line must have at most {MAX_LINE} bytes"}, True) if too_long else \
            server.answer(line)
        print(json.dumps(answer), file=answers, flush=True)
        if done:
            return int(too_long)
    return 0


if __name__ == "__main__":
    sys.exit(main())
