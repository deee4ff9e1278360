#!/usr/bin/env python3
"""Keeps between MIN and MAX workers, by the number of runs that wait for a worker or have one.

  quantlab_autoscaler.py --min 0 --max 8 slurm --script worker.sbatch --slots /shared/quantlab/slots
  quantlab_autoscaler.py --min 1 --max 8 kubernetes --statefulset quantlab-worker

The number comes from `quantctl list`, which needs a coordinator (--coordinator or quantctl's own settings) and, where
tokens are needed, one with the role viewer. Workers are added at once, and removed only while no run waits or runs, for
--quiet seconds: no run is ever interrupted. If the coordinator does not answer, the number of workers stays as it is.

Needs only Python 3.9 and its standard library.
"""

import abc
import argparse
import json
import os
import pathlib
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

COMMAND_SECONDS = 60
# Of quantctl's JSON (docs/en/json.md), whose states these are.
JSON_VERSION = 2
UNFINISHED = ("queued", "running")


class BackendError(Exception):
    """A command or a request of the scheduler failed; the text says why."""


class Backend(abc.ABC):
    """A scheduler that starts workers. Both methods raise BackendError."""

    @abc.abstractmethod
    def count(self):
        """Number of workers that are running or have been requested."""

    @abc.abstractmethod
    def scale(self, target):
        """Requests that there be `target` workers, between MIN and MAX.

        Fewer than count() are requested only while nothing waits or runs.
        """


