"""The autoscaler's decisions, and what its two backends ask of Slurm's commands and of Kubernetes' API, each played by a
small stand-in. slurm_test.py runs it with a real Slurm."""

import contextlib
import http.server
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "deploy/autoscaler")]
import quantlab_autoscaler as autoscaler
import world as worlds

# squeue prints the file jobs; sbatch appends a waiting job to it, scancel removes one.
SQUEUE = '#!/bin/sh\ncat "$JOBS"\n'
SBATCH = '''#!/bin/sh
echo "$@" >> "$JOBS.asked"
for word; do case "$word" in --job-name=*) name=${word#*=} ;; esac; done
echo "1${name##*-}|$name|PD" >> "$JOBS"
'''
SCANCEL = '#!/bin/sh\nfor job; do sed -i "/^$job|/d" "$JOBS"; done\n'
QUANTCTL = '#!/bin/sh\n[ -f "$LISTED" ] || { echo "no coordinator" >&2; exit 4; }\necho "$@" > "$LISTED.asked"; cat "$LISTED"\n'


def listed(*states):
    experiments = [{"runs": [{"state": state.lower()} for state in states]}, {"runs": []}]
    return json.dumps({"schema": "quantlab/ExperimentList", "version": 2, "experiments": experiments})


class ScalerTest(unittest.TestCase):
    def test_workers_are_added_at_once_and_within_bounds(self):
        scaler = autoscaler.Scaler(1, 4, quiet_seconds=60)
        self.assertEqual(scaler.target(wanted=3, count=1, now=0), 3)
        self.assertEqual(scaler.target(wanted=100, count=1, now=0), 4)
        self.assertEqual(scaler.target(wanted=0, count=0, now=0), 1)
        self.assertIsNone(scaler.target(wanted=3, count=3, now=0))

    def test_workers_are_removed_only_after_a_quiet_time(self):
        scaler = autoscaler.Scaler(1, 4, quiet_seconds=60)
        self.assertIsNone(scaler.target(wanted=1, count=4, now=0), "a run could be on any of them")
        self.assertIsNone(scaler.target(wanted=0, count=4, now=10))
        self.assertIsNone(scaler.target(wanted=0, count=4, now=69))
        self.assertEqual(scaler.target(wanted=0, count=4, now=70), 1)

    def test_a_run_begins_the_quiet_time_anew(self):
        scaler = autoscaler.Scaler(0, 4, quiet_seconds=60)
        scaler.target(wanted=0, count=4, now=0)
        scaler.target(wanted=1, count=4, now=50)
        self.assertIsNone(scaler.target(wanted=0, count=4, now=70))
        self.assertEqual(scaler.target(wanted=0, count=4, now=130), 0)


class CommandsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ql-autoscaler-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.jobs, self.listed = self.folder / "jobs", self.folder / "listed"
        self.jobs.write_text("")
        for name, text in (("squeue", SQUEUE), ("sbatch", SBATCH), ("scancel", SCANCEL), ("quantctl", QUANTCTL)):
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o755)
        environment = {"PATH": f"{self.folder}:{os.environ['PATH']}", "JOBS": str(self.jobs), "LISTED": str(self.listed)}
        patch = mock.patch.dict(os.environ, environment)
        patch.start()
        self.addCleanup(patch.stop)
        self.slurm = autoscaler.Slurm("worker.sbatch", self.folder / "slots", 1, 3, 300, ["--partition=gpu"])

    def test_each_worker_has_a_slot_of_its_own(self):
        self.jobs.write_text("77|quantlab-worker-2|R\n78|another job|R\n")
        self.assertEqual(self.slurm.count(), 1)
        self.slurm.scale(3)
        asked = pathlib.Path(f"{self.jobs}.asked").read_text().splitlines()
        slots = self.folder / "slots"
        # The first MIN workers never end by themselves.
        self.assertEqual(asked, [
            f"--no-requeue --job-name=quantlab-worker-1 --output={slots}/1/job.log --partition=gpu worker.sbatch {slots}/1 0",
            f"--no-requeue --job-name=quantlab-worker-3 --output={slots}/3/job.log --partition=gpu worker.sbatch {slots}/3 300"])
        self.assertEqual(slots.joinpath("3").stat().st_mode & 0o777, 0o700)
        self.assertEqual(self.slurm.count(), 3)

    def test_only_jobs_that_wait_are_cancelled(self):
        self.jobs.write_text("11|quantlab-worker-1|R\n12|quantlab-worker-2|PD\n13|quantlab-worker-3|CG\n")
        self.slurm.scale(0)
        self.assertEqual(self.jobs.read_text(), "11|quantlab-worker-1|R\n13|quantlab-worker-3|CG\n")

    def test_demand_counts_what_waits_for_a_worker_or_has_one(self):
        self.listed.write_text(listed("QUEUED", "RUNNING", "PENDING", "SUCCEEDED", "QUEUED"))
        self.assertEqual(autoscaler.demand(["quantctl", "--coordinator", "a:1"]), 3)
        self.assertEqual(pathlib.Path(f"{self.listed}.asked").read_text(),
                         "--coordinator a:1 list --state active --limit 0 -o json\n")

    def test_another_version_of_the_json_is_refused_and_nothing_changes(self):
        self.jobs.write_text("12|quantlab-worker-2|PD\n")
        scaler = autoscaler.Scaler(0, 3, quiet_seconds=0)
        self.listed.write_text(json.dumps({**json.loads(listed("QUEUED")), "version": 3}))
        with contextlib.redirect_stderr(io.StringIO()) as said:
            autoscaler.step(scaler, self.slurm, ["quantctl"])
        self.assertIn("writes version 3 of its JSON, and this autoscaler reads version 2; install", said.getvalue())
        self.assertEqual(self.jobs.read_text(), "12|quantlab-worker-2|PD\n")

    def test_nothing_changes_while_the_coordinator_or_the_scheduler_does_not_answer(self):
        scaler = autoscaler.Scaler(2, 3, quiet_seconds=0)
        with contextlib.redirect_stderr(io.StringIO()) as said:
            autoscaler.step(scaler, self.slurm, ["quantctl"])
            self.assertEqual(self.jobs.read_text(), "")
            self.assertIn("quantctl ended with 4: no coordinator; trying again", said.getvalue())
            self.listed.write_text("{}")
            autoscaler.step(scaler, self.slurm, ["quantctl"])
            self.listed.write_text(listed())
            (self.folder / "squeue").write_text("#!/bin/sh\nexit 1\n")
            autoscaler.step(scaler, self.slurm, ["quantctl"])
            self.assertEqual(self.jobs.read_text(), "")

    def test_the_program_keeps_scaling_until_it_is_stopped(self):
        self.listed.write_text(listed("QUEUED"))
        process = subprocess.Popen([sys.executable, ROOT / "deploy/autoscaler/quantlab_autoscaler.py", "--max", "3",
                                    "--interval", "0.1", "slurm", "--script", "worker.sbatch", "--slots",
                                    self.folder / "slots"], stderr=subprocess.DEVNULL)
        self.addCleanup(process.kill)
        worlds.wait_until(lambda: len(self.jobs.read_text().splitlines()) == 1, 20, "the first job")
        self.listed.write_text(listed("QUEUED", "RUNNING"))
        worlds.wait_until(lambda: len(self.jobs.read_text().splitlines()) == 2, 20, "the second job")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=20), 0)

    def test_wrong_bounds_are_refused(self):
        for bounds in (["--min", "3", "--max", "2"], ["--min", "-1", "--max", "2"], ["--max", "0"]):
            with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as said:
                autoscaler.parse([*bounds, "kubernetes", "--statefulset", "x"])
            self.assertIn("0 <= min <= max", said.getvalue())


class FakeApi(http.server.BaseHTTPRequestHandler):
    """The subresource `scale` of one StatefulSet."""

    replicas = 2
    requests = []

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        FakeApi.requests.append((self.command, self.path, self.headers["Authorization"], self.headers["Content-Type"]))
        if self.headers["Authorization"] != "Bearer secret":
            self.send_response(401)
            self.end_headers()
            return
        if body is not None:
            FakeApi.replicas = body["spec"]["replicas"]
        # The API leaves out a number of 0.
        text = json.dumps({"spec": {"replicas": FakeApi.replicas} if FakeApi.replicas else {}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PATCH = answer

    def log_message(self, *_):
        pass


class KubernetesTest(unittest.TestCase):
    def setUp(self):
        self.account = pathlib.Path(tempfile.mkdtemp(prefix="ql-account-"))
        self.addCleanup(shutil.rmtree, self.account)
        (self.account / "token").write_text("secret\n")
        (self.account / "namespace").write_text("quantlab")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeApi)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        FakeApi.replicas, FakeApi.requests = 2, []
        self.backend = autoscaler.Kubernetes("quantlab-worker", server=f"http://127.0.0.1:{server.server_address[1]}",
                                             account=self.account)

    def test_replicas_are_read_and_set(self):
        self.assertEqual(self.backend.count(), 2)
        self.backend.scale(5)
        self.assertEqual(self.backend.count(), 5)
        self.backend.scale(0)
        self.assertEqual(self.backend.count(), 0)
        method, path, _, content = FakeApi.requests[1]
        self.assertEqual((method, path), ("PATCH", "/apis/apps/v1/namespaces/quantlab/statefulsets/quantlab-worker/scale"))
        self.assertEqual(content, "application/merge-patch+json")

    def test_a_replaced_token_is_used_and_a_refusal_is_an_error(self):
        (self.account / "token").write_text("old")
        with self.assertRaisesRegex(autoscaler.BackendError, "401"):
            self.backend.count()
        (self.account / "token").write_text("secret")
        self.assertEqual(self.backend.count(), 2)


if __name__ == "__main__":
    unittest.main()
