"""Random saved models of every family and kind of layer, written by the test itself, so that quant-runner and
quantlab.torch read the same files and neither has made them."""

import json
import pathlib
import struct

import torch

from quantlab.torch import config as configs
from quantlab.torch.files import DTYPES

WORDS = "the a film plot actor scene was is with and it of story end music good great bad poor dull".split()
NAMES = {dtype: name for name, dtype in DTYPES.items()}

# Every kind of layer with each of its options.
VARIANTS = [
    {"kind": "fp32"}, {"kind": "bf16"}, {"kind": "fp16"},
    *({"kind": "int8_dynamic", "granularity": granularity, "weight_granularity": weights, "reduce_range": reduce}
      for granularity, weights, reduce in (("per_token", "per_channel", False), ("per_token", "per_tensor", True),
                                           ("per_tensor", "per_channel", False), ("per_tensor", "per_tensor", True))),
    *({"kind": "int8_static", "weight_bits": bits, "weight_granularity": weights, "smoothing": smoothing}
      for bits, weights, smoothing in ((8, "per_channel", False), (8, "per_tensor", True), (4, "per_channel", True),
                                       (6, "per_tensor", False))),
    {"kind": "int8_weight_only"},
    *({"kind": "int4_weight_only", "group_size": size, "symmetric": symmetric}
      for size, symmetric in ((32, False), (64, True), (128, False))),
    *({"kind": "fp8", "granularity": granularity, "weight_granularity": weights}
      for granularity, weights in (("per_token", "per_channel"), ("per_tensor", "per_tensor"))),
]


def title(variant):
    return " ".join(str(value) for value in variant.values())


