"""Trainings that are interrupted on one worker and continued on another, with the real binaries."""

import json
import pathlib
import signal
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds

# Several seconds of each training, on the tiny model.
EXPERIMENT = """\
name: resumed
seed: 11
threads: 1
reuse: false
experiments:
  baseline: {model: ./model, dataset: ./reviews.csv}
  qat: {epochs: 60, learning_rate: 0.001, calibration_texts: 16, distillation: 0.5}
  fp32_continued: {epochs: 60, learning_rate: 0.001}
dataset: {train_size: 120, validation_size: 20, test_size: 80, max_length: 24}
training: {epochs: 90, batch_size: 8, learning_rate: 0.002}
evaluation: {metrics: [accuracy, model_size]}
"""
CATALOG = worlds.ROOT / "configs/catalog.yaml"
RUNS = ("baseline", "qat", "fp32_continued")
FILES = ("model/model.safetensors", "predictions.csv", "training_log.csv")


def digests(world):
    return {f"{run}/{file}": worlds.digest(world.results / "resumed" / run / file) for run in RUNS for file in FILES}


class Service:
    """A coordinator in the folder of a world, and workers that come and go."""

    def __init__(self, world):
        self.world = world
        self.address = f"unix:{world.folder}/c.sock"
        self.log = open(world.folder / "programs.log", "ab")
        self.coordinator = subprocess.Popen(
            [worlds.BIN / "quant-coordinator", "--data-dir", world.folder / "coordinator", "--listen", self.address,
             "--catalog", CATALOG, "--metrics-listen", "off", "--lease-seconds", "10"],
            stdout=subprocess.PIPE, stderr=self.log, env=world.environment())
        assert self.coordinator.stdout.readline().startswith(b"ready")
        self.workers = 0

    def worker(self, *options):
        self.workers += 1
        return subprocess.Popen(
            [worlds.BIN / "quant-worker", "--coordinator", self.address, "--data-dir",
             self.world.folder / f"worker{self.workers}", *map(str, options)],
            stderr=self.log, env=self.world.environment())

    def rows(self, query, *arguments):
        database = sqlite3.connect(f"file:{self.world.folder}/coordinator/quantlab.db?mode=ro", uri=True)
        try:
            return database.execute(query, arguments).fetchall()
        finally:
            database.close()

    def training(self):
        """(run, attempt) of a training under way that has made some steps, or None."""
        rows = self.rows("SELECT runs.name, number, progress FROM attempts JOIN runs ON runs.key = attempts.run"
                         " WHERE attempts.state = 'RUNNING' AND progress IS NOT NULL")
        for run, number, progress in rows:
            progress = json.loads(progress)
            if progress.get("phase") == "training" and 20 < int(progress.get("done", 0)) < int(progress["total"]) - 20:
                return run, number
        return None

    def checkpoints(self):
        return self.rows("SELECT runs.name, number, artifacts.name, sha256 FROM artifacts"
                         " JOIN attempts ON attempts.key = attempt JOIN runs ON runs.key = run"
                         " WHERE artifacts.name LIKE 'checkpoint/%' ORDER BY number, artifacts.name")

    def file(self, sha256):
        return self.world.folder / "coordinator/artifacts" / sha256[:2] / sha256[2:]

    def close(self):
        self.coordinator.kill()
        self.coordinator.wait()
        self.coordinator.stdout.close()
        self.log.close()


class ResumeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with worlds.World(EXPERIMENT) as world:
            done = world.quantctl("run", world.experiment, timeout=600)
            assert done.returncode == 0, done.stderr
            cls.expected = digests(world)

    def setUp(self):
        self.world = worlds.World(EXPERIMENT)
        self.addCleanup(self.world.close)
        self.service = Service(self.world)
        self.addCleanup(self.service.close)
        self.client = self.world.start("--coordinator", self.service.address, "run", self.world.experiment)

    def await_training(self, run, attempt):
        worlds.wait_until(lambda: self.service.training() == (run, attempt), 120, f"{run}, attempt {attempt}, to train")

    def end(self, worker):
        """The rest of the experiment by this worker, which computes what an undisturbed one computes."""
        out, err = self.client.communicate(timeout=300)
        self.assertEqual(self.client.returncode, 0, f"{out}\n{err}")
        worker.send_signal(signal.SIGTERM)
        self.assertEqual(worker.wait(timeout=60), 0)
        self.assertEqual(digests(self.world), self.expected)
        self.assertEqual(self.service.checkpoints(), [], "of runs that have ended")

    def resumed(self, run):
        """What the log of a run says about its training."""
        log = (self.world.results / "resumed" / run / "log.txt").read_text()
        return [line for line in log.splitlines() if "the training continues after step" in line]

    def test_sigterm_hands_each_training_to_another_worker(self):
        worker = self.service.worker("--checkpoint-seconds", 10_000)
        for run in RUNS:
            self.await_training(run, 1)
            worker.send_signal(signal.SIGTERM)
            self.assertEqual(worker.wait(timeout=60), 0)
            # Another run may wait with a checkpoint of its own: what was interrupted goes to the end of the queue.
            saved = [row for row in self.service.checkpoints() if row[0] == run]
            self.assertEqual([number for _, number, *_ in saved], [1])
            self.assertTrue(self.service.file(saved[0][3]).is_file())
            said = self.world.quantctl("--coordinator", self.service.address, "explain", f"latest/{run}")
            self.assertIn("the next attempt continues its training after step", said.stdout)
            # It continues this training, and then begins the next.
            worker = self.service.worker("--checkpoint-seconds", 10_000)
        self.end(worker)
        for run in RUNS:
            self.assertEqual(len(self.resumed(run)), 1, run)

    def test_sigkill_costs_what_was_trained_since_the_last_checkpoint(self):
        first = self.service.worker("--checkpoint-seconds", 0.1)
        worlds.wait_until(lambda: [1 for *_, sha256 in self.service.checkpoints() if self.service.file(sha256).is_file()],
                          120, "a checkpoint in the store")
        first.kill()
        first.wait()
        worlds.wait_until(lambda: not self.world.processes("quant-runner"), 30, "the runner to end with its worker")
        self.end(self.service.worker())
        self.assertEqual(len(self.resumed("baseline")), 1)

    def test_a_worker_that_comes_back_continues_its_own_training(self):
        worker = self.service.worker("--checkpoint-seconds", 10_000)
        self.await_training("baseline", 1)
        worker.send_signal(signal.SIGTERM)
        worker.wait(timeout=60)
        self.service.workers -= 1  # the same data folder
        self.end(self.service.worker())
        self.assertEqual(len(self.resumed("baseline")), 1)

    def test_a_checkpoint_that_was_lost_costs_the_whole_training(self):
        worker = self.service.worker("--checkpoint-seconds", 10_000)
        self.await_training("baseline", 1)
        worker.send_signal(signal.SIGTERM)
        worker.wait(timeout=60)
        self.service.file(self.service.checkpoints()[0][3]).unlink()
        self.end(self.service.worker())
        self.assertEqual(self.resumed("baseline"), [])


if __name__ == "__main__":
    unittest.main()
