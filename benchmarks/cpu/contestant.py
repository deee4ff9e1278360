"""PyTorch, ONNX Runtime or OpenVINO as one contestant of benchmark.py; speaks what cpu_engine.cc speaks.

    python contestant.py --model FOLDER --kind KIND [--threads 1]

KIND: pytorch-fp32 (eager, SDPA), pytorch-dynamic (quantize_dynamic, weights per channel), onnxruntime-fp32 and
onnxruntime-dynamic (with its transformer fusions), openvino-fp32, openvino-int8 (NNCF's post-training quantization,
model type transformer, as many calibration texts as the engine's static quantization) and openvino-int8-bf16 (the same
with BF16 for what is not INT8).
"""
import argparse
import json
import os
import sys
import tempfile
import time
import warnings

warnings.filterwarnings("ignore")
import numpy  # noqa: E402
import torch  # noqa: E402
from transformers import BertForSequenceClassification  # noqa: E402

WARM_UP = 2
CALIBRATION_TEXTS, CALIBRATION_TOKENS = 16, 128


def padded(lengths, first_text=0):
    """Ids and mask, padded on the right to the longest text."""
    text = numpy.arange(first_text, first_text + len(lengths))[:, None]
    token = numpy.arange(max(lengths))[None, :]
    mask = (token < numpy.array(lengths)[:, None]).astype(numpy.int64)
    return {"input_ids": (1000 + (text * 7919 + token * 104729 + 13) % 20000) * mask, "attention_mask": mask}


def export(folder, path):
    model = BertForSequenceClassification.from_pretrained(folder, attn_implementation="eager").eval()
    example = {name: torch.from_numpy(value) for name, value in padded([7, 5]).items()}
    axes = {name: {0: "texts", 1: "tokens"} for name in example}
    torch.onnx.export(model, (example["input_ids"], example["attention_mask"]), path, input_names=list(example),
                      output_names=["logits"], dynamic_axes={**axes, "logits": {0: "texts"}}, opset_version=17,
                      dynamo=False)
    return model.config


def pytorch(options, _):
    model = BertForSequenceClassification.from_pretrained(options.model, attn_implementation="sdpa").eval()
    if options.kind == "pytorch-dynamic":
        from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic
        model = quantize_dynamic(model, {torch.nn.Linear: per_channel_dynamic_qconfig})

    def call(inputs):
        # Without padding the mask is left out, as its absence is faster.
        mask = inputs["attention_mask"]
        given = {"input_ids": torch.from_numpy(inputs["input_ids"])}
        if not mask.all():
            given["attention_mask"] = torch.from_numpy(mask)
        return model(**given).logits.numpy()
    return call, torch.__version__


def onnxruntime(options, folder):
    import onnxruntime as ort
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer
    path = os.path.join(folder, "model.onnx")
    config = export(options.model, path)
    fused = optimizer.optimize_model(path, model_type="bert", num_heads=config.num_attention_heads,
                                     hidden_size=config.hidden_size)
    path = os.path.join(folder, "fused.onnx")
    fused.save_model_to_file(path)
    if options.kind == "onnxruntime-dynamic":
        quantized = os.path.join(folder, "int8.onnx")
        # The fused operators are not ONNX's own, and so have no inferred types.
        quantize_dynamic(path, quantized, weight_type=QuantType.QInt8, per_channel=True,
                         extra_options={"DefaultTensorType": TensorProto.FLOAT})
        path = quantized
    session_options = ort.SessionOptions()
    session_options.intra_op_num_threads = options.threads
    session = ort.InferenceSession(path, session_options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(["logits"], inputs)[0], ort.__version__


def openvino(options, folder):
    import openvino
    path = os.path.join(folder, "model.onnx")
    export(options.model, path)
    model = openvino.Core().read_model(path)
    if options.kind != "openvino-fp32":
        import nncf
        texts = [padded([CALIBRATION_TOKENS], 100 + i) for i in range(CALIBRATION_TEXTS)]
        model = nncf.quantize(model, nncf.Dataset(texts), model_type=nncf.ModelType.TRANSFORMER,
                              subset_size=CALIBRATION_TEXTS)
    settings = {"INFERENCE_NUM_THREADS": options.threads, "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": "bf16" if options.kind == "openvino-int8-bf16" else "f32"}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    return lambda inputs: request.infer(inputs)["logits"], openvino.__version__


class Contestant:
    def __init__(self, options):
        torch.set_num_threads(options.threads)
        make = {"pytorch": pytorch, "onnxruntime": onnxruntime, "openvino": openvino}[options.kind.split("-")[0]]
        with tempfile.TemporaryDirectory() as folder:  # for models on their way; each has loaded its own by the end
            self.call, self.version = make(options, folder)
        self.inputs = {}

    def answer(self, command):
        return getattr(self, command["do"])(command)

    def prepare(self, command):
        start, logits = time.perf_counter(), {}
        for name, lengths in command["batches"].items():
            self.inputs[name] = padded(lengths)
            for _ in range(WARM_UP):
                result = self.call(self.inputs[name])
            logits[name] = numpy.asarray(result).flatten().tolist()
        return {"logits": logits, "version": self.version, "seconds": time.perf_counter() - start}

    def block(self, command):
        inputs = self.inputs[command["batch"]]
        start = time.perf_counter()
        for _ in range(command["iterations"]):
            self.call(inputs)
        return {"seconds": (time.perf_counter() - start) / command["iterations"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--kind", required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    contestant = None
    answers = os.dup(1)
    os.dup2(2, 1)  # what libraries print is not an answer
    with torch.inference_mode(), os.fdopen(answers, "w") as out:
        for line in sys.stdin:
            try:
                contestant = contestant or Contestant(options)
                answer = contestant.answer(json.loads(line))
            except Exception as error:  # reported to the driver, which goes on without this contestant
                answer = {"error": f"{type(error).__name__}: {error}"[:600]}
            print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
