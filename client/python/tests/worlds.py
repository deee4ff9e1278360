"""The small world of the project's system tests, with a coordinator that a test may kill and start again."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import world  # noqa: E402

BIN = world.BIN
EXPERIMENT = {
    "name": "tiny",
    "seed": 11,
    "threads": 1,
    "experiments": {
        "baseline": {"model": "./model", "dataset": "./reviews.csv"},
        "dynamic_quantization": {"granularity": ["per_token", "per_tensor"]},
    },
    "dataset": {"train_size": 120, "validation_size": 20, "test_size": 80, "max_length": 24},
    "training": {"epochs": 4, "batch_size": 8, "learning_rate": 0.002},
    "evaluation": {"latency": {"batch_sizes": [1], "sequence_lengths": [16], "warmup_iterations": 1,
                               "min_samples": 10, "min_duration": 0.1, "processes": 2}},
}


class Coordinator:
    """The real quant-coordinator on a Unix socket."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.address = f"unix:{self.folder}/c.sock"
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [BIN / "quant-coordinator", "--data-dir", self.folder / "coordinator", "--listen", self.address,
             "--catalog", ROOT / "configs/catalog.yaml", "--metrics-listen", "off", "--log-level", "error"])
        return self

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None
