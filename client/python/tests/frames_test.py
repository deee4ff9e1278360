"""Data frames from stored report data: a pure function."""

import json
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

from google.protobuf.json_format import ParseDict

from quantlab import frames
from quantlab.v1 import experiment_pb2

ROOT = pathlib.Path(__file__).resolve().parents[3]


def load(name):
    text = (ROOT / "tests/golden/report" / f"{name}.json").read_text(encoding="utf-8")
    return ParseDict(json.loads(text), experiment_pb2.ReportData(), ignore_unknown_fields=True)


def entries(data):
    return [experiment_pb2.MetricEntry(run_id=report.run.id, source_run_id=report.attempt.run_id,
                                       attempt=report.attempt.number, metric=metric)
            for report in data.runs for metric in report.metrics]


class FramesTest(unittest.TestCase):
    def test_each_number_is_a_row_with_its_labels_as_columns(self):
        data = load("seeds")
        table = frames.metrics(data, entries(data))
        self.assertEqual(len(table), sum(len(report.metrics) for report in data.runs))
        accuracy = table[(table.metric == "accuracy") & (table.label_split == "test")]
        self.assertEqual(accuracy.groupby("variant").seed.count().to_dict(),
                         {"baseline": 3, "dynamic_quantization": 3, "weight_only": 2})
        self.assertTrue((accuracy.low <= accuracy.value).all() and (accuracy.value <= accuracy.high).all())
        reused = table[table.run == "dynamic_quantization.seed-3"]
        self.assertEqual(set(reused.source_run), {"quick-older1/dynamic_quantization.seed-3"})
        self.assertEqual(set(table.columns[:6]), {"experiment", "run", "variant", "method", "seed", "attempt"})

    def test_runs_have_parameters_states_and_machines(self):
        table = frames.runs(load("seeds"))
        self.assertEqual(set(table.kind), {"baseline", "quantization", "comparison"})
        self.assertEqual(set(table[table.method == "dynamic_quantization"].param_granularity), {"per_token"})
        self.assertEqual(set(table.worker), {"w-5d1c"})
        self.assertEqual(str(table.start_time.dt.tz), "UTC")
        self.assertEqual(json.loads(table.config[0])["training"]["batchSize"], 32)

    def test_the_configuration_has_what_is_false_too(self):
        data = experiment_pb2.ReportData()
        data.runs.add().run.config.training.epochs = 1
        self.assertIs(json.loads(frames.runs(data).config[0])["training"]["dropout"], False)

    def test_a_failed_run_says_where_it_failed(self):
        data = experiment_pb2.ReportData()
        data.runs.add().attempts.add(number=2, worker_id="w-1", worker_hostname="there")
        self.assertEqual(frames.runs(data)[["attempt", "worker", "hostname"]].values.tolist(), [[2, "w-1", "there"]])

    def test_labels_have_their_columns_even_where_nothing_has_them(self):
        columns = [name for name in frames.metrics(load("only_baseline"), []) if name.startswith("label_")]
        self.assertEqual(columns[:3], ["label_split", "label_average", "label_variant"])
        for name in ("complete", "seeds", "sweep"):
            data = load(name)
            table = frames.metrics(data, entries(data))
            self.assertEqual([c for c in table if c.startswith("label_")], columns, "each label has its place")

    def test_labels_that_nobody_knows_come_last(self):
        data = load("hostile")
        self.assertEqual(frames.metrics(data, entries(data)).columns[-1], "label_class")

    def test_a_dict_has_what_is_zero_too(self):
        data = experiment_pb2.ReportData()
        data.runs.add().metrics.add(name="label_flips", value=0)
        metric = frames.to_dict(data)["runs"][0]["metrics"][0]
        self.assertEqual((metric["value"], metric["labels"]), (0, {}))

    def test_layers_say_what_ran(self):
        data = load("seeds")
        table = frames.layers(data)
        self.assertEqual(len(table), sum(len(report.layers) for report in data.runs))
        self.assertEqual(table.macs_share[0], data.runs[1].layers[0].macs_share)
        self.assertTrue((table.bytes <= table.bytes_fp32).all())

    def test_failed_runs_and_numbers_that_are_none_are_kept(self):
        data = load("failed_baseline")
        self.assertIn("FAILED", set(frames.runs(data).state))
        self.assertTrue(math.isinf(frames.metrics(data, entries(data)).value[0]))
        self.assertTrue(frames.layers(data).empty)

    def test_hostile_texts_are_only_texts(self):
        self.assertFalse(frames.runs(load("hostile")).empty)


class PackageTest(unittest.TestCase):
    def test_a_wheel_has_the_generated_code(self):
        with tempfile.TemporaryDirectory() as folder:
            tree = pathlib.Path(folder, "tree")
            # Building leaves files beside the sources.
            shutil.copytree(ROOT / "client/python", tree / "client/python",
                            ignore=shutil.ignore_patterns("build", "v1", "*.egg-info"))
            shutil.copytree(ROOT / "proto", tree / "proto")
            shutil.copy(ROOT / "CMakeLists.txt", tree)
            done = subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
                                   "--disable-pip-version-check", "-w", folder, tree / "client/python"],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            with zipfile.ZipFile(next(pathlib.Path(folder).glob("quantlab-*.whl"))) as wheel:
                names = wheel.namelist()
                metadata = wheel.read(next(n for n in names if n.endswith("METADATA"))).decode()
            for name in ("artifact", "error", "event", "experiment", "run_config", "worker"):
                self.assertIn(f"quantlab/v1/{name}_pb2.py", names)
            self.assertIn("quantlab/v1/__init__.py", names)
            self.assertIn("Requires-Dist: grpcio>=", metadata)


if __name__ == "__main__":
    unittest.main()
