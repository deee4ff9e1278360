#!/usr/bin/env python3
"""Writes unicode_tables.inc: what Hugging Face `tokenizers` knows about every Unicode code point.

The crate mixes Unicode versions (its category tables are older than its decompositions, and these are
older than Rust's own lower-casing), so no one Unicode library gives the same ids. This script asks the
installed `tokenizers` about each code point and freezes the answers.

    pip install tokenizers==0.23.3
    python3 worker/engine/text/make_unicode_tables.py > worker/engine/text/unicode_tables.inc
"""

import array
import struct
import sys
import unicodedata

import tokenizers
from tokenizers import normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def bert(**options):
    settings = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**settings, **options}).normalize_str


def ranges(members):
    """[(first, last)] of a sorted list of code points."""
    out = []
    for c in members:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def classes():
    """Code points that are removed by cleaning, become a space, stand for themselves as punctuation."""
    clean, pre = bert(clean_text=True), pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    removed, space, cut_space, punctuation = [], [], [], []
    for c in CODE_POINTS:
        cleaned = clean(f"a{chr(c)}b")
        if cleaned == "ab":
            removed.append(c)
        elif cleaned == "a b":
            space.append(c)
        else:
            assert cleaned == f"a{chr(c)}b", hex(c)
        pieces = [piece for piece, _ in pre(f"a{chr(c)}b")]
        if pieces == ["a", "b"]:
            cut_space.append(c)
        elif pieces == ["a", chr(c), "b"]:
            punctuation.append(c)
        else:
            assert pieces == [f"a{chr(c)}b"], hex(c)
    return removed, space, cut_space, punctuation


def is_hangul(c):
    return 0xAC00 <= c <= 0xD7A3


