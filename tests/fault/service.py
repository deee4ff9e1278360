"""A coordinator of its own for each trial, and workers that are played by the trial itself through gRPC."""

import hashlib
import os
import pathlib
import resource
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds

import grpc  # noqa: E402
from quantlab.v1 import (artifact_pb2, artifact_pb2_grpc, event_pb2, experiment_pb2, experiment_pb2_grpc,  # noqa: E402
                         worker_pb2, worker_pb2_grpc)

CHUNK = 512 << 10
CATALOG = worlds.ROOT / "configs/catalog.yaml"


class Stubs:
    """The services of one address, as any Python client of gRPC sees them."""

    def __init__(self, address, options=()):
        large = [("grpc.max_receive_message_length", 256 << 20), ("grpc.max_send_message_length", 256 << 20)]
        self.channel = grpc.insecure_channel(address, options=[*large, *options])
        self.experiments = experiment_pb2_grpc.ExperimentServiceStub(self.channel)
        self.artifacts = artifact_pb2_grpc.ArtifactServiceStub(self.channel)
        self.workers = worker_pb2_grpc.WorkerServiceStub(self.channel)

    def close(self):
        self.channel.close()


class Service:
    """quant-coordinator in the folder of a World."""

    def __init__(self, world, tcp=False, files=None, metrics="off", program=None, environment=None,
                 arguments=()):
        self.world = world
        self.address = f"127.0.0.1:{worlds.free_port()}" if tcp else f"unix:{world.folder}/c.sock"
        self.log = world.folder / "coordinator.log"
        self.files = files
        self.metrics = metrics
        self.program = program or worlds.BIN / "quant-coordinator"
        self.arguments = list(map(str, arguments))
        self.environment = {**os.environ, **(environment or {})}
        self.process = None
        self.opened = []
        self.start()

    def start(self):
        def limit():
            if self.files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, self.files))

        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "--data-dir", self.world.folder / "coordinator", "--listen",
                 self.address, "--catalog", CATALOG, "--metrics-listen", self.metrics, *self.arguments],
                stdout=subprocess.PIPE, stderr=log, preexec_fn=limit, env=self.environment)
        line = self.process.stdout.readline()
        assert line.startswith(b"ready"), self.log.read_text()

    def alive(self):
        return self.process.poll() is None

    def memory(self):
        """Bytes of RAM that the coordinator has."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) << 10

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stubs(self, options=()):
        self.opened.append(Stubs(self.address, options))
        return self.opened[-1]

    def quantctl(self, *arguments, **options):
        return self.world.quantctl("--coordinator", self.address, *arguments, **options)

    def close(self):
        for stubs in self.opened:
            stubs.close()
        if self.alive():
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class PlayedWorker:
    """A worker that executes whatever a trial says."""

    def __init__(self, stubs, name, facts=None):
        self.stubs = stubs
        methods = stubs.experiments.ListMethods(experiment_pb2.ListMethodsRequest(), timeout=60).methods
        self.info = worker_pb2.WorkerInfo(
            id=name, hostname="trial", devices=["cpu"], fingerprint="trial", runner_sha256="0" * 64, version="0.1.0",
            facts=facts or {},
            methods=[worker_pb2.MethodVersion(name=method.name, version=method.version) for method in methods])

    def sync(self, attempt=None, wants_run=True, wait=0):
        request = worker_pb2.SyncRequest(worker=self.info, wants_run=wants_run, max_wait_seconds=wait)
        if attempt is not None:
            request.attempt.CopyFrom(attempt)
        return self.stubs.workers.Sync(request, timeout=wait + 60)

    def take(self):
        """The next assignment, waited for."""
        return worlds.wait_until(lambda: self.assignment(wait=1), 60, "an assignment")

    def assignment(self, wait=0):
        response = self.sync(wait=wait)
        return response.assignment if response.HasField("assignment") else None

    def report(self, attempt, events):
        request = worker_pb2.ReportEventsRequest(attempt=attempt, first_number=events[0].number, events=events)
        return self.stubs.workers.ReportEvents(request, timeout=60)

    def upload(self, content):
        digest = hashlib.sha256(content).hexdigest()

        def chunks():
            yield artifact_pb2.UploadArtifactRequest(sha256=digest, size=len(content), offset=0, data=content[:CHUNK])
            for start in range(CHUNK, len(content), CHUNK):
                yield artifact_pb2.UploadArtifactRequest(data=content[start:start + CHUNK])

        self.stubs.artifacts.UploadArtifact(chunks(), timeout=60)
        return digest

    def finish(self, attempt, artifacts=None, events=()):
        """Ends an attempt well, with these files as its result: {name: content}."""
        events = list(events)
        for name, content in (artifacts or {}).items():
            artifact = event_pb2.Artifact(name=name, sha256=self.upload(content), size=len(content))
            events.append(event_pb2.Event(number=len(events) + 1, artifact=artifact))
            events[-1].time.GetCurrentTime()
        if events:
            self.report(attempt, events)
        request = worker_pb2.FinishAttemptRequest(attempt=attempt, outcome="RUN_STATE_SUCCEEDED",
                                                  last_number=len(events),
                                                  artifacts=[e.artifact for e in events if e.HasField("artifact")])
        request.end_time.GetCurrentTime()
        self.stubs.workers.FinishAttempt(request, timeout=60)
