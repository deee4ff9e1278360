"""Follows the guides of docs/en/guides and docs/zh/guides as they are written.

The two about code are followed in a copy of the sources, which is built with what ccache has of this
checkout; those about data and models with the programs of this build. Blocks whose first line names a file
are that file, `diff` blocks change one, and `sh` blocks are run.
"""

import csv
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds

ROOT = worlds.ROOT
BUILD = worlds.BIN.parent
ENGLISH, CHINESE = ROOT / "docs/en/guides", ROOT / "docs/zh/guides"
GUIDES = {
    "add-a-method.md": "添加量化方法.md",
    "add-a-metric.md": "添加指标.md",
    "add-a-model-family.md": "添加模型族.md",
    "add-a-setting.md": "添加设置项.md",
    "add-a-device.md": "添加设备.md",
    "bring-your-own-dataset.md": "使用自己的数据集.md",
    "bring-your-own-model.md": "使用自己的模型.md",
}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
FILE = re.compile(r"(?:---|//|#) (\S+\.\w+)$")


def blocks(path):
    """(language, text) of each fenced block, in the order of the guide."""
    return BLOCK.findall(path.read_text(encoding="utf-8"))


def scripts(guide):
    return [text for language, text in blocks(ENGLISH / guide) if language == "sh"]


def change(text, hunk):
    """`text` with a hunk of a diff applied, whose old lines must stand in it exactly once."""
    lines = hunk.splitlines()
    old = "".join(line[1:] + "\n" for line in lines if not line.startswith("+"))
    new = "".join(line[1:] + "\n" for line in lines if not line.startswith("-"))
    count = ("\n" + text).count("\n" + old)
    if count != 1:
        raise AssertionError(f"the guide changes lines that are in the file {count} times:\n{old}")
    return ("\n" + text).replace("\n" + old, "\n" + new, 1)[1:]


def write_files(guide, folder):
    """Makes and changes the files that a guide's blocks name."""
    for language, text in blocks(guide):
        first, _, rest = text.partition("\n")
        name = FILE.match(first)
        if language == "sh" or not name:
            continue
        path = folder / name.group(1)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = text
        if language == "diff":
            content = path.read_text(encoding="utf-8")
            for hunk in rest.split("@@\n"):
                content = change(content, hunk)
        path.write_text(content, encoding="utf-8")


def environment(data):
    """Programs of this build first, and none of the user's settings; ccache keeps its own. Data below `data`."""
    settings = pathlib.Path(data) / "settings.yaml"
    settings.touch()
    kept = {k: v for k, v in os.environ.items() if not k.startswith("QUANTLAB_")}
    return {**kept, "PATH": f"{worlds.BIN}{os.pathsep}{kept.get('PATH', '')}", "NO_COLOR": "1",
            "QUANTLAB_CONFIG": str(settings), "QUANTLAB_DATA_DIR": f"{data}/data", "QUANTLAB_ASSETS": f"{data}/assets"}


def shell(script, folder, data, timeout=600, **variables):
    return subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, text=True, timeout=timeout,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**environment(data), **variables})


def temporary_folder(test):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="quantlab-guides-"))
    test.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
    return folder


def explain(guide, run):
    return f"{guide}\n{run.args[-1]}\n{run.stdout[-4000:]}\n{run.stderr[-4000:]}"


def accuracy(folder):
    data = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return next(m["value"] for m in data["metrics"] if m["name"] == "accuracy")


