#!/usr/bin/env python3
"""Writes subword/: two small tokenizers, and what Hugging Face `tokenizers` makes of hard texts with them.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 protobuf
    python3 tests/golden/make_subword_golden.py

`roberta` is byte-level BPE as RobertaTokenizer has it, `xlm_roberta` is Unigram as XLMRobertaTokenizer has it,
with a normalization map; both are trained on text that is generated here. Each folder holds tokenizer.json,
tokenizer_config.json and ids.jsonl: a text (or "hex", for bytes that are not UTF-8: read with
errors="replace") and its ids, without truncation. A tokenizer.json that is there is used again: training
Unigram does not give the same pieces twice.

    python3 tests/golden/make_subword_golden.py --out DIR --lines 20000 --seed 7 --full-map
    QUANTLAB_SUBWORD_GOLDEN=DIR build/release/bin/text_test --gtest_filter='SubwordGolden*'

compares many other lines, and SentencePiece's whole map nmt_nfkc instead of the small one that is kept here.
"""

import argparse
import base64
import json
import pathlib
import random
import sys
import tempfile
import unicodedata

import sentencepiece
import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors, trainers

from make_tokenizer_golden import CONTROLS, EMOJI, SCRIPTS, WORDS, corners, invalid_bytes, line

SEED = 20250117
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>"]
TRAINING = """the film was a very good one and the acting is great but this movie has bad music I would not
watch it again we liked that scene they don't think it's worth your time he'll see what she's done you're
they've I'd better unbelievable running watched characters photography wonderful disappointing""".split()
# Spaces of all kinds, contractions, numbers, and what the tokenizers treat as special.
HARD = ["  ", "   ", "\n", "\r\n", "\r", "\t", " \n ", "\u00a0", "\u2003", "\u3000", "\u0085", "\x0b", "\u200b", "\u2028",
        "'s", "'S", "'ll", "''", "'re", "don't", "I'm", "x'd've", "123", "3.14", "½", "Ⅷ", "٣٤", "²", "①", "১২", "<s>",
        "</s>", "<mask>", " <mask> ", "<unk>", "<pad>", "< s>", "▁", "▁▁", "▁a", "a▁b", "_", "Ġ", "Ċ", "##a", "<0x0A>",
        "ｅ\u0301", "e\u0301", "\u1112\u1161\u11ab", "ﾊﾞ", "ｶﾞ", "™\u0301", "©\u200d©", "\u0600a", "क\u094dक़\u0301", "ﬁ",
        "①\u20dd", "👩\u200d👩\u200d👧", "🇨🇳\u0301", "\u0344", "ſ\u0323", "\ufeff", "\x00", "a\x00b", "\u1e9b\u0323"]


def training_text(rng):
    for _ in range(4000):
        words = rng.choices(TRAINING, k=rng.randint(3, 12))
        if rng.random() < 0.3:
            words += rng.choices(WORDS + SCRIPTS, k=2)
        text = " ".join(words)
        yield text[0].upper() + text[1:] + rng.choice([".", "!", "?", " ...", ", 10/10"])


def small_map():
    """Rules as nmt_nfkc has them, for some characters of each kind."""
    rules = {}
    for c in CONTROLS:
        rules[c] = " " if c.isspace() or unicodedata.category(c) in ("Zs", "Zl", "Zp") else ""
    blocks = ((0xA8, 0xC0), (0x132, 0x140), (0x1C4, 0x1CD), (0x2100, 0x2140), (0x2160, 0x2180), (0x2460, 0x2474),
              (0x3300, 0x3310), (0x33A0, 0x33B0), (0xF900, 0xF910), (0xFB00, 0xFB07), (0xFE30, 0xFE40), (0xFF01, 0xFF5F),
              (0xFF66, 0xFFA0), (0x958, 0x960), (0x1D400, 0x1D420))
    for first, last in blocks:
        for c in map(chr, range(first, last)):
            if unicodedata.normalize("NFKC", c) != c:
                rules[c] = unicodedata.normalize("NFKC", c)
    for base in "aeiounycAEIOUNYCｶｷﾊﾋ":
        for mark in "\u0300\u0301\u0302\u0303\u0308\u0327\uff9e\uff9f":
            joined = unicodedata.normalize("NFKC", base + mark)
            if joined != base + mark:
                rules[base + mark] = joined
    return {key: value for key, value in rules.items() if key != "\x00"}


