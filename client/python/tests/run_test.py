"""From a dict to data frames, with a service of one's own and the real runner."""

import contextlib
import io
import json
import os
import pathlib
import unittest

import pandas as pd
import worlds

import quantlab


@unittest.skipUnless(all((worlds.BIN / name).exists() for name in ("quantctl", "quant-worker", "quant-runner")),
                     "the programs are not built")
class RunTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = worlds.world.World()
        cls.addClassCleanup(cls.world.close)
        before = os.getcwd()
        os.chdir(cls.world.folder)
        cls.addClassCleanup(os.chdir, before)
        cls.lab = quantlab.local(data_dir=cls.world.data, quantctl=worlds.BIN / "quantctl",
                                 catalog=worlds.ROOT / "configs/catalog.yaml", environment=cls.world.environment())
        cls.addClassCleanup(cls.lab.close)
        cls.said = io.StringIO()
        with contextlib.redirect_stdout(cls.said):
            cls.experiment = cls.lab.run(worlds.EXPERIMENT, progress=True, timeout=240)

    def test_progress_says_what_happens(self):
        self.assertIn("baseline: RUNNING", self.said.getvalue())
        self.assertTrue(self.said.getvalue().endswith("SUCCEEDED\n"))

    def test_metrics_are_a_data_frame_with_intervals(self):
        accuracy = self.experiment.metrics("accuracy")
        test = accuracy[accuracy.label_split == "test"].set_index("variant")
        self.assertEqual(len(test), 3)
        self.assertGreater(test.value["baseline"], 0.9)
        self.assertTrue((test.low <= test.value).all())
        speed = self.experiment.metrics("speedup")
        self.assertEqual(set(speed.run), {"comparison"})
        curve = self.experiment.metrics("train_loss", curves=True)
        self.assertGreater(curve.step.max(), 1)

    def test_runs_layers_and_report_data_belong_together(self):
        runs, layers = self.experiment.runs(), self.experiment.layers()
        self.assertEqual(set(runs.state), {"SUCCEEDED"})
        self.assertEqual(set(layers.effective), {"int8_dynamic"})
        self.assertLessEqual(set(layers.run), set(runs.run))
        self.assertEqual(self.experiment.report_dict()["experiment"]["id"], self.experiment.id)
        self.assertTrue(any("baseline" in entry.run_id for entry in self.experiment.logs()))

    def test_a_dict_is_what_quantctl_writes_as_report_data(self):
        done = self.world.quantctl("report", self.experiment.id, "--format", "md")
        self.assertEqual(done.returncode, 0, done.stderr)
        written = json.loads((self.world.results / "tiny/report_data.json").read_text(encoding="utf-8"))
        self.assertEqual(self.experiment.report_dict(), written)

    def test_data_frames_have_the_columns_and_cells_of_quantctl_export(self):
        exported = self.world.folder / "exported"
        done = self.world.quantctl("export", self.experiment.id, "--output-dir", exported)
        self.assertEqual(done.returncode, 0, done.stderr)
        tables = {"runs": self.experiment.runs(), "layers": self.experiment.layers(),
                  "metrics": self.experiment.metrics(curves=True)}
        for name, table in tables.items():
            with self.subTest(name):
                theirs = pd.read_csv(exported / f"{name}.csv")
                missing = [column for column in table if column not in theirs]
                self.assertTrue(all(table[column].isna().all() for column in missing), missing)
                same = table[theirs.columns]
                fixed = [column for column in theirs if not column.startswith("label_")]
                self.assertEqual([c for c in table if not c.startswith("label_")], fixed)
                pd.testing.assert_frame_equal(plain(same), plain(theirs), check_dtype=False, check_exact=True)

    def test_artifacts_arrive_whole(self):
        names = self.experiment.artifacts().set_index("artifact")
        paths = self.experiment.download("baseline/model", to=self.world.folder / "got")
        self.assertIn(self.world.folder / "got/baseline/model/model.safetensors", paths)
        for path in paths:
            name = path.relative_to(self.world.folder / "got").as_posix()
            self.assertEqual(worlds.world.digest(path), names.sha256[name])
        again = pathlib.Path(paths[0])
        again.write_bytes(b"damaged")
        self.experiment.download("baseline/model", to=self.world.folder / "got")
        self.assertEqual(again.stat().st_size, names["size"][again.relative_to(self.world.folder / "got").as_posix()])

    def test_parquet_reads_back_as_it_was(self):
        folder = self.world.folder / "parquet"
        self.experiment.to_parquet(folder)
        pd.testing.assert_frame_equal(pd.read_parquet(folder / "layers.parquet"), self.experiment.layers(),
                                      check_dtype=False)
        self.assertGreater(len(pd.read_parquet(folder / "metrics.parquet")), len(self.experiment.metrics()))

    def test_the_service_is_quantctls_own(self):
        seen = self.world.quantctl("list", "-o", "json")
        self.assertIn(self.experiment.id, seen.stdout)


def plain(table):
    """A table as it reads back from a file: times as times; of JSON only what `quantctl export` writes too, which
    leaves out fields that are 0, false or empty."""
    table = pd.read_csv(io.StringIO(table.to_csv(index=False)))
    for column in table:
        if column.endswith("_time"):
            table[column] = pd.to_datetime(table[column], format="ISO8601")
        elif column in ("params", "environment", "labels", "caveats", "config"):
            table[column] = [without_defaults(json.loads(text)) for text in table[column]]
    return table


def without_defaults(value):
    if isinstance(value, list):
        return [without_defaults(each) for each in value]
    if not isinstance(value, dict):
        return value
    fields = {key: without_defaults(each) for key, each in value.items()}
    return {key: each for key, each in fields.items() if each not in (0, "0", "", [], {})}


@unittest.skipUnless(all((worlds.BIN / name).exists() for name in ("quantctl", "quant-worker", "quant-runner")),
                     "the programs are not built")
class LocalTest(unittest.TestCase):
    def test_the_service_ends_with_its_client(self):
        with worlds.world.World() as world:
            with quantlab.local(data_dir=world.data, quantctl=worlds.BIN / "quantctl", worker=False,
                                catalog=worlds.ROOT / "configs/catalog.yaml",
                                environment=world.environment()) as lab:
                self.assertEqual(len(lab.experiments()), 0)
                self.assertEqual(len(world.processes("quant-coordinator")), 1)
            self.assertEqual(world.processes("quant-coordinator"), [])


if __name__ == "__main__":
    unittest.main()