class TranslationTest(unittest.TestCase):
    def test_both_languages_have_all_guides_with_the_same_blocks(self):
        self.assertEqual({path.name for path in ENGLISH.glob("*.md")}, set(GUIDES))
        self.assertEqual({path.name for path in CHINESE.glob("*.md")}, set(GUIDES.values()))
        for english, chinese in GUIDES.items():
            self.assertGreater(len(blocks(ENGLISH / english)), 2, english)
            self.assertEqual(blocks(ENGLISH / english), blocks(CHINESE / chinese), english)

    def test_both_languages_name_the_same_refusals(self):
        for english, chinese in GUIDES.items():
            rows = [re.findall(r"^\| `([^`]+)` \|", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
                    for path in (ENGLISH / english, CHINESE / chinese)]
            self.assertEqual(rows[0], rows[1], english)


class CodeGuidesTest(unittest.TestCase):
    """A new method, metric, model family, setting and device, in one copy of the sources, by the programs that are built from it."""

    GUIDES = ("add-a-method.md", "add-a-metric.md", "add-a-model-family.md", "add-a-setting.md",
              "add-a-device.md")

    @classmethod
    def setUpClass(cls):
        cls.source = ROOT / "build/guides/source"
        cls.data = temporary_folder(cls)  # the path of a socket must be short
        cls.copy_sources()
        for guide in cls.GUIDES:
            write_files(ENGLISH / guide, cls.source)
        worlds.make_model(cls.source / "my-model")
        worlds.make_reviews(cls.source / "reviews.csv")
        cls.done = {}
        for guide in cls.GUIDES:
            cls.done[guide] = [cls.follow(text) for text in scripts(guide)]

    @staticmethod
    def preset():
        return BUILD.name if BUILD.name in ("release", "dev") else "release"

    @classmethod
    def copy_sources(cls):
        """What git tracks or would, as it is now; the copy's build folder stays, for the next time."""
        for entry in cls.source.iterdir() if cls.source.exists() else []:
            if entry.name != "build":
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                                stdout=subprocess.PIPE, check=True).stdout.decode()
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file() and not (ROOT / name).is_symlink():
                (cls.source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, cls.source / name)
        if (ROOT / ".venv").exists():
            (cls.source / ".venv").symlink_to((ROOT / ".venv").resolve())

    @classmethod
    def follow(cls, script):
        # Built as this build is, so that ccache has most of it; its LibTorch, where that is elsewhere.
        script = re.sub(r"\brelease\b", cls.preset(), script)
        variables = {"CMAKE_BUILD_PARALLEL_LEVEL": str(min(2, os.cpu_count() or 1))}
        torch = re.search(r"^QUANTLAB_TORCH_ROOT:PATH=(.+)$", (BUILD / "CMakeCache.txt").read_text(), re.MULTILINE)
        if torch and not torch.group(1).startswith(f"{ROOT}/.venv/"):
            variables["QUANTLAB_TORCH_ROOT"] = torch.group(1)
        return shell(script, cls.source, cls.data, timeout=3000, **variables)

    def test_every_command_succeeds(self):
        for guide, runs in self.done.items():
            for run in runs:
                self.assertEqual(run.returncode, 0, explain(guide, run))

    def test_the_method_passes_the_suite_of_all_methods(self):
        output = self.done["add-a-method.md"][0].stdout
        self.assertNotIn("[  FAILED  ]", output)
        for variant in ("power_of_two", "power_of_two_round_scale_nearest"):
            self.assertIn(f"SavedAndLoadedGivesTheSameBits/{variant}", output)
        self.assertRegex(output, r"power_of_two \(version 1, Power-of-two scales, 二的幂缩放\)")
        self.assertRegex(output, r"round_scale +up +one of: up, nearest")

    def test_the_method_is_measured_and_in_the_report(self):
        results = self.source / "results/try"
        baseline = accuracy(results / "baseline")
        for variant in ("round_scale-up", "round_scale-nearest"):
            self.assertGreater(accuracy(results / "power_of_two" / variant), baseline - 0.1)
        for table in ("accuracy", "size", "speed"):
            self.assertIn("power_of_two", (results / f"report/tables/{table}.csv").read_text(encoding="utf-8"), table)
        self.assertIn("二的幂缩放", (results / "report/课程设计报告.md").read_text(encoding="utf-8"))

    def test_stored_scales_are_powers_of_two(self):
        path = self.source / "results/try/power_of_two/round_scale-up/model/model.safetensors"
        scales = worlds.read_floats(path, ".weight_scale")
        self.assertGreater(len(scales), 100)
        self.assertEqual([s for s in scales if s <= 0 or s.hex().split("p")[0] != "0x1.0000000000000"], [])

    def test_the_family_passes_the_suites_of_all_families_and_methods(self):
        output = self.done["add-a-model-family.md"][0].stdout
        self.assertNotIn("[  FAILED  ]", output)
        for test in ("EveryLayerHasARoleAndItsPlace", "ConfigsSurviveBeingWritten"):
            self.assertIn(test, output)
        for method in ("dynamic_quantization", "mixed_precision", "qat"):
            self.assertIn(f"SavedAndLoadedGivesTheSameBits/{method}_of_data2vec_text", output)

    def test_the_metric_is_listed_measured_exported_and_in_the_report(self):
        built, measured = self.done["add-a-metric.md"]
        self.assertIn("CohenKappaIsAgreementBeyondChance", built.stdout)
        self.assertIn("cohen_kappa", built.stdout.split("[  PASSED  ]")[1])
        self.assertRegex(measured.stdout, r"(?m)^dynamic_quantization +cohen_kappa +[\d.-]+ +split=test$")
        results = self.source / "results/kappa"
        with open(results / "report/tables/other.csv", encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if "cohen_kappa" in row]
        self.assertEqual(len(rows), 2, rows)
        for language, title in (("en", "Cohen's kappa"), ("zh", "Cohen κ 系数")):
            self.assertIn(title, (results / f"report/tables/other.{language}.md").read_text(encoding="utf-8"))

    def test_the_setting_is_carried_documented_and_in_the_report(self):
        built, used = self.done["add-a-setting.md"]
        self.assertNotIn("[  FAILED  ]", built.stdout)
        self.assertIn("EverySettingReachesTheRunner", built.stdout)
        self.assertIn("a number from 0 to 0.5", built.stdout)
        for guide in ("en/user-guide.md", "zh/使用说明.md"):
            self.assertIn("| `training.label_smoothing` |", (self.source / "docs" / guide).read_text(encoding="utf-8"))
        self.assertIn("training.label_smoothing,0.1", used.stdout)


    def test_the_device_is_accepted_documented_and_missed_here(self):
        built, used = self.done["add-a-device.md"]
        self.assertNotIn("[  FAILED  ]", built.stdout)
        self.assertIn("EveryMethodStatesWhatItDoesOnEveryKind", built.stdout)
        self.assertIn("xpu, an Intel GPU", built.stdout)
        for guide in ("en/user-guide.md", "zh/使用说明.md"):
            self.assertIn("| cpu, cuda, xpu |", (self.source / "docs" / guide).read_text(encoding="utf-8"))
        self.assertIn("a machine with an Intel GPU, its driver and an XPU build of torch", used.stdout)


