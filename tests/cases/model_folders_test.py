#!/usr/bin/env python3
"""Model folders as people bring them, through the real programs: a table of cases, each made here from a small model.

A case is a change of the world, the command, the exit code and words of what is said. Every refusal is the same from
`validate` and from `run`, and nothing runs before it.
"""

import collections
import csv
import json
import pathlib
import pickle
import struct
import sys
import types
import unittest
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import world as worlds  # noqa: E402

OK, INVALID_INPUT, NOT_FOUND = 0, 3, 4
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 90868376\n"
HTML = "<!DOCTYPE html>\n<html><head><title>model.safetensors</title></head></html>\n"

TINY = """\
name: tiny
seed: 11
threads: 1
experiments:
  baseline: {enabled: true, model: ./model, dataset: ./reviews.csv}
dataset: {train_size: 40, validation_size: 10, test_size: 20, max_length: 16}
training: {epochs: 1, batch_size: 8}
evaluation: {metrics: [accuracy]}
report: {language: en}
"""


def read_safetensors(path):
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8:8 + size]), data[8 + size:]


def write_safetensors(path, header, data):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def part_of(header, data, names):
    """The header and the data of some of a file's tensors."""
    part, blob = {}, b""
    for name in names:
        begin, end = header[name]["data_offsets"]
        part[name] = {**header[name], "data_offsets": [len(blob), len(blob) + end - begin]}
        blob += data[begin:end]
    return part, blob


def tokenizer_json(model):
    """What transformers 5 writes instead of vocab.txt."""
    words = (model / "vocab.txt").read_text().splitlines()
    (model / "vocab.txt").unlink()
    special = [{"id": words.index(word), "content": word, "special": True, "normalized": False}
               for word in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")]
    (model / "tokenizer.json").write_text(json.dumps({
        "added_tokens": special, "normalizer": {"type": "BertNormalizer", "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": None,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {word: i for i, word in enumerate(words)}}}))
    (model / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))


def shard(model, misplaced=False):
    whole = model / "model.safetensors"
    header, data = read_safetensors(whole)
    whole.unlink()
    names = sorted(header)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    weight_map = {name: file for file, part in shards.items() for name in part}
    for file, part in shards.items():
        write_safetensors(model / file, *part_of(header, data, part))
    if misplaced:
        weight_map[names[0]] = "model-00002-of-00002.safetensors"
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def pickled(model):
    """pytorch_model.bin as torch.save(model.state_dict()) writes it, without PyTorch."""
    header, data = read_safetensors(model / "model.safetensors")
    (model / "model.safetensors").unlink()
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    class FloatStorage:
        pass

    def _rebuild_tensor_v2():
        pass

    FloatStorage.__module__, FloatStorage.__qualname__ = "torch", "FloatStorage"
    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    torch.FloatStorage, utils._rebuild_tensor_v2, torch._utils = FloatStorage, _rebuild_tensor_v2, utils

    Storage = collections.namedtuple("Storage", "key size")

    class Tensor:
        def __init__(self, key, shape, size):
            self.storage, self.shape = Storage(key, size), tuple(shape)
            self.strides = [1] * len(shape)
            for i in reversed(range(len(shape) - 1)):
                self.strides[i] = self.strides[i + 1] * shape[i + 1]

        def __reduce__(self):
            return utils._rebuild_tensor_v2, (self.storage, 0, self.shape, tuple(self.strides), False,
                                              collections.OrderedDict())

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return ("storage", FloatStorage, value.key, "cpu", value.size) if isinstance(value, Storage) else None

    state, records = collections.OrderedDict(), {}
    for number, (name, entry) in enumerate(sorted(header.items())):
        begin, end = entry["data_offsets"]
        records[f"archive/data/{number}"] = data[begin:end]
        state[name] = Tensor(str(number), entry["shape"], (end - begin) // 4)
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    sys.modules.update({"torch": torch, "torch._utils": utils})
    try:
        with zipfile.ZipFile(model / "pytorch_model.bin", "w") as archive:
            with archive.open("archive/data.pkl", "w") as file:
                Pickler(file, protocol=2).dump(state)
            for name, record in records.items():
                archive.writestr(name, record)
            archive.writestr("archive/version", "3\n")
    finally:
        del sys.modules["torch"], sys.modules["torch._utils"]


def null_metadata(model):
    header, data = read_safetensors(model / "model.safetensors")
    write_safetensors(model / "model.safetensors", {"__metadata__": None, **header}, data)


def tensors(change):
    """A change of the header of model.safetensors."""
    def apply(model):
        header, data = read_safetensors(model / "model.safetensors")
        change(header)
        write_safetensors(model / "model.safetensors", header, data)
    return apply


def eight_positions(header):
    entry = header["embeddings.position_embeddings.weight"]
    entry.update(shape=[8, 32], data_offsets=[entry["data_offsets"][0], entry["data_offsets"][0] + 8 * 32 * 4])


def into_folder(model, inner):
    """All files into a folder within, as a cache of the hub has them."""
    files = [path for path in model.iterdir() if path.is_file()]
    (model / inner).mkdir(parents=True)
    for path in files:
        path.rename(model / inner / path.name)


def set_config(model, **keys):
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, **keys}))


