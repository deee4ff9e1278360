"""kill -9 of worker, runner and coordinator at seeded moments of an experiment.

Whatever is killed, the experiment ends by itself with the same final weights as an undisturbed one, and
each event is stored once.

    kill_test.py [--trials N] [--seed S]      N kills of each victim
"""

import argparse
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds

VICTIMS = ("quant-worker", "quant-runner", "quant-coordinator")
ARTIFACTS = ("baseline/model/model.safetensors", "dynamic_quant/model/model.safetensors",
             "dynamic_quant/predictions.csv")
TRIALS, SEED = 2, 20


def final_digests(world):
    return {name: worlds.digest(world.results / "tiny" / name) for name in ARTIFACTS}


def run_undisturbed():
    with worlds.World() as world:
        began = time.monotonic()
        done = world.quantctl("run", world.experiment)
        assert done.returncode == 0, done.stderr
        return final_digests(world), time.monotonic() - began


def kill_at(world, process, victim, delay):
    """Kills one living `victim`, `delay` seconds from now or as soon as there is one. False: none came."""
    time.sleep(delay)
    while process.poll() is None:
        for pid in world.processes(victim):
            try:
                os.kill(pid, signal.SIGKILL)
                return True
            except ProcessLookupError:
                pass
        time.sleep(0.01)
    return False


class KillTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.expected, cls.duration = run_undisturbed()

    def check_events(self, world):
        database = sqlite3.connect(f"file:{world.data}/coordinator/quantlab.db?mode=ro", uri=True)
        rows = database.execute(
            "SELECT runs.id, attempts.number, COUNT(*), COUNT(DISTINCT event), MIN(event), MAX(event)"
            " FROM changes JOIN attempts ON attempts.key = changes.attempt"
            " JOIN runs ON runs.key = attempts.run GROUP BY attempts.key").fetchall()
        database.close()
        self.assertTrue(rows)
        for run, attempt, count, distinct, lowest, highest in rows:
            self.assertEqual((count, distinct, lowest), (highest, highest, 1), f"{run} attempt {attempt}")

    def trial(self, victim, seed):
        rng = random.Random(f"{victim}-{seed}")
        while True:  # until a kill really happened before the end
            delay = rng.uniform(0, self.duration)
            with worlds.World() as world:
                process = world.start("run", world.experiment)
                killed = kill_at(world, process, victim, delay)
                try:
                    out, err = process.communicate(timeout=180)
                except subprocess.TimeoutExpired:
                    process.kill()
                    out, err = process.communicate()
                    self.fail(f"did not end after kill -9 of {victim} at {delay:.2f} s\n{err}")
                if not killed:
                    continue
                self.assertEqual(process.returncode, 0, f"{victim} killed at {delay:.2f} s\n{out}\n{err}")
                self.assertEqual(final_digests(world), self.expected, f"{victim} killed at {delay:.2f} s")
                self.check_events(world)
                worlds.wait_until(
                    lambda: not any(world.processes(name) for name in VICTIMS), 10, "all processes to end")
            return

    def trials(self, victim):
        for number in range(TRIALS):
            with self.subTest(victim=victim, trial=number):
                self.trial(victim, SEED + number)

    def test_worker(self):
        self.trials("quant-worker")

    def test_runner(self):
        self.trials("quant-runner")

    def test_coordinator(self):
        self.trials("quant-coordinator")

    def test_client_leaves_nothing_behind(self):
        with worlds.World() as world:
            process = world.start("run", world.experiment)
            worlds.wait_until(lambda: world.processes("quant-runner"), 60, "the first runner")
            process.kill()
            process.communicate()
            worlds.wait_until(
                lambda: not any(world.processes(name) for name in VICTIMS), 20, "all processes to end")
            # The same command again finishes the work, and finds nothing to repair.
            again = world.quantctl("run", world.experiment)
            self.assertEqual(again.returncode, 0, again.stderr)
            self.assertEqual(final_digests(world), self.expected)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments, rest = parser.parse_known_args()
    TRIALS, SEED = arguments.trials, arguments.seed
    unittest.main(argv=[sys.argv[0], *rest])
