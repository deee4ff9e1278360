"""What benchmarks/methods/table.py calls shown: a whole interval, never one that merely reaches a bound."""

import importlib.util
import pathlib
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def table():
    spec = importlib.util.spec_from_file_location("table", ROOT / "benchmarks/methods/table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def metric(name, value, low=None, high=None, **labels):
    made = {"name": name, "value": value, "labels": labels}
    if low is not None:
        made.update(low=low, high=high)
    return made


class BoundsTest(unittest.TestCase):
    def test_only_a_whole_interval_shows(self):
        verdict = table().verdict
        self.assertEqual(verdict((0.0, -0.004, 0.004), 0.005), "yes")
        # Compatible with no loss, and with one larger than the margin.
        self.assertEqual(verdict((-0.004, -0.012, 0.004), 0.005), "not shown")
        self.assertEqual(verdict((0.001, -0.02, 0.022), 0.005), "not shown")
        self.assertEqual(verdict((-0.02, -0.03, -0.01), 0.005), "**no**")

    def test_a_small_loss_with_a_wide_interval_is_not_shown(self):
        module = table()
        experiment = module.Experiment.__new__(module.Experiment)
        experiment.comparison = None
        experiment.runs = {
            name: {"run": {"config": {"kind": "RUN_KIND_QUANTIZATION"}},
                   "metrics": [metric("accuracy_difference", *interval, split="test")]}
            for name, interval in {"dynamic_quantization": (-0.002, -0.02, 0.016),
                                   "static_quantization.weight_bits-8": (-0.002, -0.006, 0.002)}.items()}
        self.assertEqual([(text, shown) for text, shown, _ in module.bounds(experiment)],
                         [("`dynamic_quantization` loses at most 0.5 points", "not shown"),
                          ("`static_quantization.weight_bits-8` loses at most 1.0 points", "yes")])


if __name__ == "__main__":
    unittest.main()
