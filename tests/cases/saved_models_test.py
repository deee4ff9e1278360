"""What every method saves: each plan.json fits docs/plan.schema.json, and quantlab.torch computes the runner's logits."""

import json
import pathlib
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import jsonschema
import world as worlds

SCHEMA = json.loads((worlds.ROOT / "docs/plan.schema.json").read_text(encoding="utf-8"))
TORCH_PYTHON = worlds.ROOT / ".venv/bin/python"
TEXTS = ["good great film", "bad", "", "the plot was dreadful and the acting dull but the music superb"]

WEIGHT_ONLY = {"int8_weight_only", "int4_weight_only"}
EXPERIMENT = """\
name: saved
seed: 3
threads: 1
experiments:
  baseline: {model: ./model, dataset: ./reviews.csv}
  dynamic_quantization: {granularity: [per_token, per_tensor], embeddings: int8}
  static_quantization: {calibration_texts: 8, weight_bits: [8, 4], weight_granularity: [per_channel, per_tensor]}
  qat: {epochs: 1, calibration_texts: 8}
  fp32_continued: {epochs: 1}
  mixed_precision: {calibration_texts: 8, sensitivity_texts: 4, mode: [per_layer, whole], half: [bf16, fp16]}
  weight_only: {calibration_texts: 8, dtype: [int4, int8], symmetric: [false, true], group_size: "32"}
  fp8_quantization: {granularity: [per_token, per_tensor]}
  comparison: {enabled: false}
dataset: {train_size: 24, validation_size: 12, test_size: 12, max_length: 24}
training: {epochs: 1, batch_size: 8, learning_rate: 0.002}
evaluation: {metrics: [accuracy]}
"""


def run(command, folder, *arguments):
    done = subprocess.run([worlds.BIN / "quant-runner", command, "--model", folder, *arguments],
                          input="".join(text + "\n" for text in TEXTS), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=120)
    if done.returncode:
        raise AssertionError(done.stderr)
    return done.stdout


def single(value):
    """As float32, of which the runner prints no more digits than tell it apart."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


class SavedModelsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = worlds.World()
        cls.addClassCleanup(cls.world.close)
        cls.done = cls.world.quantctl("run", cls.world.write("saved.yaml", EXPERIMENT), timeout=800)
        cls.models = sorted(path.parent for path in cls.world.results.rglob("model/model.safetensors"))

    def setUp(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr)

    def plans(self):
        return {path: json.loads((path / "plan.json").read_text()) for path in self.models
                if (path / "plan.json").exists()}

    def test_every_plan_fits_the_schema(self):
        for path, plan in self.plans().items():
            with self.subTest(path.parent.name):
                jsonschema.validate(plan, SCHEMA, cls=jsonschema.Draft202012Validator)

    def test_the_methods_together_save_every_kind(self):
        layers = {layer["kind"] for plan in self.plans().values() for layer in plan["layers"]}
        self.assertEqual(layers, set(SCHEMA["$defs"]["layer"]["properties"]["kind"]["enum"]))
        tables = {table["kind"] for plan in self.plans().values() for table in plan["embeddings"]}
        self.assertEqual(tables, set(SCHEMA["$defs"]["table"]["properties"]["kind"]["enum"]))
        self.assertEqual(len(self.models) - len(self.plans()), 1)  # the baseline has no plan

    @unittest.skipUnless(TORCH_PYTHON.exists(), "there is no .venv; run scripts/setup.sh")
    def test_the_loader_computes_the_runners_logits(self):
        ids = run("tokenize", self.models[0])
        done = subprocess.run([TORCH_PYTHON, worlds.ROOT / "client/python/tests/torch_logits.py", *self.models],
                              input=ids, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        for path in self.models:
            with self.subTest(path.parent.relative_to(self.world.results).as_posix()):
                theirs = [json.loads(line) for line in run("predict", path, "--threads", "1",
                                                              "--layer-by-layer").splitlines()]
                largest = max(abs(value) for row in theirs for value in row)
                kinds = {layer["kind"] for layer in self.plans().get(path, {"layers": []})["layers"]}
                # BF16 products and those with weights only in integers may be summed in another order; all else is the
                # same to the last bit.
                tolerance = largest * (0.02 if "bf16" in kinds else 1e-5 if kinds & WEIGHT_ONLY else 0)
                for mine, row in zip(found[str(path)], theirs):
                    for one, other in zip(mine, row):
                        self.assertLessEqual(abs(single(one) - single(other)), tolerance)


if __name__ == "__main__":
    unittest.main()
