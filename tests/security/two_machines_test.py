"""Two machines, played by network namespaces: a coordinator in one, a worker and a user in the other, TLS between.

Needs root and iproute2; skipped without them."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds

SKIPPED = 77
HERE, THERE = "10.213.77.1", "10.213.77.2"


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class TwoMachinesTest(unittest.TestCase):
    def setUp(self):
        self.names = [f"ql{os.getpid()}{side}" for side in "ab"]
        self.started = []
        self.world = worlds.World()
        self.addCleanup(self.clean)
        for name in self.names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", self.names[0], "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.names[1])
        for name, address in zip(self.names, (HERE, THERE)):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")

    def clean(self):
        for process in reversed(self.started):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
        for name in self.names:
            ip("netns", "del", name, check=False)
        self.world.close()

    def words(self, side, words):
        return ["ip", "netns", "exec", self.names[side], *map(str, words)]

    def environment(self):
        return {**self.world.environment(), "PATH": f"{worlds.BIN}:{os.environ['PATH']}", "LC_ALL": "C"}

    def run_in(self, side, *words, timeout=240):
        return subprocess.run(self.words(side, words), env=self.environment(), cwd=self.world.folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)

    def start_in(self, side, log, *words):
        with open(self.world.folder / log, "w") as errors:
            process = subprocess.Popen(self.words(side, words), env=self.environment(), cwd=self.world.folder,
                                       stdout=subprocess.PIPE, stderr=errors, text=True)
        self.started.append(process)
        return process

    def test_an_experiment_runs_on_the_other_machine(self):
        folder, data = self.world.folder, self.world.folder / "coordinator"
        made = self.run_in(0, "quantctl", "admin", "init-ca", "--dir", folder / "tls", "--host", HERE)
        self.assertEqual(made.returncode, 0, made.stderr)
        fingerprint = re.search(r"\b[0-9a-f]{64}\b", made.stderr).group()
        coordinator = self.start_in(0, "coordinator.log", "quant-coordinator", "--data-dir", data, "--catalog",
                                    worlds.ROOT / "configs/catalog.yaml", "--metrics-listen", "off", "--listen",
                                    f"{HERE}:7420", "--tls-cert", folder / "tls/server.crt", "--tls-key",
                                    folder / "tls/server.key")
        self.assertEqual(coordinator.stdout.readline(), f"ready {HERE}:7420\n")
        here = ["quantctl", "--coordinator", f"unix:{data}/coordinator.sock"]
        self.assertEqual(self.run_in(0, *here, "admin", "add-user", "alice", "--out", folder / "token").returncode, 0)
        join = self.run_in(0, *here, "admin", "add-worker", "there").stdout.strip()
        joined = self.run_in(1, "sh", "-c", join.replace("/var/lib/quantlab/worker", str(folder / "worker")))
        self.assertEqual(joined.returncode, 0, joined.stderr)
        self.start_in(1, "worker.log", "quant-worker", "--data-dir", folder / "worker", "--assets-dir", folder / "assets",
                      "--devices", "cpu")
        there = ["quantctl", "--coordinator", f"{HERE}:7420", "--ca-fingerprint", fingerprint, "--token-file",
                 folder / "token"]
        done = self.run_in(1, *there, "run", self.world.experiment)
        self.assertEqual(done.returncode, 0, done.stderr + (folder / "worker.log").read_text())
        self.assertTrue((self.world.results / "tiny/baseline/metrics.json").is_file())
        # Without an encrypted connection nothing is said, from either side.
        plain = self.run_in(1, "quantctl", "--coordinator", f"{HERE}:7420", "list")
        self.assertNotEqual(plain.returncode, 0)
        self.assertIn("--ca-file", plain.stderr)
        # Revoked, the worker gets nothing more.
        self.assertEqual(self.run_in(0, *here, "admin", "revoke", "there").returncode, 0)
        deadline = time.monotonic() + 60
        audit = data / "audit.log"
        while "reason=TOKEN_REVOKED" not in audit.read_text():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.2)


if __name__ == "__main__":
    if os.geteuid() != 0 or shutil.which("ip") is None or ip("netns", "list", check=False).returncode != 0:
        sys.exit(SKIPPED)
    unittest.main()
