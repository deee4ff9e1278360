#!/usr/bin/env python3
"""Datasets as people bring them, through the real programs: a table of cases, each made here.

Every refusal is the same from `validate` and from `run`, and nothing runs before it. What is accepted runs, and its
classes, notes and caveats are as the table says.
"""

import csv
import gzip
import io
import json
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import world as worlds  # noqa: E402

OK, INVALID_INPUT = 0, 3

TINY = """\
name: tiny
seed: 11
threads: 1
experiments:
  baseline: {enabled: true, model: ./model, dataset: DATASET}
dataset: {train_size: 20, test_size: 10, max_length: 16SETTINGS}
training: {epochs: 1, batch_size: 8}
evaluation: {metrics: [accuracy]}
report: {language: en}
"""


def rows(labels=("bad", "good"), count=40):
    """Texts of words that the tiny model knows, each once."""
    words = worlds.GOOD + worlds.BAD
    return [(f"{words[i % 16]} {words[(i // 16 + 3 * i) % 16]} film {worlds.NEUTRAL[i % 14]} {worlds.NEUTRAL[i // 14]}",
             labels[i % len(labels)]) for i in range(count)]


def csv_text(lines, end="\n", separator=","):
    return "".join(separator.join(fields) + end for fields in [("text", "label"), *lines])


def jsonl_text(lines, **more):
    return "".join(json.dumps({"text": text, "label": label, **more}, ensure_ascii=False) + "\n" for text, label in lines)


def one_file(name, data):
    def write(folder):
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
        return f"./{name}"
    return write


def text_folders(encoding):
    def write(folder):
        for index, (text, label) in enumerate(rows(("neg", "pos"))):
            path = folder / "texts" / "train" / label / f"{index}_1.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((text + " 好看的电影").encode(encoding))
        return "./texts"
    return write


CHINESE = ("差评", "好评")
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 90868376\n"
RUSSIAN = [(text + " этот фильм очень хороший", label) for text, label in rows(("плохо", "хорошо"))]
KOREAN = [(text + " 이 영화는 정말 재미있었습니다", label) for text, label in rows(("부정", "긍정"))]
FRENCH = [(text + " très agréable à éviter", label) for text, label in rows()]

