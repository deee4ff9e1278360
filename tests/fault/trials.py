"""Faults tried from outside, on the real programs: each row of TRIALS breaks one thing and says what held.

    trials.py [--long] [--list] [NAME...]      all quick trials, the long ones, or those that are named
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from service import PlayedWorker, Service, worlds

import grpc  # noqa: E402
from quantlab.v1 import experiment_pb2, worker_pb2  # noqa: E402

SMALL = """\
name: small
experiments:
  baseline: {enabled: true, model: ./model, dataset: ./reviews.csv}
dataset: {train_size: 120, validation_size: 20, test_size: 80, max_length: 24}
training: {epochs: 1, batch_size: 8}
"""
# From the catalogue: nothing is uploaded.
NAMED = """\
name: named
experiments:
  baseline: {enabled: true, model: minilm, dataset: imdb}
"""
KEPT = "mine"


class Failed(AssertionError):
    pass


def check(condition, what):
    if not condition:
        raise Failed(what)


def seconds_of(call):
    start = time.monotonic()
    call()
    return time.monotonic() - start


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def submit_text(stubs, text, name="e.yaml", timeout=60, **fields):
    request = experiment_pb2.SubmitExperimentRequest(
        files=[experiment_pb2.SourceFile(name=name, content=text)], **fields)
    return stubs.experiments.SubmitExperiment(request, timeout=timeout)


def refused(call):
    """The status of a call that must fail."""
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise Failed("the call was not refused")


# --- requests that cost more than they are -----------------------------------------------------------------

def expanding_requests(world):
    """An experiment file of 900 kB whose anchors expand to gigabytes, and a file name of a megabyte."""
    scalar, uses = "x" * 400_000, 40_000
    bomb = f"name: bomb\nx: &a {scalar}\ny: [{', '.join(['*a'] * uses)}]\n"
    with Service(world) as service:
        stubs = service.stubs()
        submit_text(stubs, NAMED, validate_only=True)
        before = service.memory()
        for text, name in ((bomb, "e.yaml"), (NAMED, "n" * (1 << 20) + ".yaml"), (NAMED + "a: &a [*a]\n", "e.yaml")):
            try:
                answer = submit_text(stubs, text, name=name, validate_only=True)
                check(any(d.error for d in answer.diagnostics), f"{name[:20]}: no diagnostic")
            except grpc.RpcError as error:
                check(error.code() == grpc.StatusCode.INVALID_ARGUMENT, f"{name[:20]}: {error.code()}")
        check(service.alive(), "the coordinator ended")
        worlds.wait_until(lambda: service.memory() < before + (100 << 20), 30, "the memory to be given back")
        return (f"3 requests refused, the coordinator lives, memory {before >> 20} MiB before and "
                f"{service.memory() >> 20} MiB after")


def unknown_names(world):
    """Eight callers at a time with 1,000 unknown names in `only`: the others are answered meanwhile."""
    names = [f"unknown_{i}_{'y' * 200}" for i in range(1000)]
    with Service(world) as service:
        stubs = service.stubs()
        ending = threading.Event()
        asked = []

        def ask():
            own = service.stubs()
            while not ending.is_set():
                asked.append(refused(lambda: submit_text(own, NAMED, only=names, request_id=os.urandom(8).hex())))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        times = []
        for _ in range(30):
            times.append(seconds_of(lambda: stubs.experiments.ListMethods(experiment_pb2.ListMethodsRequest(),
                                                                          timeout=30)))
            time.sleep(0.02)
        ending.set()
        for thread in threads:
            thread.join()
        check(asked and all(len(error.details()) < 4096 for error in asked), "an answer of more than 4 KiB")
        check(percentile(times, 0.95) < 2, f"ListMethods took {percentile(times, 0.95):.1f} s (p95)")
        return f"{len(asked)} refused; ListMethods beside them p95 {percentile(times, 0.95) * 1000:.0f} ms"


def many_includes(world):
    """As many includes as fit into a request: side by side, one within the other, each several times."""
    source = experiment_pb2.SourceFile
    body = "training: {epochs: 1}\nx: [" + ", ".join(["a"] * 5000) + "]\n"
    every = "include: [" + ", ".join(f"i{i}.yaml" for i in range(60)) + "]\n"
    requests = {
        "side by side": [source(name="e.yaml", content=every + NAMED)]
        + [source(name=f"i{i}.yaml", content=body) for i in range(60)],
        "one within the other": [source(name="e.yaml", content="include: i0.yaml\n" + NAMED)]
        + [source(name=f"i{i}.yaml", content=(f"include: i{i + 1}.yaml\n" if i < 59 else "") + body) for i in range(60)],
        "many times": [source(name="e.yaml", content="include: [" + ", ".join(["a.yaml"] * 200) + "]\n" + NAMED),
                       source(name="a.yaml", content="include: [" + ", ".join(["b.yaml"] * 200) + "]\n"),
                       source(name="b.yaml", content=body)],
        "255 files": [source(name="e.yaml", content=NAMED)] + [source(name=f"i{i}.yaml", content=body) for i in range(255)],
    }
    most = 0
    with Service(world) as service:
        stubs = service.stubs()
        for name, files in requests.items():
            before = service.cpu_seconds()
            answer = stubs.experiments.SubmitExperiment(
                experiment_pb2.SubmitExperimentRequest(files=files, validate_only=True), timeout=60)
            used = service.cpu_seconds() - before
            most = max(most, used)
            check(used < 2, f"{name}: {used:.1f} CPU-seconds")
            check(any(d.error for d in answer.diagnostics), f"{name}: accepted")
        return f"{len(requests)} forms refused, each in less than {most + 0.01:.2f} CPU-seconds"


def open_files(world):
    """More idle connections than the coordinator has open files: it serves again, or ends with exit code 70."""
    with Service(world, files=160) as service:
        held = []
        for _ in range(300):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(1)
            try:
                connection.connect(service.address.removeprefix("unix:"))
            except OSError:
                connection.close()
                continue
            held.append(connection)
        time.sleep(1)
        for connection in held:
            connection.close()
        deadline = time.monotonic() + 150
        while time.monotonic() < deadline and service.alive():
            try:
                service.stubs().experiments.ListMethods(experiment_pb2.ListMethodsRequest(), timeout=2)
                return f"{len(held)} connections held and closed; served again"
            except grpc.RpcError:
                time.sleep(1)
        check(not service.alive(), "it lives and does not serve")
        check(service.process.returncode == 70, f"exit code {service.process.returncode}")
        return f"{len(held)} connections held and closed; it ended with exit code 70 for its supervisor"


def half_open_metrics(world):
    """Fifty requests for /metrics that never become whole: a scrape beside them is answered."""
    port = worlds.free_port()
    with Service(world, metrics=f"127.0.0.1:{port}"):
        held = []
        for _ in range(50):
            held.append(socket.create_connection(("127.0.0.1", port)))
            held[-1].sendall(b"GET /metrics HTTP/1.1\r\nHost:")
        took = seconds_of(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30).read())
        for connection in held:
            connection.close()
        check(took < 15, f"the scrape took {took:.0f} s")
        return f"scraped after {took:.1f} s beside {len(held)} half-open requests"


# --- the results folder ------------------------------------------------------------------------------------

def played_experiment(world, service, artifacts):
    """An experiment of one run whose result a played worker has made."""
    done = service.quantctl("submit", world.write("small.yaml", SMALL))
    check(done.returncode == 0, done.stderr)
    worker = PlayedWorker(service.stubs(), "played")
    worker.finish(worker.take().attempt, artifacts)


def own_files(world):
    """Files, links and edits of the user in a results folder, through downloads that are killed at any moment."""
    model = os.urandom(3 << 20)
    with Service(world) as service:
        played_experiment(world, service, {"model/model.safetensors": model, "predictions.csv": b"0,1\n"})
        done = service.quantctl("download", "latest")
        check(done.returncode == 0, done.stderr)
        folder = world.results / "small"
        (world.folder / "elsewhere").mkdir()
        (world.folder / "elsewhere/thesis.txt").write_text(KEPT)
        (folder / "baseline/notes.txt").write_text(KEPT)
        (folder / "mine/deep").mkdir(parents=True)
        (folder / "mine/deep/notes.txt").write_text(KEPT)
        (folder / "link").symlink_to(world.folder / "elsewhere")
        (folder / "baseline/link").symlink_to(world.folder / "elsewhere/thesis.txt")
        (folder / "report/report.en.md").write_text(KEPT)
        (folder / "report_data.json").unlink()  # so that the report is written anew
        killed = 0
        for pause in [0.01 * i for i in range(1, 25)]:
            process = world.start("--coordinator", service.address, "download", "latest")
            try:
                process.wait(timeout=pause)
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
            process.communicate()
        done = service.quantctl("download", "latest")
        check(done.returncode == 0, done.stderr)
        for path in ("baseline/notes.txt", "mine/deep/notes.txt", "link/thesis.txt", "baseline/link",
                     "report/report.en.md.kept"):
            there = folder / path
            check(there.exists() and there.read_text() == KEPT, f"{path} is lost")
        check((folder / "link").is_symlink() and (folder / "baseline/link").is_symlink(), "a link became something else")
        check((folder / "baseline/model/model.safetensors").read_bytes() == model, "the model is damaged")
        left = [entry.name for entry in world.results.iterdir() if entry.name.startswith(".")]
        check(not left, f"left over: {left}")
        return f"{killed} downloads killed; 5 of the user's files and 2 links are there, nothing is left over"


def colliding_artifacts(world):
    """Artifacts whose names need a folder in the place of a file."""
    with Service(world) as service:
        played_experiment(world, service, {"run.json/x": b"1", "a": b"2", "a/b": b"3", "config.json": b"4"})
        done = service.quantctl("download", "latest")
        check(done.returncode == 0, done.stderr)
        folder = world.results / "small/baseline"
        found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")
                       if path.is_file() and path.read_bytes() in (b"1", b"2", b"3", b"4"))
        check(len(found) == 4, f"only {found}")
        check(json.loads((folder / "run.json").read_text())["id"], "run.json is not the run")
        return "4 artifacts at " + ", ".join(found)


# --- clients -----------------------------------------------------------------------------------------------

def same_dataset_twice(world):
    """Two submissions of one new dataset at the same time: both succeed."""
    worlds.make_reviews(world.folder / "reviews.csv", rows=400_000)
    world.write("small.yaml", SMALL)
    with Service(world) as service:
        processes = [world.start("--coordinator", service.address, "submit", world.folder / "small.yaml")
                     for _ in range(3)]
        ends = [(*process.communicate(timeout=180), process.returncode) for process in processes]
        check(all(code == 0 for _, _, code in ends), "\n".join(error for _, error, _ in ends))
        size = (world.folder / "reviews.csv").stat().st_size
        return f"3 submissions of the same {size >> 20} MiB at the same time succeeded"


def idle_python_client(world):
    """The first call of a Python client after 45 s without one."""
    with Service(world) as service, Service(Elsewhere(world), tcp=True) as tcp:
        clients = [each.stubs() for each in (service, tcp) for _ in range(3)]
        for client in clients:
            client.experiments.ListMethods(experiment_pb2.ListMethodsRequest(), timeout=30)
        time.sleep(45)
        for client in clients:
            client.experiments.ListMethods(experiment_pb2.ListMethodsRequest(), timeout=30)
        return f"{len(clients)} of {len(clients)} clients (gRPC {grpc.__version__}; Unix socket and TCP) were answered"


class Elsewhere:
    """The same world with another folder for the coordinator's data."""

    def __init__(self, world):
        self.folder = world.folder / "elsewhere"
        self.folder.mkdir()


