"""A data folder and a results folder that version 0.1.0 wrote (commit c86a754), opened by the programs of today.

version_0.1.0.tar.xz holds `coordinator/` (the database and the artifacts of two experiments: `stored`, which
succeeded with a baseline, three quantized variants and a comparison, and `failing`, whose baseline failed) and
`results/stored/` without its report. Both were made from tests/world.py's tiny model and reviews.
"""

import hashlib
import json
import pathlib
import sys
import tarfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds

ARCHIVE = pathlib.Path(__file__).resolve().parent / "version_0.1.0.tar.xz"
VARIANTS = {"baseline": "baseline", "dynamic_quantization": "dynamic_quant",
            "static_quantization": "static_quant", "weight_only": "weight_only"}


def metrics_by_run(path):
    """Each run's metrics.json, without the roles of layers: version 0.1.0 had none, today they follow from the names."""
    runs = {}
    for file in sorted(path.glob("*/metrics.json")):
        runs[file.parent.name] = json.loads(file.read_text())
        for layer in runs[file.parent.name]["layers"]:
            layer.pop("role", None)
    return runs


class PreviousVersionTest(unittest.TestCase):
    def setUp(self):
        self.world = worlds.World()
        self.addCleanup(self.world.close)
        self.world.data.mkdir()
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(self.world.data, [m for m in archive if m.name.startswith("coordinator")])
            archive.extractall(self.world.folder, [m for m in archive if m.name.startswith("results")])

    def quantctl(self, *arguments, code=0):
        done = self.world.quantctl(*arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def json(self, *arguments):
        return json.loads(self.quantctl(*arguments, "-o", "json").stdout)

    def test_experiments_are_listed_and_explained(self):
        names = {e["name"]: e["state"] for e in self.json("list")["experiments"]}
        self.assertEqual({name: state.split("_")[-1] for name, state in names.items()},
                         {"stored": "succeeded", "failing": "failed"})
        failed = self.quantctl("explain", "failing/baseline").stdout
        self.assertIn("the train split should have 100000 rows, but only 140 are there", failed)
        skipped = self.quantctl("--lang", "zh", "explain", "failing/comparison").stdout
        self.assertIn("baseline", skipped)
        self.assertIn("baseline: SUCCEEDED", self.quantctl("watch", "stored").stdout +
                      self.quantctl("watch", "stored").stderr)

    def test_results_are_written_again_as_they_were(self):
        old = self.world.folder / "results" / "stored"
        before = metrics_by_run(old)
        models = {f: worlds.digest(old / f / "model" / "model.safetensors") for f in VARIANTS.values()}
        (old / "my notes.txt").write_text("mine")
        self.quantctl("download", "stored")
        self.assertEqual(metrics_by_run(old), before)
        self.assertEqual({f: worlds.digest(old / f / "model" / "model.safetensors")
                          for f in VARIANTS.values()}, models)
        self.assertEqual((old / "my notes.txt").read_text(), "mine")

    def test_the_report_and_the_exports_have_the_old_numbers(self):
        self.quantctl("report", "stored", "--format", "md")
        report = (self.world.folder / "results/stored/report/report.en.md").read_text()
        self.assertIn("50.00%", report)
        chinese = (self.world.folder / "results/stored/report/课程设计报告.md").read_text()
        self.assertNotIn("speedups are told against", chinese, "a stored caveat is shown in Chinese")
        accuracies = self.json("metrics", "stored", "--metric", "accuracy")
        self.assertIn("0.5", json.dumps(accuracies))
        table = self.quantctl("metrics", "stored").stdout
        for run in VARIANTS:
            self.assertIn(run, table)

    def test_a_failed_run_is_tried_again_from_its_stored_configuration(self):
        self.quantctl("retry", "failing")
        self.quantctl("watch", "failing", code=1)
        self.assertIn("the train split should have 100,000 rows", self.quantctl("explain", "failing/baseline").stdout)

    def test_a_damaged_artifact_is_found_and_computed_again_with_the_stored_models(self):
        samples = hashlib.sha256(
            (self.world.folder / "results/stored/comparison/samples.csv").read_bytes()).hexdigest()
        path = self.world.data / "coordinator/artifacts" / samples[:2] / samples[2:]
        path.chmod(0o600)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        (self.world.folder / "results/stored/comparison/samples.csv").unlink()
        failed = self.world.quantctl("download", "stored")
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn("set aside", failed.stderr)
        self.assertFalse(path.exists())
        self.quantctl("retry", "stored")
        self.quantctl("watch", "stored")
        run = next(r for r in self.json("get", "stored")["runs"] if r["id"].endswith("/comparison"))
        self.assertEqual((run["state"].split("_")[-1].upper(), int(run["attempts"])), ("SUCCEEDED", 2))
        self.quantctl("download", "stored")
        self.assertTrue((self.world.folder / "results/stored/comparison/samples.csv").exists())


if __name__ == "__main__":
    unittest.main()