def classifier(model, classes):
    """A head of so many classes."""
    header, data = read_safetensors(model / "model.safetensors")
    for name, shape in (("classifier.weight", [classes, 32]), ("classifier.bias", [classes])):
        blob = bytes(4 * classes * (shape[1] if len(shape) == 2 else 1))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(blob)]}
        data += blob
    write_safetensors(model / "model.safetensors", header, data)
    set_config(model, id2label={str(i): f"class {i}" for i in range(classes)})


def pieces_in_vocabulary(model):
    words = (model / "vocab.txt").read_text().splitlines()
    (model / "vocab.txt").write_text("".join(f"{word if i < 5 else chr(0x2581) + word}\n" for i, word in enumerate(words)))


def write(name, content):
    return lambda model: (model / name).write_text(content)


def remove(name):
    return lambda model: (model / name).unlink()


# name: (change of the model, words that are said)
REFUSED = {
    "no config": (remove("config.json"), "lacks config.json"),
    "no tokenizer": (remove("vocab.txt"), "lacks tokenizer.json or vocab.txt"),
    "an adapter alone": (lambda m: (m / "model.safetensors").rename(m / "adapter_model.safetensors"),
                         "lacks model.safetensors (adapter_model.safetensors is not read"),
    "a Git LFS pointer": (write("model.safetensors", LFS), 'is a Git LFS pointer, not the file itself; run "git lfs pull"'),
    "an HTML page as weights": (write("model.safetensors", HTML), "model.safetensors is an HTML page"),
    "an HTML page as configuration": (write("config.json", HTML), "config.json is an HTML page"),
    "truncated weights": (lambda m: (m / "model.safetensors").write_bytes((m / "model.safetensors").read_bytes()[:-9]),
                          "is it truncated?"),
    "a missing shard": (lambda m: (shard(m), (m / "model-00002-of-00002.safetensors").unlink()),
                        "are not in the folder: model-00002-of-00002.safetensors"),
    "a tensor in another shard": (lambda m: shard(m, misplaced=True), "which model.safetensors.index.json places in model-00002-of-00002.safetensors"),
    "an index that leads out": (lambda m: (shard(m), (m / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "../reviews.csv"}}')), "is not the name of a .safetensors file beside it"),
    "a tensor that the index does not name": (
        lambda m: (shard(m), (m / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {
            "embeddings.LayerNorm.bias": "model-00001-of-00002.safetensors"}}))), "which model.safetensors.index.json does not name"),
    "a missing tensor": (tensors(lambda h: h.pop("encoder.layer.1.output.dense.weight")),
                         "tensor bert.encoder.layer.1.output.dense.weight [32, 64] is missing"),
    "a tensor of another shape": (tensors(lambda h: h["pooler.dense.weight"].update(shape=[16, 64])),
                                  "tensor bert.pooler.dense.weight has the shape [16, 64], but config.json makes it [32, 32]"),
    "a tensor of integers": (tensors(lambda h: h["pooler.dense.weight"].update(dtype="I32")), "is of type I32, but only F32"),
    "a config of a wider model": (lambda m: set_config(m, hidden_size=48), "has the shape [36, 32], but config.json makes it [36, 48]"),
    "a config of fewer layers": (lambda m: set_config(m, num_hidden_layers=1), "16 tensors belong to no layer of the model"),
    "a config of more words": (lambda m: set_config(m, vocab_size=1000), "but config.json makes it [1000, 32]"),
    "names of another family": (tensors(lambda h: [h.update({"roberta." + name: h.pop(name)}) for name in list(h)]),
                                "39 tensors belong to no layer of the model: roberta.embeddings"),
    "a folder around the model": (lambda m: into_folder(m, "snapshots/abc"), "/model/snapshots/abc has a config.json: if that is the model"),
    "a vocabulary that is a Git LFS pointer": (write("vocab.txt", LFS), "vocab.txt is a Git LFS pointer"),
    "an HTML page as the tokenizer's configuration": (write("tokenizer_config.json", HTML), "tokenizer_config.json is an HTML page"),
    "a comma too much in the configuration": (write("config.json", '{"model_type": "bert",\n}'),
                                              "config.json: is not a JSON object: parse error at line 2, column 1"),
    "a tokenizer class without its files": (write("tokenizer_config.json", '{"tokenizer_class": "RobertaTokenizer"}'),
                                            "has neither tokenizer.json nor vocab.json with merges.txt"),
    "a truncated pytorch_model.bin": (
        lambda m: (pickled(m), (m / "pytorch_model.bin").write_bytes((m / "pytorch_model.bin").read_bytes()[:-4000])),
        "without its end; is it truncated?"),
    "an old pickle": (lambda m: (remove("model.safetensors")(m), (m / "pytorch_model.bin").write_bytes(b"\x80\x02}q\0.")),
                      "is not a file that PyTorch 1.6 or later wrote"),
    "a tokenizer of another language": (write("tokenizer_config.json", '{"tokenizer_class": "BertJapaneseTokenizer"}'),
                                        "tokenizer_class is BertJapaneseTokenizer, which is not supported; supported: "),
    "SentencePiece pieces in vocab.txt": (pieces_in_vocabulary, "holds SentencePiece pieces"),
    "an architecture that is not supported": (lambda m: set_config(m, model_type="gpt2", architectures=["GPT2Model"]),
                                              'model_type is "gpt2"; supported: bert, '),
    "an architecture of another family": (lambda m: set_config(m, architectures=["RobertaModel"]), "a model of the family roberta, but"),
    "heads that do not divide": (lambda m: set_config(m, num_attention_heads=5), "does not divide hidden_size"),
    "a tokenizer of a larger model": (lambda m: set_config(m, vocab_size=7), "but config.json says vocab_size 7"),
    "too few positions": (lambda m: (set_config(m, max_position_embeddings=8), tensors(eight_positions)(m)), "max_length is 16, but the model has 8 positions"),
    "a step that is not known": (lambda m: (tokenizer_json(m), (m / "tokenizer.json").write_text(
        (m / "tokenizer.json").read_text().replace("BertPreTokenizer", "Digits"))), "its pre_tokenizer is of type Digits"),
}

