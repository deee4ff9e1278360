"""Workers as jobs of a real Slurm with two nodes on this machine: the autoscaler starts one for a waiting run, a job of
a partition of higher priority preempts it, the run is given back within the grace period and goes on in another job on
the other node, and idle workers end.

Needs root and the Debian packages slurm-wlm and munge; skipped without.
"""

import collections
import datetime
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds
from deploy.processes import until

SKIPPED = 77
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "squeue")
GRACE_SECONDS = 20
# A baseline that takes minutes: Slurm may take one until it preempts a job.
EXPERIMENT = worlds.EXPERIMENT.replace("epochs: 4, batch_size: 8", "epochs: 1000, batch_size: 1")

SLURM_CONF = """\
ClusterName=quantlab
SlurmctldHost=localhost
SlurmUser=root
SlurmctldPort={ports[0]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
ReturnToService=2
KillWait=5
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=4000 State=UNKNOWN
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime={grace}
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF
"""


class Cluster:
    """Slurm's daemons with everything in one folder. Needs no service manager and no cgroups."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        (folder / "state").mkdir()
        conf = folder / "slurm.conf"
        conf.write_text(SLURM_CONF.format(folder=folder, ports=[worlds.free_port() for _ in range(3)], grace=GRACE_SECONDS))
        self.environment = {**os.environ, "SLURM_CONF": str(conf)}
        (folder / "munge.key").write_bytes(os.urandom(1024))
        (folder / "munge.key").chmod(0o600)

    def boot(self):
        folder = self.folder
        self.start("munged", "--foreground", "--force", f"--key-file={folder}/munge.key",
                   f"--socket={folder}/munge.socket", f"--pid-file={folder}/munge.pid", f"--log-file={folder}/munge.log",
                   f"--seed-file={folder}/munge.seed")
        until((folder / "munge.socket").exists, "munged")
        self.start("slurmctld", "-D")
        for node in ("n1", "n2"):
            self.start("slurmd", "-D", "-N", node)
        until(lambda: self.query("sinfo", "--noheader", "--format=%T", "--partition=low").split() == ["idle"],
              f"idle nodes; see {folder}", seconds=120)

    def start(self, *words):
        log = open(self.folder / f"{words[0]}.out", "ab")
        self.processes.append(subprocess.Popen(words, env=self.environment, stdout=log, stderr=log))
        log.close()

    def query(self, *words):
        return subprocess.run(words, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True, timeout=60).stdout

    def jobs(self):
        """name -> (state, node)"""
        lines = self.query("squeue", "--noheader", "--format=%j|%T|%N").splitlines()
        return {name: (state, node) for name, state, node in (line.strip().split("|") for line in lines)}

    def stop(self):
        # The daemons end before the processes of their jobs.
        try:
            self.query("scancel", "--user=root")
            until(lambda: not self.jobs(), "jobs that are cancelled", seconds=60)
        finally:
            for process in reversed(self.processes):
                process.terminate()
            for process in self.processes:
                try:
                    process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


class SlurmTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ql-slurm-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.world = worlds.World(EXPERIMENT)
        self.addCleanup(self.world.close)
        self.cluster = Cluster(self.folder)
        self.addCleanup(self.cluster.stop)
        self.cluster.boot()
        self.address = f"127.0.0.1:{worlds.free_port()}"
        self.start(worlds.BIN / "quant-coordinator", "--data-dir", self.folder / "coordinator", "--listen", self.address,
                   "--metrics-listen", "off", "--catalog", worlds.ROOT / "configs/catalog.yaml")
        until(lambda: self.quantctl("list").returncode == 0, "the coordinator")

    def start(self, *words, **options):
        log = open(self.folder / f"{pathlib.Path(words[0]).name}.log", "ab")
        process = subprocess.Popen([str(word) for word in words], stdout=log, stderr=log, **options)
        log.close()
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def quantctl(self, *words):
        return self.world.quantctl("--coordinator", self.address, *words)

    def start_autoscaler(self):
        environment = {**self.cluster.environment, "QUANTLAB_COORDINATOR": self.address, "QUANTLAB_GRACE": "15",
                       "QUANTLAB_WORKER": str(worlds.BIN / "quant-worker"), "OMP_WAIT_POLICY": "passive",
                       "HOME": str(self.folder)}
        return self.start(sys.executable, worlds.ROOT / "deploy/autoscaler/quantlab_autoscaler.py", "--max", "2",
                          "--interval", "1", "--quiet", "5", "--quantctl", worlds.BIN / "quantctl", "slurm",
                          "--script", worlds.ROOT / "deploy/slurm/worker.sbatch", "--slots", self.folder / "slots",
                          "--idle", "15", "--sbatch=--partition=low", "--sbatch=--cpus-per-task=1", "--sbatch=--mem=1500",
                          env=environment)

    def experiment(self):
        return json.loads(self.quantctl("get", "latest", "-o", "json").stdout)

    def baseline(self):
        return next(run for run in self.experiment()["runs"] if run["id"].endswith("/baseline"))

    def outcomes(self):
        """outcome -> number of attempts that ended so"""
        log = (self.folder / "quant-coordinator.log").read_text()
        return collections.Counter(re.findall(r'msg="attempt ended".* outcome=(\w+)', log))

    def seconds_to_stop(self):
        """From SIGTERM to the end of the worker that was preempted."""
        lines = [json.loads(line) for line in (self.folder / "slots/1/job.log").read_text().splitlines()
                 if line.startswith("{")]
        times = {line["msg"]: datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00"))
                 for line in reversed(lines)}
        return (times["stopped"] - times["Terminated: stopping gently"]).total_seconds()

    def logs(self):
        paths = [*self.folder.glob("*.log"), *self.folder.glob("slots/*/job.log")]
        return "\n".join(f"--- {path}\n{path.read_text(errors='replace')[-3000:]}" for path in paths)

    def await_(self, condition, what, seconds):
        try:
            return until(condition, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.cluster.jobs()}\n{self.logs()}") from None

    def test_a_preempted_worker_gives_its_run_back_and_it_goes_on_elsewhere(self):
        self.start_autoscaler()
        time.sleep(3)
        self.assertEqual(self.cluster.jobs(), {}, "no run, no worker")
        submitted = self.quantctl("submit", self.world.experiment)
        self.assertEqual(submitted.returncode, 0, submitted.stderr)
        self.await_(lambda: self.baseline()["state"] == "running", "a worker that runs the baseline", 120)
        (job, (_, node)), = self.cluster.jobs().items()
        self.assertEqual(job, "quantlab-worker-1")

        self.cluster.query("sbatch", "--partition=high", f"--nodelist={node}", "--exclusive", "--job-name=urgent",
                           f"--output={self.folder}/urgent.log", "--wrap=sleep 600")
        self.await_(lambda: self.outcomes().get("PREEMPTED"), "the attempt that was given back", 180)
        self.await_(lambda: int(self.baseline()["attempts"]) == 2, "a second attempt", 120)
        seconds = self.seconds_to_stop()
        print(f"the worker gave its run back and stopped within {seconds:.1f} s", file=sys.stderr)
        self.assertLess(seconds, GRACE_SECONDS)
        jobs = self.cluster.jobs()
        self.assertEqual(jobs.pop("urgent"), ("RUNNING", node), "the first node is still taken")
        self.assertIn(("RUNNING", {"n1": "n2", "n2": "n1"}[node]), jobs.values())
        self.await_(lambda: self.experiment()["state"] == "succeeded", "the experiment's end", 600)
        self.assertEqual(set(self.outcomes()), {"PREEMPTED", "SUCCEEDED"}, "neither lost nor failed")
        self.await_(lambda: set(self.cluster.jobs()) == {"urgent"}, "idle workers end", 120)


if __name__ == "__main__":
    if os.geteuid() != 0 or any(shutil.which(name) is None for name in NEEDED):
        print("skipped: needs root and the packages slurm-wlm and munge (scripts/setup.sh --all)")
        sys.exit(SKIPPED)
    unittest.main()
