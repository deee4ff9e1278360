"""Seeded random faults of whole experiments: coordinator, worker and runner are killed (SIGKILL) or stopped for a
while (SIGSTOP), one or two at a time, at random moments.

    random_trials.py [--trials N] [--seed S]      trials S to S+N-1; a trial that failed is replayed by its seed

After each trial: the experiment has ended by itself with the weights and predictions of an undisturbed one, every event
is stored once and in order, changes are numbered without gaps, each run has one result and no attempt is open, the
database is sound, every artifact has its digest, and no process is left.
"""

import argparse
import hashlib
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import kill_test
import world as worlds

TRIALS, SEED = 30, 3000
# Of one trial: several leases of 30 s and the work itself on a busy machine.
LIMIT = 300


class Fault:
    """One signal to one program at one moment; a stopped program goes on after `pause` seconds."""

    def __init__(self, rng, duration):
        self.program = rng.choice(kill_test.VICTIMS)
        self.number = rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP))
        self.delay = rng.uniform(0, duration)
        self.pause = rng.choice((0.2, 2, 8))
        self.hit = False

    def __str__(self):
        what = "killed" if self.number == signal.SIGKILL else f"stopped for {self.pause} s"
        return f"{self.program} {what} at {self.delay:.2f} s{'' if self.hit else ' (was not there)'}"

    def strike(self, world, process):
        time.sleep(self.delay)
        while process.poll() is None and not self.hit:
            for pid in world.processes(self.program):
                try:
                    os.kill(pid, self.number)
                    self.hit = True
                    if self.number == signal.SIGSTOP:
                        time.sleep(self.pause)
                        os.kill(pid, signal.SIGCONT)
                    return
                except ProcessLookupError:
                    continue
            time.sleep(0.02)


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def check_database(world):
    path = world.data / "coordinator/quantlab.db"
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    ask = lambda text: database.execute(text).fetchall()
    try:
        expect(ask("PRAGMA integrity_check") == [("ok",)], "the database is damaged")
        for run, number, count, distinct, lowest, highest in ask(
                "SELECT attempts.run, number, COUNT(*), COUNT(DISTINCT event), MIN(event), MAX(event) FROM changes"
                " JOIN attempts ON attempts.key = changes.attempt GROUP BY attempts.key"):
            expect((count, distinct, lowest) == (highest, highest, 1), f"events of run {run}, attempt {number}")
        for count, lowest, highest in ask(
                "SELECT COUNT(*), MIN(sequence), MAX(sequence) FROM changes GROUP BY experiment"):
            expect((count, lowest) == (highest, 1), f"{count} changes are numbered {lowest} to {highest}")
        expect(ask("SELECT COUNT(*) FROM runs WHERE state <> 'SUCCEEDED' OR result IS NULL") == [(0,)],
               "a run has no result")
        expect(ask("SELECT COUNT(*) FROM attempts WHERE state = 'RUNNING'") == [(0,)], "an attempt is open")
        return [digest for digest, in ask("SELECT DISTINCT sha256 FROM artifacts")]
    finally:
        database.close()


def check_artifacts(world, digests):
    for digest in digests:
        path = world.data / "coordinator/artifacts" / digest[:2] / digest[2:]
        expect(hashlib.sha256(path.read_bytes()).hexdigest() == digest, f"artifact {digest} is damaged")


def trial(seed, expected, duration):
    rng = random.Random(seed)
    faults = [Fault(rng, duration) for _ in range(rng.choice((1, 1, 2)))]
    start = time.monotonic()
    with worlds.World() as world:
        process = world.start("run", world.experiment)
        threads = [threading.Thread(target=fault.strike, args=(world, process)) for fault in faults]
        for thread in threads:
            thread.start()
        try:
            out, err = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise AssertionError(f"did not end within {LIMIT} s ({'; '.join(map(str, faults))})") from error
        finally:
            for thread in threads:
                thread.join()
        what = "; ".join(map(str, faults))
        expect(process.returncode == 0, f"exit code {process.returncode} ({what})\n{out}\n{err}")
        expect(kill_test.final_digests(world) == expected, f"other results ({what})")
        worlds.wait_until(lambda: not any(world.processes(name) for name in kill_test.VICTIMS), 30,
                          f"all processes to end ({what})")
        check_artifacts(world, check_database(world))
    print(f"ok     seed {seed}: {what}; {time.monotonic() - start:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    expected, duration = kill_test.run_undisturbed()
    failed = []
    for seed in range(arguments.seed, arguments.seed + arguments.trials):
        try:
            trial(seed, expected, duration)
        except Exception:  # a trial that breaks is a trial that failed
            traceback.print_exc()
            print(f"FAILED seed {seed}; again: random_trials.py --trials 1 --seed {seed}", flush=True)
            failed.append(seed)
    print(f"{arguments.trials - len(failed)} of {arguments.trials} trials held, seeds {arguments.seed} to "
          f"{arguments.seed + arguments.trials - 1}" + (f"; failed: {failed}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
