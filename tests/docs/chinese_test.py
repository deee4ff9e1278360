"""Holds what is written in Chinese to full-width punctuation, unbroken paragraphs, and one word for one thing."""

import json
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CJK = r"[\u3400-\u9fff]"
# Between or beside Chinese characters, marks of emphasis apart.
HALF_WIDTH = re.compile(rf"(?<={CJK})\**[,;:?!()]|[,;:?!()]\**(?={CJK})")
CODE = re.compile(r"`+[^`]*`+|\]\([^)]*\)|!?\[|\$[^$]*\$|<[^>]*>|https?://\S+")
# A mark that ends a line of Chinese after code: "这里是 `x`:".
END = re.compile(rf"{CJK}.*`[,;:?!]\s*$")
# Each with the word that the project uses instead.
OTHER_WORDS = {"变体": "方案", "比较运行": "对比运行", "观测器": "观察器", "Pareto 前沿": "帕累托前沿",
               "产物": "制品", "轮子": "wheel 包", "提交状态": "写库（提交事务）", "自有服务": "私有服务",
               "自己的服务": "私有服务", "沿用的": "复用的"}


# What begins a line of its own: a heading, a table's row, an item, a quotation, a picture, HTML, a code block.
BEGINS = re.compile(r"\s*(#|\||[-*+] |\d+\. |>|!\[|<|```|$)")


def documents():
    yield ROOT / "README.zh-CN.md"
    yield ROOT / "deploy/README.zh-CN.md"
    for path in sorted((ROOT / "docs").rglob("*.md")):
        if re.search(CJK, path.name):
            yield path


def lines_of(path):
    """Lines of text outside code blocks, with their numbers."""
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    else:
        text = path.read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```", lambda match: "\n" * match.group(0).count("\n"), text, flags=re.M | re.S)
    yield from enumerate(text.split("\n"), 1)


def is_half_width(line):
    return bool(HALF_WIDTH.search(CODE.sub(" ", line)) or END.search(line))


def broken_lines(lines):
    """Numbers of the lines that a paragraph of Chinese breaks off at: a reader sees a blank there."""
    found, before = [], ""
    for number, line in lines:
        goes_on = before.strip() and not re.match(r"\s*(#|\||!\[|<|```)", before) and not BEGINS.match(line)
        if goes_on and re.search(CJK, before + line):
            found.append(number - 1)
        before = line
    return found


class ChineseTest(unittest.TestCase):
    def places(self, path):
        return [f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}" for number, line in lines_of(path)
                if is_half_width(line)]

    def test_punctuation_is_full_width(self):
        found = []
        for path in [*documents(), *sorted((ROOT / "notebooks").glob("*.ipynb"))]:
            found += self.places(path)
        self.assertEqual(found, [])

    def test_so_it_is_in_the_programs(self):
        found = []
        for folder in ("base", "client", "report"):
            for path in sorted((ROOT / folder).rglob("*.cc")):
                for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
                    texts = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
                    if not path.name.endswith("_test.cc") and any(map(is_half_width, texts)):
                        found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
        self.assertEqual(found, [])

    def test_one_thing_has_one_word(self):
        found = []
        for path in [*documents(), *sorted((ROOT / "notebooks").glob("*.ipynb"))]:
            if path.name == "写作风格.md":
                continue  # it names the words that are not to be used
            text = path.read_text(encoding="utf-8")
            found += [f"{path.relative_to(ROOT)}: {word}, say {instead}" for word, instead in OTHER_WORDS.items()
                      if word in text]
        self.assertEqual(found, [])

    def test_paragraphs_are_not_broken(self):
        found = []
        for path in [*documents(), *sorted((ROOT / "notebooks").glob("*.ipynb"))]:
            found += [f"{path.relative_to(ROOT)}:{number}" for number in broken_lines(lines_of(path))]
        self.assertEqual(found, [], "write each paragraph on one line")

    def test_a_fault_would_be_found(self):
        self.assertEqual(broken_lines(enumerate(["一段", "话", "", "- 一项", "  的后半", "- 另一项", "# 标题", "正文"], 1)), [1, 4])
        for text in ("速度快,体积小", "**中文:**说明", "精度（dB)较高", "是吗?是的", "这里是 `x`:"):
            self.assertTrue(is_half_width(text), text)
        for text in ("1,000 条", "见 `a, b` 与 [此处](x(1).md)", "$f(x)$ 的值"):
            self.assertFalse(is_half_width(text), text)


if __name__ == "__main__":
    unittest.main()
