"""From a dict to data frames, with a service of one's own and the real runner."""

import contextlib
import io
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