def ending_request(world):
    """A server that ends the connection at each request: quantctl does not go on sending it."""
    path = world.folder / "e.sock"
    calls = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(8)

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"\0\0\0\4\0\0\0\0\0")
                    received = b""
                    while b"application/grpc" not in received:
                        received += connection.recv(4096) or b"application/grpc"
                    calls.append(received)

        threading.Thread(target=serve, daemon=True).start()
        took = time.monotonic()
        done = world.quantctl("--coordinator", f"unix:{path}", "list")
        took = time.monotonic() - took
        listener.shutdown(socket.SHUT_RDWR)
    check(done.returncode != 0 and "not sent again" in done.stderr, done.stderr)
    check(len(calls) == 2, f"sent {len(calls)} times")
    return f"sent twice, then said so after {took:.1f} s"


# --- the embedded service ----------------------------------------------------------------------------------

def removed_socket(world):
    """The socket of the embedded service is removed, and the worker killed: calls and the worker go on."""
    process = world.start("serve")
    try:
        worlds.wait_until(lambda: world.processes("quant-coordinator"), 60, "the coordinator")
        worlds.wait_until(lambda: world.quantctl("workers").returncode == 0, 60, "the first answer")
        sockets = [path for path in world.folder.rglob("*.sock")]
        check(len(sockets) == 1, f"sockets: {sockets}")
        first = world.processes("quant-coordinator")
        sockets[0].unlink()
        for pid in world.processes("quant-worker"):
            os.kill(pid, signal.SIGKILL)
        took = time.monotonic()
        done = world.quantctl("list", timeout=60)
        took = time.monotonic() - took
        check(done.returncode == 0, done.stderr)
        check(took < 10, f"the next call took {took:.0f} s")
        check(world.processes("quant-coordinator") != first, "the deaf coordinator was not replaced")
        return f"the coordinator was replaced, and the next call answered after {took:.1f} s"
    finally:
        world.quantctl("stop")
        process.kill()
        process.communicate()


