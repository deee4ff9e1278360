"""config.json of the Hugging Face layout, and what the families of encoders call their settings and tensors.

The families are those of transformers' classes BertForSequenceClassification, DistilBertForSequenceClassification,
RobertaForSequenceClassification (also XLM-R and CamemBERT) and ElectraForSequenceClassification.
"""

import dataclasses
import pathlib

from quantlab.torch.files import InvalidModel, Members, read_json

MAX_SIZE = 1 << 24
MAX_WIDTH = 1 << 16
MAX_LAYERS = 1000

# Settings with which these models would compute something else, and the only value that is read.
_REQUIRED = {"position_embedding_type": "absolute", "is_decoder": False, "add_cross_attention": False,
             "sinusoidal_pos_embds": False}


@dataclasses.dataclass(frozen=True)
class Block:
    """Names of the parts of one encoder layer."""

    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    attention_output: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    ffn_in: str = "intermediate.dense"
    ffn_out: str = "output.dense"
    ffn_norm: str = "output.LayerNorm"


@dataclasses.dataclass(frozen=True)
class Family:
    prefix: str                 # before "embeddings.word_embeddings"
    head: tuple                 # names of the two linear layers, and the activation between them
    blocks: str = "encoder.layer"
    block: Block = Block()
    has_token_types: bool = True
    # Positions count the tokens that are not padding, from pad_token_id + 1.
    positions_after_padding: bool = False
    keys: dict = dataclasses.field(default_factory=dict)      # where they are not BERT's
    defaults: dict = dataclasses.field(default_factory=dict)  # where they are not BERT's


_BERT_DEFAULTS = {"vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
                  "intermediate_size": 3072, "max_position_embeddings": 512, "type_vocab_size": 2, "pad_token_id": 0,
                  "hidden_act": "gelu", "layer_norm_eps": 1e-12}


def _roberta(vocab_size=30522):
    return Family("roberta", ("classifier.dense", "classifier.out_proj", "tanh"), positions_after_padding=True,
                  defaults={"pad_token_id": 1, "vocab_size": vocab_size})


FAMILIES = {
    "bert": Family("bert", ("bert.pooler.dense", "classifier", "tanh")),
    "distilbert": Family(
        "distilbert", ("pre_classifier", "classifier", "relu"), blocks="transformer.layer", has_token_types=False,
        block=Block("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "sa_layer_norm",
                    "ffn.lin1", "ffn.lin2", "output_layer_norm"),
        keys={"hidden_size": "dim", "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads",
              "intermediate_size": "hidden_dim", "hidden_act": "activation", "type_vocab_size": None,
              "layer_norm_eps": None},
        defaults={"num_hidden_layers": 6, "type_vocab_size": 1}),
    "roberta": _roberta(50265),
    "xlm-roberta": _roberta(),
    "camembert": _roberta(),
    "electra": Family("electra", ("classifier.dense", "classifier.out_proj", "gelu"),
                      keys={"embedding_size": "embedding_size"},
                      defaults={"embedding_size": 128, "hidden_size": 256, "num_attention_heads": 4,
                                "intermediate_size": 1024}),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """The shape of a model, with BERT's names for the settings."""

    family: str
    vocab_size: int
    hidden_size: int
    embedding_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    pad_token_id: int  # -1: none
    hidden_act: str
    layer_norm_eps: float
    labels: tuple      # by class index

    @property
    def max_tokens(self):
        """The longest text that the model reads."""
        first = self.pad_token_id + 1 if FAMILIES[self.family].positions_after_padding else 0
        return self.max_position_embeddings - first


def read_config(path):
    """The config in `path`. Raises InvalidModel, which names the key."""
    value = read_json(path)
    if value is None:
        raise InvalidModel(f"{path}: no such file")
    return parse_config(value, pathlib.Path(path))


def parse_config(value, where):
    """A config from its JSON value; `where` names it in errors. A null stands for a key that is not there."""
    members = Members({key: each for key, each in value.items() if each is not None}, where)
    name = members.text("model_type", FAMILIES)
    for key, required in _REQUIRED.items():
        if members.value.get(key, required) != required:
            members.fail(f"{key} is {members.value[key]!r}; only {required!r} is supported")
    config = _settings(members, FAMILIES[name], name, padding=value.get("pad_token_id", 0) is not None)
    if config.hidden_size % config.num_attention_heads:
        members.fail(f"{config.num_attention_heads} attention heads do not divide the width {config.hidden_size}")
    if config.max_tokens < 1:
        members.fail(f"max_position_embeddings is {config.max_position_embeddings}, too few for one token")
    return config


def _settings(members, family, name, padding):
    defaults = {**_BERT_DEFAULTS, **family.defaults}

    def read(setting, reader, *limits):
        key = family.keys.get(setting, setting)
        present = key is not None and key in members.value
        return getattr(members, reader)(key, *limits) if present else defaults[setting]

    sizes = {setting: read(setting, "integer", 1, limit) for setting, limit in (
        ("vocab_size", MAX_SIZE), ("hidden_size", MAX_WIDTH), ("num_hidden_layers", MAX_LAYERS),
        ("num_attention_heads", MAX_WIDTH), ("intermediate_size", MAX_SIZE), ("max_position_embeddings", MAX_SIZE),
        ("type_vocab_size", MAX_SIZE))}
    has_width = "embedding_size" in family.keys
    width = read("embedding_size", "integer", 1, MAX_WIDTH) if has_width else sizes["hidden_size"]
    pad = read("pad_token_id", "integer", -1, sizes["vocab_size"] - 1) if padding else -1
    if family.positions_after_padding and pad < 0:
        members.fail(f"pad_token_id is null, but positions of the family {name} count from it")
    return Config(family=name, embedding_size=width, pad_token_id=pad, labels=_labels(members),
                  hidden_act=read("hidden_act", "text"), layer_norm_eps=read("layer_norm_eps", "number", 0, 1),
                  **sizes)


def _labels(members):
    if "id2label" not in members.value:
        count = members.integer("num_labels", 1, 100_000) if "num_labels" in members.value else 2
        return tuple(f"LABEL_{index}" for index in range(count))
    names = Members(members.get("id2label"), f"{members.where}: id2label")
    return tuple(str(names.get(str(index))) for index in range(len(names.value)))
