"""configs/quick.yaml on real reviews: accurate enough, and the same bits twice."""

import json
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds

QUICK = worlds.ROOT / "configs" / "quick.yaml"
# mixed_precision chooses by measured times, which are never the same twice.
DETERMINISTIC = ("baseline", "dynamic_quant", "static_quant", "qat", "fp32_continued", "weight_only")
SAME = [f"{run}/{file}" for run in DETERMINISTIC
        for file in ("model/model.safetensors", "predictions.csv")]


def run_quick(test):
    """Runs it in a world of its own; returns accuracy by run, test examples, and digests."""
    with worlds.World() as world:
        if "QUANTLAB_ASSETS" in os.environ:  # fetched once, checked at each use
            (world.folder / "assets").symlink_to(os.environ["QUANTLAB_ASSETS"])
        done = world.quantctl("run", QUICK, "--no-reuse", timeout=3600)
        test.assertEqual(done.returncode, 0, done.stderr)
        results = world.results / "quick"
        metrics = {}
        for run in DETERMINISTIC:
            rows = json.loads((results / run / "metrics.json").read_text())["metrics"]
            metrics[run] = next(m for m in rows if m["name"] == "accuracy")
        return metrics, {name: worlds.digest(results / name) for name in SAME}


class QuickTest(unittest.TestCase):
    def test_accuracy_and_determinism(self):
        metrics, digests = run_quick(self)
        baseline = metrics["baseline"]
        print({run: metric["value"] for run, metric in metrics.items()}, file=sys.stderr)
        self.assertGreaterEqual(int(baseline["samples"]), 2000)
        self.assertGreaterEqual(baseline["value"], 0.84)
        self.assertGreaterEqual(metrics["dynamic_quant"]["value"], baseline["value"] - 0.010)
        for run, metric in metrics.items():
            self.assertGreaterEqual(metric["value"], baseline["value"] - 0.015, run)
        _, again = run_quick(self)
        self.assertEqual(again, digests)


if __name__ == "__main__":
    unittest.main()