def stopped_coordinator(world):
    """The embedded coordinator is stopped (SIGSTOP): the supervisor replaces it."""
    process = world.start("serve")
    try:
        worlds.wait_until(lambda: world.processes("quant-coordinator"), 60, "the coordinator")
        worlds.wait_until(lambda: world.quantctl("list").returncode == 0, 60, "the first answer")
        first = world.processes("quant-coordinator")
        for pid in first:
            os.kill(pid, signal.SIGSTOP)
        took = time.monotonic()
        worlds.wait_until(lambda: world.processes("quant-coordinator") not in ([], first), 120, "another coordinator")
        took = time.monotonic() - took
        check(world.quantctl("list").returncode == 0, "the new one does not answer")
        return f"replaced after {took:.0f} s"
    finally:
        world.quantctl("stop")
        process.kill()
        process.communicate()


# --- inputs and workers ------------------------------------------------------------------------------------

def deep_json(world):
    """Model files nested 600,000 levels deep: refused before anything runs."""
    deep = "[" * 600_000 + "]" * 600_000
    world.write("small.yaml", SMALL)
    said = []
    with Service(world) as service:
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"):
            shutil.rmtree(world.folder / "model")
            worlds.make_model(world.folder / "model")
            path = world.folder / "model" / name
            if name.endswith(".safetensors"):
                text = ('{"__metadata__":' + deep + "}").encode()
                path.write_bytes(len(text).to_bytes(8, "little") + text)
            elif path.exists():
                config = json.loads(path.read_text())
                path.write_text(json.dumps(config)[:-1] + ', "more": ' + deep + "}")
            else:
                path.write_text('{"more": ' + deep + "}")
            done = service.quantctl("validate", world.folder / "small.yaml")
            check(done.returncode not in (0, -signal.SIGSEGV), f"{name}: {done.returncode}")
            check("nested" in done.stderr + done.stdout, f"{name}: {done.stderr[:300]}")
            said.append(name)
        check(service.alive(), "the coordinator ended")
    return ", ".join(said) + " refused by quantctl validate"


