"""The main job on a tiny model, with the real binaries: what a user does, and what they get."""

import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds


class MainJobTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = worlds.World()
        cls.first = cls.world.quantctl("run", cls.world.experiment)

    @classmethod
    def tearDownClass(cls):
        cls.world.close()

    def metrics(self, run):
        data = json.loads((self.world.results / "tiny" / run / "metrics.json").read_text())
        return {(m["name"], tuple(sorted(m.get("labels", {}).items()))): m for m in data["metrics"]}

    def test_succeeds_and_leaves_nothing_running(self):
        self.assertEqual(self.first.returncode, 0, self.first.stderr)
        for program in ("quant-coordinator", "quant-worker", "quant-runner"):
            self.assertEqual(self.world.processes(program), [])

    def test_writes_a_folder_for_each_run_and_the_report(self):
        results = self.world.results / "tiny"
        for name in ("baseline", "dynamic_quant", "comparison"):
            for file in ("config.json", "metrics.json", "log.txt"):
                self.assertTrue((results / name / file).is_file(), f"{name}/{file}")
        for file in ("课程设计报告.md", "report.en.md"):
            text = (results / "report" / file).read_text(encoding="utf-8")
            self.assertIn("dynamic_quantization", text)
        self.assertTrue(list((results / "report" / "tables").glob("*.csv")))

    def test_learns_and_quantization_keeps_it(self):
        def accuracy(run):
            return next(m["value"] for (name, _), m in self.metrics(run).items() if name == "accuracy")
        self.assertGreater(accuracy("baseline"), 0.9)
        self.assertGreater(accuracy("dynamic_quant"), accuracy("baseline") - 0.05)

    def test_saved_models_predict_alike_in_any_batch(self):
        import subprocess
        texts = "good great film\nbad\n\nthe plot was dreadful and the acting dull but the music superb\n"
        folder = self.world.results / "tiny" / "dynamic_quant" / "model"
        def predict(lines):
            done = subprocess.run([worlds.BIN / "quant-runner", "predict", "--model", folder], input=lines,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            return [json.loads(line) for line in done.stdout.splitlines()]
        together = predict(texts)
        self.assertEqual(len(together), 4)
        alone = [predict(line + "\n")[0] for line in texts.split("\n")[:4]]
        self.assertEqual(together, alone)

    def test_second_call_reuses_models_but_measures_speed_anew(self):
        second = self.world.quantctl("run", self.world.experiment)
        self.assertEqual(second.returncode, 0, second.stderr)
        data = json.loads((self.world.results / "tiny" / "report_data.json").read_text())
        reused = {r["run"]["config"]["runName"]: r["run"].get("reused", False) for r in data["runs"]}
        self.assertEqual(reused, {"baseline": True, "dynamic_quantization": True, "comparison": False})

    def test_fresh_data_folder_gives_the_same_bits(self):
        with worlds.World() as other:
            done = other.quantctl("run", other.experiment, "--no-reuse")
            self.assertEqual(done.returncode, 0, done.stderr)
            for name in ("baseline/model/model.safetensors", "dynamic_quant/model/model.safetensors",
                         "baseline/predictions.csv", "dynamic_quant/predictions.csv"):
                self.assertEqual(worlds.digest(other.results / "tiny" / name),
                                 worlds.digest(self.world.results / "tiny" / name), name)


if __name__ == "__main__":
    unittest.main()
