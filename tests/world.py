"""A small world for tests of the real binaries: a tiny BERT, a tiny dataset, experiment files.

Everything is made from seeds with the standard library alone. The dataset is learnable: which of two
groups of words a text has more of decides its label.
"""

import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("QUANTLAB_BIN", ROOT / "build" / "release" / "bin"))

GOOD = "good great fine superb lovely moving bright clever".split()
BAD = "bad poor weak dreadful dull tedious clumsy awful".split()
NEUTRAL = "the a film plot actor scene was is with and it of story end music".split()
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + GOOD + BAD + NEUTRAL


def write_safetensors(path, tensors):
    """tensors: name -> (shape, list of floats); stored as F32."""
    header, offset, blobs = {}, 0, []
    for name, (shape, values) in sorted(tensors.items()):
        blob = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read_floats(path, ending):
    """All values of the F32 tensors whose names end so."""
    data = pathlib.Path(path).read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    values = []
    for name, entry in json.loads(data[8:8 + size]).items():
        if name.endswith(ending) and entry["dtype"] == "F32":
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            values += struct.unpack(f"<{(end - begin) // 4}f", data[begin:end])
    return values


def bert_tensors(config, seed, prefix=""):
    """Randomly initialised weights of a BERT encoder with pooler, by Hugging Face names."""
    rng = random.Random(seed)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    tensors = {}

    def weight(name, *shape):
        count = 1
        for side in shape:
            count *= side
        tensors[prefix + name] = (list(shape), [rng.gauss(0, 0.05) for _ in range(count)])

    def constant(name, size, value):
        tensors[prefix + name] = ([size], [value] * size)

    def linear(name, outputs, inputs):
        weight(name + ".weight", outputs, inputs)
        constant(name + ".bias", outputs, 0.0)

    def norm(name):
        constant(name + ".weight", hidden, 1.0)
        constant(name + ".bias", hidden, 0.0)

    weight("embeddings.word_embeddings.weight", config["vocab_size"], hidden)
    weight("embeddings.position_embeddings.weight", config["max_position_embeddings"], hidden)
    weight("embeddings.token_type_embeddings.weight", config["type_vocab_size"], hidden)
    norm("embeddings.LayerNorm")
    for index in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{index}."
        for part in ("query", "key", "value"):
            linear(layer + f"attention.self.{part}", hidden, hidden)
        linear(layer + "attention.output.dense", hidden, hidden)
        norm(layer + "attention.output.LayerNorm")
        linear(layer + "intermediate.dense", inner, hidden)
        linear(layer + "output.dense", hidden, inner)
        norm(layer + "output.LayerNorm")
    linear("pooler.dense", hidden, hidden)
    return tensors


def make_model(folder, seed=1, hidden=32, layers=2, heads=4, inner=64, positions=64):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    config = {
        "architectures": ["BertModel"], "model_type": "bert", "vocab_size": len(VOCABULARY),
        "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
        "intermediate_size": inner, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1, "max_position_embeddings": positions, "type_vocab_size": 2,
        "initializer_range": 0.02, "layer_norm_eps": 1e-12, "pad_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    (folder / "vocab.txt").write_text("".join(word + "\n" for word in VOCABULARY))
    write_safetensors(folder / "model.safetensors", bert_tensors(config, seed))
    return folder


def make_reviews(path, rows=240, seed=7):
    rng = random.Random(seed)
    lines = ["text,label"]
    for row in range(rows):
        label = row % 2
        words = rng.choices(GOOD if label else BAD, k=4) + rng.choices(NEUTRAL, k=rng.randint(3, 12))
        rng.shuffle(words)
        lines.append(" ".join(words) + f",{label}")
    pathlib.Path(path).write_text("\n".join(lines) + "\n")
    return path


EXPERIMENT = """\
name: tiny
seed: 11
threads: 1
experiments:
  baseline: {enabled: true, model: ./model, dataset: ./reviews.csv}
  dynamic_quantization: {enabled: true}
dataset: {train_size: 120, validation_size: 20, test_size: 80, max_length: 24}
training: {epochs: 4, batch_size: 8, learning_rate: 0.002}
evaluation:
  metrics: [accuracy, f1_score, model_size, inference_time, memory_usage]
  latency: {batch_sizes: [1], sequence_lengths: [16], warmup_iterations: 1, min_samples: 10, min_duration: 0.1, processes: 2}
"""


class World:
    """A temporary folder with model, data, experiment file, data folder and results folder."""

    def __init__(self, experiment=EXPERIMENT):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="quantlab-test-"))
        make_model(self.folder / "model")
        make_reviews(self.folder / "reviews.csv")
        self.experiment = self.write("tiny.yaml", experiment)
        self.data = self.folder / "data"
        self.results = self.folder / "results"

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def environment(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("QUANTLAB_")}
        # Programs that are killed leave their scratch files here.
        (self.folder / "tmp").mkdir(exist_ok=True)
        environment.update(QUANTLAB_DATA_DIR=str(self.data), QUANTLAB_RESULTS_DIR=str(self.results),
                           QUANTLAB_ASSETS=str(self.folder / "assets"), HOME=str(self.folder), NO_COLOR="1",
                           TMPDIR=str(self.folder / "tmp"))
        return environment

    def command(self, *arguments):
        return [str(BIN / "quantctl"), *map(str, arguments)]

    def quantctl(self, *arguments, timeout=180, **options):
        return subprocess.run(self.command(*arguments), env=self.environment(), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                              cwd=self.folder, **options)

    def start(self, *arguments):
        return subprocess.Popen(self.command(*arguments), env=self.environment(), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.folder)

    def processes(self, program):
        """Ids of the living processes of this world that run `program`."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if state == "Z" or pathlib.Path(words[0].decode(errors="replace")).name != program:
                continue
            if any(str(self.folder).encode() in word for word in words[1:]):
                found.append(int(entry.name))
        return found

    def close(self):
        for program in ("quantctl", "quant-worker", "quant-coordinator", "quant-runner"):
            for pid in self.processes(program):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def free_port():
    """A TCP port of loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(condition, seconds, what, pause=0.005):
    """Waits for something that other processes do. Fails loudly when it does not come."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(pause)
    raise AssertionError(f"waited {seconds} s for {what}")
