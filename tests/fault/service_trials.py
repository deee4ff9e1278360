"""Seeded random faults of the service: real coordinator and workers, and a runner that takes no time (fake_runner.py).

    service_trials.py [--trials N] [--seed S]      trials S to S+N-1; a trial that failed is replayed by its seed

by the Python of .venv-tests. In each trial two workers and a played one execute two or three experiments, while one to
three of these happen at random moments:

    coordinator, worker or runner killed (SIGKILL) or stopped for a while (SIGSTOP)
    the connections of a worker cut, silent or slow
    the disk of the coordinator full, its database's writes or synchronizations failing, or written and reported failed
      (faulty_disk.cc beneath SQLite); as root also a file system that really is full
    the coordinator's clock an hour ahead or back

The played worker sends everything up to three times, in any order and at the same time, and what must be refused. After
each trial: every run has succeeded with one result and the right files, all that was acknowledged is stored and nothing
else was accepted, events and changes are there once and in order, the database is sound, no process is left.
"""

import argparse
import concurrent.futures
import contextlib
import hashlib
import json
import mmap
import os
import pathlib
import random
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fake_runner
from random_trials import expect
from service import PlayedWorker, Service, Stubs, worlds

import grpc  # noqa: E402
from quantlab.v1 import event_pb2, worker_pb2  # noqa: E402

TRIALS, SEED = 100, 20_000
WORKERS = 2
LEASE = 2  # seconds
LIMIT = 120  # seconds until everything has ended
DISK = 128 << 20  # the artifact store keeps 64 MiB of it free
FINAL = "('SUCCEEDED', 'FAILED', 'CRASHED', 'LOST', 'TIMED_OUT', 'CANCELLED', 'PREEMPTED', 'SKIPPED')"

EXPERIMENT = """\
name: trial
seeds: [{seed}, {next}]
reuse: {reuse}
experiments:
  baseline: {{enabled: true, model: ./model, dataset: ./reviews.csv}}
  dynamic_quantization: {{enabled: true}}
dataset: {{train_size: 120, validation_size: 20, test_size: 80, max_length: 24}}
training: {{epochs: 1, batch_size: 8}}
evaluation: {{metrics: [accuracy]}}
"""


def reset_on_close(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Proxy:
    """Forwards connections to a port, and can cut, silence or delay them."""

    def __init__(self, port):
        self.port = port
        self.silent, self.delay = False, 0.0
        self.open = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.port), timeout=5)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            self.open += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self.pass_on, args=(source, target), daemon=True).start()

    def pass_on(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                while self.silent:
                    time.sleep(0.01)
                time.sleep(self.delay)
                target.sendall(data)
        for connection in (source, target):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def cut(self):
        connections, self.open = self.open, []
        for connection in connections:
            with contextlib.suppress(OSError):
                reset_on_close(connection)
                connection.shutdown(socket.SHUT_RDWR)
                connection.close()

    def close(self):
        self.listener.close()
        self.silent = False
        self.cut()


class DiskControl:
    """What faulty_disk.cc reads: how the coordinator's disk and clock behave."""

    LAYOUT = "<iiq"

    def __init__(self, path):
        path.write_bytes(bytes(struct.calcsize(self.LAYOUT)))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 0)
        self.fault, self.percent, self.offset = 0, 0, 0

    def set(self, **fields):
        self.__dict__.update(fields)
        self.memory[:] = struct.pack(self.LAYOUT, self.fault, self.percent, self.offset)


