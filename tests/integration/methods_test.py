"""Every quantization method on a task with three classes, with the real binaries; and on lesser processors."""

import json
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds

EXPERIMENT = """\
name: methods
seed: 11
threads: 1
experiments:
  baseline: {model: ./model, dataset: ./moods.tsv}
  dynamic_quantization: {}
  static_quantization: {calibration_texts: 16, weight_bits: [8, 4]}
  qat: {epochs: 1, learning_rate: 0.001, calibration_texts: 16, learned_steps: [false, true], distillation: 0.5}
  fp32_continued: {epochs: 1, learning_rate: 0.001}
  mixed_precision: {calibration_texts: 16, sensitivity_texts: 8, mode: [per_layer, whole]}
  weight_only: {calibration_texts: 16, dtype: [int4, int8]}
  comparison: {}
dataset: {text_column: words, label_column: mood, train_size: 160, validation_size: 30, test_size: 80, max_length: 24}
training: {epochs: 8, batch_size: 8, learning_rate: 0.003}
evaluation: {latency: {batch_sizes: [1], sequence_lengths: [16], warmup_iterations: 1, min_samples: 10, min_duration: 0.05, processes: 2}}
"""
LESSER = """\
name: lesser
threads: 1
experiments:
  baseline: {model: ./model, dataset: ./moods.tsv}
  static_quantization: {calibration_texts: 16}
  mixed_precision: {mode: whole, half: [bf16, fp16]}
  weight_only: {calibration_texts: 16}
  comparison: {}
dataset: {text_column: words, label_column: mood, train_size: 60, validation_size: 30, test_size: 40, max_length: 24}
training: {epochs: 1, batch_size: 8, learning_rate: 0.002}
evaluation: {latency: {batch_sizes: [1], sequence_lengths: [16], warmup_iterations: 1, min_samples: 10, min_duration: 0.05, processes: 2}}
"""


def make_moods(path, rows=330):
    rng = random.Random(5)
    lines = ["words\tmood"]
    for row in range(rows):
        mood = ("bad", "good", "neutral")[row % 3]
        choice = {"bad": worlds.BAD, "good": worlds.GOOD, "neutral": worlds.NEUTRAL}[mood]
        words = rng.choices(choice, k=5) + rng.choices(worlds.NEUTRAL, k=rng.randint(1, 4))
        rng.shuffle(words)
        lines.append(" ".join(words) + f" {row}\t{mood}")
    pathlib.Path(path).write_text("\n".join(lines) + "\n")


def report_data(world, name):
    return json.loads((world.results / name / "report_data.json").read_text(encoding="utf-8"))


def by_name(data):
    return {run["run"]["config"]["runName"]: run for run in data["runs"]}


class MethodsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = worlds.World()
        make_moods(cls.world.folder / "moods.tsv")
        cls.done = cls.world.quantctl("run", cls.world.write("methods.yaml", EXPERIMENT), timeout=500)
        cls.runs = by_name(report_data(cls.world, "methods")) if cls.done.returncode == 0 else {}

    @classmethod
    def tearDownClass(cls):
        cls.world.close()

    def setUp(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr)

    def find(self, run, name, **labels):
        return [m for m in self.runs[run].get("metrics", [])
                if m["name"] == name and labels.items() <= m.get("labels", {}).items()]

    def quantized(self):
        return [n for n in self.runs if n not in ("baseline", "comparison")]

    def test_every_method_keeps_what_the_model_learned(self):
        self.assertEqual(len(self.quantized()), 10)
        baseline = self.find("baseline", "accuracy", split="test")[0]["value"]
        self.assertGreater(baseline, 0.8)
        for name in self.quantized():
            self.assertGreater(self.find(name, "accuracy", split="test")[0]["value"], baseline - 0.15, name)

    def test_every_run_is_tested_against_the_baseline(self):
        for name in self.quantized():
            self.assertEqual(len(self.find(name, "label_flips", split="test")), 3, name)
            flips = sum(m.get("value", 0) for m in self.find(name, "label_flips", split="test"))
            agreement = self.find(name, "agreement", split="test")[0]["value"]
            self.assertAlmostEqual(agreement, 1 - flips / 80, places=9, msg=name)
            self.assertEqual(self.find(name, "non_inferior")[0]["labels"]["margin"], "0.01")
            self.assertTrue(self.find(name, "mcc", split="test"), name)

    def test_the_comparison_pairs_all_variants(self):
        count = len(self.quantized())
        self.assertEqual(len(self.find("comparison", "mcnemar_p_holm")), count)
        pairs = [m for m in self.find("comparison", "accuracy_difference") if "against" in m["labels"]]
        # Methods that made the same model are one variant here, and the comparison says so.
        same = [c for c in self.runs["comparison"].get("caveats", []) if c["code"] == "same_model"]
        different = count - len(same)
        self.assertGreaterEqual(different, count - 2)
        self.assertEqual(len(pairs), different * (different - 1) // 2)
        for name in self.quantized():
            self.assertTrue(self.find("comparison", "speedup", variant=name), name)
            self.assertTrue(self.find("comparison", "memory_usage", variant=name, kind="peak"), name)

    def test_layers_say_what_runs(self):
        kinds = {"dynamic_quantization": {"int8_dynamic"}, "static_quantization.weight_bits-8": {"int8_static"},
                 "static_quantization.weight_bits-4": {"int8_static"}, "qat.learned_steps-false": {"int8_static"},
                 "qat.learned_steps-true": {"int8_static"}, "fp32_continued": {"fp32"}}
        for name, wanted in kinds.items():
            self.assertEqual({layer["effective"] for layer in self.runs[name]["layers"]}, wanted, name)

    def test_curves_and_fronts_are_recorded(self):
        for name in ("baseline", "fp32_continued", "qat.learned_steps-true"):
            steps = [m for m in self.find(name, "train_loss") if int(m.get("step", 0)) > 0]
            self.assertGreater(len(steps), 5, name)
        self.assertTrue(self.find("mixed_precision.mode-per_layer", "front_accuracy", chosen="true"))
        self.assertTrue(self.find("mixed_precision.mode-per_layer", "layer_sensitivity", measure="divergence"))
        folder = self.world.results / "methods" / "mixed_precision" / "mode-per_layer"
        self.assertIn("predicted_divergence", (folder / "pareto.csv").read_text())

    def test_fewer_bits_make_smaller_models(self):
        def size(variant):
            return self.find("comparison", "model_size", variant=variant, part="quantized_layers")[0]["value"]
        self.assertLess(size("static_quantization.weight_bits-4"), size("static_quantization.weight_bits-8"))
        self.assertLess(size("weight_only.dtype-int4"), size("weight_only.dtype-int8"))


class LesserProcessorTest(unittest.TestCase):
    """ONEDNN_MAX_CPU_ISA plays a CPU without VNNI and without half precision."""

    def run_with(self, isa):
        world = worlds.World()
        self.addCleanup(world.close)
        make_moods(world.folder / "moods.tsv")
        environment = world.environment
        world.environment = lambda: {**environment(), "ONEDNN_MAX_CPU_ISA": isa}
        done = world.quantctl("run", world.write("lesser.yaml", LESSER), timeout=400)
        return done, by_name(report_data(world, "lesser"))

    def test_falls_back_with_the_reason(self):
        done, runs = self.run_with("AVX2")
        self.assertEqual(done.returncode, 0, done.stderr)
        for layer in runs["static_quantization"]["layers"]:
            self.assertEqual(layer["effective"], "int8_static")
            self.assertIn("no VNNI", layer["reason"])
        for half in ("bf16", "fp16"):
            run = runs[f"mixed_precision.half-{half}"]
            for layer in run["layers"]:
                self.assertEqual((layer["requested"], layer["effective"]), (half, "fp32"))
                self.assertIn(half.upper() + " arithmetic", layer["reason"])
            self.assertIn("fallback", {caveat["code"] for caveat in run["caveats"]})

    def test_a_comparison_on_portable_kernels_fails_loudly(self):
        done, runs = self.run_with("SSE41")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(runs["static_quantization"]["run"]["state"], "RUN_STATE_SUCCEEDED")
        self.assertEqual(runs["comparison"]["run"]["state"], "RUN_STATE_FAILED")
        message = runs["comparison"]["run"]["message"]
        self.assertIn("portable", message)
        self.assertIn("static_quantization", message)


if __name__ == "__main__":
    unittest.main()
