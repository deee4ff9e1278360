"""Exports small random models of every family and kind of layer, and runs them in the real runtimes.

    export_test.py                 tests
    export_test.py --table LANG    prints the table of docs/en/export.md (en) or docs/zh/导出.md (zh)

Needs the Python of .venv-runtimes (scripts/setup.sh --all); QUANTLAB_RUNTIMES_PYTHON names another one. QUANTLAB_BIN
names the folder of the programs.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("QUANTLAB_BIN", ROOT / "build/release/bin"))
PYTHON = os.environ.get("QUANTLAB_RUNTIMES_PYTHON", str(ROOT / ".venv-runtimes/bin/python"))
TORCH_PYTHON = str(ROOT / ".venv/bin/python")
SKIPPED = 77

FORMATS = ("onnx", "openvino")
FAMILIES = ("bert", "distilbert", "roberta", "xlm-roberta", "camembert", "electra")
# All kinds of layers in the first family; the others differ in what is around the layers.
EVERYWHERE = ("fp32", "int8_dynamic per_token per_channel", "int8_static 8 per_channel", "int4_weight_only 32")
# Makes FOLDER/FAMILY-NUMBER for the kinds of layers of the saved models' tests, which PyTorch's Python writes.
MAKE = """
import json, pathlib, sys
sys.path[:0] = [sys.argv[1] + "/client/python/src", sys.argv[1] + "/client/python/tests"]
import saved_models

def name_of(variant):
    flags = {"reduce_range": ", reduced range", "smoothing": ", SmoothQuant", "symmetric": ", symmetric"}
    return (" ".join(str(value) for value in variant.values() if not isinstance(value, bool)) +
            "".join(flags[key] for key, value in variant.items() if value is True))

folder, families, made = pathlib.Path(sys.argv[2]), json.loads(sys.argv[3]), {}
tables = [({"kind": "fp32"}, "int8_rows", "fp32"), ({"kind": "bf16"}, "bf16", "bf16"), ({"kind": "fp16"}, "fp16", "fp16")]
for family in families:
    for number, variant in enumerate(saved_models.VARIANTS):
        if family != families[0] and not name_of(variant).startswith(tuple(json.loads(sys.argv[4]))):
            continue
        path = saved_models.Folder(folder / f"{family}-{number}", family, [variant]).write()
        made[str(path)] = [family, name_of(variant)]
for variant, table, activations in tables:
    path = saved_models.Folder(folder / f"tables-{table}", "bert", [variant], tables=table, activations=activations).write()
    made[str(path)] = ["bert", f"{variant['kind']}, tables {table}"]