def copied_worker(world):
    """A copy of a worker's folder: the second worker is refused by name."""
    runner = world.write("runner.sh", "#!/bin/sh\necho '" + json.dumps(
        {"version": 1, "devices": ["cpu"], "methods": [], "fingerprint": "f", "facts": {}}) + "'\n")
    runner.chmod(0o755)
    folders = [world.folder / "w1", world.folder / "w2"]
    processes = []

    def start(folder):
        log = open(folder.with_suffix(".log"), "ab")
        processes.append(subprocess.Popen(
            [worlds.BIN / "quant-worker", "--coordinator", service.address, "--data-dir", folder, "--runner", runner],
            stdout=log, stderr=log))
        return processes[-1]

    with Service(world) as service:
        try:
            stubs = service.stubs()
            list_workers = lambda: stubs.workers.ListWorkers(worker_pb2.ListWorkersRequest(), timeout=30).workers
            start(folders[0])
            worlds.wait_until(list_workers, 60, "the worker")
            name = list_workers()[0].worker.id
            shutil.copytree(folders[0], folders[1])
            second = start(folders[1])
            worlds.wait_until(lambda: "has the same id" in folders[1].with_suffix(".log").read_text(), 60,
                              "the refusal")
            check(name in folders[1].with_suffix(".log").read_text(), "the refusal does not name the worker")
            second.kill()
            # The first one, killed and started again, is known.
            processes[0].kill()
            processes[0].wait()
            start(folders[0])
            worlds.wait_until(lambda: folders[0].with_suffix(".log").read_text().count("registered") == 2, 60,
                              "the first worker's return")
            return f"the copy of {name} was refused by name; the worker itself was known again after a kill"
        finally:
            for process in processes:
                process.kill()
                process.wait()