class Setup:
    """A coordinator with its workers in a folder of their own."""

    def __init__(self, world, rng):
        self.world, self.rng = world, rng
        self.data = world.folder / "coordinator"
        self.data.mkdir()
        self.mounted = os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "trial", self.data], stderr=subprocess.DEVNULL).returncode == 0
        self.disk = DiskControl(world.folder / "faults")
        self.service = Service(world, tcp=True, arguments=["--lease-seconds", LEASE], environment={
            "LD_PRELOAD": str(worlds.BIN / "libfaulty_disk.so"), "QUANTLAB_FAULTS": str(world.folder / "faults"),
            "QUANTLAB_FAULTS_BELOW": str(self.data)})
        port = int(self.service.address.rpartition(":")[2])
        self.proxies = [Proxy(port) for _ in range(WORKERS + 1)]
        self.service.opened.append(Stubs(self.proxies[-1].address))
        self.played = ConfusedWorker(self.service.opened[-1], random.Random(rng.random()))
        self.methods = json.dumps([{"name": m.name, "version": m.version} for m in self.played.worker.info.methods])
        self.workers, self.restarting = [None] * WORKERS, threading.Lock()
        for number in range(WORKERS):
            self.start_worker(number)

    def start_worker(self, number):
        log = open(self.world.folder / f"worker{number}.log", "ab")
        with log:
            self.workers[number] = subprocess.Popen(
                [worlds.BIN / "quant-worker", "--coordinator", self.proxies[number].address, "--data-dir",
                 self.world.folder / f"worker{number}", "--runner", pathlib.Path(fake_runner.__file__), "--machine-id",
                 f"machine{number}", "--metrics-listen", "off"],
                stdout=log, stderr=log, env={**self.world.environment(), "QUANTLAB_FAKE_METHODS": self.methods})

    def submit(self, number):
        path = self.world.write(f"trial{number}.yaml", EXPERIMENT.format(
            seed=10 * number + 1, next=10 * number + 2, reuse="true" if self.rng.random() < 0.5 else "false"))

        def accepted():
            return self.service.quantctl("submit", path).returncode == 0

        worlds.wait_until(accepted, LIMIT, "a submission to be accepted", pause=0.2)

    def runners(self):
        """Process ids."""
        return [int(entry.name) for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit()
                and self.is_ours(entry, program=b"python3")]

    def is_ours(self, entry, program=b""):
        try:
            line = (entry / "cmdline").read_bytes()
        except OSError:
            return False
        return line.split(b"\0")[0].endswith(program) and str(self.world.folder).encode() in line

    def left_over(self):
        return [entry.name for entry in pathlib.Path("/proc").iterdir()
                if entry.name.isdigit() and int(entry.name) != os.getpid() and self.is_ours(entry)]

    def ask(self, text):
        database = sqlite3.connect(f"file:{self.data}/quantlab.db?mode=ro", uri=True, timeout=10)
        try:
            return database.execute(text).fetchall()
        finally:
            database.close()

    def all_ended(self):
        try:
            return self.ask(f"SELECT COUNT(*) FROM runs WHERE state NOT IN {FINAL}") == [(0,)]
        except sqlite3.Error:
            return False

    def end_programs(self):
        self.played.end()
        for worker in self.workers:
            worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            # Killed by the signal: it has only just been started again, and does not handle it yet.
            expect(worker.wait(timeout=60) in (0, -signal.SIGTERM), f"a worker ended with {worker.returncode}")
        self.service.process.send_signal(signal.SIGTERM)
        expect(self.service.process.wait(timeout=60) == 0, f"the coordinator ended with {self.service.process.returncode}")

    def close(self):
        self.played.end()
        for process in (*self.workers, self.service.process):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        for pid in self.runners():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for proxy in self.proxies:
            proxy.close()
        self.service.close()
        if self.mounted:
            subprocess.run(["umount", "-l", self.data], check=True)


