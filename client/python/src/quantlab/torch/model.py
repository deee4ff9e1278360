"""The encoders of saved models, computed as quant-runner computes them.

Tokens of all texts of a batch lie in one row without padding, longest texts first, so that no text's logits depend on
the padding of the batch. Of the last layer's output only the first token of each text is read, and only it is computed.
"""

import dataclasses
import math
import pathlib

import torch
import torch.nn.functional as F
from torch import nn

from quantlab.torch.config import FAMILIES, read_config
from quantlab.torch.files import InvalidModel, Tensors
from quantlab.torch.layers import (LINEAR_KINDS, FloatTable, Int8Linear, Int8Table, LayerNorm, Taker)
from quantlab.torch.plan import LayerPlan, read_plan

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def _laplace(x):  # Ma 2022, eq. 16
    return ((x - 0.707107) / (0.282095 * math.sqrt(2.0))).erf().add(1).mul(0.5)


def _gelu_tanh(x):
    return F.gelu(x, approximate="tanh")


# The names of transformers' activations.
ACTIVATIONS = {
    "gelu": F.gelu, "gelu_python": F.gelu, "gelu_new": _gelu_tanh, "gelu_pytorch_tanh": _gelu_tanh,
    "gelu_python_tanh": _gelu_tanh, "gelu_fast": _gelu_tanh, "gelu_accurate": _gelu_tanh,
    "gelu_10": lambda x: F.gelu(x).clamp(-10, 10), "quick_gelu": lambda x: x * (x * 1.702).sigmoid(),
    "relu": F.relu, "relu6": F.relu6, "relu2": lambda x: F.relu(x).square(), "leaky_relu": F.leaky_relu,
    "silu": F.silu, "swish": F.silu, "hardswish": F.hardswish, "mish": F.mish, "laplace": _laplace,
    "tanh": torch.tanh, "sigmoid": torch.sigmoid, "linear": lambda x: x,
}


def load(folder, device="cpu"):
    """The classifier that Quantlab saved in `folder`, quantized (with plan.json) or FP32.

    Raises InvalidModel, which names the file and the field, where something is missing, damaged or unknown.
    """
    folder = pathlib.Path(folder)
    config, plan = read_config(folder / "config.json"), read_plan(folder / "plan.json")
    if config.hidden_act not in ACTIVATIONS:
        raise InvalidModel(f"{folder / 'config.json'}: the activation is {config.hidden_act!r}; allowed: "
                           f"{', '.join(ACTIVATIONS)}")
    if plan is not None and plan.family != config.family:
        raise InvalidModel(f"{folder / 'plan.json'}: model_family is {plan.family!r}, but config.json describes a "
                           f"model of the family {config.family!r}")
    tensors = Tensors(folder / "model.safetensors")
    model = Classifier(config, plan, tensors)
    if tensors.names():
        raise InvalidModel(f"{tensors.path}: {tensors.names()[0]} belongs to no part of the model")
    return model.to(device).eval()


@dataclasses.dataclass
class Batch:
    """Packed tokens of texts, longest first."""

    ids: torch.Tensor          # [tokens]
    positions: torch.Tensor    # [tokens]
    token_types: torch.Tensor  # [tokens]
    first_token: torch.Tensor  # [texts]: index of each text's first token
    place: torch.Tensor        # [texts]: where the caller's i-th text is
    groups: list               # (texts, length) of each run of texts of equal length


