"""What a coordinator sustains: submission, dispatch, events, memory, recovery, and how that changes with its history.

    load.py [--only PART ...] [--folder DIR]         by the Python of .venv-tests, after building the benchmarks:
    cmake --preset release -DQUANTLAB_BUILD_BENCHMARKS=ON && cmake --build --preset release --target load_client fill_history

load       1,000 simulated workers (load_client: real gRPC, a connection each) execute 100,000 queued runs
recovery   the coordinator is killed (SIGKILL) while it serves them, and started again; how long until each worker is
           served again
history    the same small load on data folders with the history of 10,000, 100,000 and 1,000,000 runs
changes    changes of state a second with 1, 8 and 64 workers, in turns with the coordinator given by --other

The coordinator is real (QUANTLAB_BIN, else build/release/bin), with SQLite at full synchronization, on a Unix socket.
Clients and coordinator share the machine, so the rates are lower bounds. The data folder is on the disk of --folder.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "tests/fault"))
from service import Service, worlds


class Place:
    """What Service needs of a World: a folder, with the coordinator's data in it."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)


def client_command(address, *arguments):
    return [str(worlds.BIN / "load_client"), address, *map(str, arguments)]


def client(service, *arguments):
    done = subprocess.run(client_command(service.address, *arguments), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def show(title, rows):
    print(f"\n{title}\n" + "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows), flush=True)


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def calls_rows(calls):
    return [(name, call["count"], f"{call['p50_ms']:.1f}", f"{call['p99_ms']:.1f}", f"{call['max_ms']:.0f}")
            for name, call in calls.items()]


CALL_COLUMNS = ("call", "count", "p50, ms", "p99, ms", "longest, ms")


# ---- parts ---------------------------------------------------------------------------------------------------------


def load(arguments, folder):
    with Service(Place(folder / "load")) as service:
        submitted = client(service, "submit", arguments.experiments, arguments.runs)
        queued_memory = service.memory()
        runs = arguments.experiments * arguments.runs
        cpu = service.cpu_seconds()
        worked = client(service, "work", arguments.workers, runs, arguments.metrics)
        cpu = service.cpu_seconds() - cpu
        show(f"Load: {arguments.workers} workers, {runs} runs in {arguments.experiments} experiments, "
             f"{arguments.metrics} metrics each", [
                 ("submitted, runs/s", f"{submitted['runs_per_second']:.0f}"),
                 ("executed, runs/s", f"{worked['runs_per_second']:.0f}"),
                 ("events stored/s, beside", f"{worked['events_per_second']:.0f}"),
                 ("failed calls", worked["failed_calls"]),
                 ("CPU of the coordinator, ms a run", f"{cpu / runs * 1000:.2f}"),
                 ("memory with all queued, MiB", queued_memory >> 20),
                 ("memory at the end, MiB", service.memory() >> 20)])
        show("Calls at saturation", [CALL_COLUMNS, *calls_rows(submitted["calls"]), *calls_rows(worked["calls"])])
        waiting = client(service, "latency", arguments.workers, arguments.submissions, 50)
        show(f"{arguments.workers} waiting workers, a run submitted every 50 ms and more",
             [CALL_COLUMNS, *calls_rows(waiting["calls"])])
        client(service, "submit", arguments.workers // 100 + 1, 100)
        for batch in (1, 100):
            stored = client(service, "metrics", min(arguments.workers, 64), 10, batch)
            show(f"Metrics only, batches of {batch}, 64 workers",
                 [("events stored/s", f"{stored['events_per_second']:.0f}"), CALL_COLUMNS, *calls_rows(stored["calls"])])


def recovery(arguments, folder):
    rng = random.Random(arguments.seed)
    with Service(Place(folder / "recovery")) as service:
        client(service, "submit", arguments.experiments, arguments.runs)
        process = subprocess.Popen(client_command(service.address, "outage", arguments.workers, arguments.think,
                                                  arguments.beat), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert json.loads(process.stdout.readline())["working"] == arguments.workers
        first, all_workers, ready = [], [], []
        for _ in range(arguments.kills):
            time.sleep(rng.uniform(1, 5))
            killed = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            service.process.send_signal(signal.SIGKILL)
            service.process.wait()
            service.process.stdout.close()
            service.start()
            ready.append((time.clock_gettime_ns(time.CLOCK_MONOTONIC) - killed) / 1e6)
            process.stdin.write(f"{killed}\n")
            process.stdin.flush()
            served = json.loads(process.stdout.readline())["served_again_ms"]
            first.append(served[0])
            all_workers += served
        process.stdin.close()
        ended = json.loads(process.stdout.readline())
        process.wait()
        if ended["ended"] > (arguments.experiments - 1) * arguments.runs:
            sys.exit("the runs were used up, and idle workers wait long for a reply: give more --experiments")
        show(f"Recovery: {arguments.kills} kills under {arguments.workers} workers (a run takes {arguments.think} ms, a "
             f"call every {arguments.beat} ms), {arguments.experiments * arguments.runs} active runs, seed {arguments.seed}", [
                 ("", "p50, ms", "p99, ms", "longest, ms"),
                 *((name, f"{quantile(values, 0.5):.0f}", f"{quantile(values, 0.99):.0f}", f"{max(values):.0f}")
                   for name, values in (("ready again", ready), ("first reply to any worker", first),
                                        ("first reply to each worker", all_workers)))])
        show("Beside", [("runs ended", ended["ended"]), ("calls that failed and were repeated", ended["failed_calls"]),
                        CALL_COLUMNS, *calls_rows(ended["calls"])])


# What fill_history writes for an experiment of 10 runs is copied within the database, which takes a tenth of the time.
WRITTEN_RUNS = 1000
# The new values of the columns that differ in a copy; :e, :r and :a are above all keys of before.
COPIES = {
    "experiments": {"key": "key + :e", "id": "new_id", "request_id": "new_id"},
    "source_files": {"experiment": "experiment + :e"},
    "inputs": {"experiment": "experiment + :e"},
    "runs": {"key": "runs.key + :r", "experiment": "experiment + :e", "id": "new_id || '/' || name",
             "result": "result + :a"},
    "attempts": {"key": "attempts.key + :a", "run": "run + :r"},
    "artifacts": {"attempt": "attempt + :a"},
    "changes": {"experiment": "experiment + :e", "run": "run + :r", "attempt": "attempt + :a"},
}
BELONGS = {
    "experiments": "key = old", "runs": "experiment = old", "source_files": "experiment = old",
    "inputs": "experiment = old", "changes": "experiment = old",
    "attempts": "attempts.run IN (SELECT key FROM runs WHERE experiment = old)",
    "artifacts": "attempt IN (SELECT attempts.key FROM attempts JOIN runs ON runs.key = run WHERE experiment = old)",
}


def copy_experiments(database, count):
    """Copies so many of the history's experiments, with everything that belongs to them."""
    keys = {name[0]: database.execute(f"SELECT max(key) FROM {name}").fetchone()[0]
            for name in ("experiments", "runs", "attempts")}
    known = database.execute("SELECT count(*) FROM experiments WHERE id GLOB 'history-*'").fetchone()[0]
    database.execute("CREATE TEMP TABLE copied AS SELECT key AS old, printf('history-%08d', row_number() OVER "
                     "(ORDER BY key) + ? - 1) AS new_id FROM experiments WHERE id GLOB 'history-*' ORDER BY key LIMIT ?",
                     (known, count))
    for table, new in COPIES.items():
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        values = ", ".join(new.get(column, f"{table}.{column}") for column in columns)
        text = f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM copied JOIN {table} ON {BELONGS[table]}"
        database.execute(text, {name: key for name, key in keys.items() if f":{name}" in text})
    database.execute("DROP TABLE copied")
    database.commit()


def fill(data, runs):
    subprocess.run([worlds.BIN / "fill_history", data, str(min(runs, WRITTEN_RUNS))], check=True)
    database = sqlite3.connect(data / "quantlab.db")
    database.execute("PRAGMA synchronous = OFF")
    known = -1
    while known < runs // 10:
        known = database.execute("SELECT count(*) FROM experiments WHERE id GLOB 'history-*'").fetchone()[0]
        if known < runs // 10:
            copy_experiments(database, min(known, runs // 10 - known))
    database.close()


def history(arguments, folder):
    place = Place(arguments.history_folder or folder / "history")
    rows = [("runs", "database, MiB", "ready after, s", "memory, MiB", "runs/s, 64 workers", "submit to start p50, ms",
             "p99, ms", "first page p50, ms", "p99, ms", "later page p50, ms", "p99, ms")]
    for size in arguments.history:
        fill(place.folder / "coordinator", size)
        start = time.monotonic()
        with Service(place) as service:
            ready = time.monotonic() - start
            listed = client(service, "list", 300)["calls"]
            waited = client(service, "latency", 1, 200, 10)["calls"]["submit to start"]
            client(service, "submit", 20, 100)
            worked = client(service, "work", 64, 2000, 1)
            first, later = listed["ListExperiments, first page"], listed["ListExperiments, later page"]
            database = (place.folder / "coordinator/quantlab.db").stat().st_size
            rows.append((size, database >> 20, f"{ready:.2f}", service.memory() >> 20, f"{worked['runs_per_second']:.0f}",
                         *(f"{call[key]:.1f}" for call in (waited, first, later) for key in ("p50_ms", "p99_ms"))))
            show("History, so far", rows)


def changes(arguments, folder):
    """Each run is two changes: its lease and its end."""
    programs = {"this": worlds.BIN, **({"other": pathlib.Path(arguments.other)} if arguments.other else {})}
    rates = {}
    for turn in range(arguments.rounds):
        for name, programs_folder in programs.items():
            place = Place(folder / f"changes-{turn}-{name}")
            with Service(place, program=programs_folder / "quant-coordinator") as service:
                for workers in (1, 8, 64):
                    runs = {1: 150, 8: 600, 64: 3000}[workers]
                    client(service, "submit", runs // 50, 50)
                    rate = 2 * client(service, "work", workers, runs, 0)["runs_per_second"]
                    rates.setdefault((workers, name), []).append(rate)
            shutil.rmtree(place.folder)
    show(f"Changes of state a second, medians of {arguments.rounds} rounds (lowest to highest)",
         [("workers", *programs)] + [
             (workers, *(f"{statistics.median(rates[workers, name]):.0f} ({min(rates[workers, name]):.0f} to "
                         f"{max(rates[workers, name]):.0f})" for name in programs)) for workers in (1, 8, 64)])


PARTS = {"load": load, "recovery": recovery, "history": history, "changes": changes}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--folder", type=pathlib.Path, help="for the data folders; default: a new one under TMPDIR")
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--experiments", type=int, default=100)
    parser.add_argument("--runs", type=int, default=1000, help="of each experiment")
    parser.add_argument("--metrics", type=int, default=10, help="that each run reports")
    parser.add_argument("--submissions", type=int, default=300)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--think", type=int, default=5000, metavar="MS", help="how long a run takes under recovery")
    parser.add_argument("--beat", type=int, default=1000, metavar="MS")
    parser.add_argument("--history", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], metavar="RUNS")
    parser.add_argument("--history-folder", type=pathlib.Path, help="kept, and filled further by a later call")
    parser.add_argument("--rounds", type=int, default=5, help="of changes")
    parser.add_argument("--other", help="folder of another build's programs, for changes")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="quantlab-load-", dir=arguments.folder))
    print(f"{os.cpu_count()} processors, load average {os.getloadavg()[0]:.1f}, data in {folder}", flush=True)
    try:
        for name in arguments.only:
            PARTS[name](arguments, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
