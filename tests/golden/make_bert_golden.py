#!/usr/bin/env python3
"""Makes bert_golden.json: what Hugging Face transformers computes, for the engine to be held to.

    QUANTLAB_ASSETS=DIR python3 tests/golden/make_bert_golden.py [--out tests/golden/bert_golden.json]

DIR/minilm is the encoder's folder (config.json, model.safetensors, …). Needs torch, transformers, numpy.

Nothing large is stored: weights that are not the encoder's own come from a formula that the test computes as
well (see `uniform`), and so do the training batches (see `training_batch`).
"""
import argparse
import json
import os

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification

MASK = (1 << 64) - 1

# Sizes, activations, label counts and epsilons that differ in every case; widths that are no multiple of a
# vector are there on purpose.
SHAPES = {
    "wide": dict(vocab_size=211, hidden_size=48, num_hidden_layers=2, num_attention_heads=4,
                 intermediate_size=96, max_position_embeddings=40, type_vocab_size=2, hidden_act="gelu",
                 layer_norm_eps=1e-12, num_labels=3),
    "tanh_gelu": dict(vocab_size=97, hidden_size=64, num_hidden_layers=3, num_attention_heads=8,
                      intermediate_size=100, max_position_embeddings=33, type_vocab_size=3,
                      hidden_act="gelu_new", layer_norm_eps=1e-5, num_labels=5),
    "odd": dict(vocab_size=60, hidden_size=30, num_hidden_layers=1, num_attention_heads=3,
                intermediate_size=77, max_position_embeddings=25, type_vocab_size=1, hidden_act="relu",
                layer_norm_eps=1e-7, num_labels=2),
    "silu": dict(vocab_size=130, hidden_size=40, num_hidden_layers=4, num_attention_heads=5,
                 intermediate_size=33, max_position_embeddings=64, type_vocab_size=2, hidden_act="silu",
                 layer_norm_eps=1e-12, num_labels=7),
}

SENTENCES = [
    "A film that grows on you.",
    "I would not sit through it a second time, and the popcorn was stale as well!",
    "no",
    "The first hour is slow; then, quite unexpectedly, everything that seemed careless turns out to have been "
    "set up with great patience, and the last scene earns every minute that came before it.",
    "Über-naïve café scenes, 3/10.",
    "It is neither good nor bad, and that is the worst that can be said of a comedy.",
]

TRAINING = dict(steps=100, batch_size=4, warmup_ratio=0.1, learning_rate=3e-5, weight_decay=0.01,
                max_grad_norm=1.0, adam_beta1=0.9, adam_beta2=0.999, adam_epsilon=1e-8, texts=160, seed=20240)


def splitmix64(x):
    """The mixer of Steele 2014; scalar or numpy uint64."""
    if isinstance(x, int):
        x = (x + 0x9E3779B97F4A7C15) & MASK
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
        return x ^ (x >> 31)
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def fnv1a(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def uniform(name, shape):
    """Element i is (splitmix64(fnv1a(name) + i) >> 40) / 2^23 - 1, in [-1, 1): exact in FP32."""
    count = int(np.prod(shape))
    with np.errstate(over="ignore"):
        bits = splitmix64(np.uint64(fnv1a(name)) + np.arange(count, dtype=np.uint64)) >> np.uint64(40)
    return torch.from_numpy((bits.astype(np.float64) / 2**23 - 1).astype(np.float32).reshape(shape))


def formula_weight(name, shape):
    """Scaled so that activations stay of order 1; LayerNorm weights are around 1."""
    u = uniform(name, shape)
    if name.endswith(("LayerNorm.weight", "layer_norm.weight")):
        return 1 + u / 8
    if name.endswith(".bias"):
        return u / 8
    return u / 4


def fill(model, wanted=lambda name: True):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if wanted(name):
                parameter.copy_(formula_weight(name, tuple(parameter.shape)))
    return model.eval()


def no_dropout():
    return dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)


def logits_of(model, ids, mask, types):
    with torch.no_grad():
        out = model(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask),
                    token_type_ids=torch.tensor(types)).logits
    return [[float(v) for v in row] for row in out]


def pad(rows):
    length = max(map(len, rows))
    return ([row + [0] * (length - len(row)) for row in rows],
            [[1] * len(row) + [0] * (length - len(row)) for row in rows])