# name: (dataset, settings, words that are said)
REFUSED = {
    "GBK": (one_file("d.csv", csv_text(rows(CHINESE)).encode("gbk")), "",
            "d.csv:2: is not UTF-8; it is most likely in GB18030; set dataset.encoding: gb18030"),
    "Big5 in a TSV": (one_file("d.tsv", csv_text([(f"{t} 這部電影非常好看", l) for t, l in rows()], separator="\t").encode("big5")),
                      "", "most likely in Big5"),
    "Shift-JIS in JSONL": (one_file("d.jsonl", jsonl_text([(f"{t} この映画は面白い", l) for t, l in rows()]).encode("shift_jis")),
                           "", "d.jsonl:1: is not UTF-8; it is most likely in Shift_JIS"),
    "EUC-JP": (one_file("d.csv", csv_text([(f"{t} この映画は面白い", l) for t, l in rows()]).encode("euc_jp")), "", "most likely in EUC-JP"),
    "windows-1252": (one_file("d.csv", csv_text(FRENCH).encode("cp1252")), "", "most likely in windows-1252"),
    "UTF-16 without a mark": (one_file("d.csv", csv_text(rows()).encode("utf-16-le")), "", "most likely in UTF-16LE"),
    "a folder of texts in GBK": (text_folders("gbk"), "", "is not UTF-8; it is most likely in GB18030"),
    "KOI8-R": (one_file("d.csv", csv_text(RUSSIAN).encode("koi8_r")), "", "d.csv:2: is not UTF-8; it is most likely in KOI8-R"),
    "windows-1251": (one_file("d.csv", csv_text(RUSSIAN).encode("cp1251")), "", "most likely in windows-1251"),
    "IBM866": (one_file("d.tsv", csv_text(RUSSIAN, separator="\t").encode("cp866")), "", "most likely in IBM866"),
    "EUC-KR": (one_file("d.csv", csv_text(KOREAN).encode("euc_kr")), "", "most likely in EUC-KR"),
    "ISO-2022-JP": (one_file("d.csv", csv_text([(f"{t} この映画は面白い", l) for t, l in rows()]).encode("iso2022_jp")), "",
                    "most likely in ISO-2022-JP"),
    "UTF-32 without a mark": (one_file("d.csv", csv_text(RUSSIAN).encode("utf-32-le")), "", "most likely in UTF-32LE"),
    "UTF-16 without a mark, in Chinese": (one_file("d.csv", csv_text([(f"好看的电影非常喜欢{chr(0x4e00 + i)}", l) for i, (_, l)
                                                                      in enumerate(rows(CHINESE))]).encode("utf-16-le")),
                                          "", "most likely in UTF-16LE"),
    "UTF-8 and GBK in one file": (one_file("d.csv", csv_text(rows(CHINESE)).encode() + csv_text(rows(CHINESE)).encode("gbk")), "",
                                  "mixes encodings: line 2 is UTF-8, line 43 is not"),
    "UTF-8 and GBK, to be guessed": (one_file("d.csv", csv_text(rows(CHINESE)).encode() + csv_text(rows(CHINESE)).encode("gbk")),
                                     ", encoding: auto", "mixes encodings: line 2 is UTF-8, line 43 is not"),
    "UTF-8 that is called Latin-1": (one_file("d.csv", csv_text(FRENCH)), ", encoding: latin-1", "is UTF-8, not latin-1"),
    "gzip": (one_file("d.csv.gz", gzip.compress(csv_text(rows()).encode())), "", "is compressed (gzip); unpack it first"),
    "gzip that is called CSV": (one_file("d.csv", gzip.compress(csv_text(rows()).encode())), "", "is compressed (gzip)"),
    "a workbook": (one_file("d.csv", b"PK\x03\x04\x14\0\x06\0" + bytes(range(256))), "", "is not text but ZIP / Excel (.xlsx)"),
    "Parquet": (one_file("d.parquet", b"PAR1\x15\x04" + bytes(range(256))), "", "is not text but Parquet; save it as CSV"),
    "a Git LFS pointer": (one_file("d.csv", LFS), "", 'is a Git LFS pointer, not the file itself; run "git lfs pull"'),
    "an HTML page": (one_file("d.csv", "<!DOCTYPE html>\n<html></html>\n"), "", "is an HTML page, not the file itself"),
    "a comma in a text": (one_file("d.csv", csv_text(rows()) + "good, bad film,good\n"), "",
                          "d.csv:42: 3 fields, but the header has 2; in CSV a text that contains the separator must be in quotes"),
    "another encoding than the one named": (one_file("d.csv", csv_text(FRENCH).encode("cp1252")), ", encoding: gbk", "is not in gbk"),
    "an encoding that there is not": (one_file("d.csv", csv_text(rows())), ", encoding: gkb", 'dataset.encoding is "gkb", which is not a known encoding'),
    "an extension that says nothing": (one_file("d.json", jsonl_text(rows())), "", "set dataset.format to what it is"),
    "a list instead of JSON lines": (one_file("d.json", json.dumps([{"text": t, "label": l} for t, l in rows()])), ", format: jsonl",
                                     "d.json:1: is a JSON list; each line must be one JSON object"),
    "no header": (one_file("d.csv", csv_text(rows()).split("\n", 1)[1]), "", "the first line must name the columns"),
    "thousands of columns": (one_file("d.csv", ",".join(f"column {i}" for i in range(5000)) + "\n"), "", "and 4990 more"),
    "one class": (one_file("d.csv", csv_text(rows(("good",)))), "", "a classifier needs at least two classes"),
    "too few rows": (one_file("d.csv", csv_text(rows(count=12))), "", "rows, but only"),
}

