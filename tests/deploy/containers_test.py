"""Rules for the Containerfiles and compose.yaml, in the spirit of hadolint and of the Docker benchmark of the CIS; and,
with --build, the images themselves: built by buildah without an engine from a Debian root, then started as their users.

--build needs root, buildah, debootstrap, a Debian mirror and all programs; it is skipped without the first three.
"""

import json
import os
import pathlib
import re
import shlex
import shutil
import sys
import tempfile
import unittest

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds
from packages_test import MIRROR, make_packages, run

SKIPPED = 77
FOLDER = worlds.ROOT / "deploy/containers"
FILES = sorted(FOLDER.glob("*.Containerfile"))
TAG = re.compile(r"\S+:[\w.-]+")


def instructions(path):
    """(instruction, arguments) of each, with continued lines joined."""
    text = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def problems(steps):
    """What breaks a rule."""
    found = []
    kinds = [kind for kind, _ in steps]
    of = lambda wanted: [arguments for kind, arguments in steps if kind == wanted]
    for base in of("ARG"):
        if base.startswith("BASE=") and (not TAG.search(base) or base.endswith(":latest")):
            found.append(f"the base image has no version: {base}")
    if any(kind in ("ADD", "MAINTAINER") for kind in kinds):
        found.append("use COPY, not ADD")
    users = of("USER")
    if not users or not re.fullmatch(r"[1-9]\d+:[1-9]\d+", users[-1]):
        found.append("the last USER must be numbers other than 0, which Kubernetes can check")
    for instruction in ("HEALTHCHECK", "ENTRYPOINT", "STOPSIGNAL"):
        if kinds.count(instruction) != 1:
            found.append(f"{kinds.count(instruction)} {instruction} instead of one")
    for command in of("ENTRYPOINT") + of("CMD"):
        if not command.startswith("["):
            found.append(f"a shell would receive the signals: {command}")
    if "apt-get install" in " ".join(of("RUN")):
        for each in of("RUN"):
            if "apt-get install" in each:
                for needed in ("apt-get update", "--no-install-recommends", "-y", "rm -rf", "/var/lib/apt/lists"):
                    if needed not in each:
                        found.append(f"apt-get install without {needed}")
    for each in of("RUN"):
        if re.search(r"\bsudo\b|apt-get (?:dist-)?upgrade|curl[^|]*\||wget[^|]*\|", each):
            found.append(f"not allowed: {each}")
    if "USER" in kinds and any(kind in ("RUN", "COPY") for kind in kinds[kinds.index("USER"):]):
        found.append("files made after USER would be writable by the service")
    for each in of("ENV"):
        if re.search(r"TOKEN|PASSWORD|SECRET", each):
            found.append(f"a secret in the image: {each}")
    return found


class ContainerfileTest(unittest.TestCase):
    def test_the_files_keep_to_the_rules(self):
        self.assertEqual([path.name for path in FILES], ["coordinator.Containerfile", "worker.Containerfile"])
        for path in FILES:
            self.assertEqual(problems(instructions(path)), [], path.name)

    def test_each_rule_can_fail(self):
        good = instructions(FILES[0])
        replaced = lambda kind, arguments: [(k, arguments if k == kind else a) for k, a in good]
        without = lambda kind: [(k, a) for k, a in good if k != kind]
        for broken in (replaced("ARG", "BASE=debian"), replaced("ARG", "BASE=debian:latest"), replaced("USER", "root"),
                       replaced("USER", "quantlab"), without("USER"), without("HEALTHCHECK"),
                       replaced("ENTRYPOINT", "quant-coordinator"), replaced("RUN", "apt-get install -y curl"),
                       replaced("RUN", "curl https://x | sh"), [*good, ("RUN", "true")], [*good, ("ADD", "a b")],
                       [*good, ("ENV", "QUANTLAB_TOKEN=x")]):
            self.assertNotEqual(problems(broken), [])

    def test_copied_packages_are_those_that_are_made(self):
        packages = (worlds.ROOT / "cmake/Packages.cmake").read_text(encoding="utf-8")
        for path in FILES:
            for arguments in [arguments for kind, arguments in instructions(path) if kind == "COPY"]:
                for name in re.findall(r"quantlab-(\w+)_", arguments):
                    self.assertRegex(packages, rf"_quantlab_package\({name} ")