# name: (change of the model, words of the run's log)
ACCEPTED = {
    "tokenizer.json alone": (tokenizer_json, ""),
    "shards": (shard, ""),
    "pytorch_model.bin": (pickled, ""),
    "__metadata__ is null": (null_metadata, ""),
    "numbers as names of classes": (lambda m: set_config(m, id2label={"0": 0, "1": None}), ""),
    "classes without a name": (lambda m: set_config(m, id2label={"0": "a", "2": "c"}), ""),
    "an empty id2label": (lambda m: set_config(m, id2label={}), ""),
    "NaN and half of a surrogate pair in the configuration": (
        lambda m: (m / "config.json").write_text((m / "config.json").read_text().replace("{", '{"x": NaN, "y": "\\ud83d",', 1)), ""),
    "blank lines at the end of vocab.txt": (lambda m: (m / "vocab.txt").write_text((m / "vocab.txt").read_text() + "\n \r\n"), ""),
    "white space and a byte order mark in vocab.txt": (
        lambda m: (m / "vocab.txt").write_text("\ufeff" + (m / "vocab.txt").read_text().replace("\n", " \t\r\n")), ""),
    "a classifier of other classes": (lambda m: classifier(m, 3), "its classifier has 3 classes"),
}


# Of a model that is fine-tuned already. name: (classes of the model, settings of the dataset, words that are said; "": it runs)
FINE_TUNED = {
    "no classifier": (None, "", "the checkpoint must be a fine-tuned classifier"),
    "three classes": (("a", "b", "c"), "", "has 3 classes, but the dataset has 2"),
    "other names": (("neg", "pos"), "", "dataset.label_map: {neg: bad|good, pos: bad|good}"),
    "names that say nothing about the order": (("POSITIVE", "NEGATIVE"), "", "dataset.label_map: {POSITIVE: bad|good, NEGATIVE: bad|good}"),
    "abbreviations": (("GOODNESS", "BADNESS"), "", "dataset.label_map: {GOODNESS: good, BADNESS: bad}"),
    "other names with a map": (("neg", "pos"), ", label_map: {neg: bad, pos: good}", ""),
    "a map of one name": (("neg", "pos"), ", label_map: {neg: bad}", "dataset.label_map: {pos: good}"),
    "upper case": (("BAD", "GOOD"), "", ""),
    "another order": (("GOOD", "BAD"), "", ""),
    "no names": (("LABEL_0", "LABEL_1"), "", ""),
}


