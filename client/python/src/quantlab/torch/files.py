"""The files of a saved model: JSON with checked members, and tensors of model.safetensors.

Format of safetensors: 8 bytes, the size of the header as a little-endian integer; the header, a JSON object of
{name: {"dtype", "shape", "data_offsets"}}; the tensors' bytes, to which the offsets refer. Source: the format section
of https://github.com/huggingface/safetensors.
"""

import json
import math
import mmap
import pathlib
import struct

import torch

MAX_JSON_BYTES = 16 << 20
MAX_HEADER_BYTES = 100 << 20

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
          "F8_E4M3": torch.float8_e4m3fn, "I64": torch.int64, "I32": torch.int32, "I16": torch.int16,
          "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool}


class InvalidModel(ValueError):
    """A file of a model is missing, damaged or not what this version reads. The message names file and field."""


def read_json(path):
    """The object in `path`. None: there is no such file."""
    path = pathlib.Path(path)
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise InvalidModel(f"{path}: larger than {MAX_JSON_BYTES} bytes")
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise error if isinstance(error, InvalidModel) else InvalidModel(f"{path}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidModel(f"{path}: not a JSON object")
    return value


class Members:
    """Members of a JSON object; a wrong one raises InvalidModel with `where` and the key."""

    def __init__(self, value, where):
        self.where = where
        if not isinstance(value, dict):
            raise InvalidModel(f"{where}: must be an object")
        self.value = value

    def fail(self, what):
        raise InvalidModel(f"{self.where}: {what}")

    def get(self, key):
        if key not in self.value:
            self.fail(f"{key} is missing")
        return self.value[key]

    def text(self, key, allowed=None):
        value = self.get(key)
        if not isinstance(value, str):
            self.fail(f"{key} must be a string")
        if allowed is not None and value not in allowed:
            self.fail(f"{key} is {json.dumps(value)}; allowed: {', '.join(allowed)}")
        return value

    def integer(self, key, low, high):
        value = self.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.fail(f"{key} must be an integer from {low} to {high}, not {json.dumps(value)}")
        return value

    def number(self, key, low, high):
        value = self.get(key)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
            self.fail(f"{key} must be a number from {low} to {high}, not {json.dumps(value)}")
        return float(value)

    def boolean(self, key):
        value = self.get(key)
        if not isinstance(value, bool):
            self.fail(f"{key} must be true or false, not {json.dumps(value)}")
        return value

    def array(self, key):
        value = self.get(key)
        if not isinstance(value, list):
            self.fail(f"{key} must be an array")
        return value


class Tensors:
    """The tensors of a safetensors file. Each is taken once, as a copy in memory of its own."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        try:
            with open(self.path, "rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except FileNotFoundError as error:
            raise InvalidModel(f"{self.path}: no such file") from error
        except ValueError as error:  # an empty file cannot be mapped
            raise InvalidModel(f"{self.path}: {error}") from error
        self._entries, self._begin = self._header()

    def _header(self):
        if len(self._map) < 8:
            raise InvalidModel(f"{self.path}: cut off before its header")
        (size,) = struct.unpack("<Q", self._map[:8])
        if size > min(MAX_HEADER_BYTES, len(self._map) - 8):
            raise InvalidModel(f"{self.path}: a header of {size} bytes does not fit")
        try:
            header = json.loads(self._map[8:8 + size].decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise InvalidModel(f"{self.path}: header is not JSON: {error}") from error
        Members(header, f"{self.path}: header")
        header.pop("__metadata__", None)
        return header, 8 + size

    def names(self):
        """Names of the tensors that have not been taken."""
        return sorted(self._entries)

    def take(self, name, dtype, shape):
        """The tensor `name`, which must have this dtype and shape."""
        if name not in self._entries:
            raise InvalidModel(f"{self.path}: no tensor {name}")
        found, found_shape, begin = self._place(name)
        if found != dtype or found_shape != list(shape):
            raise InvalidModel(f"{self.path}: {name} is {found} {found_shape}, but must be {dtype} {list(shape)}")
        del self._entries[name]
        size = math.prod(shape) * dtype.itemsize
        if size == 0:
            return torch.empty(shape, dtype=dtype)
        raw = torch.frombuffer(self._map, dtype=torch.uint8, count=size, offset=begin)
        return raw.clone().view(dtype).reshape(shape)

    def _place(self, name):
        """Dtype, shape and the place of the first byte in the file."""
        entry = Members(self._entries[name], f"{self.path}: {name}")
        dtype = DTYPES[entry.text("dtype", DTYPES)]
        shape, offsets = entry.array("shape"), entry.array("data_offsets")
        if not all(isinstance(side, int) and not isinstance(side, bool) and 0 <= side < 1 << 40
                   for side in shape + offsets) or len(offsets) != 2 or len(shape) > 8:
            entry.fail("shape and data_offsets must be non-negative integers")
        if offsets[1] - offsets[0] != math.prod(shape) * dtype.itemsize:
            entry.fail(f"data_offsets {offsets} do not fit {entry.value['dtype']} {shape}")
        if self._begin + offsets[1] > len(self._map):
            entry.fail(f"data_offsets {offsets} go beyond the end of the file")
        return dtype, shape, self._begin + offsets[0]