def shape_case(name, shape):
    config = BertConfig(pad_token_id=0, **shape)
    model = fill(BertForSequenceClassification(config))
    lengths = [7, 1, shape["max_position_embeddings"], 12, 7, 19]
    rows = [[1 + splitmix64(fnv1a(f"{name}/ids/{t}") + i & MASK) % (shape["vocab_size"] - 1)
             for i in range(n)] for t, n in enumerate(lengths)]
    ids, mask = pad(rows)
    types = [[splitmix64(fnv1a(f"{name}/types/{t}") + i & MASK) % shape["type_vocab_size"] if m else 0
              for i, m in enumerate(row)] for t, row in enumerate(mask)]
    config_json = {k: v for k, v in shape.items() if k != "num_labels"}
    config_json.update(model_type="bert", pad_token_id=0, num_labels=shape["num_labels"])
    return dict(name=name, config=config_json, input_ids=ids, attention_mask=mask, token_type_ids=types,
                logits=logits_of(model, ids, mask, types))


def load_encoder(folder, **more):
    model = BertForSequenceClassification.from_pretrained(folder, num_labels=2, **more)
    return fill(model, lambda name: name.startswith("classifier."))


def encoder_case(folder):
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids, mask = pad([tokenizer(text, truncation=True, max_length=64)["input_ids"] for text in SENTENCES])
    types = [[0] * len(row) for row in ids]
    return dict(input_ids=ids, attention_mask=mask, token_type_ids=types,
                logits=logits_of(load_encoder(folder), ids, mask, types))


def training_text(seed, index):
    """Length 8 to 23. Two kinds of text, whose tokens come from overlapping ranges; the label is the kind, but
    wrong for one text in four, so that the loss stays well away from 0 and relative errors mean something."""
    def draw(i):
        return splitmix64((seed + index * 1000 + i) & MASK)
    kind = index % 2
    body = [2000 + draw(2 + i) % 12000 + 8000 * kind for i in range(6 + draw(0) % 16)]
    return [101] + body + [102], kind ^ (draw(1) % 4 == 0)


def training_batch(spec, step):
    size = spec["batch_size"]
    return [training_text(spec["seed"], (step * size + i) % spec["texts"]) for i in range(size)]


def training_reference(folder):
    """Fine-tuning without dropout, FP32, one thread, written with PyTorch's own parts."""
    torch.set_num_threads(1)
    spec = dict(TRAINING)
    model = load_encoder(folder, **no_dropout()).train()
    decay = [p for n, p in model.named_parameters() if not (n.endswith(".bias") or "LayerNorm" in n)]
    plain = [p for n, p in model.named_parameters() if n.endswith(".bias") or "LayerNorm" in n]
    optimizer = torch.optim.AdamW(
        [dict(params=decay, weight_decay=spec["weight_decay"]), dict(params=plain, weight_decay=0.0)],
        lr=spec["learning_rate"], betas=(spec["adam_beta1"], spec["adam_beta2"]), eps=spec["adam_epsilon"])
    warmup = -(-spec["steps"] * spec["warmup_ratio"] // 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: s / warmup if s < warmup else max(0.0, (spec["steps"] - s) / (spec["steps"] - warmup)))
    losses = []
    for step in range(spec["steps"]):
        texts = training_batch(spec, step)
        ids, mask = pad([text for text, _ in texts])
        logits = model(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask)).logits
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor([label for _, label in texts]))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), spec["max_grad_norm"])
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return dict(spec, losses=losses)


def activation_values():
    """Every activation without parameters that BERT configs may name, over a range where it shows."""
    from transformers.activations import get_activation
    names = ["gelu", "gelu_python", "gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast",
             "gelu_accurate", "gelu_10", "quick_gelu", "relu", "relu6", "relu2", "leaky_relu", "silu", "swish",
             "hardswish", "mish", "laplace", "tanh", "sigmoid", "linear"]
    x = torch.linspace(-12, 12, 33)
    return dict(x=x.tolist(), y={name: get_activation(name)(x).tolist() for name in names})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "bert_golden.json"))
    args = parser.parse_args()
    folder = os.path.join(os.environ["QUANTLAB_ASSETS"], "minilm")
    golden = dict(made_by="tests/golden/make_bert_golden.py", shapes=[shape_case(n, s) for n, s in SHAPES.items()],
                  activations=activation_values(), minilm=encoder_case(folder), training=training_reference(folder))
    with open(args.out, "w", encoding="utf-8") as out:
        json.dump(golden, out, separators=(",", ":"))
        out.write("\n")
    print("losses", golden["training"]["losses"][::10])


if __name__ == "__main__":
    main()
