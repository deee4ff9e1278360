#!/usr/bin/env python3
"""Writes normalizer_digests.json: what Hugging Face `tokenizers` makes of every Unicode code point.

    pip install tokenizers==0.23.3
    python3 tests/golden/make_normalizer_golden.py > tests/golden/normalizer_digests.json

For each set of options the digest is the SHA-256 over one line for each code point c but surrogates, in
order: its number in hex, a colon, and the words that BertNormalizer and BertPreTokenizer make of
"a" c "B" U+0301 c U+302E U+0323, with one space between them. (The marks bring out canonical ordering:
U+302E is one that accent stripping keeps.)
"""

import hashlib
import itertools
import json
import sys

import tokenizers
from tokenizers import normalizers, pre_tokenizers


def digest(options):
    normalize = normalizers.BertNormalizer(**options).normalize_str
    cut = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    out = hashlib.sha256()
    for c in itertools.chain(range(0xD800), range(0xE000, 0x110000)):
        text = f"a{chr(c)}B\u0301{chr(c)}\u302e\u0323"
        words = " ".join(word for word, _ in cut(normalize(text)))
        out.update(f"{c:x}:{words}\n".encode())
    return out.hexdigest()


def main():
    cases = []
    for clean, cjk, strip, lower in [(True, True, True, True), (True, True, False, False), (True, True, False, True),
                                     (True, False, True, False), (False, False, False, False),
                                     (False, True, True, True)]:
        options = dict(clean_text=clean, handle_chinese_chars=cjk, strip_accents=strip, lowercase=lower)
        cases.append(dict(options, sha256=digest(options)))
    json.dump(dict(tokenizers=tokenizers.__version__, cases=cases), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    sys.exit(main())