# name: (dataset, settings, words of the run's log)
ACCEPTED = {
    "GBK that is named": (one_file("d.csv", csv_text(rows(CHINESE)).encode("gbk")), ", encoding: gbk", "2 classes with their rows: 好评 (20), 差评 (20)"),
    "GBK that is guessed": (one_file("d.csv", csv_text(rows(CHINESE)).encode("gbk")), ", encoding: auto", "read as GB18030"),
    "a folder of texts in GBK": (text_folders("gbk"), ", encoding: gbk", "2 classes with their rows: neg (20), pos (20)"),
    "windows-1252 in a TSV": (one_file("d.tsv", csv_text(FRENCH, separator="\t").encode("cp1252")), ", encoding: windows-1252", "(tsv, windows-1252)"),
    "UTF-16 with a mark": (one_file("d.csv", csv_text(rows(CHINESE)).encode("utf-16")), "", "好评 (20), 差评 (20)"),
    "UTF-8 with a mark": (one_file("d.csv", csv_text(rows()).encode("utf-8-sig")), "", "bad (20), good (20)"),
    "rows without any value": (one_file("d.csv", csv_text(rows(), "\r\n") + ",\r\n\"\",\"\"\r\n  \r\n,\r\n"), "", "4 rows without any value were skipped"),
    "lone carriage returns": (one_file("d.csv", csv_text(rows(), "\r")), "", "bad (20), good (20)"),
    "semicolons": (one_file("d.csv", csv_text(rows(), separator=";")), "", 'separates its columns by ";"'),
    "KOI8-R that is guessed": (one_file("d.csv", csv_text(RUSSIAN).encode("koi8_r")), ", encoding: auto", "плохо (20), хорошо (20)"),
    "the name that pandas has for UTF-8 with a mark": (one_file("d.csv", csv_text(rows()).encode("utf-8-sig")), ", encoding: utf-8-sig",
                                                       "bad (20), good (20)"),
    "Korean of Windows": (one_file("d.csv", csv_text([(t + " 똠방각하", l) for t, l in KOREAN]).encode("cp949")), ", encoding: cp949",
                          "긍정 (20), 부정 (20)"),
    "UTF-32 with a mark": (one_file("d.csv", csv_text(RUSSIAN).encode("utf-32")), "", "плохо (20), хорошо (20)"),
    "two byte order marks": (one_file("d.csv", b"\xef\xbb\xbf" + csv_text(rows()).encode("utf-8-sig")), "", "bad (20), good (20)"),
    "files that were joined": (one_file("d.csv", csv_text(rows()).encode("utf-8-sig") + csv_text(rows()).encode("utf-8-sig")), "",
                               "2 classes with their rows: bad (40), good (40)"),
    "names of columns with capitals and blanks": (one_file("d.csv", csv_text(rows()).replace("text,label", " Text,LABEL\u00a0")), "",
                                                  "bad (20), good (20)"),
    "bars": (one_file("d.csv", csv_text(rows(), separator="|")), "", 'separates its columns by "|"'),
    "tabs in a .csv": (one_file("d.csv", csv_text(rows(), separator="\t")), ", format: tsv", "bad (20), good (20)"),
    "JSON lines in a .json": (one_file("d.json", jsonl_text(rows())), ", format: jsonl", "bad (20), good (20)"),
    "a CSV in a .txt": (one_file("d.txt", csv_text(rows())), ", format: csv", "bad (20), good (20)"),
    "NaN and halves of surrogate pairs": (one_file("d.jsonl", jsonl_text(rows(), score=float("nan"), low=-float("inf")).replace("film", "film \\ud83d")),
                                          "", "bad (20), good (20)"),
    "blanks around labels": (one_file("d.csv", csv_text(rows(("bad", "good", "\u3000good\u00a0", "bad\ufeff")))), "", "bad (20), good (20)"),
    "labels that look alike": (one_file("d.csv", csv_text(rows(("bad", "good", "Good"), 42))), "", "are different classes here: Good, good"),
    "numbers that look alike": (one_file("d.csv", csv_text(rows(("0", "1", "1.0"), 42))), "", "are different classes here: 1, 1.0"),
}


def make_world(dataset, settings):
    world = worlds.World("")
    path = dataset(world.folder)
    world.write("tiny.yaml", TINY.replace("DATASET", path).replace("SETTINGS", settings))
    return world


