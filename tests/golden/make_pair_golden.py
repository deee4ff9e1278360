#!/usr/bin/env python3
"""Writes pairs/: what Hugging Face `tokenizers` makes of pairs of texts, with and without truncation.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 protobuf
    python3 tests/golden/make_pair_golden.py

pairs/KIND.jsonl has one pair a line: the texts a and b, the largest number of ids (0: no limit), and the ids and
token types, truncated by longest_first. In KIND_left.jsonl texts lose their first tokens, and b is null on some lines:
a single text. The tokenizers are those of ../subword, the small WordPiece vocabulary of
worker/engine/text/testdata, and two tokenizer.json over the same vocabulary, which are written beside the lines:
`bert` with BERT's template, `swapped` with one that puts the second text first.
"""

import json
import pathlib
import random

import tokenizers
from tokenizers import AddedToken, models, normalizers, pre_tokenizers, processors

from make_tokenizer_golden import corners, line

SEED, LINES = 20261128, 260
GOLDEN = pathlib.Path(__file__).parent
VOCABULARY = GOLDEN.parent.parent / "worker/engine/text/testdata/tiny_uncased/vocab.txt"
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = "a the film fine is unwanted running runs b c x y z ' . , ! café ß 日本 1 10 0x film's".split()


def word_piece(pair):
    ids = {token: i for i, token in enumerate(VOCABULARY.read_text(encoding="utf-8").splitlines())}
    tokenizer = tokenizers.Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIALS])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair=pair, special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])])
    return tokenizer


def write_tokenizer(name, tokenizer):
    folder = GOLDEN / "pairs" / name
    folder.mkdir(parents=True, exist_ok=True)
    state = json.loads(tokenizer.to_str())
    (folder / "tokenizer.json").write_text(json.dumps(state, ensure_ascii=True, separators=(",", ":")) + "\n")


def some_text(rng, corner):
    if rng.random() < 0.1:
        return rng.choice(corner)
    if rng.random() < 0.3:
        return line(rng)
    return " ".join(rng.choices(WORDS, k=rng.randint(0, 14)))


def write_lines(name, tokenizer, rng, direction="right"):
    corner = [text for text in corners() if len(text) < 80]
    specials = tokenizer.num_special_tokens_to_add(True)
    with open(GOLDEN / "pairs" / f"{name}.jsonl", "w", encoding="ascii") as out:
        for _ in range(LINES):
            a, b = some_text(rng, corner), some_text(rng, corner)
            longest = rng.choice([0] + [specials + room for room in range(1, 24)])
            tokenizer.no_truncation()
            if longest:
                tokenizer.enable_truncation(longest, strategy="longest_first", direction=direction)
            if direction == "left" and rng.random() < 0.4:
                b = None
            encoded = tokenizer.encode(a, b)
            out.write(json.dumps({"a": a, "b": b, "max": longest, "ids": encoded.ids, "types": encoded.type_ids},
                                 separators=(",", ":")) + "\n")


def main():
    bert = word_piece("[CLS] $A [SEP] $B:1 [SEP]:1")
    swapped = word_piece("[CLS]:1 $B:1 [SEP]:1 $A [SEP]")
    write_tokenizer("bert", bert)
    write_tokenizer("swapped", swapped)
    subword = {name: tokenizers.Tokenizer.from_file(str(GOLDEN / "subword" / name / "tokenizer.json"))
               for name in ("roberta", "xlm_roberta")}
    for name, tokenizer in {"bert": bert, "swapped": swapped, **subword}.items():
        write_lines(name, tokenizer, random.Random(SEED))
    for name, tokenizer in {"bert": bert, "roberta": subword["roberta"]}.items():
        write_lines(f"{name}_left", tokenizer, random.Random(SEED + 1), "left")


if __name__ == "__main__":
    main()
