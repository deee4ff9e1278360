"""plan.json: what each layer of a saved model is. docs/en/plan.md describes the file, docs/plan.schema.json its form."""

import dataclasses
import pathlib

from quantlab.torch.config import FAMILIES
from quantlab.torch.files import InvalidModel, Members, read_json

VERSION = 2
MAX_FEATURES = 1 << 24

ACTIVATION_DTYPES = ("fp32", "bf16", "fp16")
TABLE_KINDS = ("fp32", "bf16", "fp16", "int8_rows")

_PER_CHANNEL = ("text", "weight_granularity", ("per_channel", "per_tensor"))
_PER_TOKEN = ("text", "granularity", ("per_token", "per_tensor"))

# Options of each kind of linear layer: (reader of Members, key, what is allowed).
KINDS = {
    "fp32": [],
    "bf16": [],
    "fp16": [],
    "int8_dynamic": [_PER_TOKEN, _PER_CHANNEL, ("boolean", "reduce_range")],
    "int8_static": [("integer", "weight_bits", 2, 8), _PER_CHANNEL],
    "int8_weight_only": [],
    "int4_weight_only": [("integer", "group_size", 32, 256), ("boolean", "symmetric")],
    "fp8": [_PER_TOKEN, _PER_CHANNEL],
}


@dataclasses.dataclass(frozen=True)
class LayerPlan:
    name: str
    kind: str
    in_features: int
    out_features: int
    options: dict     # complete, as its kind has them
    tensors: dict     # {role: name in the file}
    requested: str = ""  # the kind that was asked for, where another one was chosen
    reason: str = ""     # why


@dataclasses.dataclass(frozen=True)
class TablePlan:
    name: str
    kind: str
    tensors: dict


@dataclasses.dataclass(frozen=True)
class Plan:
    family: str
    activation_dtype: str
    method: dict      # {"name", "version", "params"}
    embeddings: dict  # TablePlan by name; a table that is not here is FP32
    layers: dict      # LayerPlan by name


def read_plan(path):
    """The plan in `path`. None: there is no such file, and the model is FP32. Raises InvalidModel."""
    value = read_json(path)
    return None if value is None else parse_plan(value, pathlib.Path(path))


def parse_plan(value, where):
    """A plan from its JSON value; `where` names it in errors."""
    members = Members(value, where)
    version = members.integer("version", 1, 1_000_000)
    if version > VERSION:
        members.fail(f"version is {version}, newer than this client, which reads {VERSION}; update it")
    family = members.text("model_family", FAMILIES)
    method = Members(members.get("method"), f"{where}: method")
    method.text("name")
    method.integer("version", 1, 1_000_000)
    Members(method.get("params"), f"{where}: method: params")
    activation_dtype, embeddings = "fp32", {}
    if version >= 2:
        activation_dtype = members.text("activation_dtype", ACTIVATION_DTYPES)
        embeddings = _by_name(members, "embeddings", _table)
    return Plan(family, activation_dtype, method.value, embeddings, _by_name(members, "layers", _layer))


def _by_name(members, key, read):
    found = {}
    for index, value in enumerate(members.array(key)):
        item = read(Members(value, f"{members.where}: {key}[{index}]"))
        if item.name in found:
            raise InvalidModel(f"{members.where}: {key}[{index}]: name {item.name} is there twice")
        found[item.name] = item
    return found


def _table(members):
    return TablePlan(members.text("name"), members.text("kind", TABLE_KINDS), _tensors(members))


def _layer(members):
    kind = members.text("kind", KINDS)
    options = {key: getattr(members, reader)(key, *allowed) for reader, key, *allowed in KINDS[kind]}
    if options.get("group_size", 32) not in (32, 64, 128, 256):
        members.fail(f"group_size is {options['group_size']}; allowed: 32, 64, 128, 256")
    optional = {key: members.text(key) for key in ("requested", "reason") if key in members.value}
    return LayerPlan(members.text("name"), kind, members.integer("in_features", 1, MAX_FEATURES),
                     members.integer("out_features", 1, MAX_FEATURES), options, _tensors(members), **optional)


def _tensors(members):
    tensors = Members(members.get("tensors"), f"{members.where}: tensors")
    return {role: tensors.text(role) for role in tensors.value}