class ConfusedWorker:
    """A played worker that sends all it has to send again, out of order and at the same time."""

    EVENTS = 9
    # Answers after which the same request is sent again.
    TAKEN = (grpc.StatusCode.ABORTED, grpc.StatusCode.NOT_FOUND)  # another has the run by now
    PASSING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED,
               grpc.StatusCode.INTERNAL, grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.FAILED_PRECONDITION,
               grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN)

    def __init__(self, stubs, rng):
        self.worker = PlayedWorker(stubs, f"played-{rng.random():.6f}")
        self.rng = rng
        self.ending = threading.Event()
        self.acknowledged = {}  # (run id, attempt) -> number of the last event
        self.finished = set()  # (run id, attempt)
        self.wrongs = []  # what should have been refused
        self.sent = 0
        self.pool = concurrent.futures.ThreadPoolExecutor(max_workers=8)
        self.thread = threading.Thread(target=self.work, daemon=True)

    def start(self):
        self.thread.start()

    def end(self):
        self.ending.set()
        if self.thread.is_alive():
            self.thread.join(timeout=60)
        self.pool.shutdown(wait=False, cancel_futures=True)

    def work(self):
        while not self.ending.is_set():
            try:
                assignment = self.worker.assignment(wait=0.5)
                if assignment:
                    self.execute(assignment)
            except grpc.RpcError:
                self.ending.wait(0.1)

    def execute(self, assignment):
        attempt = assignment.attempt
        name = f"{assignment.config.variant} {assignment.config.seed}"
        content = fake_runner.result_of(name)
        artifact = event_pb2.Artifact(name="model/model.safetensors", sha256=self.worker.upload(content), size=len(content))
        events = [event_pb2.Event(number=i, metric=event_pb2.Metric(name="train_loss", value=1 / i, unit="1"))
                  for i in range(1, self.EVENTS)] + [event_pb2.Event(number=self.EVENTS, artifact=artifact)]
        for event in events:
            event.time.GetCurrentTime()
        if not self.deliver(attempt, events):
            return
        self.send_what_must_be_refused(attempt)
        end = worker_pb2.FinishAttemptRequest(attempt=attempt, outcome="RUN_STATE_SUCCEEDED", last_number=self.EVENTS,
                                              artifacts=[artifact])
        end.end_time.GetCurrentTime()
        while not self.ending.is_set():
            codes = list(self.pool.map(lambda request: self.code(self.worker.stubs.workers.FinishAttempt, request),
                                       [end] * self.rng.randint(1, 3)))
            if None in codes:
                self.finished.add((attempt.run_id, attempt.number))
                self.contradict(end)
                return
            if self.is_taken(attempt, codes):
                return
            time.sleep(0.1)

    def deliver(self, attempt, events):
        """All events, in parts that overlap, come again and overtake each other. False once the attempt is lost."""
        key = (attempt.run_id, attempt.number)
        while not self.ending.is_set():
            parts = []
            for _ in range(self.rng.randint(2, 6)):
                first = self.rng.randrange(len(events))
                parts.append(events[first:first + self.rng.randint(1, len(events))])
            parts.append(events)
            self.rng.shuffle(parts)
            answers = list(self.pool.map(lambda part: self.report(attempt, part), parts))
            for code, through in answers:
                if code is None:
                    self.acknowledged[key] = max(through, self.acknowledged.get(key, 0))
            if self.is_taken(attempt, [code for code, _ in answers]):
                return False
            if self.acknowledged.get(key) == len(events):
                return True
            time.sleep(0.1)
        return False

    def is_taken(self, attempt, codes):
        self.wrongs += [f"{attempt.run_id}: {code}" for code in codes
                        if code is not None and code not in self.PASSING + self.TAKEN]
        return any(code in self.TAKEN for code in codes)

    def report(self, attempt, events):
        request = worker_pb2.ReportEventsRequest(attempt=attempt, first_number=events[0].number, events=events)
        self.sent += 1
        try:
            return None, self.worker.stubs.workers.ReportEvents(request, timeout=10).acknowledged_through
        except grpc.RpcError as error:
            return error.code(), 0

    def code(self, call, request):
        self.sent += 1
        try:
            call(request, timeout=10)
            return None
        except grpc.RpcError as error:
            return error.code()

    def send_what_must_be_refused(self, attempt):
        """An end before its last events, and events of the next attempt."""
        early = worker_pb2.FinishAttemptRequest(attempt=attempt, outcome="RUN_STATE_SUCCEEDED", last_number=self.EVENTS + 5)
        early.end_time.GetCurrentTime()
        if self.code(self.worker.stubs.workers.FinishAttempt, early) is None:
            self.wrongs.append(f"{attempt.run_id}: ended before its events were there")
        later = worker_pb2.AttemptRef(run_id=attempt.run_id, number=attempt.number + 1)
        event = event_pb2.Event(number=1, metric=event_pb2.Metric(name="train_loss", value=1))
        event.time.GetCurrentTime()
        if self.report(later, [event])[0] is None:
            self.wrongs.append(f"{attempt.run_id}: events of an attempt that was never started")

    def contradict(self, end):
        other = worker_pb2.FinishAttemptRequest()
        other.CopyFrom(end)
        other.outcome = worker_pb2.FinishAttemptRequest(outcome="RUN_STATE_FAILED").outcome
        if self.code(self.worker.stubs.workers.FinishAttempt, other) is None:
            self.wrongs.append(f"{end.attempt.run_id}: another end was accepted after the first")


# ---- faults --------------------------------------------------------------------------------------------------------


def kill_coordinator(setup, pause, rng):
    with setup.restarting:
        setup.service.process.kill()
        setup.service.process.wait()
        time.sleep(min(pause, 1.5))
        worlds.wait_until(lambda: starts(setup.service), 60, "the coordinator to start again")


