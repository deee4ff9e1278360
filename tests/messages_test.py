"""Every declared message is made by a program, and every column of quantctl's tables has a Chinese title.

base/messages/message_test.cc holds the sentences of both languages to the list; a code that is not in the list does not compile."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
DECLARED = re.compile(r'QL_MESSAGE\((k\w+),\s*"([a-z0-9_.]+)"')
USED = re.compile(r"messages::(k\w+)")
# Titles stand in the initializer of a Table, or are added to its columns.
COLUMNS = re.compile(r"(?:Table table\(|columns = |columns\.push_back\()(.*?);", re.DOTALL)
# No program makes these any longer, but results that are stored carry them, and reports render them in both languages.
STORED = {"kMeasuringSpeed", "kNoPackedKernelOnCpu", "kTimingsUnreliable"}
TITLE = re.compile(r'(?:\{|Flexible\()"([A-Z][^"]*)"')
FOLDERS = ("base", "catalog", "client", "export", "codec", "logging", "model_folder", "platform", "proto", "report", "runtimes", "security", "server",
           "storage", "worker", "yaml")


def sources(*folders):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".h", ".cc") and not path.name.endswith("_test.cc"):
                yield path.read_text(encoding="utf-8")


def terms(language):
    section = (ROOT / "base" / "messages" / f"{language}.ini").read_text(encoding="utf-8").split("[term]\n")[1]
    return {line.split("=", 1)[0].strip() for line in section.splitlines() if "=" in line}


class MessagesTest(unittest.TestCase):
    def test_every_declared_message_is_made(self):
        lists = sorted((ROOT / "base" / "messages").glob("*.inc"))
        declared = {name for path in lists for name, _ in DECLARED.findall(path.read_text(encoding="utf-8"))}
        self.assertGreater(len(declared), 100)
        used = set()
        for text in sources(*FOLDERS):
            used.update(USED.findall(text))
        self.assertGreater(len(used), 50)
        self.assertEqual(sorted(used - declared), [])
        self.assertEqual(sorted(declared - used - STORED), [], "declared, but no program makes them")
        self.assertEqual(sorted(STORED & used), [], "made again: no longer only stored")

    def test_every_column_has_a_chinese_title(self):
        titles = set()
        for text in sources("client/quantctl"):
            for columns in COLUMNS.findall(text):
                titles.update(TITLE.findall(columns))
        self.assertGreater(len(titles), 20)
        self.assertEqual(sorted(titles - terms("zh")), [])


if __name__ == "__main__":
    unittest.main()
