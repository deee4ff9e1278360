"""Exports random models as safetensors for transformers, and runs them there.

Needs the Python of .venv-runtimes, as export_test.py beside this.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import export_test
from export_test import BIN, FAMILIES, PYTHON, ROOT, SKIPPED, TEXTS, Workshop, export

DENSE = ("transformers", "transformers-bf16")
# Of client/python/tests/saved_models.py: what compressed-tensors can express.
SCHEMES = {
    "dynamic": {"kind": "int8_dynamic", "granularity": "per_token", "weight_granularity": "per_channel",
                "reduce_range": False},
    "FP8": {"kind": "fp8", "granularity": "per_token", "weight_granularity": "per_tensor"},
    "INT8 weights": {"kind": "int8_weight_only"},
    "INT4 weights": {"kind": "int4_weight_only", "group_size": 32, "symmetric": True},
}
WRITE = """
import json, sys
sys.path[:0] = [sys.argv[1] + "/client/python/src", sys.argv[1] + "/client/python/tests"]
from saved_models import Folder
Folder(sys.argv[2], sys.argv[3], [json.loads(sys.argv[4])]).write()
"""


def python(*arguments):
    done = subprocess.run([PYTHON, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout


class TransformersTest(unittest.TestCase):
    def setUp(self):
        self.out = pathlib.Path(tempfile.mkdtemp(prefix="transformers_test."))
        self.addCleanup(shutil.rmtree, self.out)

    def model(self, scheme, family="bert"):
        python("-c", WRITE, ROOT, self.out / "model", family, json.dumps(scheme))
        return self.out / "model"

    def test_weights_multiplied_out_run_for_every_family(self):
        # One method of each form of weights; the export fails where transformers and quant-runner disagree.
        methods = dict(zip(FAMILIES, ("static", "weight-only INT4", "FP8", "dynamic, INT8 tables", "FP32", "BF16")))
        Workshop.setUpClass()
        self.addCleanup(Workshop.tearDownClass)
        for family, method in methods.items():
            with self.subTest(family=family, method=method):
                Workshop.make_baseline(family)
                _, results = export(Workshop.make_model(method), self.out / family, DENSE)
                self.assertEqual([result["checked"] for result in results], [True, True])
                sizes = [(self.out / family / name / "model.safetensors").stat().st_size for name in DENSE]
                self.assertLess(sizes[1], 0.75 * sizes[0])

    def test_each_scheme_of_compressed_tensors_computes_the_measured_model(self):
        for name, scheme in SCHEMES.items():
            with self.subTest(name):
                shutil.rmtree(self.out / "model", ignore_errors=True)
                _, (result,) = export(self.model(scheme), self.out / name, ["compressed-tensors"])
                self.assertTrue(result["checked"])
                self.assertLessEqual(result["difference"], result["tolerance"])
                config = json.loads((self.out / name / "config.json").read_text())
                self.assertEqual(config["quantization_config"]["quant_method"], "compressed-tensors")

    def test_a_lost_layer_fails_the_check_and_is_named(self):
        model = self.model(SCHEMES["INT8 weights"])
        export(model, self.out / "good", ["transformers"])
        weights = self.out / "good/model.safetensors"
        data = bytearray(weights.read_bytes())
        size = int.from_bytes(data[:8], "little")
        name = "bert.encoder.layer.1.intermediate.dense.weight"
        begin, end = json.loads(data[8:8 + size])[name]["data_offsets"]
        data[8 + size + begin:8 + size + end] = bytes(end - begin)
        weights.write_bytes(data)
        python(ROOT / "export/check/check_export.py", "--format", "transformers", "--runner", BIN / "quant-runner",
               "--source", model, "--exported", self.out / "good", "--texts", self.out / "texts.txt", "--result",
               self.out / "result.json", "--max-length", "32")
        result = json.loads((self.out / "result.json").read_text())
        self.assertEqual(result.get("layer"), name.removesuffix(".weight"), result)

    def test_the_example_prints_the_label_and_the_card_says_what_is_missing(self):
        model = self.model(SCHEMES["dynamic"], "electra")
        export(model, self.out / "all", (*DENSE, "compressed-tensors"))
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
        done, _ = export(model, self.out / "new", ["compressed-tensors"], check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("zero points", done.stderr)
        self.assertIn("--to transformers", done.stderr)
        self.assertFalse((self.out / "new").exists())


if __name__ == "__main__":
    if not pathlib.Path(PYTHON).exists():
        print("skipped: there is no .venv-runtimes; run scripts/setup.sh --all")
        sys.exit(SKIPPED)
    unittest.main()
