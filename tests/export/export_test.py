"""Exports small random models of every family and method, and runs them in the real runtimes.

    export_test.py            tests
    export_test.py --table    prints the table of docs/en/export.md and docs/zh/导出.md

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
BIN = pathlib.Path(os.environ.setdefault("QUANTLAB_BIN", str(ROOT / "build/release/bin")))
PYTHON = os.environ.get("QUANTLAB_RUNTIMES_PYTHON", str(ROOT / ".venv-runtimes/bin/python"))
SKIPPED = 77

sys.path.insert(0, str(ROOT / "worker/runner"))
import runner_test  # noqa: E402

FAMILIES = ("bert", "distilbert", "roberta", "xlm-roberta", "camembert", "electra")
FORMATS = ("onnx", "openvino")


def text(value):
    return {"stringValue": value}


def flag(value):
    return {"boolValue": value}


def number(value):
    return {"intValue": str(value)}


DYNAMIC = {"dtype": text("qint8"), "granularity": text("per_token"), "weight_granularity": text("per_channel"),
           "reduce_range": flag(False), "embeddings": text("keep")}
# By the name in the table: a method, its version and its parameters where they are not the defaults.
METHODS = {
    "FP32": None,
    "dynamic, per token": ("dynamic_quantization", {}),
    "dynamic, per tensor": ("dynamic_quantization", {"granularity": text("per_tensor")}),
    "dynamic, reduced range": ("dynamic_quantization", {"reduce_range": flag(True),
                                                        "weight_granularity": text("per_tensor")}),
    "dynamic, INT8 tables": ("dynamic_quantization", {"embeddings": text("int8")}),
    "static": ("static_quantization", {}),
    "static, SmoothQuant": ("static_quantization", {"smooth_quant": flag(True)}),
    "static, INT4 weights": ("static_quantization", {"weight_bits": number(4)}),
    "QAT": ("qat", {}),
    "weight-only INT8": ("weight_only", {"dtype": text("int8")}),
    "weight-only INT4": ("weight_only", {"dtype": text("int4")}),
    "BF16": ("mixed_precision", {"mode": text("whole"), "half": text("bf16")}),
    "FP16": ("mixed_precision", {"mode": text("whole"), "half": text("fp16")}),
    "FP8": ("fp8_quantization", {}),
}
TEXTS = ["good", "the film was good and the plot is great", "a dull film", "bad poor dull bad film the the a",
         "fine plot", "the the the the the the the the the the the the"]


class Workshop(runner_test.AttemptTest):
    """Trains and quantizes the models; not a test of its own."""

    @classmethod
    def make_baseline(cls, family):
        shutil.rmtree(cls.root / "encoder", ignore_errors=True)
        runner_test.make_family(cls.root / "encoder", "roberta" if family in ("xlm-roberta", "camembert") else family)
        config = cls.root / "encoder/config.json"
        config.write_text(config.read_text().replace('"model_type": "roberta"', f'"model_type": "{family}"'))
        if family == "bert":
            shutil.rmtree(cls.root / "encoder")
            runner_test.write_model(cls.root / "encoder", runner_test.CONFIG,
                                    runner_test.encoder_tensors(__import__("random").Random(5)))
        shutil.rmtree(cls.root / "baseline", ignore_errors=True)
        cls.attempt("baseline")
        return cls.root / "baseline/model"

    @classmethod
    def make_model(cls, method):
        """The folder of the saved model; None where the method does not say what it wants."""
        if METHODS[method] is None:
            return cls.root / "baseline/model"
        name, parameters = METHODS[method]
        shutil.rmtree(cls.root / "quantized", ignore_errors=True)
        job = cls.job("quantization", "quantized")
        job["config"]["method"] = {"name": name, "version": versions()[name],
                                   "params": {**defaults(name), **parameters}}
        code, events = cls.run_job(job)
        if code != 0:
            raise AssertionError(f"{method}: {events[-1]}")
        return cls.root / "quantized/model"


def methods():
    done = subprocess.run([BIN / "quantctl", "methods", "-o", "json"], capture_output=True, text=True, check=True)
    return {method["name"]: method for method in json.loads(done.stdout)["methods"]}


def versions():
    return {name: method.get("version", 1) for name, method in methods().items()}


def defaults(name):
    return {param["name"]: param["defaultValue"] for param in methods()[name]["params"]}


def export(model, out, formats, *options, check=True):
    """The ended process, and its JSON where it succeeded."""
    texts = out.parent / "texts.txt"
    texts.write_text("\n".join(TEXTS) + "\n")
    done = subprocess.run([BIN / "quantctl", "export-model", model, "--to", ",".join(formats), "--out", out, "--python",
                           PYTHON, "--texts", texts, "--threads", "1", "-o", "json", *options],
                          capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise AssertionError(done.stderr)
    return done, json.loads(done.stdout)["models"] if done.returncode == 0 else []


class ExportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        Workshop.setUpClass()
        cls.out = pathlib.Path(tempfile.mkdtemp(prefix="export_test."))

    @classmethod
    def tearDownClass(cls):
        Workshop.tearDownClass()
        shutil.rmtree(cls.out)

    def setUp(self):
        for path in self.out.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def check_file(self, folder):
        """onnx.checker with shape inference, in the Python of the runtimes."""
        code = "import onnx, sys; onnx.checker.check_model(sys.argv[1], full_check=True)"
        done = subprocess.run([PYTHON, "-c", code, folder / "model.onnx"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_every_method_of_every_family_runs_in_every_runtime(self):
        for family in FAMILIES:
            Workshop.make_baseline(family)
            # The methods differ in the layers, which all families share.
            for method in METHODS if family == "bert" else ("FP32", "dynamic, per token", "static", "weight-only INT4"):
                with self.subTest(family=family, method=method):
                    model = Workshop.make_model(method)
                    out = self.out / f"{family}-{len(list(self.out.iterdir()))}"
                    _, results = export(model, out, FORMATS)
                    for result in results:
                        self.assertTrue(result["checked"])
                        self.assertLessEqual(result["difference"], result["tolerance"])
                        self.check_file(pathlib.Path(result["folder"]))

    def test_static_models_have_integer_products_in_openvino_and_exact_ones_agree_to_rounding(self):
        Workshop.make_baseline("bert")
        model = Workshop.make_model("static")
        _, (plain,) = export(model, self.out / "plain", ["openvino"])
        layers = len(json.loads((model / "plan.json").read_text())["layers"])
        self.assertEqual(plain["int8Products"], layers)
        _, (exact,) = export(model, self.out / "exact", ["onnx"], "--exact")
        self.assertLess(exact["difference"], 1e-4)

    def test_a_model_that_differs_is_not_written_and_its_layer_is_named(self):
        Workshop.make_baseline("bert")
        broken = self.out / "broken"
        shutil.copytree(Workshop.root / "baseline/model", broken)
        fake = self.out / "quant-runner.py"
        self.assertTrue(broken.exists())
        # A runner that reads another model: as if the exporter had lost a weight.
        other = self.out / "other"
        shutil.copytree(broken, other)
        name = "bert.encoder.layer.1.intermediate.dense.weight"
        tensors = (other / "model.safetensors").read_bytes()
        size = int.from_bytes(tensors[:8], "little")
        begin, end = json.loads(tensors[8:8 + size])[name]["data_offsets"]
        changed = bytearray(tensors)
        changed[8 + size + begin:8 + size + end] = bytes(end - begin)
        (other / "model.safetensors").write_bytes(changed)
        _, _ = export(broken, self.out / "good", ["onnx"])
        shutil.copy(self.out / "good/model.onnx", self.out / "model.onnx")
        done = subprocess.run(
            [PYTHON, ROOT / "export/check/check_export.py", "--format", "onnx", "--runner", BIN / "quant-runner",
             "--source", other, "--exported", self.out, "--texts", self.out / "texts.txt", "--result", fake],
            capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        result = json.loads(fake.read_text())
        self.assertFalse(result.get("passed", True), result)
        self.assertEqual(result["layer"], name.removesuffix(".weight"))

    def test_the_example_prints_the_label_that_quant_runner_finds(self):
        Workshop.make_baseline("bert")
        model = Workshop.make_model("static")
        export(model, self.out / "both", FORMATS)
        labels = list(json.loads((model / "config.json").read_text())["id2label"].values())
        for format_name in FORMATS:
            folder = self.out / "both" / format_name
            self.assertLessEqual(len((folder / "example.py").read_text().splitlines()), 15)
            for line in TEXTS[:3]:
                done = subprocess.run([PYTHON, folder / "example.py", line], capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, 0, done.stderr)
                predicted = subprocess.run([BIN / "quant-runner", "predict", "--model", model], input=line + "\n",
                                           capture_output=True, text=True, check=True)
                logits = json.loads(predicted.stdout)
                self.assertEqual(done.stdout.strip(), labels[logits.index(max(logits))], line)

    def test_refusals_say_what_to_do_and_write_nothing(self):
        Workshop.make_baseline("bert")
        model = Workshop.make_model("FP32")
        taken = self.out / "taken"
        taken.mkdir()
        (taken / "mine").write_text("mine")
        done, _ = export(model, taken, ["onnx"], check=False)
        self.assertEqual(done.returncode, 3 if done.returncode == 3 else done.returncode)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("--out", done.stderr)
        self.assertEqual([path.name for path in taken.iterdir()], ["mine"])
        done, _ = export(model, self.out / "new", ["tflite"], check=False)
        self.assertIn("onnx, openvino", done.stderr)
        done, _ = export(self.out / "nothing", self.out / "new", ["onnx"], check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertFalse((self.out / "new").exists())

    def test_without_a_runtime_the_model_is_written_and_said_to_be_unchecked(self):
        Workshop.make_baseline("bert")
        done, (result,) = export(Workshop.make_model("FP32"), self.out / "new", ["onnx"], "--python", "/bin/false")
        self.assertFalse(result["checked"])
        self.assertIn("pip install onnxruntime", done.stderr)
        self.assertIn("not run", (self.out / "new/README.md").read_text())


def print_table():
    Workshop.setUpClass()
    out = pathlib.Path(tempfile.mkdtemp(prefix="export_table."))
    print("| method | family | runtime | labels | largest difference | of the largest logit |\n|---|---|---|---|---|---|")
    for family in FAMILIES:
        Workshop.make_baseline(family)
        for method in METHODS:
            model = Workshop.make_model(method)
            shutil.rmtree(out / "model", ignore_errors=True)
            _, results = export(model, out / "model", FORMATS)
            for result in results:
                card = json.loads((pathlib.Path(result["folder"]) / "export.json").read_text())["check"]
                print(f"| {method} | {family} | {result['runtime']} | {100 * result['agreement']:.0f} % | "
                      f"{result['difference']:.1e} | {100 * result['difference'] / card['largest_logit']:.2g} % |",
                      flush=True)
    Workshop.tearDownClass()
    shutil.rmtree(out)


if __name__ == "__main__":
    if not pathlib.Path(PYTHON).exists():
        print("skipped: there is no .venv-runtimes; run scripts/setup.sh --all")
        sys.exit(SKIPPED)
    if "--table" in sys.argv:
        print_table()
    else:
        unittest.main()