def normalization_map(texts, full):
    """SentencePiece compiles the rules; nothing else is taken from the model that it trains."""
    with tempfile.TemporaryDirectory() as folder:
        options = dict(normalization_rule_name="nmt_nfkc")
        if not full:
            rules = pathlib.Path(folder, "rules.tsv")
            rows = [" ".join(f"{ord(c):X}" for c in key) + "\t" + " ".join(f"{ord(c):X}" for c in value)
                    for key, value in sorted(small_map().items())]
            rules.write_text("\n".join(rows) + "\n")
            options = dict(normalization_rule_tsv=str(rules))
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts), model_prefix=f"{folder}/m", vocab_size=400, minloglevel=2,
            hard_vocab_limit=False, **options)
        from sentencepiece import sentencepiece_model_pb2
        model = sentencepiece_model_pb2.ModelProto()
        model.ParseFromString(pathlib.Path(folder, "m.model").read_bytes())
        return model.normalizer_spec.precompiled_charsmap


def make_roberta(texts):
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=SPECIALS, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, {"tokenizer_class": "RobertaTokenizer", "model_max_length": 512, "add_prefix_space": False}


def make_xlm_roberta(texts, full):
    cut = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")])
    # The normalizer that SentencePieceExtractor of transformers makes.
    normalizer = normalizers.Sequence([normalizers.Precompiled(normalization_map(texts, full)),
                                       normalizers.Replace(tokenizers.Regex(" {2,}"), " ")])
    tokenizer = tokenizers.Tokenizer(models.Unigram())
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, cut
    trainer = trainers.UnigramTrainer(vocab_size=600, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    # The trainer's scores differ from run to run in the last digits; rounded they are the same.
    state = json.loads(tokenizer.to_str())
    state["model"]["vocab"] = [[piece, round(score, 4)] for piece, score in state["model"]["vocab"]]
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(state))
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer, {"tokenizer_class": "XLMRobertaTokenizer"}


def hard_line(rng):
    pieces = [rng.choice(HARD + TRAINING) if rng.random() < 0.7 else line(rng) for _ in range(rng.randint(1, 8))]
    return rng.choice(["", " ", " "]).join(pieces)


def texts_of(rng, count):
    yield from corners()
    yield from HARD + EMOJI + TRAINING + ["x" * 3000, "the" * 700, " " * 500, "ab " * 300]
    yield from (f"x{control}y{control}" for control in CONTROLS)
    for _ in range(count):
        yield hard_line(rng) if rng.random() < 0.6 else line(rng)


def write(folder, tokenizer, config, rng, count):
    folder.mkdir(parents=True, exist_ok=True)
    state = json.loads(tokenizer.to_str())
    (folder / "tokenizer.json").write_text(json.dumps(state, ensure_ascii=True, separators=(",", ":")) + "\n")
    names = dict(bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>", pad_token="<pad>",
                 unk_token="<unk>", mask_token="<mask>")
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, **names}, indent=1) + "\n")
    with open(folder / "ids.jsonl", "w", encoding="ascii") as out:
        def record(**fields):
            out.write(json.dumps(fields, separators=(",", ":")) + "\n")

        for text in texts_of(rng, count):
            record(text=text, ids=tokenizer.encode(text).ids)
        for _ in range(max(100, count // 10)):
            data = invalid_bytes(rng)
            record(hex=data.hex(), ids=tokenizer.encode(data.decode("utf-8", errors="replace")).ids)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "subword")
    parser.add_argument("--lines", type=int, default=900)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--full-map", action="store_true")
    options = parser.parse_args()
    rng = random.Random(SEED)
    texts = list(training_text(rng))
    made = {"roberta": make_roberta(texts), "xlm_roberta": make_xlm_roberta(texts, options.full_map)}
    for name, (tokenizer, config) in made.items():
        kept = options.out / name / "tokenizer.json"
        tokenizer = tokenizers.Tokenizer.from_file(str(kept)) if kept.exists() else tokenizer
        write(options.out / name, tokenizer, config, random.Random(options.seed), options.lines)


if __name__ == "__main__":
    sys.exit(main())