class InputGuidesTest(unittest.TestCase):
    """Data and models of one's own, by the programs of this build."""

    @classmethod
    def setUpClass(cls):
        cls.folder = temporary_folder(cls)
        worlds.make_model(cls.folder / "my-model")
        cls.done = {}
        for guide in ("bring-your-own-dataset.md", "bring-your-own-model.md"):
            write_files(ENGLISH / guide, cls.folder)
            cls.done[guide] = [shell(text, cls.folder, cls.folder) for text in scripts(guide)]

    def test_every_command_succeeds(self):
        for guide, runs in self.done.items():
            for run in runs:
                self.assertEqual(run.returncode, 0, explain(guide, run))

    def log(self, experiment):
        return (self.folder / f"results/{experiment}/baseline/log.txt").read_text(encoding="utf-8")

    def test_splits_and_columns_are_those_that_the_guide_names(self):
        self.assertIn("(csv, UTF-8): 12 rows; train 6, validation 2, test 4 (official test split)", self.log("reviews"))
        self.assertIn("(jsonl, UTF-8): 8 rows; train 4, validation 0, test 4", self.log("jsonl"))
        self.assertIn("(tsv, UTF-8): 9 rows; train 6, validation 0, test 2; filtered 1", self.log("tsv"))

    def test_a_fine_tuned_checkpoint_is_evaluated_and_not_trained(self):
        self.assertIn("no classifier: drawn at random", self.log("tune"))
        self.assertNotIn("epoch 1", self.log("tuned"))
        predictions = [(self.folder / f"results/{name}/baseline/predictions.csv").read_text(encoding="utf-8")
                       for name in ("tune", "tuned")]
        self.assertEqual(predictions[0], predictions[1])

    def refuse(self, message, guide, replace, file="reviews.yaml"):
        """Runs the file with `replace` (old text: new text); the message is the guide's and the program's."""
        text = (self.folder / file).read_text(encoding="utf-8")
        for old, new in replace.items():
            self.assertIn(old, text)
            text = text.replace(old, new)
        (self.folder / "bad.yaml").write_text(text, encoding="utf-8")
        run = shell("quantctl run bad.yaml --only baseline", self.folder, self.folder)
        with self.subTest(message=message):
            self.assertNotEqual(run.returncode, 0)
            self.assertIn(message, run.stdout + run.stderr)
            self.assertIn(f"| `{message}` |", (ENGLISH / guide).read_text(encoding="utf-8"))

    def copy(self, of, name):
        shutil.copytree(self.folder / of, self.folder / name)
        return self.folder / name

    def test_data_that_is_refused(self):
        guide = "bring-your-own-dataset.md"
        self.refuse('no column "text"', guide, replace={"text_column: comment, ": ""})
        self.refuse("rows, but only", guide, replace={"max_length: 32": "max_length: 32, train_size: 100"})
        for name, row, message in (("label", "13,a great scene,great", "is out of range: expected one of"),
                                   ("comma", "13,a great, great scene,good", "fields, but the header has")):
            with open(self.copy("reviews", name) / "train.csv", "a", encoding="utf-8") as file:
                file.write(row + "\n")
            self.refuse(message, guide, replace={"./reviews": f"./{name}"})
        shutil.copy(self.folder / "reviews/train.csv", self.copy("reviews", "two") / "more.csv")
        self.refuse("it is unclear which of", guide, replace={"./reviews": "./two"})
        train = self.copy("reviews", "latin") / "train.csv"
        train.write_text(train.read_text(encoding="utf-8") + "13,une scène ratée à éviter,bad\n", encoding="cp1252")
        self.refuse("is not UTF-8; it is most likely in", guide, replace={"./reviews": "./latin"})

    def test_models_that_are_refused(self):
        guide = "bring-your-own-model.md"
        (self.copy("my-model", "pointer") / "model.safetensors").write_text(
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", encoding="utf-8")
        self.refuse("is a Git LFS pointer", guide, replace={"./my-model": "./pointer"})
        (self.copy("my-model", "wordless") / "vocab.txt").unlink()
        self.refuse("lacks tokenizer.json or vocab.txt", guide, replace={"./my-model": "./wordless"})
        config = self.copy("my-model", "other") / "config.json"
        # Else the tokenizer's class would follow from model_type, and be refused first.
        (config.parent / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}', encoding="utf-8")
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace('"bert"', '"gpt2"'), encoding="utf-8")
        self.refuse("supported: bert, distilbert, roberta", guide, replace={"./my-model": "./other"})
        config.write_text(text.replace('"bert"', '"roberta"'), encoding="utf-8")
        self.refuse("a model of the family bert, but", guide, replace={"./my-model": "./other"})
        config = self.copy("my-model", "deeper") / "config.json"
        config.write_text(text.replace('"num_hidden_layers": 2', '"num_hidden_layers": 3'), encoding="utf-8")
        self.refuse("the weights do not fit config.json", guide, replace={"./my-model": "./deeper"})
        self.refuse("the model has 64 positions", guide, replace={"max_length: 32": "max_length: 128"})
        self.refuse("the checkpoint must be a fine-tuned classifier", guide, file="tuned.yaml",
                    replace={"./tuned": "./my-model"})
        config = self.copy("tuned", "renamed") / "config.json"
        config.write_text(config.read_text(encoding="utf-8").replace('"bad"', '"NEG"'), encoding="utf-8")
        self.refuse("the model's classes are", guide, replace={"./my-model": "./renamed, fine_tune: false"})


if __name__ == "__main__":
    unittest.main()
