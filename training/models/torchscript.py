"""The weights in a TorchScript archive, such as OpenAI's CLIP files, read without running what it holds.

`torch.load` refuses these archives where it may read weights only, and `torch.jit.load` compiles the program in them
and runs its `__setstate__`. The tensors are in the archive's `data.pkl` and `data/`, beside the program. Here
`data.pkl` is unpickled with nothing to call but what puts tensors together.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZipFile, is_zipfile

import torch

# The names of `torch.FloatStorage` and its like in an archive.
_DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def is_torchscript(path: Path) -> bool:
    """Whether a file is an archive of a program and its weights."""
    if not is_zipfile(path):
        return False
    with ZipFile(path) as archive:
        return any(PurePosixPath(name).name == "constants.pkl" for name in archive.namelist())


def read_torchscript(path: Path) -> dict[str, torch.Tensor]:
    """The parameters and buffers by their dotted names.

    Raises:
        pickle.UnpicklingError: `data.pkl` calls for anything else, or is no pickle.
        Exception: the archive is broken; a broken pickle may fail in any way.
    """
    with ZipFile(path) as archive:
        (record,) = (name for name in archive.namelist() if PurePosixPath(name).match("*/data.pkl"))
        with archive.open(record) as file:
            root = _Unpickler(file, archive, PurePosixPath(record).parent).load()
    return dict(_tensors(root, ""))


class _Object:
    """Stands for an object of any class of the program: attributes, no methods."""


class _Unpickler(pickle.Unpickler):
    """Makes tensors, lists, dictionaries and `_Object`s."""

    def __init__(self, file: Any, archive: ZipFile, folder: PurePosixPath) -> None:
        super().__init__(file)
        self._archive = archive
        self._folder = folder

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the pickle stands for; only what is named here can be called."""
        if module == "__torch__" or module.startswith("__torch__."):
            return _Object
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle":  # typed lists and dictionaries: what they hold, then their type
            return _first
        raise pickle.UnpicklingError(f"it calls for {module}.{name}")

    def persistent_load(self, pid: Any) -> torch.Tensor:
        """A storage, flat: ("storage", dtype, record, device, length)."""
        _, dtype, record, _, length = pid
        content = self._archive.read(str(self._folder / "data" / record))
        if len(content) != length * dtype.itemsize:
            raise pickle.UnpicklingError(f"storage {record} is torn")
        return torch.frombuffer(bytearray(content), dtype=dtype) if length else torch.empty(0, dtype=dtype)


def _tensor(
    storage: torch.Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> torch.Tensor:
    return storage.as_strided(size, stride, offset)


def _first(value: Any, *_: Any) -> Any:
    return value


def _tensors(holder: Any, prefix: str) -> Iterator[tuple[str, torch.Tensor]]:
    for name, value in vars(holder).items():
        if isinstance(value, torch.Tensor):
            yield prefix + name, value
        elif isinstance(value, _Object):
            yield from _tensors(value, f"{prefix}{name}.")
