"""Bad input of every kind: a clear error that names the place, the right exit code, nothing half-written."""

import json
import pathlib
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds

# Exit codes of quantctl.
FAILED_RUNS, USAGE, INVALID_INPUT, NOT_FOUND, UNREACHABLE = 1, 2, 3, 4, 5


def replace(old, new):
    assert old in worlds.EXPERIMENT
    return worlds.EXPERIMENT.replace(old, new)


# name -> (experiment text, words that the message must have)
BAD_FILES = {
    "broken YAML": ("experiments: {baseline: [\n", ["tiny.yaml:"]),
    "empty file": ("", ["tiny.yaml"]),
    "not a map": ("- just\n- a list\n", ["tiny.yaml:1"]),
    "binary garbage": ("\x00\x01\x02: {\x7f", ["tiny.yaml"]),
    "unknown top-level key": (worlds.EXPERIMENT + "trainning: {epochs: 1}\n",
                              ["tiny.yaml:12", "trainning", "training"]),
    "unknown method": (replace("dynamic_quantization:", "dynamik_quantization:"),
                       ["tiny.yaml:6", "dynamik_quantization", "dynamic_quantization"]),
    "unknown parameter": (replace("dynamic_quantization: {enabled: true}",
                                  "dynamic_quantization: {enabled: true, granularty: per_token}"),
                          ["tiny.yaml:6", "granularty", "granularity"]),
    "value not allowed": (replace("dynamic_quantization: {enabled: true}",
                                  "dynamic_quantization: {enabled: true, granularity: per_row}"),
                          ["tiny.yaml:6", "per_row", "per_token", "per_tensor"]),
    "wrong type": (replace("epochs: 4", "epochs: many"), ["tiny.yaml:8", "epochs", "many"]),
    "out of range": (replace("batch_size: 8,", "batch_size: -8,"), ["tiny.yaml:8", "batch_size"]),
    "unknown metric": (replace("f1_score", "f2_score"), ["tiny.yaml:10", "f2_score", "f1_score"]),
    "unknown dataset name": (replace("./reviews.csv", "imbd"), ["tiny.yaml:5", "imbd", "imdb"]),
    "duplicate key": (worlds.EXPERIMENT + "seed: 12\n", ["tiny.yaml:12", "seed"]),    "missing include": ("include: [elsewhere.yaml]\n" + worlds.EXPERIMENT, ["elsewhere.yaml"]),
}

# Files that an experiment file names and that are not there.
MISSING_FILES = {
    "missing model folder": (replace("./model", "./no-such-model"), ["no-such-model", "--asset"]),
    "missing dataset": (replace("./reviews.csv", "./no-such.csv"), ["no-such.csv", "--asset"]),
}


def break_model(change):
    def apply(world):
        path = world.folder / "model" / "model.safetensors"
        change(path)
    return apply


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def lying_header(path):
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    header["pooler.dense.weight"]["shape"] = [1024, 1024]
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size:])


def huge_header(path):
    path.write_bytes(struct.pack("<Q", 1 << 62) + path.read_bytes()[8:])


def other_shape(path):
    config = path.parent / "config.json"
    settings = json.loads(config.read_text())
    settings["intermediate_size"] = 128
    config.write_text(json.dumps(settings))


# name -> (what is done to the world, words that the message must have)
BAD_ASSETS = {
    "missing safetensors": (break_model(lambda path: path.unlink()), ["safetensors"]),
    "truncated safetensors": (break_model(truncate), ["model.safetensors"]),
    "header that lies about a shape": (break_model(lying_header), ["pooler.dense.weight"]),
    "header of absurd size": (break_model(huge_header), ["model.safetensors", "header"]),
    "shapes that disagree with the config": (break_model(other_shape), ["intermediate"]),
    "empty weights file": (break_model(lambda path: path.write_bytes(b"")), ["model.safetensors"]),
    "broken quote": (lambda w: w.write("reviews.csv", 'text,label\ngood,1\n"never closed,0\n'),
                     ["reviews.csv:3: ", "quote"]),
    "missing column": (lambda w: w.write("reviews.csv", "words,label\ngood,1\nbad,0\n"), ["text", "words"]),
    "empty dataset": (lambda w: w.write("reviews.csv", "text,label\n"), ["reviews.csv", "is empty"]),
}


class BadInputTest(unittest.TestCase):
    def check(self, done, code, words):
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        for word in words:
            self.assertIn(word, done.stderr + done.stdout)
        for ugly in ("terminate called", "Segmentation", "core dumped", "what():", "std::"):
            self.assertNotIn(ugly, done.stderr + done.stdout)

    def test_experiment_files(self):
        for name, (text, words) in BAD_FILES.items():
            with self.subTest(name), worlds.World(text) as world:
                self.check(world.quantctl("run", world.experiment), INVALID_INPUT, words)
                self.assertFalse(world.results.exists())

    def test_missing_files(self):
        for name, (text, words) in MISSING_FILES.items():
            with self.subTest(name), worlds.World(text) as world:
                self.check(world.quantctl("run", world.experiment), NOT_FOUND, words)
                self.assertFalse(world.results.exists())

    def test_assets(self):
        for name, (spoil, words) in BAD_ASSETS.items():
            with self.subTest(name), worlds.World() as world:
                spoil(world)
                done = world.quantctl("run", world.experiment)
                self.assertIn(done.returncode, (FAILED_RUNS, INVALID_INPUT), done.stderr)
                self.check(done, done.returncode, words)
                self.assertFalse((world.results / "tiny" / "baseline" / "model").exists())

    def test_label_out_of_range(self):
        text = worlds.EXPERIMENT.replace("max_length: 24", 'max_length: 24, labels: ["0", "1"]')
        with worlds.World(text) as world:
            with open(world.folder / "reviews.csv", "a") as file:
                file.write("a film,7\n")
            self.check(world.quantctl("run", world.experiment), INVALID_INPUT, ["reviews.csv", "7"])

    def test_no_coordinator(self):
        with worlds.World() as world:
            socket = f"unix:{world.folder}/nobody.sock"
            for command in (["list"], ["run", world.experiment], ["submit", world.experiment]):
                done = world.quantctl("--coordinator", socket, *command)
                self.check(done, UNREACHABLE, [socket])

    def test_experiment_that_is_not_there(self):
        with worlds.World() as world:
            done = world.quantctl("run", "no-such-file.yaml")
            self.check(done, NOT_FOUND, ["no-such-file.yaml"])

    def test_usage(self):
        with worlds.World() as world:
            for arguments in ([], ["frobnicate"], ["run"], ["run", "--no-such-flag", "x.yaml"]):
                done = world.quantctl(*arguments)
                self.check(done, USAGE, [])

    def test_full_disk(self):
        script = ('mount -t tmpfs -o size=1m none "$1/data" && shift && exec "$@"')
        with worlds.World() as world:
            world.data.mkdir()
            probe = subprocess.run(["unshare", "-rm", "true"], stderr=subprocess.DEVNULL)
            if probe.returncode != 0:
                self.skipTest("this machine lets no test mount a small disk")
            done = subprocess.run(
                ["unshare", "-rm", "sh", "-c", script, "sh", world.folder, *world.command("run", world.experiment)],
                env=world.environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                cwd=world.folder)
            self.assertNotEqual(done.returncode, 0)
            self.assertRegex(done.stderr + done.stdout, "(?i)no space|disk is full|free")
            self.assertFalse((world.results / "tiny" / "baseline" / "model" / "model.safetensors").exists())


if __name__ == "__main__":
    unittest.main()