def hangul(c):
    index = c - 0xAC00
    parts = [0x1100 + index // 588, 0x1161 + index % 588 // 28]
    return parts + ([0x11A7 + index % 28] if index % 28 else [])


def decompositions():
    """Canonical decompositions; Hangul syllables are checked against the formula and left out."""
    nfd, out = normalizers.NFD().normalize_str, []
    for c in CODE_POINTS:
        parts = [ord(x) for x in nfd(chr(c))]
        if is_hangul(c):
            assert parts == hangul(c), hex(c)
        elif parts != [c]:
            out.append((c, parts))
    return out


def marks():
    """Code points that accent stripping removes (those that decompose are judged by their parts)."""
    strip, decomposed = bert(strip_accents=True), {c for c, _ in decompositions()}
    return [c for c in CODE_POINTS if c not in decomposed and not is_hangul(c) and strip(f"a{chr(c)}b") == "ab"]


def lower_case():
    lower, out = bert(lowercase=True), []
    for c in CODE_POINTS:
        text = lower(chr(c))
        assert lower(f"A{chr(c)}B") == f"a{text}b", hex(c)
        if text != chr(c):
            out.append((c, [ord(x) for x in text]))
    return out


def combining_classes():
    """Canonical combining classes, found by how the normalizer orders a code point among known marks."""
    nfd = normalizers.NFD().normalize_str
    low, high = "\u0334", "\u0345"  # classes 1 and 240, the first and the last
    decomposed = {c for c, _ in decompositions()}
    probes = {1: low, 240: high}
    for c in CODE_POINTS:
        ccc, x = unicodedata.combining(chr(c)), chr(c)
        # A mark that is younger than the normalizer's Unicode version stays where it is: no probe.
        if ccc and ccc not in probes and c not in decomposed and nfd("a" + x + low) == "a" + low + x:
            probes[ccc] = x
    known = sorted(probes)
    out = []
    for c in CODE_POINTS:
        if c in decomposed or is_hangul(c):
            continue
        x = chr(c)
        moves_left = nfd("a" + high + x) == "a" + x + high
        moves_right = nfd("a" + x + low) == "a" + low + x
        if not (moves_left or moves_right):
            continue
        # ccc(x) is the smallest known v such that x does not move right past a mark of class v.
        value = next(v for v in known if nfd("a" + x + probes[v]) == "a" + x + probes[v])
        assert nfd("a" + probes[value] + x) == "a" + probes[value] + x, hex(c)
        out.append((c, value))
    return out


def word_characters():
    """What an added token with single_word must not touch: \\w of Rust's regex crate."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.add_tokens([tokenizers.AddedToken("Xy", single_word=True, normalized=False)])
    matched = tokenizer.token_to_id("Xy")
    texts = [chr(c) + "Xy" for c in CODE_POINTS]
    out = []
    for start in range(0, len(texts), 65536):
        batch = tokenizer.encode_batch(texts[start : start + 65536])
        out += [CODE_POINTS[start + i] for i, e in enumerate(batch) if matched not in e.ids]
    return out


def byte_level_classes():
    """Letters and numbers of byte-level BPE's pattern; its white space must be that of WhitespaceSplit."""
    pre = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    cut = pre_tokenizers.WhitespaceSplit().pre_tokenize_str
    letters, numbers = [], []
    for c in CODE_POINTS:
        joins_letter, joins_number, joins_other = (len(pre(x + chr(c))) == 1 for x in "a1!")
        is_space = len(cut(f"a{chr(c)}b")) == 2
        assert joins_letter + joins_number + joins_other + is_space == 1, hex(c)
        if joins_letter:
            letters.append(c)
        elif joins_number:
            numbers.append(c)
    return letters, numbers


class GraphemeProbe:
    """Counts the grapheme clusters that the Precompiled normalizer sees.

    Its map turns every code point into "Z". A cluster shorter than 6 bytes is replaced as a whole (by what its
    first code point becomes), a longer one code point by code point: the number of Zs tells which it was.
    The map is a Darts double array over UTF-8, in blocks of 64 units: the continuation bytes are 0x80 to 0xBF.
    """

    def __init__(self):
        root, leaf = 256, 512  # leaf: the unit that holds the value, for every code point
        units, blocks = array.array("I", bytes(4 * 768)), {}
        units[0] = self._offset(root)
        units[leaf] = 0x80000000

        def block_of(prefix):
            if prefix not in blocks:
                blocks[prefix] = len(units) ^ 0x80
                units.extend([0] * 64)
            return blocks[prefix]

        for c in CODE_POINTS[1:]:
            code, base = chr(c).encode(), root
            for i, byte in enumerate(code):
                position = base ^ byte
                base = leaf if i == len(code) - 1 else block_of(code[: i + 1])
                units[position] = self._offset(position ^ base) | byte | (base == leaf) << 8
        trie = units.tobytes()
        self._normalize = normalizers.Precompiled(struct.pack("<I", len(trie)) + trie + b"Z\0").normalize_str

    @staticmethod
    def _offset(offset):
        assert offset < 1 << 21
        return offset << 10

    def __call__(self, text):
        return self._normalize(text).count("Z")


def grapheme_classes():
    """What UAX #29 calls Control; Extend, ZWJ or SpacingMark; Prepend; Extended_Pictographic; and InCB's three."""
    count = GraphemeProbe()
    joining = [c for c in CODE_POINTS[1:] if count("a" + chr(c)) == 1]
    prepend = [c for c in CODE_POINTS[1:] if c not in (0xD, 0xA) and count(chr(c) + "a") == 1]
    # Only clusters of fewer than 6 bytes can be told from single characters: control characters of 4 bytes
    # are left out, and make no difference.
    control = [c for c in CODE_POINTS[1:] if c <= 0xFFFF and count(chr(c) + "\u0301") == 2]
    # The sign of copyright is a pictograph of 2 bytes: with a joiner and one more it is a cluster of 7.
    joined = set(joining)
    pictographs = [c for c in CODE_POINTS[1:] if c not in joined and count("\u00a9\u200d" + chr(c)) == 3]
    # Conjuncts are long, so they are seen by what follows: an accent behind the last consonant is part of a
    # long cluster, or makes a short one with it.
    ka, virama, accent = "\u0915", "\u094d", "\u0301"
    consonants = [c for c in CODE_POINTS[1:] if c not in joined and count(ka + virama + chr(c) + accent) == 4]
    linkers = [c for c in joining if count(ka + chr(c) + ka + accent) == 4]
    extenders = [c for c in joining if c not in linkers and count(ka + chr(c) + virama + ka + accent) == 5]
    return control, joining, prepend, pictographs, consonants, linkers, extenders


def class_ranges(pairs):
    out = []
    for c, v in pairs:
        if out and out[-1][1] == c - 1 and out[-1][2] == v:
            out[-1][1] = c
        else:
            out.append([c, c, v])
    return out


def emit(name, type_name, items):
    print(f"constexpr {type_name} {name}[] = {{")
    line = "   "
    for item in items:
        if len(line) + len(item) + 2 > 108:
            print(line)
            line = "   "
        line += " " + item + ","
    print(line)
    print("};")


def emit_ranges(name, members):
    emit(name, "Range", [f"{{{a:#x}, {b:#x}}}" for a, b in ranges(members)])


def emit_mappings(name, mappings):
    pool, items = [], []
    for c, parts in mappings:
        items.append(f"{{{c:#x}, {len(pool)}, {len(parts)}}}")
        pool += parts
    emit(name, "Mapping", items)
    emit(name + "Parts", "char32_t", [f"{p:#x}" for p in pool])


def main():
    removed, space, cut_space, punctuation = classes()
    assert set(space) <= set(cut_space)
    print("// Made by make_unicode_tables.py; do not edit.")
    print(f"// Source: tokenizers {tokenizers.__version__}, asked about every Unicode code point.")
    print("// clang-format off")
    emit_ranges("kRemoved", removed)
    emit_ranges("kCleanedToSpace", space)
    emit_ranges("kWhiteSpace", cut_space)
    emit_ranges("kPunctuation", punctuation)
    emit_ranges("kNonspacingMark", marks())
    emit_ranges("kWordCharacter", word_characters())
    letters, numbers = byte_level_classes()
    emit_ranges("kLetter", letters)
    emit_ranges("kNumber", numbers)
    names = ("Control", "Joining", "Prepend", "Pictograph", "Consonant", "Linker", "Extender")
    for name, members in zip(names, grapheme_classes()):
        emit_ranges("kGrapheme" + name, members)
    emit("kCombiningClass", "ClassRange",
         [f"{{{a:#x}, {b:#x}, {v}}}" for a, b, v in class_ranges(combining_classes())])
    emit_mappings("kDecomposition", decompositions())
    emit_mappings("kLowerCase", lower_case())
    print("// clang-format on")


if __name__ == "__main__":
    sys.exit(main())
