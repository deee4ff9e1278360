"""Access to a coordinator beyond its machine, with the real programs: certificates, tokens, joining, refusals."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds

NOT_ALLOWED = 9  # of quantctl help exit-codes
# Seconds in which a stream of a revoked identity ends, where nothing else runs about three: well below
# the five minutes after which a watch ends by itself.
SOON = 60
TLS_ALERT = b"\x15"  # RFC 8446, 5.1: the type of the record
TOKEN = re.compile(r"^qlt_[A-Za-z0-9_-]{43}$")


def mode(path):
    return pathlib.Path(path).stat().st_mode & 0o7777


def answer_to_plain_text(address):
    """What comes back for the beginning of HTTP/2 without TLS."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        try:
            return connection.recv(1000)
        except ConnectionResetError:
            return b""


class Machine:
    """A folder, the programs, and a coordinator with TLS on a port of loopback."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="quantlab-security-"))
        self.tls = self.folder / "tls"
        self.data = self.folder / "coordinator"
        self.coordinator = None
        self.address = None

    def environment(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("QUANTLAB_")}
        environment.update(HOME=str(self.folder), NO_COLOR="1", LC_ALL="C",
                           PATH=f"{worlds.BIN}:{os.environ['PATH']}")
        return environment

    def run(self, *words, **options):
        return subprocess.run([str(word) for word in words], env=self.environment(), cwd=self.folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, **options)

    def popen(self, *words):
        return subprocess.Popen([str(word) for word in words], env=self.environment(), cwd=self.folder, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def quantctl(self, *words):
        return self.run("quantctl", *words)

    def admin(self, *words):
        return self.quantctl("--coordinator", f"unix:{self.data}/coordinator.sock", "admin", *words)

    def init_ca(self, folder, *words):
        return self.quantctl("admin", "init-ca", "--dir", folder, "--host", "127.0.0.1", *words)

    def start(self, *words):
        self.coordinator = subprocess.Popen(
            ["quant-coordinator", "--data-dir", self.data, "--catalog", worlds.ROOT / "configs/catalog.yaml",
             "--metrics-listen", "off", "--log-file", self.folder / "log", *words],
            env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder)
        line = self.coordinator.stdout.readline()
        if not line.startswith("ready "):
            raise AssertionError(self.coordinator.stderr.read())
        self.address = line.split()[1]

    def start_tls(self, *words):
        with socket.socket() as probe:  # the address is part of what add-worker prints
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.start("--listen", f"127.0.0.1:{port}", "--tls-cert", self.tls / "server.crt", "--tls-key",
                   self.tls / "server.key", *words)

    def remote(self, *words, ca=None, token=None):
        options = ["--ca-file", ca or self.tls / "ca.crt"]
        if token:
            options += ["--token-file", token]
        return self.quantctl("--coordinator", self.address, *options, *words)

    def stop(self):
        if self.coordinator is not None:
            self.coordinator.send_signal(signal.SIGTERM)
            self.coordinator.wait(timeout=30)
            self.coordinator.stdout.close()
            self.coordinator.stderr.close()
            self.coordinator = None

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class RemoteTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.machine = Machine()
        made = cls.machine.init_ca(cls.machine.tls, "--client", "carol")
        assert made.returncode == 0, made.stderr
        cls.fingerprint = re.search(r"\b[0-9a-f]{64}\b", made.stderr).group()
        cls.machine.start_tls("--tls-client-ca", cls.machine.tls / "ca.crt")
        cls.token = cls.machine.folder / "alice.token"
        added = cls.machine.admin("add-user", "alice", "--out", cls.token)
        assert added.returncode == 0, added.stderr

    @classmethod
    def tearDownClass(cls):
        cls.machine.close()

    def refused(self, done, *parts):
        self.assertEqual(done.returncode, NOT_ALLOWED, done.stderr)
        for part in parts:
            self.assertIn(part, done.stderr)

    def test_private_files_are_private(self):
        for name in ("ca.key", "server.key", "carol.key"):
            self.assertEqual(mode(self.machine.tls / name), 0o600, name)
        self.assertEqual(mode(self.token), 0o600)
        self.assertRegex(self.token.read_text().strip(), TOKEN)
        self.assertEqual(mode(self.machine.data / "coordinator.sock"), 0o600)

    def test_the_database_holds_no_token(self):
        token = self.token.read_text().strip().encode()
        for path in self.machine.data.glob("quantlab.db*"):
            self.assertNotIn(token, path.read_bytes())
        for path in (self.machine.folder / "log", self.machine.data / "audit.log"):
            self.assertNotIn(token, path.read_bytes())

    def test_a_token_signs_in(self):
        done = self.machine.remote("list", token=self.token)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_missing_wrong_and_revoked_tokens_are_refused(self):
        self.refused(self.machine.remote("list"), "requires a token")
        wrong = self.machine.folder / "wrong.token"
        wrong.write_text("qlt_" + "a" * 43 + "\n")
        wrong.chmod(0o600)
        self.refused(self.machine.remote("list", token=wrong), "unknown to this coordinator")
        bob = self.machine.folder / "bob.token"
        self.assertEqual(self.machine.admin("add-user", "bob", "--out", bob).returncode, 0)
        self.assertEqual(self.machine.remote("list", token=bob).returncode, 0)
        self.assertEqual(self.machine.admin("revoke", "bob").returncode, 0)
        self.refused(self.machine.remote("list", token=bob), "bob was revoked")

    def test_what_is_open_ends_soon_after_its_identity_is_revoked(self):
        file = self.machine.folder / "watched.yaml"
        file.write_text("experiments: {baseline: {model: minilm, dataset: imdb}}\nevaluation: {metrics: [accuracy]}\n")
        submitted = self.machine.remote("submit", file, "-o", "json", token=self.token)
        self.assertEqual(submitted.returncode, 0, submitted.stderr)
        token = self.machine.folder / "frank.token"
        added = self.machine.admin("add-user", "frank", "--role", "viewer", "--out", token)
        self.assertEqual(added.returncode, 0, added.stderr)
        watch = self.machine.popen("quantctl", "--coordinator", self.machine.address, "--ca-file",
                                   self.machine.tls / "ca.crt", "--token-file", token, "watch", "latest", "-o", "json")
        try:
            self.assertTrue(watch.stdout.readline(), "the watch shows what has happened so far")
            self.assertEqual(self.machine.admin("revoke", "frank").returncode, 0)
            _, errors = watch.communicate(timeout=SOON)
        finally:
            watch.kill()
            watch.communicate()
        self.assertEqual(watch.returncode, NOT_ALLOWED, errors)
        self.assertIn("frank was revoked", errors)
        audit = (self.machine.data / "audit.log").read_text()
        self.assertRegex(audit, r"caller=frank .*rpc=WatchExperiment .*reason=TOKEN_REVOKED")

    def test_a_worker_that_waits_for_a_run_stops_soon_after_it_is_revoked(self):
        added = self.machine.admin("add-worker", "gpu2")
        self.assertEqual(added.returncode, 0, added.stderr)
        folder = self.machine.folder / "worker2"
        joined = self.machine.run("sh", "-c", added.stdout.strip().replace("/var/lib/quantlab/worker", str(folder)))
        self.assertEqual(joined.returncode, 0, joined.stderr)
        worker = self.machine.popen("quant-worker", "--data-dir", folder, "--assets-dir", self.machine.folder / "assets",
                                    "--devices", "cpu")
        try:
            name = (folder / "worker_id").read_text().strip()
            deadline = time.monotonic() + SOON
            while name not in self.machine.quantctl("--coordinator", f"unix:{self.machine.data}/coordinator.sock",
                                                    "workers", "-o", "json").stdout:
                self.assertLess(time.monotonic(), deadline)
                self.assertIsNone(worker.poll())
            self.assertEqual(self.machine.admin("revoke", "gpu2").returncode, 0)
            _, errors = worker.communicate(timeout=SOON)
        finally:
            worker.kill()
            worker.communicate()
        self.assertNotEqual(worker.returncode, 0)
        self.assertIn("gpu2 was revoked", errors)
        self.assertIn("quant-worker join", errors)

    def test_errors_are_chinese_for_those_who_read_it(self):
        self.refused(self.machine.remote("--lang", "zh", "list"), "此协调器要求令牌")

    def test_a_token_file_that_others_can_read_is_refused_before_it_is_sent(self):
        shared = self.machine.folder / "shared.token"
        shutil.copy(self.token, shared)
        shared.chmod(0o644)
        self.refused(self.machine.remote("list", token=shared), "0644", f"chmod 600 {shared}")

    def test_roles_are_kept_apart(self):
        viewer = self.machine.folder / "viewer.token"
        self.assertEqual(self.machine.admin("add-user", "eve", "--role", "viewer", "--out", viewer).returncode, 0)
        self.assertEqual(self.machine.remote("list", token=viewer).returncode, 0)
        file = self.machine.folder / "one.yaml"
        file.write_text("experiments: {baseline: {model: minilm, dataset: imdb}}\nevaluation: {metrics: [accuracy]}\n")
        self.refused(self.machine.remote("submit", file, token=viewer), "SubmitExperiment")
        self.refused(self.machine.remote("admin", "list", token=self.token), "ListIdentities")
        submitted = self.machine.remote("submit", file, "-o", "json", token=self.token)
        self.assertEqual(submitted.returncode, 0, submitted.stderr)
        owner = self.machine.folder / "dave.token"
        self.assertEqual(self.machine.admin("add-user", "dave", "--out", owner).returncode, 0)
        self.refused(self.machine.remote("cancel", "latest", token=owner), "belongs to alice")
        self.assertEqual(self.machine.remote("cancel", "latest", token=self.token).returncode, 0)

    def test_another_authority_is_not_trusted(self):
        other = self.machine.folder / "other"
        self.assertEqual(self.machine.init_ca(other).returncode, 0)
        done = self.machine.remote("list", ca=other / "ca.crt", token=self.token)
        self.assertEqual(done.returncode, 5, done.stderr)

    def test_a_fingerprint_stands_for_the_authority(self):
        words = ["--coordinator", self.machine.address, "--token-file", self.token]
        done = self.machine.quantctl(*words, "--ca-fingerprint", self.fingerprint, "list")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.refused(self.machine.quantctl(*words, "--ca-fingerprint", "0" * 64, "list"), "another machine")

    def test_a_client_certificate_signs_in_as_the_identity_of_its_name(self):
        words = ["--client-certificate", self.machine.tls / "carol.crt", "--client-key", self.machine.tls / "carol.key"]
        self.refused(self.machine.remote(*words, "list"), "'carol'")
        self.assertEqual(self.machine.admin("add-user", "carol", "--out", self.machine.folder / "c").returncode, 0)
        self.assertEqual(self.machine.remote(*words, "list").returncode, 0)
        self.assertEqual(self.machine.admin("revoke", "carol").returncode, 0)
        self.refused(self.machine.remote(*words, "list"), "'carol'")

    def test_plain_text_gets_no_answer(self):
        done = self.machine.quantctl("--coordinator", self.machine.address, "list")
        self.assertEqual(done.returncode, 5, done.stderr)
        answer = answer_to_plain_text(self.machine.address)
        self.assertIn(answer[:1], (b"", TLS_ALERT), answer)

    def test_a_worker_joins_by_the_printed_command_once(self):
        added = self.machine.admin("add-worker", "gpu1")
        self.assertEqual(added.returncode, 0, added.stderr)
        folder = self.machine.folder / "worker"
        command = added.stdout.strip().replace("/var/lib/quantlab/worker", str(folder))
        self.assertIn(self.fingerprint, command)
        self.assertIn(self.machine.address, command)
        joined = self.machine.run("sh", "-c", command)
        self.assertEqual(joined.returncode, 0, joined.stderr)
        self.assertEqual(mode(folder / "token"), 0o600)
        self.assertRegex((folder / "token").read_text().strip(), TOKEN)
        self.assertNotIn((folder / "token").read_text().strip(), command)
        self.assertEqual((folder / "coordinator").read_text().strip(), self.machine.address)
        self.assertEqual((folder / "ca.crt").read_text(), (self.machine.tls / "ca.crt").read_text())
        before = (folder / "token").read_text()
        again = self.machine.run("sh", "-c", command)
        self.assertNotEqual(again.returncode, 0)
        self.assertIn("unknown to this coordinator", again.stderr)
        self.assertEqual((folder / "token").read_text(), before)
        identities = json.loads(self.machine.admin("list", "-o", "json").stdout)["identities"]
        worker = next(i for i in identities if i["name"] == "gpu1")
        self.assertEqual(worker["workerId"], (folder / "worker_id").read_text().strip())
        self.assertFalse(worker["waitsForJoin"])
        # Its token is a worker's, whoever sends it.
        self.refused(self.machine.remote("list", token=folder / "token"), "ListExperiments")

    def test_refusals_and_changes_are_in_the_audit_log(self):
        self.machine.remote("list")
        lines = (self.machine.data / "audit.log").read_text().splitlines()
        self.assertTrue(any("caller=local" in line and "rpc=CreateIdentity" in line and "from=unix:" in line
                            for line in lines), lines)
        self.assertTrue(any("caller=unknown" in line and "reason=TOKEN_MISSING" in line and "from=ipv4:127.0.0.1" in line
                            for line in lines), lines)


class CertificatesTest(unittest.TestCase):
    def test_a_client_is_added_without_replacing_the_server_certificate(self):
        machine = Machine()
        self.addCleanup(machine.close)
        self.assertEqual(machine.init_ca(machine.tls).returncode, 0)
        names = ("ca.crt", "ca.key", "server.crt", "server.key")
        before = [(machine.tls / name).read_bytes() for name in names]
        added = machine.quantctl("admin", "init-ca", "--dir", machine.tls, "--client", "bob")
        self.assertEqual(added.returncode, 0, added.stderr)
        self.assertNotIn("server.crt", added.stderr)
        self.assertTrue((machine.tls / "bob.crt").exists())
        self.assertEqual([(machine.tls / name).read_bytes() for name in names], before)

    def test_are_replaced_without_a_restart(self):
        machine = Machine()
        self.addCleanup(machine.close)
        self.assertEqual(machine.init_ca(machine.tls).returncode, 0)
        machine.start_tls()
        token = machine.folder / "token"
        self.assertEqual(machine.admin("add-user", "alice", "--out", token).returncode, 0)
        self.assertEqual(machine.remote("list", token=token).returncode, 0)
        new = machine.folder / "new"
        self.assertEqual(machine.init_ca(new).returncode, 0)
        for name in ("server.key", "server.crt"):
            os.replace(new / name, machine.tls / name)
        deadline = time.monotonic() + 60
        while (done := machine.remote("list", ca=new / "ca.crt", token=token)).returncode != 0:
            self.assertLess(time.monotonic(), deadline, done.stderr)
        self.assertEqual(machine.remote("list", token=token).returncode, 5, "the old authority is no longer right")
        self.assertIsNone(machine.coordinator.poll())


class LoopbackTest(unittest.TestCase):
    def setUp(self):
        self.machine = Machine()
        self.addCleanup(self.machine.close)

    def test_is_open_as_ever_without_options(self):
        self.machine.start("--listen", "127.0.0.1:0")
        self.assertEqual(self.machine.quantctl("--coordinator", self.machine.address, "list").returncode, 0)
        # RemoteTest relies on this: what answers in plain text is seen to answer.
        self.assertNotIn(answer_to_plain_text(self.machine.address)[:1], (b"", TLS_ALERT))
        self.assertFalse((self.machine.data / "audit.log").exists())

    def test_can_be_closed_while_the_own_socket_stays_open(self):
        self.machine.start("--listen", "127.0.0.1:0", "--require-auth")
        closed = self.machine.quantctl("--coordinator", self.machine.address, "list")
        self.assertEqual(closed.returncode, NOT_ALLOWED, closed.stderr)
        shown = self.machine.admin("add-user", "alice")
        self.assertRegex(shown.stdout.strip(), TOKEN)
        token = self.machine.folder / "token"
        token.write_text(shown.stdout)
        token.chmod(0o600)
        done = self.machine.quantctl("--coordinator", self.machine.address, "--token-file", token, "list")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_anything_else_is_refused_without_tls(self):
        for address in ("0.0.0.0:0", "192.0.2.1:7420", "[::]:0", "coordinator.example:7420"):
            done = self.machine.run("quant-coordinator", "--data-dir", self.machine.data, "--listen", address)
            self.assertEqual(done.returncode, 2, address)
            self.assertIn("--tls-cert", done.stderr)
            client = self.machine.quantctl("--coordinator", address.replace(":0", ":1"), "list")
            self.assertIn("--ca-file", client.stderr)

    def test_a_key_that_others_can_read_is_refused(self):
        self.assertEqual(self.machine.init_ca(self.machine.tls).returncode, 0)
        (self.machine.tls / "server.key").chmod(0o640)
        done = self.machine.run("quant-coordinator", "--data-dir", self.machine.data, "--catalog",
                                worlds.ROOT / "configs/catalog.yaml", "--listen", "127.0.0.1:0", "--tls-cert",
                                self.machine.tls / "server.crt", "--tls-key", self.machine.tls / "server.key")
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("chmod 600", done.stderr)


if __name__ == "__main__":
    unittest.main()
