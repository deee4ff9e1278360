#!/usr/bin/env python3
"""The coordinator beside an MLflow server (storing metrics) and Optuna's gRPC storage proxy (claiming work).

    python3 -m venv peers && peers/bin/pip install mlflow==3.17.2 optuna==5.0.0 grpcio
    .venv-tests/bin/python benchmarks/service_peers/compare.py --peer-python peers/bin/python

Every server is a process of its own with SQLite on the same disk, reached over a port of loopback by the same number of
client processes; the servers take turns, each round anew. A metric counts when its server has acknowledged it.

metrics  each client sends batches to a run of its own: MLflow by MlflowClient.log_batch, the coordinator by
         ReportEvents, as a worker does; batches of 1 and of 100
claims   each client takes a piece of work and ends it: Optuna by study.ask and study.tell, the coordinator by Sync and
         FinishAttempt, as a worker does

The coordinator makes each acknowledged change durable (SQLite's synchronous=FULL); MLflow and Optuna run as they are
installed. Programs: QUANTLAB_BIN, else build/release/bin.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "tests"))
import world as worlds


def until(seconds, act):
    """Calls act, which returns how much it did, until the time has passed."""
    done, start = 0, time.monotonic()
    while time.monotonic() - start < seconds:
        done += act()
    return done / (time.monotonic() - start)


# ---- clients: each is a process that prints its rate ---------------------------------------------------------------


def quantlab_stubs(address):
    import grpc
    from quantlab.v1 import experiment_pb2_grpc, worker_pb2_grpc
    channel = grpc.insecure_channel(address)
    return experiment_pb2_grpc.ExperimentServiceStub(channel), worker_pb2_grpc.WorkerServiceStub(channel)


class QuantlabWorker:
    def __init__(self, address, name):
        from quantlab.v1 import experiment_pb2, worker_pb2
        experiments, self.stub = quantlab_stubs(address)
        methods = experiments.ListMethods(experiment_pb2.ListMethodsRequest(), timeout=60).methods
        self.info = worker_pb2.WorkerInfo(
            id=name, hostname="peer", devices=["cpu"], fingerprint="peer", runner_sha256="0" * 64,
            methods=[worker_pb2.MethodVersion(name=m.name, version=m.version) for m in methods])

    def claim(self):
        from quantlab.v1 import worker_pb2
        while True:
            response = self.stub.Sync(worker_pb2.SyncRequest(worker=self.info, wants_run=True, max_wait_seconds=5),
                                      timeout=60)
            if response.HasField("assignment"):
                return response.assignment.attempt

    def finish(self, attempt, last):
        from quantlab.v1 import worker_pb2
        end = worker_pb2.FinishAttemptRequest(attempt=attempt, outcome="RUN_STATE_SUCCEEDED", last_number=last)
        end.end_time.GetCurrentTime()
        self.stub.FinishAttempt(end, timeout=60)


def quantlab_metrics(address, name, seconds, batch):
    from quantlab.v1 import event_pb2, worker_pb2
    worker = QuantlabWorker(address, name)
    attempt = worker.claim()
    sent = 0

    def send():
        nonlocal sent
        events = []
        for _ in range(batch):
            sent += 1
            event = event_pb2.Event(number=sent, metric=event_pb2.Metric(name="train_loss", value=1 / sent, step=sent))
            event.time.GetCurrentTime()
            events.append(event)
        worker.stub.ReportEvents(worker_pb2.ReportEventsRequest(
            attempt=attempt, first_number=events[0].number, events=events), timeout=60)
        return batch

    rate = until(seconds, send)
    worker.finish(attempt, sent)
    return rate


def quantlab_claims(address, name, seconds, _):
    worker = QuantlabWorker(address, name)

    def take():
        worker.finish(worker.claim(), 0)
        return 1

    return until(seconds, take)


def mlflow_metrics(address, name, seconds, batch):
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    client = MlflowClient(tracking_uri=address)
    run = client.create_run("0", run_name=name).info.run_id
    sent = 0

    def send():
        nonlocal sent
        metrics = []
        for _ in range(batch):
            sent += 1
            metrics.append(Metric("train_loss", 1 / sent, int(time.time() * 1000), sent))
        client.log_batch(run, metrics=metrics)
        return batch

    return until(seconds, send)


def optuna_claims(address, _name, seconds, _batch):
    import optuna
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=int(address))
    study = optuna.load_study(study_name="peer", storage=storage)

    def take():
        study.tell(study.ask(), 0.0)
        return 1

    return until(seconds, take)


# ---- servers --------------------------------------------------------------------------------------------------------


class Server:
    """A process that is ended with the block."""

    def __init__(self, words, folder, **options):
        self.log = open(folder / "server.log", "wb")
        self.process = subprocess.Popen([str(word) for word in words], stderr=self.log, cwd=folder, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=60)
        self.log.close()


def submit(address):
    """More runs than the clients can take in the time."""
    from quantlab.v1 import experiment_pb2
    experiments, _ = quantlab_stubs(address)
    seeds = ", ".join(str(seed) for seed in range(1, 901))
    for number in range(8):
        text = (f"name: peer{number}\nseeds: [{seeds}]\nreuse: false\nexperiments:\n"
                "  baseline: {enabled: true, model: minilm, dataset: imdb}\n")
        experiments.SubmitExperiment(experiment_pb2.SubmitExperimentRequest(
            request_id=f"peer{number}", files=[experiment_pb2.SourceFile(name="e.yaml", content=text)]), timeout=120)


def with_quantlab(args, folder, measure):
    address = f"127.0.0.1:{worlds.free_port()}"
    program = worlds.BIN / "quant-coordinator"
    words = [program, "--data-dir", folder / "data", "--listen", address, "--catalog", worlds.ROOT / "configs/catalog.yaml",
             "--metrics-listen", "off", "--log-file", folder / "log"]
    with Server(words, folder, stdout=subprocess.PIPE) as server:
        server.process.stdout.readline()
        submit(address)
        return measure(sys.executable, address)


def with_mlflow(args, folder, measure):
    port = worlds.free_port()
    words = [args.peer_python, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
             "--host", "127.0.0.1", "--port", port, "--workers", "2"]
    with Server(words, folder, stdout=subprocess.DEVNULL):
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(address + "/health", timeout=5)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise SystemExit((folder / "server.log").read_text())
                time.sleep(0.5)
        return measure(args.peer_python, address)


OPTUNA_SERVER = """
import optuna, sys
storage = optuna.storages.RDBStorage("sqlite:///" + sys.argv[1])
optuna.create_study(study_name="peer", storage=storage, sampler=optuna.samplers.RandomSampler())
print("ready", flush=True)
optuna.storages.run_grpc_proxy_server(storage, host="127.0.0.1", port=int(sys.argv[2]))
"""


def with_optuna(args, folder, measure):
    port = worlds.free_port()
    with Server([args.peer_python, "-c", OPTUNA_SERVER, folder / "optuna.db", port], folder,
                stdout=subprocess.PIPE) as server:
        server.process.stdout.readline()
        time.sleep(2)
        return measure(args.peer_python, str(port))


# ---- the comparison -------------------------------------------------------------------------------------------------

CLIENTS = {f.__name__: f for f in (quantlab_metrics, quantlab_claims, mlflow_metrics, optuna_claims)}
# What is measured: our server and client, theirs, and the batch.
CASES = {"metrics, batches of 1": (with_quantlab, quantlab_metrics, with_mlflow, mlflow_metrics, 1),
         "metrics, batches of 100": (with_quantlab, quantlab_metrics, with_mlflow, mlflow_metrics, 100),
         "claims": (with_quantlab, quantlab_claims, with_optuna, optuna_claims, 1)}


def total_rate(args, client, batch):
    """Starts the clients at once and adds their rates."""

    def measure(python, address):
        words = [python, __file__, "--client", client.__name__, "--address", address, "--seconds", str(args.seconds),
                 "--batch", str(batch)]
        environment = dict(os.environ, GRPC_VERBOSITY="ERROR", MLFLOW_ENABLE_ASYNC_LOGGING="false")
        running = [subprocess.Popen([*words, "--name", f"peer-{number}"], stdout=subprocess.PIPE, env=environment)
                   for number in range(args.clients)]
        rates = [json.loads(process.communicate()[0].splitlines()[-1]) for process in running]
        return sum(rates)

    return measure


def run_case(args, name):
    our_server, our_client, their_server, their_client, batch = CASES[name]
    ours, theirs = [], []
    for number in range(args.rounds):
        sides = [(ours, our_server, our_client), (theirs, their_server, their_client)]
        for rates, server, client in sides[:: 1 if number % 2 == 0 else -1]:
            with tempfile.TemporaryDirectory(prefix="peers-") as folder:
                rates.append(server(args, pathlib.Path(folder), total_rate(args, client, batch)))
    ratios = sorted(a / b for a, b in zip(ours, theirs))
    peer = their_server.__name__.removeprefix("with_")
    print(f"{name}, {args.clients} clients: coordinator {statistics.median(ours):,.0f}/s, {peer} "
          f"{statistics.median(theirs):,.0f}/s, ratio {statistics.median(ratios):.1f} ({ratios[0]:.1f} to "
          f"{ratios[-1]:.1f}, {args.rounds} rounds)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", help="Python with mlflow and optuna")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", choices=list(CASES), action="append", help="only this; may be repeated")
    for option in ("--client", "--address", "--name"):
        parser.add_argument(option, help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.client:
        return print(json.dumps(CLIENTS[args.client](args.address, args.name, args.seconds, args.batch)))
    if not args.peer_python:
        parser.error("--peer-python is missing")
    for name in args.case or CASES:
        run_case(args, name)


if __name__ == "__main__":
    main()
