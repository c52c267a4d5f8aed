"""The safetensors files of a checkpoint: what is in them, read lazily, and their hash."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from schedopt.errors import InputError, MissingModelError
from schedopt.models.hub import DOWNLOAD_HINT, broken_hint
from schedopt.models.vocabulary import read_object

DTYPES: Final = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
# What safetensors calls them.
NAMES: Final = {"F32": "float32", "F64": "float64", "BF16": "bfloat16", "F16": "float16"}
SINGLE: Final = "model.safetensors"
INDEX: Final = f"{SINGLE}.index.json"
_PIECE: Final = 1 << 22  # bytes that are hashed at once


@dataclass(frozen=True)
class Stored:
    """Where a published tensor is."""

    path: Path
    shape: tuple[int, ...]
    dtype: str

    @property
    def bytes(self) -> int:
        """Its size."""
        return math.prod(self.shape) * DTYPES[NAMES[self.dtype]].itemsize


def find_shards(folder: Path) -> tuple[list[Path], int | None, dict[str, str] | None]:
    """The safetensors files of a checkpoint, and what an index says of them.

    Returns:
        The files; the bytes of all tensors and the file of each, or None where no index says so.

    Raises:
        MissingModelError: A file is missing.
        InputError: The index is broken, or there is a single file beside the shards.
    """
    index = folder / INDEX
    total = shards = None
    names = [SINGLE]
    if index.is_file():
        document = read_object(index)
        weight_map = document.get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise InputError(f"{index}: $.weight_map: need an object of tensor names to shards")
        shards = {tensor: str(name) for tensor, name in weight_map.items()}
        names = sorted(set(shards.values()))
        if any(Path(name).name != name for name in names):
            raise InputError(f"{index}: $.weight_map: shards must be file names, got {names!r}")
        metadata = document.get("metadata")
        stated = metadata.get("total_size") if isinstance(metadata, dict) else None
        if isinstance(stated, int | float) and not isinstance(stated, bool) and stated > 0:
            total = int(stated)
    files = [folder / name for name in names]
    for path in files:
        if not path.is_file():
            raise MissingModelError(
                f"{path}: no such file; a model folder needs it",
                hint="weights are read from safetensors only: convert others, or download them",
            )
    if SINGLE not in names and (folder / SINGLE).is_file():
        raise InputError(
            f"{folder}: {SINGLE} and {INDEX} are both there, and the index names other files",
            hint=f"remove {SINGLE}, or the index and its shards",
        )
    return files, total, shards


class Checkpoint:
    """The tensors of some safetensors files, whose headers are read first.

    Args:
        files: The shards.
        total: Bytes that all tensors should have together, or None.
        shards: Name of the file that each tensor should be in, or None.

    Raises:
        InputError: A file is cut off or no safetensors, a tensor is there twice, is not where it
            should be, has a dtype that is no number of ours, or all together are not as large as
            they should be.
    """

    def __init__(
        self,
        files: list[Path],
        total: int | None = None,
        shards: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = files[0].parent
        self.tensors: dict[str, Stored] = {}
        for path in files:
            with _opened(path) as file:
                for name in file.keys():  # noqa: SIM118 (a safe_open is not iterable)
                    if name in self.tensors:
                        raise InputError(f"{path}: tensor {name!r} stands in two shards")
                    header = file.get_slice(name)
                    stored = Stored(path, tuple(header.get_shape()), header.get_dtype())
                    if stored.dtype not in NAMES:
                        raise InputError(
                            f"{path}: tensor {name!r}: need one of {', '.join(NAMES)}, "
                            f"got {stored.dtype}",
                            hint="quantised checkpoints are not read; take the one they come from",
                        )
                    self.tensors[name] = stored
        if shards is not None:
            self._check_places(shards)
        found = sum(stored.bytes for stored in self.tensors.values())
        if total not in (None, found):
            raise InputError(
                f"{self.folder / INDEX}: $.metadata.total_size: the index promises {total} "
                f"bytes of tensors, the shards hold {found}",
                hint=DOWNLOAD_HINT,
            )

    def _check_places(self, shards: Mapping[str, str]) -> None:
        for name in sorted(self.tensors.keys() | shards.keys()):
            stated = shards.get(name, "no file")
            found = self.tensors[name].path.name if name in self.tensors else "no file"
            if stated != found:
                raise InputError(
                    f"{self.folder / INDEX}: $.weight_map: tensor {name!r} should be in {stated}, "
                    f"it is in {found}",
                    hint="take the index and the shards of the same checkpoint",
                )

    @property
    def dtype(self) -> str:
        """What most of its bytes are stored as."""
        sizes = Counter[str]()
        for stored in self.tensors.values():
            sizes[NAMES[stored.dtype]] += stored.bytes
        return sizes.most_common(1)[0][0]

    def read(self, names: Collection[str], place: Callable[[str, Tensor], None]) -> None:
        """Hand tensors over, shard by shard, so that only one is in memory at a time."""
        for path in dict.fromkeys(stored.path for stored in self.tensors.values()):
            with _opened(path) as file:
                for name, stored in self.tensors.items():
                    if stored.path == path and name in names:
                        place(name, file.get_tensor(name))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path}: not readable as safetensors: {error}", hint=broken_hint(path)
        ) from error


class Digest:
    """SHA-256 of files, computed beside other work, since hashing leaves the interpreter free.

    Args:
        files: One after another.

    Example:
        >>> with Digest([]) as digest:
        ...     digest.hex()[:8]
        'e3b0c442'
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self._stop = Event()
        self._pool = ThreadPoolExecutor(1, "digest")
        self._future = self._pool.submit(self._hash, list(files))

    def _hash(self, files: list[Path]) -> str:
        digest = hashlib.sha256()
        for path in files:
            with path.open("rb") as stream:
                while (piece := stream.read(_PIECE)) and not self._stop.is_set():
                    digest.update(piece)
        return digest.hexdigest()

    def hex(self) -> str:
        """The digest, waiting for it.

        Raises:
            InputError: A file cannot be read.
        """
        try:
            return self._future.result()
        except OSError as error:
            raise InputError(f"{error.filename}: cannot be read: {error.strerror}") from error

    def __enter__(self) -> Digest:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