# name, function, whether it takes longer than a few seconds
TRIALS = [
    ("expanding requests", expanding_requests, False),
    ("unknown names", unknown_names, False),
    ("many includes", many_includes, False),
    ("half-open metrics", half_open_metrics, False),
    ("own files", own_files, False),
    ("colliding artifacts", colliding_artifacts, False),
    ("same dataset twice", same_dataset_twice, False),
    ("ending request", ending_request, False),
    ("removed socket", removed_socket, False),
    ("deep JSON", deep_json, False),
    ("copied worker", copied_worker, False),
    ("open files", open_files, True),
    ("idle Python client", idle_python_client, True),
    ("stopped coordinator", stopped_coordinator, True),
]


def run(name, trial):
    start = time.monotonic()
    with worlds.World() as world:
        try:
            held = trial(world)
        except Exception as error:  # a trial that breaks is a trial that failed
            traceback.print_exc()
            for log in world.folder.rglob("*.log"):
                print(f"--- the end of {log.name}:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-10:]))
            print(f"FAILED {name}: {error}", flush=True)
            return False
    print(f"ok     {name}: {held} ({time.monotonic() - start:.1f} s)", flush=True)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="the trials that take longer")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    if arguments.list:
        for name, trial, is_long in TRIALS:
            print(f"{name:22} {'long ' if is_long else 'quick'} {trial.__doc__}")
        return 0
    unknown = set(arguments.names) - {name for name, _, _ in TRIALS}
    if unknown:
        parser.error(f"no trial is called {', '.join(sorted(unknown))}; --list has them all")
    chosen = [(name, trial) for name, trial, is_long in TRIALS
              if (name in arguments.names if arguments.names else is_long == arguments.long)]
    failed = [name for name, trial in chosen if not run(name, trial)]
    print(f"{len(chosen) - len(failed)} of {len(chosen)} trials held")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