class DatasetsTest(unittest.TestCase):
    def test_what_is_refused_is_refused_before_it_runs(self):
        for name, (dataset, settings, words) in REFUSED.items():
            with self.subTest(name), make_world(dataset, settings) as world:
                for command in ("validate", "run"):
                    done = world.quantctl(command, world.experiment)
                    self.assertEqual(done.returncode, INVALID_INPUT, done.stderr)
                    self.assertIn(words, done.stderr)
                    self.assertLess(len(done.stderr), 4096)
                self.assertFalse(world.results.exists())

    def test_what_is_accepted_runs(self):
        for name, (dataset, settings, words) in ACCEPTED.items():
            with self.subTest(name), make_world(dataset, settings) as world:
                self.assertEqual(world.quantctl("validate", world.experiment).returncode, OK)
                done = world.quantctl("run", world.experiment)
                self.assertEqual(done.returncode, OK, done.stdout + done.stderr)
                self.assertIn(words, world.quantctl("logs", "latest").stdout)

    def test_chinese_labels_in_gbk_from_end_to_end(self):
        dataset = one_file("评论.csv", csv_text(rows(CHINESE)).encode("gbk"))
        with make_world(dataset, ", encoding: gbk, labels: [差评, 好评]") as world:
            path = world.write("实验一.yaml", world.experiment.read_text().replace("name: tiny\n", "").replace("language: en", "language: zh"))
            done = world.quantctl("run", path)
            self.assertEqual(done.returncode, OK, done.stdout + done.stderr)
            self.assertIn("2 classes: 差评 (20), 好评 (20)", done.stderr)
            results = world.results / "实验一"
            with open(results / "baseline/predictions.csv", encoding="utf-8", newline="") as file:
                table = list(csv.DictReader(file))
            self.assertEqual({row["label"] for row in table}, set(CHINESE))
            self.assertIn("logit_好评", table[0])
            config = json.loads((results / "baseline/model/config.json").read_text(encoding="utf-8"))
            self.assertEqual(config["id2label"], {"0": "差评", "1": "好评"})
            report = (results / "report/课程设计报告.md").read_text(encoding="utf-8")
            tables = "".join(path.read_text(encoding="utf-8") for path in (results / "report/tables").glob("*.csv"))
            for label in CHINESE:
                self.assertIn(label, report)
                self.assertIn(label, tables)
            for text in (report, tables):
                self.assertNotIn("\ufffd", text)
            self.check_pdf(world, results)

    def check_pdf(self, world, results):
        if not all(shutil.which(tool) for tool in ("pandoc", "weasyprint", "pdftotext")):
            self.skipTest("this machine sets no PDF")
        self.assertEqual(world.quantctl("report", "latest", "--format", "pdf").returncode, OK)
        (pdf,) = (results / "report").glob("*.pdf")
        text = subprocess.run(["pdftotext", pdf, "-"], stdout=subprocess.PIPE, check=True).stdout.decode()
        for label in CHINESE:
            self.assertIn(label, text)
        self.assertNotIn("\ufffd", text)

    def test_experiments_with_chinese_names_are_told_apart(self):
        with worlds.World(TINY) as world:
            dataset = one_file("d.csv", csv_text(rows()))(world.folder)
            for name in ("实验一", "实验二"):
                path = world.write(f"{name}.yaml", TINY.replace("name: tiny\n", "").replace("DATASET", dataset).replace("SETTINGS", ""))
                self.assertEqual(world.quantctl("run", path).returncode, OK)
            self.assertEqual(sorted(path.name for path in world.results.iterdir() if not path.name.startswith(".")), ["实验一", "实验二"])
            self.assertIn("实验一", world.quantctl("list").stdout)

    def test_a_results_folder_that_cannot_be_made_is_refused_before_it_runs(self):
        with make_world(one_file("d.csv", csv_text(rows())), "") as world:
            world.results.write_text("a file")
            for command in ("validate", "run"):
                done = world.quantctl(command, world.experiment)
                self.assertNotEqual(done.returncode, OK)
                self.assertIn("is not a folder", done.stderr)
            self.assertEqual(world.quantctl("list", "-o", "json").stdout.count('"id"'), 0)


if __name__ == "__main__":
    unittest.main()
