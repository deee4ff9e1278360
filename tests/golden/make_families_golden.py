#!/usr/bin/env python3
"""Makes families_golden.json: what Hugging Face transformers computes with each model family but BERT, which has
make_bert_golden.py.

    python3 tests/golden/make_families_golden.py [--out tests/golden/families_golden.json]

Needs torch, transformers, numpy. Weights and texts come from formulas that the test computes as well, so only
configurations, names of tensors, logits and losses are stored.
"""
import argparse
import json
import os

import torch
import transformers
from make_bert_golden import MASK, fnv1a, formula_weight, splitmix64

BERT_LIKE = dict(vocab_size=120, hidden_size=40, num_hidden_layers=2, num_attention_heads=5, intermediate_size=72,
                 max_position_embeddings=40, type_vocab_size=2, hidden_act="gelu", layer_norm_eps=1e-12,
                 pad_token_id=0)
ROBERTA_LIKE = dict(BERT_LIKE, max_position_embeddings=42, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1)
# (name, class prefix, settings, labels)
CASES = [
    ("distilbert", "DistilBert", dict(vocab_size=120, dim=48, n_layers=2, n_heads=4, hidden_dim=77,
                                      max_position_embeddings=40, activation="gelu", pad_token_id=0), 3),
    ("roberta", "Roberta", ROBERTA_LIKE, 3),
    ("xlm-roberta", "XLMRoberta", dict(ROBERTA_LIKE, hidden_act="gelu_new", hidden_size=30), 2),
    ("camembert", "Camembert", dict(ROBERTA_LIKE, num_hidden_layers=1), 4),
    ("electra", "Electra", dict(BERT_LIKE, embedding_size=24), 3),
    ("electra", "Electra", dict(BERT_LIKE, embedding_size=40, num_hidden_layers=1, hidden_act="relu"), 2),
]
TRAINING = dict(steps=20, batch_size=4, texts=12, learning_rate=1e-3, weight_decay=0.01, warmup_ratio=0.1,
                max_grad_norm=1.0, seed=30240)
DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout", "dropout",
            "attention_dropout", "seq_classif_dropout")


def make(prefix, settings, labels):
    config = getattr(transformers, f"{prefix}Config")(num_labels=labels, attn_implementation="eager", **settings)
    for name in DROPOUTS:
        if hasattr(config, name):
            setattr(config, name, 0.0)
    model = getattr(transformers, f"{prefix}ForSequenceClassification")(config).eval()
    norms = {id(p) for m in model.modules() if isinstance(m, torch.nn.LayerNorm) for p in m.parameters()}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(formula_weight(name, tuple(parameter.shape)))
    return model, norms


def config_json(family, prefix, settings, labels):
    return dict(settings, model_type=family, architectures=[f"{prefix}ForSequenceClassification"], num_labels=labels)


def token(seed, settings):
    """No special token below 2."""
    return 2 + splitmix64(seed & MASK) % (settings["vocab_size"] - 2)


def pad(rows, settings):
    length = max(map(len, rows))
    return ([row + [settings["pad_token_id"]] * (length - len(row)) for row in rows],
            [[1] * len(row) + [0] * (length - len(row)) for row in rows])


def run(model, rows, settings, types=None):
    ids, mask = pad(rows, settings)
    more = {} if types is None else {"token_type_ids": torch.tensor(types)}
    return model(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask), **more).logits


def logits_case(family, prefix, settings, labels):
    model, _ = make(prefix, settings, labels)
    lengths = [7, 1, 40, 12, 7, 19]
    rows = [[token(fnv1a(f"{family}/ids/{t}") + i, settings) for i in range(n)] for t, n in enumerate(lengths)]
    rows[3][5] = settings["pad_token_id"]  # within a text: where positions follow the padding's, it has none
    ids, mask = pad(rows, settings)
    kinds = settings.get("type_vocab_size", 1)
    types = [[splitmix64(fnv1a(f"{family}/types/{t}") + i & MASK) % kinds if m else 0 for i, m in enumerate(row)]
             for t, row in enumerate(mask)]
    with torch.no_grad():
        logits = run(model, rows, settings, None if family == "distilbert" else types)
    return dict(family=family, config=config_json(family, prefix, settings, labels),
                names=sorted(name for name, _ in model.named_parameters()), input_ids=ids, attention_mask=mask,
                token_type_ids=types, logits=logits.tolist())


def training_text(settings, index):
    """Length 5 to 14; two kinds of text, and a label that is the kind but for one text in four."""
    def draw(i):
        return splitmix64((TRAINING["seed"] + index * 1000 + i) & MASK)
    kind = index % 2
    half = (settings["vocab_size"] - 2) // 2
    body = [2 + draw(2 + i) % half + half * kind for i in range(5 + draw(0) % 10)]
    return body, int(kind ^ (draw(1) % 4 == 0))


def training_case(family, prefix, settings, labels):
    """Fine-tuning without dropout, FP32, one thread, written with PyTorch's own parts."""
    spec = TRAINING
    model, norms = make(prefix, settings, labels)
    model.train()
    def decays(name, parameter):
        return not (name.endswith(".bias") or id(parameter) in norms)
    groups = [dict(params=[p for n, p in model.named_parameters() if decays(n, p) == wanted],
                   weight_decay=spec["weight_decay"] if wanted else 0.0) for wanted in (True, False)]
    optimizer = torch.optim.AdamW(groups, lr=spec["learning_rate"], betas=(0.9, 0.999), eps=1e-8)
    warmup = -(-spec["steps"] * spec["warmup_ratio"] // 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: s / warmup if s < warmup else max(0.0, (spec["steps"] - s) / (spec["steps"] - warmup)))
    losses = []
    for step in range(spec["steps"]):
        texts = [training_text(settings, (step * spec["batch_size"] + i) % spec["texts"])
                 for i in range(spec["batch_size"])]
        logits = run(model, [text for text, _ in texts], settings)
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor([label for _, label in texts]))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), spec["max_grad_norm"])
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return dict(family=family, config=config_json(family, prefix, settings, labels), losses=losses)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                      "families_golden.json"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    golden = dict(made_by="tests/golden/make_families_golden.py", cases=[logits_case(*case) for case in CASES],
                  training=dict(TRAINING, cases=[training_case(*case) for case in CASES[:-1]]))
    with open(args.out, "w", encoding="utf-8") as out:
        json.dump(golden, out, separators=(",", ":"))
        out.write("\n")
    for case in golden["training"]["cases"]:
        print(case["family"], case["losses"][::4])


if __name__ == "__main__":
    main()
