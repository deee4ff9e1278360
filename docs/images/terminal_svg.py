#!/usr/bin/env python3
"""Sets the output of a command as a picture of a terminal, for README.md.

    quantctl report latest --lang en | python3 docs/images/terminal_svg.py "quantctl run configs/quick.yaml" \
        > docs/images/quick.svg

Text stays text: it can be selected and searched, and diffs of the picture can be read.
"""

import sys
import textwrap
from xml.sax.saxutils import escape

COLUMNS = 116
CHARACTER, LINE, MARGIN = 8.4, 19, 18


def lines_of(command, text):
    yield f"$ {command}"
    for line in text.splitlines():
        yield from textwrap.wrap(line, COLUMNS, subsequent_indent="    ", replace_whitespace=False,
                                 drop_whitespace=False) or [""]


def picture(lines):
    width = int(COLUMNS * CHARACTER + 2 * MARGIN)
    height = len(lines) * LINE + 2 * MARGIN
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
           f'height="{height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14">')
    yield f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>'
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
