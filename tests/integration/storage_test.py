"""What takes the space, deleting it, with the real programs on a tiny experiment."""

import contextlib
import json
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds


class StorageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = worlds.World()
        cls.addClassCleanup(cls.world.close)
        cls.first = cls.run_experiment("--keep")

    @classmethod
    def run_experiment(cls, *arguments):
        done = cls.world.quantctl("run", cls.world.experiment, *arguments, timeout=400)
        assert done.returncode == 0, done.stderr
        return cls.json("list")["experiments"][0]["id"]

    @classmethod
    def json(cls, *arguments, code=0):
        done = cls.world.quantctl(*arguments, "-o", "json")
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if done.stdout else {}

    def stored_bytes(self):
        """Of the files in the store, as the file system has them."""
        folder = self.world.data / "coordinator" / "artifacts"
        return sum(path.stat().st_size for path in folder.glob("[0-9a-f][0-9a-f]/*"))

    def test_1_usage_is_what_the_file_system_says(self):
        usage = self.json("du")
        self.assertEqual(int(usage["artifacts"]["bytes"]), self.stored_bytes())
        (experiment,) = usage["experiments"]
        self.assertEqual(experiment["experimentId"], self.first)
        self.assertGreater(int(experiment["models"]["bytes"]), 0)
        self.assertEqual(int(usage["unreferenced"]["files"]), 0)
        text = self.world.quantctl("du").stdout
        self.assertIn(self.first, text)
        self.assertIn("database", text)
        self.assertIn(self.first, self.world.quantctl("du", "latest").stdout)

    def test_2_what_a_second_experiment_takes_over_stays(self):
        second = self.run_experiment()
        self.assertNotEqual(second, self.first)
        shared = {one["experimentId"]: int(one["shared"]["bytes"]) for one in self.json("du")["experiments"]}
        self.assertGreater(shared[second], 0)
        before = self.json("get", second)
        refused = self.world.quantctl("delete", self.first, stdin=subprocess.DEVNULL)
        self.assertEqual(refused.returncode, 3, refused.stderr)
        self.assertIn("--yes", refused.stderr)
        answer = self.json("delete", self.first, "--yes")
        self.assertEqual(int(answer["kept"]["bytes"]), shared[self.first])
        self.assertEqual([one["id"] for one in self.json("list")["experiments"]], [second])
        self.assertEqual(self.world.quantctl("get", self.first).returncode, 4)
        # All of the other one is there: its results can be written again.
        self.assertEqual(self.json("get", second)["runs"], before["runs"])
        self.assertEqual(self.world.quantctl("download", second).returncode, 0)
        self.assertEqual(int(self.json("du")["artifacts"]["bytes"]), self.stored_bytes())

    def test_3_an_experiment_is_deleted_once_it_has_ended(self):
        slow = self.world.write("slow.yaml", worlds.EXPERIMENT.replace("name: tiny", "name: slow").replace("epochs: 4", "epochs: 1000"))
        self.assertEqual(self.world.quantctl("submit", slow, "--no-reuse").returncode, 0)
        refused = self.world.quantctl("delete", "latest", "--yes")
        self.assertEqual(refused.returncode, 7, refused.stderr)
        self.assertIn("cancel", refused.stderr)
        self.assertIn(self.world.quantctl("cancel", "latest").returncode, (0, 6))
        worlds.wait_until(lambda: self.json("get", "latest")["state"] == "cancelled", 60, "the cancelled run")
        self.assertEqual(self.world.quantctl("delete", "latest", "--yes").returncode, 0)

    def coordinator(self, folder):
        return [str(worlds.BIN / "quant-coordinator"), "--data-dir", str(folder), "--catalog",
                str(worlds.ROOT / "configs" / "catalog.yaml"), "--metrics-listen", "off"]

    @contextlib.contextmanager
    def serving(self, folder, *arguments):
        process = subprocess.Popen([*self.coordinator(folder), *arguments], stdout=subprocess.PIPE, text=True)
        try:
            self.assertIn("ready", process.stdout.readline())
            yield f"unix:{folder}/coordinator.sock"
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()

    def test_4_a_backup_restores_what_was_there(self):
        copy, restored = self.world.folder / "copy.db", self.world.folder / "restored"
        before = self.json("list")["experiments"]
        done = self.world.quantctl("admin", "backup", copy)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(copy.stat().st_mode & 0o777, 0o600)
        self.assertNotEqual(self.world.quantctl("admin", "backup", copy).returncode, 0)
        coordinator = self.coordinator(restored)
        done = subprocess.run([*coordinator, "--restore", str(copy)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        damaged = self.world.write("damaged.db", "x" * 10000)
        refused = subprocess.run([*coordinator, "--restore", str(damaged)], capture_output=True, text=True)
        self.assertEqual(refused.returncode, 3, refused.stderr)
        with self.serving(restored) as address:
            self.assertEqual(self.json("--coordinator", address, "list")["experiments"], before)

    def test_4_old_models_go_and_the_rest_of_the_results_stays(self):
        self.assertEqual(self.world.quantctl("stop").returncode, 0)
        data = self.world.data / "coordinator"
        with contextlib.closing(sqlite3.connect(data / "quantlab.db")) as database:
            for table in ("experiments", "attempts"):
                database.execute(f"UPDATE {table} SET end_time = end_time - ?", (2 * 86_400 * 10**9,))
            database.commit()
        with self.serving(data, "--retention", "models=1d") as address:
            usage = lambda: self.json("--coordinator", address, "du", "latest")["experiments"][0]
            worlds.wait_until(lambda: int(usage()["models"]["files"]) == 0, 60, "the retention rule")
            self.assertGreater(int(usage()["results"]["files"]), 0)
            shutil.rmtree(self.world.results)
            done = self.world.quantctl("--coordinator", address, "download", "latest")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(" retry'", done.stderr)
            (predictions, *_) = self.world.results.rglob("predictions.csv")
            self.assertGreater(predictions.stat().st_size, 0)
            self.assertEqual(list(self.world.results.rglob("*.safetensors")), [])

    def test_5_nothing_is_left_of_the_last_experiment(self):
        self.assertEqual(self.world.quantctl("delete", "latest", "--yes").returncode, 0)
        self.assertEqual(self.stored_bytes(), 0)
        self.assertEqual(int(self.json("gc", "--older-than", "0h")["unreferenced"]["files"]), 0)
        self.assertEqual(self.world.quantctl("gc", "--older-than", "sometime").returncode, 2)


if __name__ == "__main__":
    unittest.main()
