"""How fast a coordinator answers users while many workers and watches keep it busy.

    busy_coordinator.py [--workers N] [--watches N] [--runs N] [--seconds S]      by the Python of .venv-tests

The coordinator is real (QUANTLAB_BIN, else build/release/bin), on a Unix socket; the workers report one event and finish
each run at once. Prints runs per second, and the latencies of ListExperiments and ListMethods beside them. Clients
and coordinator share this machine, so the numbers are lower bounds.
"""

import argparse
import asyncio
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/fault"))
from service import Service, worlds

import grpc  # noqa: E402
from quantlab.v1 import (event_pb2, experiment_pb2, experiment_pb2_grpc, worker_pb2, worker_pb2_grpc)  # noqa: E402


def experiment(name, runs):
    """From the catalogue, with `runs` variants of one method."""
    seeds = ", ".join(str(seed) for seed in range(1, runs + 1))
    return (f"name: {name}\nseeds: [{seeds}]\nreuse: false\nexperiments:\n"
            "  baseline: {enabled: true, model: minilm, dataset: imdb}\n")


class Load:
    def __init__(self, address, arguments):
        self.address = address
        self.arguments = arguments
        self.finished = 0
        self.failed = 0
        self.changes = 0
        self.list_times, self.method_times = [], []
        self.ending = False

    def stubs(self):
        channel = grpc.aio.insecure_channel(self.address,
                                            options=[("grpc.max_receive_message_length", 256 << 20),
                                                     ("grpc.use_local_subchannel_pool", 1)])
        return experiment_pb2_grpc.ExperimentServiceStub(channel), worker_pb2_grpc.WorkerServiceStub(channel)

    async def work(self, number, methods):
        _, workers = self.stubs()
        info = worker_pb2.WorkerInfo(
            id=f"busy-{number}", hostname="busy", devices=["cpu"], fingerprint="busy", runner_sha256="0" * 64,
            methods=[worker_pb2.MethodVersion(name=m.name, version=m.version) for m in methods])
        while not self.ending:
            try:
                response = await workers.Sync(
                    worker_pb2.SyncRequest(worker=info, wants_run=True, max_wait_seconds=2), timeout=60)
                if not response.HasField("assignment"):
                    continue
                attempt = response.assignment.attempt
                event = event_pb2.Event(number=1, log=event_pb2.LogLine(severity="SEVERITY_INFO", message="busy"))
                event.time.GetCurrentTime()
                await workers.ReportEvents(
                    worker_pb2.ReportEventsRequest(attempt=attempt, first_number=1, events=[event]), timeout=60)
                end = worker_pb2.FinishAttemptRequest(attempt=attempt, outcome="RUN_STATE_SUCCEEDED", last_number=1)
                end.end_time.GetCurrentTime()
                await workers.FinishAttempt(end, timeout=60)
                self.finished += 1
            except grpc.aio.AioRpcError as error:
                self.failed += error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
                await asyncio.sleep(0.1)

    async def watch(self, names):
        experiments, _ = self.stubs()
        for name in names:
            try:
                async for _ in experiments.WatchExperiment(experiment_pb2.WatchExperimentRequest(id=name), timeout=600):
                    self.changes += 1
                    if self.ending:
                        return
            except grpc.aio.AioRpcError:
                return

    async def ask(self, call, times):
        while not self.ending:
            start = time.monotonic()
            try:
                await call()
            except grpc.aio.AioRpcError:
                self.failed += 1
            times.append(time.monotonic() - start)
            await asyncio.sleep(0.2)

    async def run(self):
        experiments, _ = self.stubs()
        methods = (await experiments.ListMethods(experiment_pb2.ListMethodsRequest(), timeout=60)).methods
        names = []
        for number in range(4):
            request = experiment_pb2.SubmitExperimentRequest(
                request_id=f"busy-{number}",
                files=[experiment_pb2.SourceFile(name="e.yaml",
                                                 content=experiment(f"busy{number}", self.arguments.runs // 4))])
            names.append((await experiments.SubmitExperiment(request, timeout=120)).experiment.id)
        tasks = [asyncio.create_task(self.work(number, methods)) for number in range(self.arguments.workers)]
        tasks += [asyncio.create_task(self.watch(names[number % 4:])) for number in range(self.arguments.watches)]
        tasks += [
            asyncio.create_task(self.ask(lambda: experiments.ListExperiments(
                experiment_pb2.ListExperimentsRequest(page_size=20), timeout=60), self.list_times)),
            asyncio.create_task(self.ask(lambda: experiments.ListMethods(
                experiment_pb2.ListMethodsRequest(), timeout=60), self.method_times))]
        start = time.monotonic()
        await asyncio.sleep(self.arguments.seconds)
        self.ending = True
        self.took = time.monotonic() - start
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=300)
    parser.add_argument("--watches", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3600)
    parser.add_argument("--seconds", type=float, default=30)
    arguments = parser.parse_args()
    with worlds.World() as world, Service(world) as service:
        load = Load(service.address, arguments)
        asyncio.run(load.run())
        print(f"{arguments.workers} workers, {arguments.watches} watches, {load.took:.0f} s: "
              f"{load.finished / load.took:.1f} runs/s, {load.changes} changes watched, {load.failed} calls failed")
        for name, times in (("ListExperiments", load.list_times), ("ListMethods", load.method_times)):
            print(f"{name:16} p50 {percentile(times, 0.5):.0f} ms, p95 {percentile(times, 0.95):.0f} ms "
                  f"({len(times)} calls)")
        print(f"coordinator: {service.cpu_seconds():.0f} CPU-seconds, {service.memory() >> 20} MiB")


if __name__ == "__main__":
    main()