def starts(service):
    """A start on a broken disk may fail, and is repeated as by a supervisor."""
    try:
        service.process.stdout.close()
        service.start()
        return True
    except AssertionError:
        service.process.wait()
        time.sleep(0.2)
        return False


def stop_for(process_id, pause):
    with contextlib.suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGSTOP)
        time.sleep(pause)
        os.kill(process_id, signal.SIGCONT)


def stop_coordinator(setup, pause, rng):
    stop_for(setup.service.process.pid, pause)


def kill_worker(setup, pause, rng):
    number = rng.randrange(WORKERS)
    with setup.restarting:
        setup.workers[number].kill()
        setup.workers[number].wait()
        time.sleep(min(pause, 1.5))
        setup.start_worker(number)


def stop_worker(setup, pause, rng):
    stop_for(rng.choice(setup.workers).pid, pause)


def strike_runner(setup, strike):
    """As soon as there is one, unless everything ends before."""
    while not setup.all_ended():
        for pid in setup.runners():
            return strike(pid)
        time.sleep(0.02)


def kill_runner(setup, pause, rng):
    def strike(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    strike_runner(setup, strike)


def stop_runner(setup, pause, rng):
    strike_runner(setup, lambda pid: stop_for(pid, pause))


def cut_connections(setup, pause, rng):
    for proxy in rng.sample(setup.proxies, rng.randint(1, WORKERS)):
        proxy.cut()


def silent_connections(setup, pause, rng):
    proxy = rng.choice(setup.proxies)
    proxy.silent = True
    time.sleep(pause)
    proxy.silent = False


def slow_connections(setup, pause, rng):
    for proxy in setup.proxies:
        proxy.delay = 0.15
    time.sleep(pause)
    for proxy in setup.proxies:
        proxy.delay = 0.0


def disk_fault(fault):
    def happen(setup, pause, rng):
        setup.disk.set(fault=fault, percent=rng.choice((10, 50, 100)))
        time.sleep(pause)
        setup.disk.set(fault=0)

    return happen


def full_file_system(setup, pause, rng):
    if not setup.mounted:
        return disk_fault(1)(setup, pause, rng)
    filler = setup.data / f"filler-{rng.random()}"
    with open(filler, "wb", buffering=0) as file:
        for block in (1 << 20, 4096):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(block))
    time.sleep(pause)
    filler.unlink()
    return None


def jump_clock(setup, pause, rng):
    setup.disk.set(offset=rng.choice((-3600, 3600)) * 1_000_000_000)
    time.sleep(pause)
    setup.disk.set(offset=0)


FAULTS = {
    "coordinator killed": kill_coordinator, "coordinator stopped": stop_coordinator, "worker killed": kill_worker,
    "worker stopped": stop_worker, "runner killed": kill_runner, "runner stopped": stop_runner,
    "connections cut": cut_connections, "a connection silent": silent_connections, "slow connections": slow_connections,
    "disk full": disk_fault(1), "writes fail": disk_fault(2), "written but reported failed": disk_fault(3),
    "synchronizations fail": disk_fault(4), "file system full": full_file_system, "clock jumps": jump_clock,
}


class Plan:
    """The faults of one trial, each at its moment."""

    def __init__(self, rng):
        names = rng.choices(list(FAULTS), k=rng.choice((1, 1, 2, 3)))
        self.faults = [(name, rng.uniform(0, 3), rng.choice((0.3, 1.0, 2.5, 4.0)), random.Random(rng.random()))
                       for name in names]
        self.errors = []

    def __str__(self):
        return "; ".join(f"{name} at {delay:.1f} s for {pause} s" for name, delay, pause, _ in self.faults)

    def start(self, setup):
        return [self.thread(setup, *fault) for fault in self.faults]

    def thread(self, setup, name, delay, pause, rng):
        def happen():
            time.sleep(delay)
            try:
                FAULTS[name](setup, pause, rng)
            except Exception as error:
                self.errors.append(f"{name}: {error!r}")

        thread = threading.Thread(target=happen)
        thread.start()
        return thread


# ---- what must hold afterwards -------------------------------------------------------------------------------------


def check_runs(setup):
    bad = setup.ask("SELECT id, state, message FROM runs WHERE state <> 'SUCCEEDED' OR result IS NULL")
    expect(not bad, f"runs without a result: {bad}")
    expect(setup.ask("SELECT COUNT(*) FROM attempts WHERE state = 'RUNNING'") == [(0,)], "an attempt is open")
    expect(setup.ask("PRAGMA integrity_check") == [("ok",)], "the database is damaged")
    expect(not setup.ask("PRAGMA foreign_key_check"), "a row refers to nothing")


