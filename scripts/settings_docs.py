#!/usr/bin/env python3
"""Updates the tables of settings in both user guides from `quantctl settings`.

    scripts/settings_docs.py           # updates them
    scripts/settings_docs.py --check   # only shows the differences, and fails if there are any

Only tables whose first key is a setting are updated; tables of methods' parameters are written by hand.
"""

import argparse
import difflib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
GUIDES = {"en": ROOT / "docs/en/user-guide.md", "zh": ROOT / "docs/zh/使用说明.md"}
HEADS = {"en": "| key | allowed | default | meaning |", "zh": "| 键 | 允许的值 | 默认值 | 含义 |"}
RANGES = {"en": ("{} to {}", "a list of {}"), "zh": ("{} 至 {}", "{} 的列表")}
OLDER = {"en": "An older name of `{}`", "zh": "`{}` 的旧名称"}


def read_settings(quantctl):
    run = subprocess.run([quantctl, "settings", "-o", "json"], stdout=subprocess.PIPE, check=True)
    return json.loads(run.stdout)["settings"]


def number(value):
    """The number as text: 1e-9, 2^53, 1000000."""
    if value == 2**53:
        return "2^53"
    text = repr(value)
    return re.sub(r"e-0+", "e-", text[:-2] if text.endswith(".0") else text)


def value_text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(value_text, value))}]"
    return value if isinstance(value, str) else number(value)


def allowed(setting, language):
    if setting["allowedWords"][language]:
        return setting["allowedWords"][language]
    if setting["type"] == "bool":
        return "true, false"
    if setting["allowed"]:
        return ", ".join(setting["allowed"])
    between, listed = RANGES[language]
    text = between.format(number(setting["min"]), number(setting["max"]))
    return listed.format(text) if setting["list"] else text


def rows(setting, language):
    default = setting["defaultWords"][language] or f"`{value_text(setting['default'])}`"
    meaning = setting["help"][language].rstrip(".。")
    yield f"| `{setting['key']}` | {allowed(setting, language)} | {default} | {meaning} |"
    if setting["olderKey"]:
        yield f"| `{setting['olderKey']}` | | | {OLDER[language].format(setting['key'])} |"


def rewrite(text, settings, language):
    """Returns `text` with the rows of every settings table replaced; exits if a section has no table."""
    sections = {setting["key"]: setting["section"] for setting in settings}
    lines, written, i = text.split("\n"), set(), 0
    out = []
    while i < len(lines):
        out.append(lines[i])
        i += 1
        if lines[i - 1] != HEADS[language]:
            continue
        out.append(lines[i])  # the rule below the head
        first = i + 1
        end = next((n for n in range(first, len(lines)) if not lines[n].startswith("|")), len(lines))
        key = re.match(r"\| `([^`]+)` \|", lines[first])
        section = sections.get(key.group(1)) if key else None
        if section is None:
            out += lines[first:end]
        else:
            written.add(section)
            out += [row for s in settings if s["section"] == section for row in rows(s, language)]
        i = end
    if missing := set(sections.values()) - written:
        raise SystemExit(f"{GUIDES[language]}: no table for {', '.join(sorted(missing))}")
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="only show the differences, and fail if there are any")
    arguments = parser.parse_args()
    folder = os.environ.get("QUANTLAB_BIN", ROOT / "build/release/bin")
    settings = read_settings(pathlib.Path(folder) / "quantctl")
    changed = False
    for language, path in GUIDES.items():
        old = path.read_text(encoding="utf-8")
        new = rewrite(old, settings, language)
        changed |= new != old
        if arguments.check:
            sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), new.splitlines(True), str(path), "settings"))
        elif new != old:
            path.write_text(new, encoding="utf-8")
    return 1 if arguments.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
