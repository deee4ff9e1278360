#!/usr/bin/env python3
"""Sets the output of a command as a picture of a terminal, for README.md.

    quantctl report latest --lang en | python3 docs/images/terminal_svg.py "quantctl run configs/quick.yaml" \
        > docs/images/quick.svg

Text stays text: it can be selected and searched, and diffs of the picture can be read.
"""

import sys
import unicodedata
from xml.sax.saxutils import escape

COLUMNS = 116
CHARACTER, LINE, MARGIN = 8.4, 19, 18


def width(text):
    """Columns that a terminal gives to text: two to a Chinese character."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def wrapped(line):
    """line in pieces of at most COLUMNS, cut after a space or beside a wide character."""
    while width(line) > COLUMNS:
        fits = next(n for n in range(len(line), 0, -1) if width(line[:n]) <= COLUMNS)
        cut = next((n for n in range(fits, COLUMNS // 2, -1)
                    if line[n - 1] == " " or width(line[n]) == 2 or width(line[n - 1]) == 2), fits)
        yield line[:cut].rstrip()
        line = "    " + line[cut:].lstrip()
    yield line


def lines_of(command, text):
    yield f"$ {command}"
    for line in text.splitlines():
        yield from wrapped(line)


def picture(lines):
    across = int(COLUMNS * CHARACTER + 2 * MARGIN)
    height = len(lines) * LINE + 2 * MARGIN
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across} {height}" width="{across}" '
           f'height="{height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14">')
    yield f'<rect width="{across}" height="{height}" rx="8" fill="#0d1117"/>'
    for number, line in enumerate(lines):
        colour = "#7ee787" if number == 0 else "#e6edf3"
        y = MARGIN + number * LINE + 14
        yield f'<text x="{MARGIN}" y="{y}" fill="{colour}" xml:space="preserve">{escape(line)}</text>'
    yield "</svg>"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print("\n".join(picture(list(lines_of(sys.argv[1], sys.stdin.read().rstrip("\n"))))))


if __name__ == "__main__":
    main()
