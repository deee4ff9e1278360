"""Exercises deploy/: systemd accepts the units, their command lines start a coordinator and a worker, promtool accepts
the configuration and the alerts fire as their tests say."""

import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds
from deploy.processes import until

DEPLOY = worlds.ROOT / "deploy"
UNITS = ("quant-coordinator", "quant-worker")
EXPOSURE = {"quant-coordinator": 20, "quant-worker": 20}
RULES = DEPLOY / "prometheus/quantlab.rules.yml"


def unit(name):
    return (DEPLOY / f"systemd/{name}.service").read_text(encoding="utf-8")


def settings(name):
    return (DEPLOY / f"etc/{name}.yaml").read_text(encoding="utf-8")


def value(text, key, separator="="):
    return re.search(rf"^{key}{separator}(.+)$", text, flags=re.MULTILINE)[1]


def is_ready(address):
    try:
        return urllib.request.urlopen(f"http://{address}/readyz", timeout=10).status == 200
    except OSError:  # 503, or nobody listens
        return False


class ReadmeTest(unittest.TestCase):
    def test_both_languages_list_every_file_with_the_same_commands(self):
        files = {path.relative_to(DEPLOY).as_posix() for path in DEPLOY.rglob("*") if path.is_file()}
        texts = [(DEPLOY / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")]
        blocks = [re.findall(r"^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL) for text in texts]
        self.assertEqual(blocks[0], blocks[1])
        self.assertGreater(len(blocks[0]), 1)
        for text in texts:
            listed = set(re.findall(r"^\| \[`([^`]+)`\]", text, flags=re.MULTILINE))
            self.assertEqual(listed, {name for name in files if not name.startswith("README")})

    def test_commands_name_files_that_there_are(self):
        text = (DEPLOY / "README.md").read_text(encoding="utf-8")
        for name in re.findall(r"(?<![\w/])(?:deploy|configs)/[\w./-]+", text):
            self.assertTrue((worlds.ROOT / name).exists(), name)


class UnitTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ql-deploy-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def test_systemd_accepts_the_units(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("there is no systemd-analyze")
        for name in UNITS:
            text = re.sub("(User|Group)=quantlab", r"\1=root", unit(name).replace("/usr/bin", str(worlds.BIN)))
            (self.folder / f"{name}.service").write_text(text, encoding="utf-8")
        run = subprocess.run(["systemd-analyze", "verify", "--man=no", *(str(self.folder / f"{name}.service") for name in UNITS)],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        problems = [line for line in run.stdout.splitlines() if any(f"{name}.service" in line for name in UNITS)]
        self.assertEqual(problems, [])
        self.assertEqual(run.returncode, 0, run.stdout)

    def test_the_units_are_sandboxed(self):
        """`systemd-analyze security` rates the exposure from 0 to 100."""
        if shutil.which("systemd-analyze") is None:
            self.skipTest("there is no systemd-analyze")
        for name, threshold in EXPOSURE.items():
            run = subprocess.run(["systemd-analyze", "security", "--offline=true", f"--threshold={threshold}",
                                  str(DEPLOY / f"systemd/{name}.service")],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
            self.assertEqual(run.returncode, 0, run.stdout)

    def test_the_worker_has_time_to_stop_its_runner(self):
        grace = value(settings("worker"), "grace", ": ")
        self.assertGreater(int(value(unit("quant-worker"), "TimeoutStopSec")), int(grace) + 20,
                           "the upload of a training's last state takes up to --checkpoint-upload-seconds")

    def command(self, name):
        """ExecStart with its file of options, in which folders and addresses are replaced."""
        program, option, file = value(unit(name), "ExecStart").split()
        text = (DEPLOY / "etc" / pathlib.Path(file).name).read_text(encoding="utf-8")
        for old, new in (("/usr/share/quantlab", worlds.ROOT / "configs"), ("/var/lib/quantlab", self.folder),
                         ("127.0.0.1:7070", self.address), ("127.0.0.1:9464", self.metrics),
                         ("127.0.0.1:9465", self.worker_metrics)):
            text = text.replace(old, str(new))
        # The examples are accepted too.
        text = re.sub(r"^# (retention|store_quota|max_\w+):", r"\1:", text, flags=re.MULTILINE)
        (self.folder / pathlib.Path(file).name).write_text(text, encoding="utf-8")
        return [program.replace("/usr/bin", str(worlds.BIN)), option, str(self.folder / pathlib.Path(file).name)]

    def start(self, words):
        log = open(self.folder / "log.txt", "ab")
        self.addCleanup(log.close)
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=log, cwd="/")
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def check_that_a_restart_is_noticed(self, services):
        services[0].kill()
        services[0].wait()
        until(lambda: not is_ready(self.worker_metrics), "a worker that notices that the coordinator is away")
        services[0] = self.start(self.command("quant-coordinator"))
        until(lambda: is_ready(self.metrics), "the coordinator is back")
        # Sooner than an idle worker's call, which may wait for a run for 30 s, would end.
        until(lambda: is_ready(self.worker_metrics), "a worker that notices that it is back", seconds=20)

    def test_their_commands_start_a_service_that_serves_what_the_alerts_read(self):
        if not all((worlds.BIN / name).exists() for name in (*UNITS, "quant-runner", "quantctl")):
            self.skipTest("not all programs are built")
        self.address, self.metrics = f"127.0.0.1:{worlds.free_port()}", f"127.0.0.1:{worlds.free_port()}"
        self.worker_metrics = f"127.0.0.1:{worlds.free_port()}"
        services = [self.start(self.command("quant-coordinator")), self.start(self.command("quant-worker"))]

        def has_a_worker():
            run = subprocess.run([worlds.BIN / "quantctl", "--coordinator", self.address, "workers", "-o", "json"],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            return run.returncode == 0 and '"hostname"' in run.stdout

        until(has_a_worker, f"a worker\n{(self.folder / 'log.txt').read_text()}")
        served = "".join(urllib.request.urlopen(f"http://{address}/metrics", timeout=10).read().decode()
                         for address in (self.metrics, self.worker_metrics))
        for address in (self.metrics, self.worker_metrics):
            until(lambda: is_ready(address), f"{address} is ready")
        # What the rules read, but for what they record themselves and what only a GPU reports.
        names = {name for name in re.findall(r"(?<![\w:])quantlab_\w+", RULES.read_text(encoding="utf-8"))
                 if "_gpu_" not in name}
        self.assertGreater(len(names), 3)
        for name in names:
            self.assertRegex(served, rf"(?m)^{name}[{{ ]", name)
        for label, state in re.findall(r'(\w+)=~?"([\w|]+)"', RULES.read_text(encoding="utf-8")):
            for one in state.split("|") if label == "state" else []:
                self.assertIn(f'state="{one}"', served)
        self.check_that_a_restart_is_noticed(services)
        for service in reversed(services):
            service.send_signal(signal.SIGTERM)
            self.assertEqual(service.wait(timeout=60), 0)


class PrometheusTest(unittest.TestCase):
    def promtool(self, *arguments):
        if shutil.which("promtool") is None:
            self.skipTest("there is no promtool")
        run = subprocess.run(["promtool", *arguments], cwd=DEPLOY / "prometheus", stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, timeout=300)
        self.assertEqual(run.returncode, 0, run.stdout)

    def test_the_configuration_is_accepted_with_its_rules(self):
        self.promtool("check", "config", "prometheus.yml")

    def test_alerts_fire_when_they_should_and_not_otherwise(self):
        self.promtool("test", "rules", "quantlab.rules.test.yml")

    def test_every_alert_is_tested(self):
        alerts = re.findall(r"- alert: (\w+)", RULES.read_text(encoding="utf-8"))
        self.assertGreater(len(alerts), 3)
        tests = (DEPLOY / "prometheus/quantlab.rules.test.yml").read_text(encoding="utf-8")
        for alert in alerts:
            self.assertIn(f"alertname: {alert}", tests)


if __name__ == "__main__":
    unittest.main()
