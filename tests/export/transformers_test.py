"""Exports random models as safetensors for transformers, and runs them there.

Needs the Python of .venv-runtimes (scripts/setup.sh --all), or of QUANTLAB_RUNTIMES_PYTHON. QUANTLAB_BIN names the folder
of the programs.
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
SKIPPED = 77

TEXTS = ["a good film", "the plot was dull and the actor bad", "great music with a great end of the story", "poor"]
DENSE = ("transformers", "transformers-bf16")
# Of client/python/tests/saved_models.py: what compressed-tensors can express.
SCHEMES = {
    "dynamic": {"kind": "int8_dynamic", "granularity": "per_token", "weight_granularity": "per_channel",
                "reduce_range": False},
    "FP8": {"kind": "fp8", "granularity": "per_token", "weight_granularity": "per_tensor"},
    "INT8 weights": {"kind": "int8_weight_only"},
    "INT4 weights": {"kind": "int4_weight_only", "group_size": 32, "symmetric": True},
}
# Each form of weights in another family.
MULTIPLIED_OUT = {
    "bert": {"kind": "int8_static", "weight_bits": 8, "weight_granularity": "per_channel", "smoothing": True},
    "distilbert": {"kind": "int4_weight_only", "group_size": 64, "symmetric": False},
    "roberta": {"kind": "fp8", "granularity": "per_tensor", "weight_granularity": "per_channel"},
    "xlm-roberta": {"kind": "int8_static", "weight_bits": 4, "weight_granularity": "per_tensor", "smoothing": False},
    "camembert": {"kind": "fp32"},
    "electra": {"kind": "bf16"},
}
WRITE = """
import json, sys
sys.path[:0] = [sys.argv[1] + "/client/python/src", sys.argv[1] + "/client/python/tests"]
from saved_models import Folder
Folder(sys.argv[2], sys.argv[3], [json.loads(sys.argv[4])], tables=sys.argv[5]).write()
"""


def python(*arguments):
    done = subprocess.run([PYTHON, *arguments], capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "runtimes/python")})
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout


class TransformersTest(unittest.TestCase):
    def setUp(self):
        self.out = pathlib.Path(tempfile.mkdtemp(prefix="transformers_test."))
        self.addCleanup(shutil.rmtree, self.out)
        self.texts = self.out / "texts.txt"
        self.texts.write_text("\n".join(TEXTS) + "\n")

    def model(self, scheme, family="bert", tables="fp32"):
        shutil.rmtree(self.out / "model", ignore_errors=True)
        python("-c", WRITE, ROOT, self.out / "model", family, json.dumps(scheme), tables)
        return self.out / "model"

    def export_anyway(self, model, out, formats):
        return subprocess.run([BIN / "quantctl", "export-model", model, "--to", ",".join(formats), "--out", out,
                               "--python", PYTHON, "--texts", self.texts, "--threads", "1", "-o", "json"],
                              capture_output=True, text=True, check=False)

    def export(self, model, out, formats):
        done = self.export_anyway(model, out, formats)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["models"]

    def test_weights_multiplied_out_run_for_every_family(self):
        # The export fails where transformers and quant-runner disagree.
        for family, scheme in MULTIPLIED_OUT.items():
            with self.subTest(family=family):
                model = self.model(scheme, family, tables="int8_rows" if family == "bert" else "fp32")
                results = self.export(model, self.out / family, DENSE)
                self.assertEqual([result["checked"] for result in results], [True, True])
                sizes = [(self.out / family / name / "model.safetensors").stat().st_size for name in DENSE]
                self.assertLess(sizes[1], 0.75 * sizes[0])

    def test_each_scheme_of_compressed_tensors_computes_the_measured_model(self):
        for name, scheme in SCHEMES.items():
            with self.subTest(name):
                (result,) = self.export(self.model(scheme), self.out / name, ["compressed-tensors"])
                self.assertTrue(result["checked"])
                self.assertLessEqual(result["difference"], result["tolerance"])
                config = json.loads((self.out / name / "config.json").read_text())
                self.assertEqual(config["quantization_config"]["quant_method"], "compressed-tensors")

    def test_a_lost_layer_fails_the_check_and_is_named(self):
        model = self.model(SCHEMES["INT8 weights"])
        self.export(model, self.out / "good", ["transformers"])
        weights = self.out / "good/model.safetensors"
        data = bytearray(weights.read_bytes())
        size = int.from_bytes(data[:8], "little")
        name = "bert.encoder.layer.1.intermediate.dense.weight"
        begin, end = json.loads(data[8:8 + size])[name]["data_offsets"]
        data[8 + size + begin:8 + size + end] = bytes(end - begin)
        weights.write_bytes(data)
        python(ROOT / "export/check/check_export.py", "--format", "transformers", "--runner", BIN / "quant-runner",
               "--source", model, "--exported", self.out / "good", "--texts", self.texts, "--result",
               self.out / "result.json", "--max-length", "32", "--share", "0.05")
        result = json.loads((self.out / "result.json").read_text())
        self.assertEqual(result.get("layer"), name.removesuffix(".weight"), result)

    def test_the_example_prints_the_label_and_the_card_says_what_is_missing(self):
        model = self.model(SCHEMES["dynamic"], "electra")
        self.export(model, self.out / "all", (*DENSE, "compressed-tensors"))
        labels = list(json.loads((model / "config.json").read_text())["id2label"].values())
        predicted = subprocess.run([BIN / "quant-runner", "predict", "--model", model], input=TEXTS[1] + "\n",
                                   capture_output=True, text=True, check=True)
        logits = json.loads(predicted.stdout)
        for format_name in (*DENSE, "compressed-tensors"):
            folder = self.out / "all" / format_name
            self.assertLessEqual(len((folder / "example.py").read_text().splitlines()), 15)
            self.assertEqual(python(folder / "example.py", TEXTS[1]).strip(), labels[logits.index(max(logits))])
            card = (folder / "README.md").read_text()
            self.assertIn("multiplies them out" if format_name == "compressed-tensors" else
                          "Quantization of activations is **not** part", card)

    def test_a_scheme_that_cannot_be_expressed_is_refused(self):
        model = self.model({**SCHEMES["INT4 weights"], "symmetric": False})
        done = self.export_anyway(model, self.out / "new", ["compressed-tensors"])
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("zero points", done.stderr)
        self.assertIn("--to transformers", done.stderr)
        self.assertFalse((self.out / "new").exists())


if __name__ == "__main__":
    if not pathlib.Path(PYTHON).exists():
        print("skipped: there is no .venv-runtimes; run scripts/setup.sh --all")
        sys.exit(SKIPPED)
    unittest.main()