def run(words):
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=COMMAND_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackendError(f"{words[0]}: {error}") from error
    if done.returncode != 0:
        raise BackendError(f"{words[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


class Slurm(Backend):
    """One job for each worker. Each job has one of MAX slots: a folder that keeps the worker's identity and what it has
    not delivered yet, so that the next job of the slot continues as the same worker on any node.

    Workers end by themselves when they were idle for `idle_seconds`, except those of the first MIN slots. Therefore
    scale() only adds jobs, and cancels those that have not started.
    """

    JOB = re.compile(r"quantlab-worker-(\d+)")

    def __init__(self, script, slots, minimum, maximum, idle_seconds, sbatch_options):
        self.script = script
        self.slots = pathlib.Path(slots)
        self.minimum = minimum
        self.maximum = maximum
        self.idle_seconds = idle_seconds
        self.sbatch_options = sbatch_options

    def jobs(self):
        """slot -> (id of its job, whether it waits)"""
        found = {}
        for line in run(["squeue", "--noheader", "--me", "--format=%i|%j|%t"]).splitlines():
            job, name, state = line.strip().split("|")
            if match := self.JOB.fullmatch(name):
                found[int(match[1])] = (job, state == "PD")
        return found

    def count(self):
        return len(self.jobs())

    def scale(self, target):
        jobs = self.jobs()
        free = [slot for slot in range(1, self.maximum + 1) if slot not in jobs]
        for slot in free[:max(0, target - len(jobs))]:
            self.submit(slot)
        waiting = [jobs[slot][0] for slot in sorted(jobs, reverse=True) if jobs[slot][1]]
        if surplus := waiting[:max(0, len(jobs) - target)]:
            run(["scancel", *surplus])

    def submit(self, slot):
        folder = self.slots / str(slot)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        idle = 0 if slot <= self.minimum else self.idle_seconds
        # Slurm would hold a requeued job back for two minutes; without it the next look at the queue replaces the job.
        run(["sbatch", "--no-requeue", f"--job-name=quantlab-worker-{slot}", f"--output={folder}/job.log",
             *self.sbatch_options, self.script, str(folder), str(idle)])


class Kubernetes(Backend):
    """The replicas of a StatefulSet, through the API server that the pod's service account may ask."""

    ACCOUNT = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")

    def __init__(self, statefulset, namespace=None, server=None, account=ACCOUNT):
        self.account = pathlib.Path(account)
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        server = server or f"https://{f'[{host}]' if ':' in host else host}:{port}"
        namespace = namespace or self.read("namespace")
        self.url = f"{server}/apis/apps/v1/namespaces/{namespace}/statefulsets/{statefulset}/scale"

    def read(self, name):
        try:
            return (self.account / name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BackendError(f"the service account has no {name}: {error}") from error

    def request(self, method, body=None):
        # The token is replaced while the pod runs.
        headers = {"Authorization": f"Bearer {self.read('token')}", "Content-Type": "application/merge-patch+json"}
        data = None if body is None else json.dumps(body).encode()
        context = None
        if self.url.startswith("https:"):
            context = ssl.create_default_context(cafile=str(self.account / "ca.crt"))
        request = urllib.request.Request(self.url, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=COMMAND_SECONDS, context=context) as answer:
                return json.load(answer)
        except (OSError, ValueError) as error:
            raise BackendError(f"{method} {self.url}: {error}") from error

    def count(self):
        return self.request("GET")["spec"].get("replicas", 0)

    def scale(self, target):
        self.request("PATCH", {"spec": {"replicas": target}})


def demand(quantctl):
    """Number of runs that wait for a worker or have one."""
    listed = json.loads(run([*quantctl, "list", "--state", "active", "--limit", "0", "-o", "json"]))
    if (version := listed.get("version")) != JSON_VERSION:
        # Its states may have other names, and workers would be removed while runs wait.
        raise BackendError(f"{quantctl[0]} writes version {version} of its JSON, and this autoscaler reads version "
                           f"{JSON_VERSION}; install both from the same release and start the autoscaler again")
    return sum(1 for experiment in listed["experiments"] for each in experiment["runs"] if each["state"] in UNFINISHED)


class Scaler:
    """Decides how many workers there should be."""

    def __init__(self, minimum, maximum, quiet_seconds):
        self.minimum = minimum
        self.maximum = maximum
        self.quiet_seconds = quiet_seconds
        self.quiet_since = None

    def target(self, wanted, count, now):
        """The number of workers to request, or None to leave it. `wanted` runs wait or run; `now` in seconds."""
        if wanted > 0:
            self.quiet_since = None
        elif self.quiet_since is None:
            self.quiet_since = now
        target = min(max(wanted, self.minimum), self.maximum)
        if target > count:
            return target
        quiet = self.quiet_since is not None and now - self.quiet_since >= self.quiet_seconds
        return target if target < count and quiet else None


def log(text):
    print(f"quantlab_autoscaler: {text}", file=sys.stderr, flush=True)


def step(scaler, backend, quantctl):
    try:
        wanted = demand(quantctl)
        count = backend.count()
        target = scaler.target(wanted, count, time.monotonic())
        if target is not None:
            log(f"{wanted} runs wait or run, {count} workers: requesting {target}")
            backend.scale(target)
    except BackendError as error:
        log(f"{error}; trying again")
    except (ValueError, KeyError) as error:
        log(f"the answer cannot be read ({error!r}); trying again")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--min", type=int, default=0, help="workers that are always there (default: 0)")
    parser.add_argument("--max", type=int, required=True, help="workers at most")
    parser.add_argument("--interval", type=float, default=10, help="seconds from one look at the queue to the next")
    parser.add_argument("--quiet", type=float, default=120, help="seconds without any run until workers are removed")
    parser.add_argument("--coordinator", help="address for quantctl (default: quantctl's own settings)")
    parser.add_argument("--quantctl", default="quantctl", help="path of quantctl")
    backends = parser.add_subparsers(dest="backend", required=True)
    slurm = backends.add_parser("slurm", help="jobs of Slurm")
    slurm.add_argument("--script", required=True, help="the batch script, deploy/slurm/worker.sbatch")
    slurm.add_argument("--slots", required=True, help="folder of the workers' folders, on a file system of all nodes")
    slurm.add_argument("--idle", type=float, default=300, help="seconds without a run after which a worker ends")
    slurm.add_argument("--sbatch", action="append", default=[], metavar="OPTION", help="option for sbatch, repeatable")
    kubernetes = backends.add_parser("kubernetes", help="replicas of a StatefulSet")
    kubernetes.add_argument("--statefulset", required=True)
    kubernetes.add_argument("--namespace", help="default: the pod's own")
    kubernetes.add_argument("--server", help="address of the API server (default: the cluster's own)")
    options = parser.parse_args(arguments)
    if not 0 <= options.min <= options.max or options.max < 1:
        parser.error(f"--min is {options.min} and --max is {options.max}; needed: 0 <= min <= max, max >= 1")
    return options


def main(arguments):
    options = parse(arguments)
    if options.backend == "slurm":
        backend = Slurm(options.script, options.slots, options.min, options.max, options.idle, options.sbatch)
    else:
        backend = Kubernetes(options.statefulset, options.namespace, options.server)
    quantctl = [options.quantctl, *(["--coordinator", options.coordinator] if options.coordinator else [])]
    scaler = Scaler(options.min, options.max, options.quiet)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    while not stopped.is_set():
        step(scaler, backend, quantctl)
        stopped.wait(options.interval)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BackendError as failed:
        sys.exit(f"quantlab_autoscaler: {failed}")
