"""PyTorch as one contestant of benchmark.py; speaks what gpu_engine.cc speaks.

    python contestant.py --model FOLDER --kind eager-fp16|eager-bf16|compile-fp16|torchao-int8|torchao-fp8

compile-fp16 and torchao-* run under torch.compile(mode="reduce-overhead"), that is with CUDA graphs.
"""
import argparse
import json
import sys
import time
import warnings

warnings.filterwarnings("ignore")
import torch  # noqa: E402
from transformers import BertForSequenceClassification  # noqa: E402

WARM_UP = 4
REPLAYS = 3


def ids(texts, tokens):
    text, token = torch.arange(texts).unsqueeze(1), torch.arange(tokens).unsqueeze(0)
    return (1000 + (text * 7919 + token * 104729 + 13) % 20000).cuda()


class Contestant:
    def __init__(self, folder, kind):
        self.kind = kind
        dtype = torch.float16 if kind.endswith("fp16") else torch.bfloat16
        self.model = BertForSequenceClassification.from_pretrained(folder, attn_implementation="sdpa")
        self.model = self.model.eval().to("cuda", dtype)
        if kind.startswith("torchao"):
            from torchao import quantization
            config = (quantization.Int8DynamicActivationInt8WeightConfig() if kind == "torchao-int8" else
                      quantization.Float8DynamicActivationFloat8WeightConfig(granularity=quantization.PerRow()))
            quantization.quantize_(self.model.bert.encoder, config)
        self.call = self.model
        if not kind.startswith("eager"):
            self.call = torch.compile(self.model, mode="reduce-overhead", dynamic=False)

    def answer(self, command):
        return getattr(self, command["do"])(command)

    def prepare(self, command):
        start, logits = time.perf_counter(), {}
        self.inputs = {}
        for texts, tokens in command["shapes"]:
            name = f"{texts}x{tokens}"
            self.inputs[name] = ids(texts, tokens)
            for _ in range(WARM_UP):
                result = self.call(self.inputs[name]).logits.clone()
            logits[name] = result.float().flatten().tolist()
        return {"logits": logits, "seconds": time.perf_counter() - start}

    def time(self, iterations, body):
        body()
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(iterations):
            body()
        torch.cuda.synchronize()
        return {"seconds": (time.perf_counter() - start) / iterations}

    def block(self, command):
        inputs = self.inputs["x".join(map(str, command["shape"]))]
        return self.time(command["iterations"], lambda: self.call(inputs))

    def time_in_graph(self, products, body):
        """As gpu_engine.cc does it: one product alone takes the CPU longer to launch than the GPU to compute."""
        body()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(products):
                body()
        answer = self.time(REPLAYS, graph.replay)
        return {"seconds": answer["seconds"] / products}

    def product(self, command):
        """cuBLASLt alone: INT8 to INT32, or FP8 to BF16 with one scale for each operand."""
        m, n, k = command["m"], command["n"], command["k"]
        if command["kind"] == "int8":
            a = torch.randint(-127, 128, (m, k), dtype=torch.int8, device="cuda")
            b = torch.randint(-127, 128, (n, k), dtype=torch.int8, device="cuda").t()
            return self.time_in_graph(command["iterations"], lambda: torch._int_mm(a, b))
        a = torch.randn(m, k, device="cuda").to(torch.float8_e4m3fn)
        b = torch.randn(n, k, device="cuda").to(torch.float8_e4m3fn).t()
        one = torch.ones((), device="cuda")
        return self.time_in_graph(command["iterations"], lambda: torch._scaled_mm(
            a, b, scale_a=one, scale_b=one, out_dtype=torch.bfloat16, use_fast_accum=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--kind", required=True)
    options = parser.parse_args()
    contestant = None
    with torch.inference_mode():
        for line in sys.stdin:
            try:
                contestant = contestant or Contestant(options.model, options.kind)
                answer = contestant.answer(json.loads(line))
            except Exception as error:  # told to the driver, which goes on without this contestant
                answer = {"error": f"{type(error).__name__}: {error}"[:600]}
            print("ANSWER " + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
