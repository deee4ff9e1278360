"""Runtimes that compute exported models, each with the settings under which it computes the model that was measured.

For check_export.py, which compares them with quant-runner, and for serve_runtime.py, which lets a comparison time them.
Only NumPy is imported before a runtime is made.
"""

import numpy as np


def ids_and_types(row):
    """A line of quant-runner tokenize: the ids of a text, or an object for a pair of texts."""
    return (row["ids"], row["token_types"]) if isinstance(row, dict) else (row, [0] * len(row))


def inputs_of(rows, names, padding_id):
    """Padded inputs of a batch of tokenized lines, as far as the model has them."""
    length = max(len(ids_and_types(row)[0]) for row in rows)
    padded = np.full((len(rows), length), padding_id, np.int64)
    mask, token_types = np.zeros_like(padded), np.zeros_like(padded)
    for at, row in enumerate(rows):
        ids, types = ids_and_types(row)
        padded[at, :len(ids)], mask[at, :len(ids)], token_types[at, :len(ids)] = ids, 1, types
    inputs = {"input_ids": padded, "attention_mask": mask, "token_type_ids": token_types}
    return {name: inputs[name] for name in names}


# ---- runtimes --------------------------------------------------------------------------------------------------


def with_outputs(model, names):
    """The bytes of an ONNX model whose graph has further outputs.

    Protobuf merges a message that is there twice, so a second graph with outputs alone adds them.
    """
    def field(number, content):
        size, length = len(content), b""
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + content

    outputs = b"".join(field(12, field(1, name.encode())) for name in names)
    return model + field(7, outputs)


class OnnxRuntime:
    title = "ONNX Runtime"

    def __init__(self, folder, threads, outputs=()):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        # By default products with 4-bit weights quantize their inputs as well, which the measured model does not.
        options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
        # Idle threads sleep: other programs are timed in turn on the same cores.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        path = folder / "model.onnx"
        if outputs:
            path = folder / ".traced.onnx"
            path.write_bytes(with_outputs((folder / "model.onnx").read_bytes(), outputs))
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        if outputs:
            path.unlink()
        self.version = onnxruntime.__version__
        self.inputs = [value.name for value in self.session.get_inputs()]
        self.outputs = [value.name for value in self.session.get_outputs()]
        self.facts = {}

    def run(self, inputs):
        return dict(zip(self.outputs, self.session.run(None, inputs)))


class OpenVino:
    title = "OpenVINO"

    def __init__(self, folder, threads, outputs=()):
        import openvino
        core = openvino.Core()
        model = core.read_model(str(folder / "model.onnx"))
        if outputs:
            model.add_outputs(list(outputs))
        # By default products are made in BF16 on processors that have it, and inputs of products with INT8 or INT4
        # weights are quantized; the measured model does neither.
        options = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
                   "INFERENCE_NUM_THREADS": threads}
        self.compiled = core.compile_model(model, "CPU", options)
        self.version = openvino.__version__.split("-")[0]
        self.inputs = [value.get_any_name() for value in self.compiled.inputs]
        self.outputs = ["logits", *outputs]
        self.facts = {"int8_products": sum(self.is_int8_product(op)
                                           for op in self.compiled.get_runtime_model().get_ops())}

    @staticmethod
    def is_int8_product(op):
        facts = op.get_rt_info()
        kind, precision = (str(facts[key].astype(str)) if key in facts else ""
                           for key in ("layerType", "runtimePrecision"))
        # Of the input: a product in FP32 with INT8 weights has "i8".
        return kind in ("FullyConnected", "MatMul") and precision == "u8"

    def run(self, inputs):
        results = self.compiled(inputs)
        return {name: results[i] for i, name in enumerate(self.outputs)}


class Transformers:
    title = "transformers"
    # The share of the largest logit by which it may differ from quant-runner on the exported folder itself; None:
    # quant-runner does not read that folder.
    own_share = 1e-4

    def __init__(self, folder, threads, outputs=()):
        import inspect
        import torch
        import transformers
        torch.set_num_threads(threads)
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        self.model, report = transformers.AutoModelForSequenceClassification.from_pretrained(
            str(folder), output_loading_info=True)
        wrong = {key: sorted(map(str, names)) for key, names in report.items() if names}
        if wrong:
            raise RuntimeError(f"tensors are not those that transformers expects: {wrong}")
        self.model.eval()
        parameters = inspect.signature(self.model.forward).parameters
        self.inputs = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in parameters]
        self.version, self.facts, self.values = transformers.__version__, {}, {}
        for name in outputs:
            self.model.get_submodule(name).register_forward_hook(self.keep(name))

    def keep(self, name):
        def hook(_module, _inputs, output):
            self.values[name] = output.detach().float().reshape(-1, output.shape[-1]).numpy()
        return hook

    def run(self, inputs):
        import torch
        with torch.no_grad():
            given = {name: torch.from_numpy(value) for name, value in inputs.items()}
            if inputs["attention_mask"].all():
                del given["attention_mask"]  # attention without a mask is faster
            logits = self.model(**given).logits
        return {"logits": logits.float().numpy(), **self.values}


class TransformersBf16(Transformers):
    own_share = 0.05


class CompressedTensors(Transformers):
    own_share = None


RUNTIMES = {"onnx": OnnxRuntime, "openvino": OpenVino, "transformers": Transformers,
            "transformers-bf16": TransformersBf16, "compressed-tensors": CompressedTensors}
