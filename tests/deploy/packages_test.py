"""Builds the Debian packages and takes them through their life in a clean Debian root that is booted with a real systemd:
an older version is installed and gets data; the running services are upgraded, run an experiment within their sandboxes
and are stopped; the packages are removed, installed again and purged.

Needs root, debootstrap, control groups (machine.py) and a Debian mirror; skipped without the first three.
QUANTLAB_DEBIAN_ROOT names an existing clean root, which is copied instead of made anew; QUANTLAB_DEBIAN_MIRROR another
mirror; QUANTLAB_PACKAGES a folder with packages that are tested instead of new ones.
"""

import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds
import machine as machines
from deploy.processes import until

BUILD = worlds.BIN.parent
PREVIOUS_DATA = worlds.ROOT / "tests/previous/version_0.1.0.tar.xz"
MIRROR = os.environ.get("QUANTLAB_DEBIAN_MIRROR", "http://deb.debian.org/debian")
PACKAGES = ("common", "coordinator", "worker", "client")
SERVICES = ("coordinator", "worker")
SKIPPED = 77
# Runs a command in the root, with /proc, in a mount namespace that ends with it. $0 is the root.
ENTER = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **{"timeout": 1500, **options})
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout[-8000:]}")
    return done.stdout


def make_packages(folder):
    """name -> path of the package"""
    if existing := os.environ.get("QUANTLAB_PACKAGES"):
        return {name: next(pathlib.Path(existing).glob(f"quantlab-{name}_*.deb")) for name in PACKAGES}
    run("cmake", "--build", BUILD, "--target", "installable")
    run("cpack", "-G", "DEB", "-D", f"CPACK_PACKAGE_DIRECTORY={folder}", cwd=BUILD)
    return {name: next(folder.glob(f"quantlab-{name}_*.deb")) for name in PACKAGES}


def make_older(package, folder):
    """The package as version 0.0.9, with a default that the real one does not have: no earlier version was packaged."""
    tree = folder / package.stem
    run("dpkg-deb", "--raw-extract", package, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"(Version: |quantlab-common \(= )[\w.+~-]+", r"\g<1>0.0.9", control.read_text()))
    for config in (tree / "etc/quantlab").glob("*.yaml") if (tree / "etc").exists() else ():
        config.write_text(config.read_text() + "log_level: info\n")
    older = folder / f"{package.name.split('_')[0]}_0.0.9.deb"
    run("dpkg-deb", "-Znone", "--build", tree, older)
    shutil.rmtree(tree)
    return older


class PackagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="ql-packages-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.root = cls.folder / "root"
        cls.packages = make_packages(cls.folder / "debs")
        if existing := os.environ.get("QUANTLAB_DEBIAN_ROOT"):
            run("cp", "-a", existing, cls.root)
        else:
            run("debootstrap", "--variant=minbase", "--include=ca-certificates,systemd", "bookworm", cls.root, MIRROR)

    def apt(self, *words):
        """Before the machine is booted, because it has no network."""
        run("unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, self.root, "env",
            "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-o", "Dpkg::Use-Pty=0", "--no-install-recommends", *words)

    def copy(self, packages):
        for path in packages:
            shutil.copy(path, self.root / "root")
        return [f"/root/{path.name}" for path in packages]

    def enter(self, *words):
        """The output of a command in the machine."""
        done = self.machine.run("env", "HOME=/root", "DEBIAN_FRONTEND=noninteractive", "NO_COLOR=1",
                                "QUANTLAB_COORDINATOR=127.0.0.1:7070", *words)
        self.assertEqual(done.returncode, 0, f"{words}:\n{done.stdout[-6000:]}")
        return done.stdout

    def installed(self):
        lines = self.enter("dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n").splitlines()
        return {name: (version, state) for name, version, state in map(str.split, lines) if "quantlab" in name}

    def service(self, name):
        """ActiveState, Result and MainPID of a unit."""
        shown = self.enter("systemctl", "show", "--property=ActiveState,Result,MainPID", f"quant-{name}")
        values = dict(line.split("=", 1) for line in shown.splitlines())
        return values["ActiveState"], values["Result"], int(values["MainPID"])

    def assert_services(self, state):
        for name in SERVICES:
            self.assertEqual(self.service(name)[:2], (state, "success"), self.machine.run("journalctl", "--no-pager").stdout)

    def experiments(self):
        listed = json.loads(self.enter("quantctl", "list", "-o", "json"))["experiments"]
        return {experiment["name"]: experiment["state"].upper() for experiment in listed}

    def settings(self):
        return [(self.root / f"etc/quantlab/{name}.yaml").read_text() for name in SERVICES]

    def install_older_version_with_data(self):
        (self.folder / "older").mkdir()
        self.apt("update")
        self.apt("install", *self.copy([make_older(path, self.folder / "older") for path in self.packages.values()]))
        with tarfile.open(PREVIOUS_DATA) as archive:
            archive.extractall(self.root / "var/lib/quantlab", [m for m in archive if m.name.startswith("coordinator")])
        run("chroot", self.root, "chown", "-R", "quantlab:quantlab", "/var/lib/quantlab")
        # A setting of the administrator, which the upgrade keeps.
        path = self.root / "etc/quantlab/worker.yaml"
        path.write_text(path.read_text().replace("grace: 60", "grace: 50"))
        self.machine = machines.Machine(self.root)
        self.addCleanup(self.machine.close)
        self.machine.boot()
        self.assertEqual(self.installed(), {f"quantlab-{name}": ("0.0.9", "installed") for name in PACKAGES})
        self.assertEqual(self.enter("stat", "-c", "%U %a", "/var/lib/quantlab").split(), ["quantlab", "750"])
        until(lambda: json.loads(self.enter("quantctl", "workers", "-o", "json"))["workers"], "the worker", seconds=120)
        self.assert_services("active")

    def upgrade(self):
        before = [self.service(name) for name in SERVICES]
        mine = (self.root / "etc/quantlab/worker.yaml").read_text()
        self.enter("dpkg", "--force-confold", "--install", *self.copy(self.packages.values()))
        self.assertNotIn("0.0.9", {version for version, _ in self.installed().values()})
        self.assertEqual((self.root / "etc/quantlab/worker.yaml").read_text(), mine)
        self.assertNotIn("log_level", (self.root / "etc/quantlab/coordinator.yaml").read_text(), "the new default")
        self.assert_services("active")
        self.assertTrue(all(old[2] != self.service(name)[2] for old, name in zip(before, SERVICES)), "restarted")
        names = [f"quantlab-{name}" for name in PACKAGES]
        changed = self.machine.run("dpkg", "--verify", *names).stdout.splitlines()
        self.assertEqual([line.split()[1:] for line in changed], [["c", "/etc/quantlab/worker.yaml"]])
        for page in ("quantctl", "quant-coordinator", "quant-worker", "quant-runner", "quant-export"):
            self.assertTrue((self.root / f"usr/share/man/man1/{page}.1.gz").exists(), page)
        chinese = gzip.decompress((self.root / "usr/share/man/zh_CN/man1/quantctl.1.gz").read_bytes()).decode()
        self.assertRegex(chinese, r'\.SH "[\u4e00-\u9fff]+"')
        for path, word in (("bash-completion/completions/quantctl", "complete "),
                           ("zsh/vendor-completions/_quantctl", "#compdef quantctl"),
                           ("fish/vendor_completions.d/quantctl.fish", "complete ")):
            self.assertIn(word, (self.root / "usr/share" / path).read_text(), path)
        self.assertTrue((self.root / "usr/bin/quantlab-autoscaler").exists())

    def run_an_experiment(self):
        self.assertEqual(self.experiments(), {"stored": "SUCCEEDED", "failing": "FAILED"})
        with worlds.World() as world:
            shutil.copytree(world.folder, self.root / "root/world")
        self.enter("quantctl", "doctor")
        self.enter("sh", "-c", "cd /root/world && quantctl run tiny.yaml")
        self.assertEqual(self.experiments()["tiny"], "SUCCEEDED")
        self.assertTrue((self.root / "root/world/results/tiny/report/report.en.md").exists())
        self.enter("systemctl", "stop", *(f"quant-{name}" for name in SERVICES))
        self.assert_services("inactive")
        self.enter("systemctl", "start", *(f"quant-{name}" for name in SERVICES))

    def test_packages_live_from_the_first_installation_to_the_purge(self):
        self.install_older_version_with_data()
        self.upgrade()
        self.run_an_experiment()
        names = [f"quantlab-{name}" for name in PACKAGES]
        kept = [self.root / path for path in ("var/lib/quantlab/coordinator/quantlab.db", "var/lib/quantlab/worker/worker_id",
                                              "etc/quantlab/coordinator.yaml")]
        self.enter("dpkg", "--remove", *names)
        self.assertEqual([str(path) for path in kept if not path.exists()], [])
        self.assertFalse((self.root / "usr/bin/quant-worker").exists())
        self.assertEqual(self.enter("sh", "-c", "cat /proc/[0-9]*/comm | grep quant || true"), "", "services are stopped")
        self.enter("dpkg", "--install", *self.copy(self.packages.values()))
        self.assert_services("active")
        until(lambda: "tiny" in self.experiments(), "the data after a removal and a new installation")
        self.enter("dpkg", "--purge", *names)
        left = [path for folder in ("etc", "usr", "lib", "var/lib") for path in self.root.glob(f"{folder}/**/*quant*")]
        self.assertEqual(left, [])
        self.assertIn("quantlab:", (self.root / "etc/passwd").read_text())

    def test_their_sizes_and_dependencies_are_as_documented(self):
        fields = {name: run("dpkg-deb", "--field", path, "Depends") for name, path in self.packages.items()}
        self.assertIn("libgrpc++", fields["coordinator"])
        self.assertIn("libabsl", fields["worker"])
        self.assertNotIn("torch", " ".join(fields.values()))
        sizes = {name: path.stat().st_size / 1e6 for name, path in self.packages.items()}
        self.assertLess(sizes["coordinator"] + sizes["client"] + sizes["common"], 20, sizes)
        self.assertLess(sizes["worker"], 250, sizes)


if __name__ == "__main__":
    if os.geteuid() != 0 or shutil.which("debootstrap") is None or machines.GROUPS is None:
        print("skipped: needs root, debootstrap (scripts/setup.sh --all) and control groups")
        sys.exit(SKIPPED)
    unittest.main()