def check_order(setup):
    for run, number, count, distinct, lowest, highest, last in setup.ask(
            "SELECT attempts.run, number, COUNT(*), COUNT(DISTINCT event), MIN(event), MAX(event), last_event FROM changes"
            " JOIN attempts ON attempts.key = changes.attempt GROUP BY attempts.key"):
        expect((count, distinct, lowest, last) == (highest, highest, 1, highest), f"events of run {run}, attempt {number}")
    for count, lowest, highest in setup.ask("SELECT COUNT(*), MIN(sequence), MAX(sequence) FROM changes GROUP BY experiment"):
        expect((count, lowest) == (highest, 1), f"{count} changes are numbered {lowest} to {highest}")


def check_results(setup):
    for run, config, digest in setup.ask(
            "SELECT runs.id, config, sha256 FROM runs LEFT JOIN artifacts ON artifacts.attempt = runs.result"
            " AND artifacts.name = 'model/model.safetensors'"):
        expected = hashlib.sha256(fake_runner.result_of(fake_runner.name_of(json.loads(config)))).hexdigest()
        expect(digest == expected, f"{run} has another result")
    for digest, in setup.ask("SELECT DISTINCT sha256 FROM artifacts"):
        stored = (setup.data / "artifacts" / digest[:2] / digest[2:]).read_bytes()
        expect(hashlib.sha256(stored).hexdigest() == digest, f"artifact {digest} is damaged")


def check_promises(setup):
    expect(not setup.played.wrongs, "; ".join(setup.played.wrongs))
    stored = {(run, number): (state, last) for run, number, state, last in setup.ask(
        "SELECT runs.id, number, attempts.state, last_event FROM attempts JOIN runs ON runs.key = attempts.run")}
    for key, through in setup.played.acknowledged.items():
        expect(key in stored and stored[key][1] >= through, f"events of {key} up to {through} were acknowledged")
    for key in setup.played.finished:
        expect(stored[key][0] == "SUCCEEDED", f"the end of {key} was acknowledged")


def trial(seed):
    rng = random.Random(seed)
    plan = Plan(rng)
    start = time.monotonic()
    with worlds.World() as world:
        setup = Setup(world, rng)
        try:
            for number in range(rng.randint(2, 3)):
                setup.submit(number)
            setup.played.start()
            threads = plan.start(setup)
            for thread in threads:
                thread.join()
            expect(not plan.errors, f"{plan}: {plan.errors}")
            worlds.wait_until(setup.all_ended, LIMIT, f"all runs to end ({plan})", pause=0.05)
            setup.end_programs()
            check_runs(setup)
            check_order(setup)
            check_results(setup)
            check_promises(setup)
            worlds.wait_until(lambda: not setup.left_over(), 30, f"all processes to end ({plan})")
            runs, sent = setup.ask("SELECT COUNT(*) FROM runs")[0][0], setup.played.sent
            failures = setup.service.log.read_text(errors="replace").count(" failed")
        except BaseException:
            keep_logs(world, seed)
            raise
        finally:
            setup.close()
    print(f"ok     seed {seed}: {plan}; {runs} runs, {sent} requests played, {failures} failures "
          f"logged; {time.monotonic() - start:.1f} s", flush=True)


def keep_logs(world, seed):
    kept = pathlib.Path(os.environ.get("QUANTLAB_KEEP_LOGS", "/tmp")) / f"quantlab-trial-{seed}"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for path in [*world.folder.glob("*.log"), *world.folder.glob("coordinator/quantlab.db*")]:
        shutil.copy(path, kept)
    print(f"logs and database: {kept}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    failed = []
    for seed in range(arguments.seed, arguments.seed + arguments.trials):
        try:
            trial(seed)
        except Exception:  # a trial that breaks is a trial that failed
            traceback.print_exc()
            print(f"FAILED seed {seed}; again: service_trials.py --trials 1 --seed {seed}", flush=True)
            failed.append(seed)
    print(f"{arguments.trials - len(failed)} of {arguments.trials} trials held, seeds {arguments.seed} to "
          f"{arguments.seed + arguments.trials - 1}" + (f"; failed: {failed}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