class ComposeTest(unittest.TestCase):
    def setUp(self):
        self.compose = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))

    def test_services_are_restricted(self):
        for name, service in self.compose["services"].items():
            self.assertTrue(service["read_only"], name)
            self.assertEqual(service["cap_drop"], ["ALL"], name)
            self.assertIn("no-new-privileges:true", service["security_opt"], name)
            self.assertFalse({"privileged", "pid", "ipc", "devices"} & set(service), name)
            self.assertRegex(service["image"], TAG, name)
            self.assertFalse(service["image"].endswith(":latest"), name)

    def test_only_the_coordinator_is_reachable_from_other_machines(self):
        for name, service in self.compose["services"].items():
            for port in service.get("ports", ()):
                self.assertTrue(port.startswith("127.0.0.1:") or port == "7420:7420" and name == "coordinator", port)

    def test_what_is_mounted_exists(self):
        for name, service in self.compose["services"].items():
            for volume in service.get("volumes", ()):
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue((FOLDER / source).exists(), f"{name}: {source}")
                else:
                    self.assertIn(source, self.compose["volumes"], name)

    def test_what_waits_for_health_has_a_health_check(self):
        images = {f"quantlab-{path.stem}" for path in FILES}
        for name, service in self.compose["services"].items():
            for other, condition in service.get("depends_on", {}).items():
                awaited = self.compose["services"][other]
                if condition["condition"] == "service_healthy":
                    self.assertTrue("healthcheck" in awaited or awaited["image"].split(":")[0] in images, f"{name}: {other}")

    def test_workers_have_time_to_give_their_run_back(self):
        settings = yaml.safe_load((FOLDER / "worker.yaml").read_text(encoding="utf-8"))
        stop = self.compose["services"]["worker"]["stop_grace_period"]
        self.assertGreater(int(stop.removesuffix("s")), settings["grace"])


class BuildTest(unittest.TestCase):
    """Images as buildah makes them with chroot isolation, which needs no engine, no cgroups and no registry."""

    @classmethod
    def setUpClass(cls):
        if "--build" not in ARGUMENTS:
            raise unittest.SkipTest("only with --build")
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="ql-images-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.packages = cls.folder / "packages"
        cls.packages.mkdir()
        for path in make_packages(cls.folder / "made").values():
            shutil.copy(path, cls.packages)
        root = os.environ.get("QUANTLAB_DEBIAN_ROOT")
        if not root:
            root = cls.folder / "root"
            run("debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", root, MIRROR)
        base = cls.buildah("from", "scratch").strip().splitlines()[-1]
        cls.buildah("add", "--quiet", base, root, "/")
        cls.buildah("commit", "--quiet", "--rm", base, "localhost/debian:12")

    @classmethod
    def buildah(cls, *words):
        environment = {**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}
        return run("buildah", "--root", cls.folder / "storage", "--runroot", cls.folder / "run", *words, env=environment)

    def build(self, name):
        self.buildah("build", "--build-arg", "BASE=localhost/debian:12", "--format", "docker", "--tag", f"quantlab-{name}",
                     "--file", FOLDER / f"{name}.Containerfile", self.packages)
        return self.buildah("from", "--pull-never", f"quantlab-{name}").strip().splitlines()[-1]

    def test_the_images_are_built_and_their_programs_start_as_their_user(self):
        coordinator = self.build("coordinator")
        self.assertEqual(self.buildah("run", coordinator, "--", "id", "-u").strip().splitlines()[-1], "10001")
        self.assertIn("0.1.0", self.buildah("run", coordinator, "--", "quantctl", "version"))
        self.assertIn("--statefulset", self.buildah("run", coordinator, "--", "quantlab-autoscaler", "--max", "1",
                                                    "kubernetes", "--help"))
        port = worlds.free_port()
        serve = (f"quant-coordinator --data-dir /var/lib/quantlab/c --listen 127.0.0.1:{port} --require-auth "
                 "--metrics-listen off & for i in $(seq 60); do sleep 1; quantctl --coordinator "
                 "unix:/var/lib/quantlab/c/coordinator.sock list --limit 1 && echo healthy && break; done; kill %1; wait")
        self.assertIn("healthy", self.buildah("run", coordinator, "--", "bash", "-mc", serve))
        owned = self.buildah("run", "--user", "0:0", coordinator, "--", "find", "/etc", "/usr", "/var", "-user", "10001",
                             "-not", "-path", "/var/lib/quantlab*")
        self.assertEqual(owned.strip(), "", "the service owns nothing but its data")
        worker = self.build("worker")
        (health,) = [arguments for kind, arguments in instructions(FOLDER / "worker.Containerfile") if kind == "HEALTHCHECK"]
        command = shlex.join(json.loads(health[health.index("["):]))
        states = self.buildah("run", worker, "--", "bash", "-c",
                              f"{command}; echo without: $?; quant-worker --coordinator 127.0.0.1:9 --data-dir "
                              f"/var/lib/quantlab/worker & for i in $(seq 60); do sleep 1; {command} && break; done; "
                              "echo with: $?; kill $!; wait")
        self.assertIn("without: 1", states)
        self.assertIn("with: 0", states)
        self.assertIn("cpu", self.buildah("run", worker, "--", "quant-runner", "info"))


ARGUMENTS = sys.argv[1:]
if __name__ == "__main__":
    if "--build" in ARGUMENTS:
        sys.argv.remove("--build")
        if os.geteuid() != 0 or any(shutil.which(name) is None for name in ("buildah", "debootstrap")):
            print("skipped: needs root, buildah and debootstrap (scripts/setup.sh --all)")
            sys.exit(SKIPPED)
    unittest.main()