class Classifier(nn.Module):
    """`config`, `plan` (None: FP32) and `labels`, the names of the classes. state_dict() has the names of the file."""

    def __init__(self, config, plan, tensors):
        super().__init__()
        self.config, self.plan, self.labels = config, plan, list(config.labels)
        _Builder(self, tensors).build()

    @torch.no_grad()
    def forward(self, input_ids, attention_mask=None, token_type_ids=None):
        """Logits, [texts, labels] float32.

        input_ids: [texts, length] integers. attention_mask: the same shape, 1 where there is a token, by default
        everywhere; the first token of a text must be one, so padding is on the right. token_type_ids: the same shape,
        by default 0.
        """
        batch = self._pack(input_ids, attention_mask, token_type_ids)
        parts = self._parts
        x = parts["word"](batch.ids)
        if parts["token_type"] is not None:
            x = x + parts["token_type"](batch.token_types)
        x = parts["embedding_norm"](x + parts["position"](batch.positions))
        x = x.to(_DTYPES[self.plan.activation_dtype if self.plan else "fp32"])
        if parts["projection"] is not None:
            x = parts["projection"](x)
        for block in parts["blocks"]:
            x = self._encode(block, x, batch, last=block is parts["blocks"][-1])
        x = parts["head_activation"](parts["head_dense"](x))
        return parts["head_output"](x)[batch.place].float()

    def _encode(self, block, x, batch, last):
        """x: [tokens, width]; of the last block [texts, width], the first tokens."""
        rows = x[batch.first_token] if last else x
        context = _attention(block["query"](rows), block["key"](x), block["value"](x), batch.groups,
                             self.config.num_attention_heads, last)
        y = block["attention_norm"](block["attention_output"](context) + rows)
        return block["ffn_norm"](self._feed_forward(block["ffn_in"], block["ffn_out"], y) + y)

    def _feed_forward(self, ffn_in, ffn_out, x):
        activate = ACTIVATIONS[self.config.hidden_act]
        # Between two INT8 layers values stay float32, whatever the dtype of x.
        if isinstance(ffn_in, Int8Linear) and isinstance(ffn_out, Int8Linear) and ffn_out.rows_are_independent:
            return ffn_out.compute(activate(ffn_in.compute(x.float()))).to(x.dtype)
        return ffn_out(activate(ffn_in(x)))

    def _pack(self, input_ids, attention_mask, token_type_ids):
        ids = self._integers("input_ids", input_ids, None)
        mask = torch.ones_like(ids, dtype=torch.bool)
        if attention_mask is not None:
            mask = self._integers("attention_mask", attention_mask, ids.shape) != 0
        types = torch.zeros_like(ids)
        if token_type_ids is not None:
            types = self._integers("token_type_ids", token_type_ids, ids.shape)
        positions = self._positions(ids)
        self._check(ids, mask, types, positions)
        lengths, order = mask.sum(1).sort(descending=True, stable=True)
        mask = mask[order]
        groups = [(count, length) for length, count in
                  zip(*(values.tolist() for values in torch.unique_consecutive(lengths, return_counts=True)))]
        return Batch(ids[order][mask], positions[order][mask], types[order][mask], lengths.cumsum(0) - lengths,
                     order.argsort(), groups)

    def _integers(self, name, tensor, shape):
        tensor = torch.as_tensor(tensor)
        if tensor.is_floating_point() or tensor.is_complex() or tensor.dim() != 2 or tensor.numel() == 0 or (
                shape is not None and tensor.shape != shape):
            wanted = "[texts, length], not empty" if shape is None else f"{list(shape)}, as input_ids"
            raise ValueError(f"{name}: integers of shape {wanted} are wanted, not {tensor.dtype} "
                             f"{list(tensor.shape)}")
        return tensor.to(self._parts["embedding_norm"].weight.device, torch.int64)

    def _positions(self, ids):
        if not FAMILIES[self.config.family].positions_after_padding:
            return torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        token = ids != self.config.pad_token_id
        return token.cumsum(1) * token + self.config.pad_token_id

    def _check(self, ids, mask, types, positions):
        config = self.config
        if not mask[:, 0].all():
            raise ValueError("attention_mask leaves out the first token of a text; pad on the right")
        for name, values, limit in (("input_ids", ids, config.vocab_size), ("token_type_ids", types,
                                                                            config.type_vocab_size)):
            used = values[mask]
            if used.min() < 0 or used.max() >= limit:
                raise ValueError(f"{name} holds a value out of 0 to {limit - 1}: {used.min()} to {used.max()}")
        if positions[mask].max() >= config.max_position_embeddings:
            raise ValueError(f"a text is longer than the {config.max_tokens} tokens that the model reads "
                             "(max_position_embeddings)")

    def _apply(self, fn, recurse=True):
        if fn(torch.zeros(1)).dtype != torch.float32:
            raise TypeError("a saved model keeps its dtypes, which are part of its arithmetic; move it with .to(device)")
        return super()._apply(fn, recurse)