def fine_tuned(model, names):
    """A classifier that answers by the sum of nothing: every text is of the first class."""
    classifier(model, len(names))
    set_config(model, id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)})


class ModelFoldersTest(unittest.TestCase):
    def test_what_is_refused_is_refused_before_it_runs(self):
        for name, (change, words) in REFUSED.items():
            with self.subTest(name), worlds.World(TINY) as world:
                change(world.folder / "model")
                for command in ("validate", "run"):
                    done = world.quantctl(command, world.experiment)
                    self.assertEqual(done.returncode, INVALID_INPUT, done.stderr)
                    self.assertIn(words, done.stderr)
                    self.assertLess(len(done.stderr), 4096)
                self.assertFalse(world.results.exists())

    def test_what_is_accepted_runs(self):
        for name, (change, words) in ACCEPTED.items():
            with self.subTest(name), worlds.World(TINY) as world:
                change(world.folder / "model")
                self.assertEqual(world.quantctl("validate", world.experiment).returncode, OK)
                done = world.quantctl("run", world.experiment)
                self.assertEqual(done.returncode, OK, done.stdout + done.stderr)
                if words:
                    self.assertIn(words, world.quantctl("logs", "latest").stdout)

    def test_classes_of_a_fine_tuned_model_are_matched_or_refused(self):
        for name, (classes, settings, words) in FINE_TUNED.items():
            text = TINY.replace("dataset: ./reviews.csv", "dataset: ./reviews.csv, fine_tune: false")
            with self.subTest(name), worlds.World(text.replace("max_length: 16", "max_length: 16" + settings)) as world:
                reviews = (world.folder / "reviews.csv").read_text()
                (world.folder / "reviews.csv").write_text(reviews.replace(",0\n", ",bad\n").replace(",1\n", ",good\n"))
                if classes:
                    fine_tuned(world.folder / "model", classes)
                before = (world.folder / "model" / "config.json").read_text()
                for command in ("validate", "run"):
                    done = world.quantctl(command, world.experiment)
                    self.assertEqual(done.returncode, INVALID_INPUT if words else OK, done.stdout + done.stderr)
                    self.assertIn(words, done.stderr)
                if words:
                    continue
                saved = json.loads((world.results / "tiny/baseline/model/config.json").read_text())
                own = list(classes) if "LABEL_0" not in classes else ["bad", "good"]
                self.assertEqual([saved["id2label"][str(i)] for i in range(2)], own)
                with open(world.results / "tiny/baseline/predictions.csv", newline="") as file:
                    predicted = {row["predicted"] for row in csv.DictReader(file)}
                self.assertEqual(predicted, {"good" if name == "another order" else "bad"}, before)

    def test_a_tilde_is_the_home_folder(self):
        text = TINY.replace("./model", "~/model").replace("./reviews.csv", "~/reviews.csv")
        with worlds.World(text) as world:
            self.assertEqual(world.quantctl("validate", world.experiment).returncode, OK)
            (world.folder / "model").rename(world.folder / "gone")
            done = world.quantctl("validate", world.experiment)
            self.assertEqual(done.returncode, NOT_FOUND, done.stderr)
            self.assertIn(f"looked for {world.folder}/model; ", done.stderr)
            self.assertIn("correct the path. Give another place", done.stderr)

    def test_validate_looks_for_what_run_would_upload(self):
        for path in ("./nope", "./nope.csv"):
            text = TINY.replace("./model" if path == "./nope" else "./reviews.csv", path)
            with self.subTest(path), worlds.World(text) as world:
                done = [world.quantctl(command, world.experiment) for command in ("validate", "run")]
                self.assertEqual([d.returncode for d in done], [NOT_FOUND, NOT_FOUND], done[0].stderr)
                self.assertIn(f"'{path}' is missing", done[0].stderr)


if __name__ == "__main__":
    unittest.main()