class Folder:
    """Writes one model: each linear layer in order of computation is of the next of `variants`."""

    def __init__(self, path, family, variants, hidden=64, inner=96, seed=1, tables="fp32", activations="fp32"):
        self.path, self.family, self.variants = pathlib.Path(path), family, variants
        self.layout, self.tables, self.activations = configs.FAMILIES[family], tables, activations
        self.hidden, self.inner, self.rng = hidden, inner, torch.Generator().manual_seed(seed)
        self.tensors, self.layers, self.embeddings = {}, [], []

    def write(self):
        self.path.mkdir(parents=True)
        vocabulary = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
        (self.path / "vocab.txt").write_text("".join(word + "\n" for word in vocabulary))
        # Else each family would want the vocabulary of its own tokenizer.
        (self.path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
        self.write_json("config.json", self.config(len(vocabulary)))
        self.parts(len(vocabulary))
        self.write_json("plan.json", self.plan())
        write_safetensors(self.path / "model.safetensors", self.tensors)
        return self.path

    def write_json(self, name, value):
        (self.path / name).write_text(json.dumps(value, indent=1))

    def config(self, words):
        settings = {"vocab_size": words, "hidden_size": self.hidden, "num_hidden_layers": 2, "num_attention_heads": 4,
                    "intermediate_size": self.inner, "max_position_embeddings": 40, "type_vocab_size": 2,
                    "hidden_act": "gelu", "layer_norm_eps": 1e-12, "embedding_size": self.width()}
        keys = self.layout.keys
        named = {keys.get(setting, setting): value for setting, value in settings.items()
                 if setting != "embedding_size" or setting in keys}
        named.pop(None, None)
        return {"model_type": self.family, "pad_token_id": 1, "id2label": {"0": "bad", "1": "fine", "2": "good"},
                **named}

    def width(self):
        return self.hidden // 2 if self.family == "electra" else self.hidden

    def parts(self, words):
        layout, prefix = self.layout, f"{self.layout.prefix}.embeddings."
        for name, rows in (("word", words), ("position", 40), ("token_type", 2)):
            if name != "token_type" or layout.has_token_types:
                self.table(f"{prefix}{name}_embeddings", rows)
        self.norm(prefix + "LayerNorm", self.width())
        if self.width() != self.hidden:
            self.linear(f"{layout.prefix}.embeddings_project", self.width(), self.hidden)
        shapes = {"ffn_in": (self.hidden, self.inner), "ffn_out": (self.inner, self.hidden)}
        for index in range(2):
            for part, name in vars(layout.block).items():
                full = f"{layout.prefix}.{layout.blocks}.{index}.{name}"
                if part.endswith("_norm"):
                    self.norm(full, self.hidden)
                else:
                    self.linear(full, *shapes.get(part, (self.hidden, self.hidden)))
        self.linear(layout.head[0], self.hidden, self.hidden)
        self.linear(layout.head[1], self.hidden, 3)

    def plan(self):
        return {"version": 2, "model_family": self.family, "activation_dtype": self.activations,
                "method": {"name": "made_up", "version": 1, "params": {}}, "embeddings": self.embeddings,
                "layers": self.layers}

    # ---- Random parts ----

    def normal(self, *shape, deviation=1.0):
        return torch.randn(*shape, generator=self.rng) * deviation

    def uniform(self, low, high, *shape):
        return torch.rand(*shape, generator=self.rng) * (high - low) + low

    def integers(self, low, high, *shape, dtype=torch.int8):
        return torch.randint(low, high + 1, shape, generator=self.rng).to(dtype)

    def norm(self, name, width):
        self.tensors[name + ".weight"] = self.uniform(0.5, 1.5, width)
        self.tensors[name + ".bias"] = self.normal(width, deviation=0.2)

    def table(self, name, rows):
        made = {"weight": self.normal(rows, self.width(), deviation=0.5)}
        if self.tables == "int8_rows":
            made = {"weight_int8": self.integers(-127, 127, rows, self.width()),
                    "weight_scale": self.uniform(0.003, 0.01, rows)}
        elif self.tables != "fp32":
            made = {"weight": made["weight"].to({"bf16": torch.bfloat16, "fp16": torch.float16}[self.tables])}
        self.embeddings.append({"name": name, "kind": self.tables, "tensors": self.add(name, made)})

    def linear(self, name, inside, out):
        variant = self.variants[len(self.layers) % len(self.variants)]
        options = {key: value for key, value in variant.items() if key not in ("kind", "smoothing")}
        made = getattr(self, variant["kind"].replace("bf16", "half").replace("fp16", "half"))(inside, out, variant)
        self.layers.append({"name": name, "kind": variant["kind"], "in_features": inside, "out_features": out,
                            **options, "tensors": self.add(name, made)})

    def add(self, name, made):
        for role, tensor in made.items():
            self.tensors[f"{name}.{role}"] = tensor
        return {role: f"{name}.{role}" for role in made}

    def fp32(self, inside, out, _):
        return {"weight": self.normal(out, inside, deviation=inside ** -0.5), "bias": self.normal(out, deviation=0.1)}

    def half(self, inside, out, variant):
        dtype = torch.bfloat16 if variant["kind"] == "bf16" else torch.float16
        return {role: tensor.to(dtype) for role, tensor in self.fp32(inside, out, variant).items()}

    def scales(self, inside, out, variant, largest):
        count = out if variant.get("weight_granularity", "per_channel") == "per_channel" else 1
        return self.uniform(1.0, 2.0, count) * (inside ** -0.5) / largest

    def int8_dynamic(self, inside, out, variant):
        return {"weight_int8": self.integers(-128, 127, out, inside),
                "weight_scale": self.scales(inside, out, variant, 128), "bias": self.normal(out, deviation=0.1)}

    def int8_static(self, inside, out, variant):
        largest = 1 << (variant["weight_bits"] - 1)
        made = {"weight_int8": self.integers(-largest, largest - 1, out, inside),
                "weight_scale": self.scales(inside, out, variant, largest), "input_scale": torch.tensor([0.027]),
                "input_zero_point": torch.tensor([121], dtype=torch.int32), "bias": self.normal(out, deviation=0.1)}
        if variant["smoothing"]:
            made["input_smoothing"] = self.uniform(0.5, 1.5, inside)
        if variant["weight_bits"] <= 4:
            made["weight_int4"] = pack_int4(made.pop("weight_int8"))
        return made

    def int8_weight_only(self, inside, out, variant):
        made = self.int8_dynamic(inside, out, variant)
        if out == 3:  # a layer may have no bias
            del made["bias"]
        return made

    def int4_weight_only(self, inside, out, variant):
        groups = -(-inside // variant["group_size"])
        made = {"weight_int4": pack_int4(self.integers(-8, 7, out, inside)),
                "weight_scale": (self.uniform(1.0, 2.0, out, groups) * (inside ** -0.5) / 8).to(torch.bfloat16),
                "bias": self.normal(out, deviation=0.1)}
        if not variant["symmetric"]:
            made["weight_zero_point"] = self.integers(-3, 3, out, groups)
        return made

    def fp8(self, inside, out, variant):
        return {"weight_fp8": self.normal(out, inside, deviation=100).clamp(-448, 448).to(torch.float8_e4m3fn),
                "weight_scale": self.scales(inside, out, variant, 150), "bias": self.normal(out, deviation=0.1)}


def pack_int4(integers):
    nibbles = torch.nn.functional.pad(integers, (0, integers.shape[1] % 2)).to(torch.int32) & 0x0F
    return (nibbles[:, 1::2] * 16 + nibbles[:, 0::2]).to(torch.uint8)


def write_safetensors(path, tensors):
    header, blobs, offset = {}, [], 0
    for name, tensor in sorted(tensors.items()):
        blob = bytes(tensor.contiguous().reshape(-1).view(torch.uint8).tolist())
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
