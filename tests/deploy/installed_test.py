"""`cmake --install` into a folder that is then moved: the programs find LibTorch, each other and the catalogue by paths
relative to their own, and run an experiment."""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds

PROGRAMS = ("quantctl", "quant-coordinator", "quant-worker", "quant-runner", "quant-export")
BUILD = worlds.BIN.parent


def dynamic_section(path):
    return subprocess.run(["readelf", "-d", path], check=True, stdout=subprocess.PIPE, text=True).stdout


class InstalledTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not all((worlds.BIN / name).exists() for name in PROGRAMS):
            raise unittest.SkipTest("not all programs are built")
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="ql-install-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        install = subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.folder / "first"],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
        if install.returncode != 0:
            raise AssertionError(install.stdout)
        (cls.folder / "first").rename(cls.folder / "moved")
        cls.prefix = cls.folder / "moved"

    def test_programs_name_no_folder_of_the_build_machine(self):
        files = [self.prefix / "bin" / name for name in PROGRAMS] + list((self.prefix / "lib/quantlab/torch").iterdir())
        for path in files:
            for paths in re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", dynamic_section(path)):
                for entry in paths.split(":"):
                    self.assertTrue(entry.startswith("$ORIGIN"), f"{path.name}: {paths}")
        self.assertIn("[$ORIGIN/../lib/quantlab/torch]", dynamic_section(self.prefix / "bin/quant-runner"))

    def test_the_runner_loads_the_installed_libtorch(self):
        libraries = subprocess.run(["ldd", self.prefix / "bin/quant-runner"], check=True, stdout=subprocess.PIPE,
                                   text=True).stdout
        self.assertNotIn("not found", libraries)
        for name in ("libtorch_cpu.so", "libc10.so", "libgomp.so.1"):
            found = pathlib.Path(re.search(rf"{re.escape(name)} => (\S+)", libraries)[1]).resolve()
            self.assertEqual(found.parent, (self.prefix / "lib/quantlab/torch").resolve())

    def test_licences_accompany_libtorch(self):
        folder = self.prefix / "share/doc/quantlab-worker/libtorch"
        self.assertIn("Copyright", (folder / "LICENSE").read_text(encoding="utf-8"))
        self.assertGreater(len(list(folder.rglob("LICENSE*"))), 10)

    def test_nothing_of_the_system_is_installed(self):
        """Units and /etc come only with the packages."""
        self.assertEqual({path.name for path in self.prefix.iterdir()}, {"bin", "lib", "share"})

    def test_the_installed_programs_run_an_experiment(self):
        with worlds.World() as world:
            environment = {k: v for k, v in world.environment().items() if k != "LD_LIBRARY_PATH"}

            def quantctl(*arguments):
                run = subprocess.run([self.prefix / "bin/quantctl", *arguments], env=environment, text=True,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, cwd=world.folder)
                self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
                return run.stdout

            checks = json.loads(quantctl("doctor", "-o", "json"))["checks"]
            self.assertIn(str(self.prefix / "share/quantlab/catalog.yaml"),
                          [check["detail"] for check in checks if check["check"] == "catalogue"])
            quantctl("run", str(world.experiment))
            self.assertTrue(list(world.results.rglob("report.en.md")))

    def test_the_coordinator_finds_the_installed_catalogue(self):
        data = self.folder / "coordinator"
        process = subprocess.Popen([self.prefix / "bin/quant-coordinator", "--data-dir", data, "--metrics-listen", "off"],
                                   cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        for line in process.stdout:
            if line.startswith("ready "):
                break
        catalog = subprocess.run([self.prefix / "bin/quantctl", "--coordinator", f"unix:{data}/coordinator.sock", "catalog",
                                  "-o", "json"], stdout=subprocess.PIPE, text=True, timeout=60)
        self.assertIn("minilm", catalog.stdout)


if __name__ == "__main__":
    unittest.main()
