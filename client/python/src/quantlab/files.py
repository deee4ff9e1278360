"""An experiment's files on this machine: the YAML with what it includes, the models and data it names."""

import hashlib
import json
import os
import pathlib

import yaml

from quantlab import errors
from quantlab.v1 import experiment_pb2

_MAX_BYTES = 1 << 20
_MAX_FILES = 64
_MODEL_SUFFIXES = (".json", ".txt", ".safetensors")
_PICKLE = "pytorch_model.bin"
# One of each group makes a model folder complete.
_MODEL_NEEDS = (("config.json",), ("model.safetensors", "model.safetensors.index.json", _PICKLE),
                ("tokenizer.json", "vocab.txt", "vocab.json"))
_LAYOUT = ("a model is a folder in the Hugging Face layout: config.json; weights (model.safetensors, its shards with "
           "model.safetensors.index.json, or pytorch_model.bin); a tokenizer (tokenizer.json or vocab.txt)")
# aclImdb: what carries no label is twice as much.
_LABELLED = ("train/pos/", "train/neg/", "test/pos/", "test/neg/")


def read_experiment(source, name):
    """(files to submit, folder that relative paths are relative to)

    `source` is the path of a YAML file, or the experiment itself as a dict.
    """
    if isinstance(source, dict):
        content = dict(source)
        content.setdefault("name", name or "experiment")
        # JSON is YAML too, and says exactly what the dict says.
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        return _follow(f"{content['name']}.yaml", text, pathlib.Path()), pathlib.Path()
    path = pathlib.Path(source)
    return _follow(str(path), _read(path), path.parent), path.parent


def _read(path):
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise errors.NotFound(f"there is no experiment file {path}") from error
    except OSError as error:
        raise errors.InvalidInput(f"cannot read {path}: {error}") from error
    if len(content) > _MAX_BYTES:
        raise errors.InvalidInput(f"{path} is larger than 1 MiB, which no experiment file may be")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise errors.InvalidInput(f"{path} is not UTF-8 text; save it as UTF-8") from error


def _includes(text):
    """What a text says that it includes; whatever is wrong with it is the coordinator's to say."""
    try:
        root = yaml.safe_load(text)
    except yaml.YAMLError:
        return []
    include = root.get("include", []) if isinstance(root, dict) else []
    names = [include] if isinstance(include, str) else include
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _follow(name, text, folder):
    """The file first, then what it includes, each once, under the names by which they are reached."""
    files = {name: text}
    waiting = [(folder, include) for include in _includes(text)]
    while waiting:
        folder, include = waiting.pop(0)
        path = pathlib.Path(os.path.normpath(folder / include))
        if str(path) in files:
            continue
        if len(files) >= _MAX_FILES:
            raise errors.InvalidInput(f"more than {_MAX_FILES} files are included, one by another")
        files[str(path)] = _read(path)
        waiting += [(path.parent, further) for further in _includes(files[str(path)])]
    return [experiment_pb2.SourceFile(name=key, content=value) for key, value in files.items()]


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def find_asset(required, folder, overrides):
    """(ProvidedInput, {sha256: path}) of what a RequiredInput means on this machine."""
    candidates = _candidates(required, folder, overrides)
    root = next((path for path in candidates if path.exists()), None)
    if root is None:
        places = " and ".join(map(str, candidates))
        raise errors.NotFound(f"the {required.role} '{required.name}' is not here; looked for {places}. "
                              f"{required.remedy} A place elsewhere is given with assets={{{required.name!r}: PATH}}")
    provided = experiment_pb2.ProvidedInput(name=required.name)
    paths = {}
    for path, relative in _files_of(root, required.role):
        digest = sha256_of(path)
        provided.files.add(path=relative, sha256=digest, size=path.stat().st_size)
        paths[digest] = path
    return provided, paths


def _candidates(required, folder, overrides):
    if required.name in overrides:
        return [pathlib.Path(overrides[required.name]).expanduser()]
    path = pathlib.Path(required.path or required.name).expanduser()
    # What the file itself names lies beside it; what the catalogue names lies where the program runs.
    if path.is_absolute():
        return [path]
    if required.path in ("", required.name):
        return [folder / path]
    return [path, folder / path]


def _files_of(root, role):
    """Files below `root` that workers need, sorted: the same as quantctl takes, so that digests are the same."""
    if not root.is_dir():
        if role == "model":
            raise errors.InvalidInput(f"{root} is a file; {_LAYOUT}")
        return [(root, root.name)]
    acl_imdb = role == "dataset" and (root / "train/pos").is_dir() and (root / "train/neg").is_dir()
    names = [name for name in sorted(_walk(root)) if not any(part.startswith(".") for part in name.split("/"))]
    if role == "model":
        names = _model_files(root, names)
    if acl_imdb:
        names = [name for name in names if name.startswith(_LABELLED) and name.endswith(".txt")]
    if not names:
        raise errors.InvalidInput(f"{root} has no files that a {role or 'run'} needs")
    return [(root / name, name) for name in names]


def _model_files(root, names):
    """What model_folder/model_folder.h calls ModelFiles, once the folder is complete."""
    missing = [group[0] for group in _MODEL_NEEDS if not any(name in names for name in group)]
    if missing:
        raise errors.InvalidInput(f"{root} lacks {', '.join(missing)}; {_LAYOUT}")
    pickled = not any(name in names for name in _MODEL_NEEDS[1][:2])
    return [name for name in names if name.endswith(_MODEL_SUFFIXES) or (pickled and name == _PICKLE)]


def _walk(root):
    for folder, _, names in os.walk(root, followlinks=True):
        for name in names:
            path = pathlib.Path(folder, name)
            if path.is_file():
                yield path.relative_to(root).as_posix()