class _Builder:
    """Makes the parts of a model from the tensors of its file."""

    def __init__(self, model, tensors):
        self.model, self.tensors = model, tensors
        self.config, self.plan, self.family = model.config, model.plan, FAMILIES[model.config.family]
        self.unused = set(model.plan.layers) if model.plan else set()

    def build(self):
        config, family = self.config, self.family
        width, hidden, prefix = config.embedding_size, config.hidden_size, f"{family.prefix}.embeddings."
        parts = {
            "word": self.table(prefix + "word_embeddings", config.vocab_size),
            "position": self.table(prefix + "position_embeddings", config.max_position_embeddings),
            "token_type": self.table(prefix + "token_type_embeddings", config.type_vocab_size)
            if family.has_token_types else None,
            "embedding_norm": self.norm(prefix + "LayerNorm", width),
            "projection": self.linear(f"{family.prefix}.embeddings_project", width, hidden)
            if width != hidden else None,
            "blocks": [self.block(index) for index in range(config.num_hidden_layers)],
        }
        dense, output, activation = family.head
        parts["head_dense"] = self.linear(dense, hidden, hidden)
        parts["head_output"] = self.linear(output, hidden, len(config.labels))
        parts["head_activation"] = ACTIVATIONS[activation]
        if self.unused:
            raise InvalidModel(f"plan.json: the model has no linear layer {min(self.unused)}")
        self.model._parts = parts

    def block(self, index):
        config = self.config
        hidden, wide = config.hidden_size, config.intermediate_size
        shapes = {"ffn_in": (hidden, wide), "ffn_out": (wide, hidden)}
        block = {}
        for part, name in dataclasses.asdict(self.family.block).items():
            full = f"{self.family.prefix}.{self.family.blocks}.{index}.{name}"
            is_norm = part.endswith("_norm")
            block[part] = self.norm(full, hidden) if is_norm else self.linear(full, *shapes.get(part, (hidden, hidden)))
        return block

    def linear(self, name, inside, out):
        plan = LayerPlan(name, "fp32", inside, out, {}, None) if self.plan is None else self.plan.layers.get(name)
        if plan is None:
            raise InvalidModel(f"plan.json: the model's layer {name} is not in it")
        self.unused.discard(name)
        if (plan.in_features, plan.out_features) != (inside, out):
            raise InvalidModel(f"plan.json: {name}: in_features and out_features are {plan.in_features} and "
                               f"{plan.out_features}, but config.json makes them {inside} and {out}")
        names = None if plan.kind == "fp32" else plan.tensors
        return self.place(name, LINEAR_KINDS[plan.kind](plan, Taker(self.tensors, name, names)))

    def table(self, name, rows):
        kind = self.plan.embeddings[name].kind if self.plan and name in self.plan.embeddings else "fp32"
        make = Int8Table if kind == "int8_rows" else FloatTable
        return self.place(name, make(kind, rows, self.config.embedding_size, Taker(self.tensors, name)))

    def norm(self, name, width):
        return self.place(name, LayerNorm(width, self.config.layer_norm_eps, Taker(self.tensors, name)))

    def place(self, name, module):
        """Adds `module` under its dotted name."""
        parent = self.model
        *outer, last = name.split(".")
        for step in outer:
            if step not in parent._modules:
                parent.add_module(step, nn.Module())
            parent = parent._modules[step]
        parent.add_module(last, module)
        return module


def _attention(q, k, v, groups, heads, first_only):
    """Attention within each text. q: [tokens, width], or [texts, width] where only first tokens ask."""
    contexts, q_begin, begin = [], 0, 0
    for texts, length in groups:
        queries = 1 if first_only else length
        q_rows, rows = texts * queries, texts * length
        # torch's kernel for the CPU sums in another order for some numbers of queries, which depends on the thread.
        added = -queries % 16 if queries < 32 and q.device.type == "cpu" else 0
        context = F.scaled_dot_product_attention(
            _heads(q[q_begin:q_begin + q_rows], texts, heads, added),
            _heads(k[begin:begin + rows], texts, heads), _heads(v[begin:begin + rows], texts, heads))
        contexts.append(context[:, :, :queries].transpose(1, 2).reshape(q_rows, q.shape[1]))
        q_begin, begin = q_begin + q_rows, begin + rows
    return contexts[0] if len(contexts) == 1 else torch.cat(contexts)


def _heads(x, texts, heads, added=0):
    """[texts * length, width] -> [texts, heads, length + added, width / heads], the added rows zero."""
    rows = x.reshape(texts, -1, heads, x.shape[1] // heads)
    return (F.pad(rows, (0, 0, 0, 0, 0, added)) if added else rows).transpose(1, 2)