print(json.dumps(made))
"""
TEXTS = ["a good film", "the plot was dull and the actor bad", "great music with a great end of the story", "poor",
         "it is a film with actor and scene and plot and music and story and the end is good", "the bad bad bad film"]


def make_models(folder, families):
    """By folder, the family and the kind of its layers."""
    done = subprocess.run([TORCH_PYTHON, "-W", "ignore", "-c", MAKE, ROOT, folder, json.dumps(families),
                           json.dumps(EVERYWHERE)],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return {pathlib.Path(path): named for path, named in json.loads(done.stdout).items()}


def export(model, out, formats, *options, texts, python=PYTHON):
    """The ended process, and its JSON where it succeeded."""
    done = subprocess.run([BIN / "quantctl", "export-model", model, "--to", ",".join(formats), "--out", out, "--python",
                           python, "--texts", texts, "--threads", "1", "-o", "json", *options],
                          capture_output=True, text=True, check=False)
    return done, json.loads(done.stdout)["models"] if done.returncode == 0 else []


class ExportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="quantlab-export-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.root)
        cls.texts = cls.root / "texts.txt"
        cls.texts.write_text("\n".join(TEXTS) + "\n")
        cls.models = make_models(cls.root / "models", FAMILIES)

    def setUp(self):
        self.out = self.root / "out"
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()

    def model(self, family, kind):
        return next(path for path, (of, title) in self.models.items() if of == family and title.startswith(kind))

    def export(self, model, out, formats, *options):
        done, results = export(model, out, formats, *options, texts=self.texts)
        self.assertEqual(done.returncode, 0, done.stderr)
        return results

    def test_every_kind_of_layer_of_every_family_agrees_in_every_runtime(self):
        for number, (model, (family, title)) in enumerate(self.models.items()):
            with self.subTest(family=family, kind=title):
                results = self.export(model, self.out / str(number), FORMATS)
                self.assertEqual([result["format"] for result in results], list(FORMATS))
                for result in results:
                    self.assertTrue(result["checked"])
                    self.assertLessEqual(result["difference"], result["tolerance"])
                code = "import onnx, sys; onnx.checker.check_model(sys.argv[1], full_check=True)"
                for result in results:
                    done = subprocess.run([PYTHON, "-c", code, pathlib.Path(result["folder"]) / "model.onnx"],
                                          capture_output=True, text=True, check=False)
                    self.assertEqual(done.returncode, 0, done.stderr)
                shutil.rmtree(self.out / str(number))

    def test_static_layers_become_integer_products_in_both_runtimes(self):
        model = self.model("bert", "int8_static 8 per_channel")
        layers = len(json.loads((model / "plan.json").read_text())["layers"])
        onnx, openvino = self.export(model, self.out / "both", FORMATS)
        self.assertEqual(openvino["int8Products"], layers)
        code = ("import onnx, onnxruntime as ort, sys; o = ort.SessionOptions(); o.optimized_model_filepath = sys.argv[2]; "
                "ort.InferenceSession(sys.argv[1], o); "
                "print(sum(n.op_type == 'QGemm' for n in onnx.load(sys.argv[2]).graph.node))")
        done = subprocess.run([PYTHON, "-c", code, pathlib.Path(onnx["folder"]) / "model.onnx", self.out / "optimized.onnx"],
                              capture_output=True, text=True, check=True)
        self.assertEqual(int(done.stdout), layers)

    def test_exact_static_models_agree_to_rounding(self):
        # Sums of FP32 are made in another order, which moves a value across the middle of two steps now and then; no
        # model that is not exact comes as close.
        kinds = ("int8_static 8 per_channel", "int8_static 8 per_tensor", "int8_static 4", "int8_static 6")
        close = 0
        for kind in kinds:
            (exact,) = self.export(self.model("bert", kind), self.out / kind.replace(" ", "-"), ["onnx"], "--exact")
            close += exact["difference"] < 1e-4 * exact["tolerance"]
        self.assertGreaterEqual(close, len(kinds) // 2)

    def test_the_layer_where_a_difference_begins_is_named(self):
        model = self.model("bert", "fp32")
        self.export(model, self.out / "good", ["onnx"])
        # quant-runner reads a model with another weight: as if the exporter had lost one.
        other, name = self.out / "other", "bert.encoder.layer.1.intermediate.dense"
        shutil.copytree(model, other)
        stored = bytearray((model / "model.safetensors").read_bytes())
        size = int.from_bytes(stored[:8], "little")
        begin, end = json.loads(stored[8:8 + size])[name + ".weight"]["data_offsets"]
        stored[8 + size + begin:8 + size + end] = bytes(end - begin)
        (other / "model.safetensors").write_bytes(stored)
        done = subprocess.run(
            [PYTHON, ROOT / "export/check/check_export.py", "--format", "onnx", "--runner", BIN / "quant-runner",
             "--source", other, "--exported", self.out / "good", "--texts", self.texts, "--max-length", "32", "--share", "1e-4",
             "--result", self.out / "result.json"], capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT / "runtimes/python")})
        self.assertEqual(done.returncode, 0, done.stderr)
        result = json.loads((self.out / "result.json").read_text())
        self.assertEqual((result.get("passed"), result.get("layer")), (False, name), result)

    def test_the_example_prints_the_label_that_quant_runner_finds(self):
        model = self.model("bert", "int8_static 8 per_channel")
        labels = list(json.loads((model / "config.json").read_text())["id2label"].values())
        for result in self.export(model, self.out / "both", FORMATS):
            example = pathlib.Path(result["folder"]) / "example.py"
            self.assertLessEqual(len(example.read_text().splitlines()), 15)
            for line in TEXTS[:3]:
                done = subprocess.run([PYTHON, example, line], capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, 0, done.stderr)
                predicted = subprocess.run([BIN / "quant-runner", "predict", "--model", model], input=line + "\n",
                                           capture_output=True, text=True, check=True)
                logits = json.loads(predicted.stdout)
                self.assertEqual(done.stdout.strip(), labels[logits.index(max(logits))], line)

    def test_refusals_name_the_remedy_and_write_nothing(self):
        model, taken = self.model("bert", "fp32"), self.out / "taken"
        taken.mkdir()
        (taken / "mine").write_text("mine")
        for arguments, words in (((model, taken, ["onnx"]), "--out"), ((model, self.out / "new", ["tflite"]), "openvino"),
                                 ((self.out / "nothing", self.out / "new", ["onnx"]), "quantctl list")):
            done, _ = export(*arguments, texts=self.texts)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(words, done.stderr)
        self.assertEqual([path.name for path in self.out.rglob("*")], ["taken", "mine"])

    def test_without_a_runtime_the_model_is_written_and_said_to_be_unchecked(self):
        done, (result,) = export(self.model("bert", "fp32"), self.out / "new", ["onnx"], python="/bin/false",
                                 texts=self.texts)
        self.assertFalse(result["checked"])
        self.assertIn("pip install onnxruntime", done.stderr)
        self.assertIn("not run", (self.out / "new/README.md").read_text())


def print_table(language):
    """One row for a kind of layer: over the families, the lowest agreement and the largest difference."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="quantlab-export-table-"))
    texts = root / "texts.txt"
    texts.write_text("\n".join(TEXTS) + "\n")
    rows = {}
    for number, (model, (_, title)) in enumerate(make_models(root / "models", FAMILIES).items()):
        done, results = export(model, root / str(number), FORMATS, texts=texts)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        for result in results:
            check = json.loads((pathlib.Path(result["folder"]) / "export.json").read_text())["check"]
            row = rows.setdefault(title, {}).setdefault(result["format"], [0, 1.0, 0.0])
            row[0] += 1
            row[1] = min(row[1], check["agreement"])
            row[2] = max(row[2], check["difference"] / check["largest_logit"])
        shutil.rmtree(root / str(number))
    columns = {"en": "| layers | models | ONNX Runtime: labels | largest difference | OpenVINO: labels | largest difference |",
               "zh": "| 层 | 模型数 | ONNX Runtime：标签 | 最大差值 | OpenVINO：标签 | 最大差值 |"}
    print(columns[language] + "\n|---|---|---|---|---|---|")
    for title, formats in rows.items():
        cells = [f"{100 * agreement:.0f} % | {100 * share:.2g} %" for _, agreement, share in
                 (formats[name] for name in FORMATS)]
        print(f"| `{title}` | {formats['onnx'][0]} | {' | '.join(cells)} |")
    shutil.rmtree(root)


if __name__ == "__main__":
    for needed in (PYTHON, TORCH_PYTHON):
        if not pathlib.Path(needed).exists():
            print(f"skipped: there is no {needed}; run scripts/setup.sh --all")
            sys.exit(SKIPPED)
    if "--table" in sys.argv[1:2]:
        print_table(sys.argv[2])
    else:
        unittest.main()
