"""Weights from a checkpoint to the device, one tensor at a time, each of them placed."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from schedopt.errors import DeviceMemoryError, InputError
from schedopt.models.backbone import Backbone
from schedopt.models.batches import out_of_memory
from schedopt.models.checkpoint import Checkpoint
from schedopt.models.hub import DOWNLOAD_HINT

_MISFIT_HINT: Final = "take config.json and the weights of the same checkpoint"
_MISSING_HINT: Final = f"check the number of layers in config.json, or {DOWNLOAD_HINT}"
_TIED_HINT: Final = (
    "config.json ties the head to the embedding: set weight_tying (LLaDA) or tie_word_embeddings "
    "to false, or take the weights that belong to it"
)


def load_weights(
    network: Backbone,
    checkpoint: Checkpoint,
    published: Callable[[str], str],
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> None:
    """Fill a network that is on the meta device.

    Args:
        network: The network; afterwards it is on the device.
        checkpoint: The tensors.
        published: Published name of a tensor of ours; a name that several share is that of their
            concatenation along rows.
        device: Where to.
        dtype: What the parameters are converted to; buffers stay float32.

    Raises:
        InputError: A tensor is missing, has no place or another shape, holds what is not finite,
            or contradicts what follows from the others.
        DeviceMemoryError: The device cannot hold the weights.
    """
    for parameter in network.parameters():
        parameter.data = parameter.data.to(dtype)
    parts = published_parts(network, published)
    _check_shapes(network, checkpoint, parts, published)
    with _room_for(network, device):
        _fill(network, checkpoint, parts, published, device, dtype)


def _fill(
    network: Backbone,
    checkpoint: Checkpoint,
    parts: Mapping[str, list[str]],
    published: Callable[[str], str],
    device: torch.device,
    dtype: torch.dtype,
) -> None:
    empty = {
        name: torch.empty(value.shape, dtype=value.dtype, device=device)
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(empty, assign=True)
    ours = network.state_dict()

    def place(name: str, value: Tensor) -> None:
        moved = value.to(device)
        sizes = [len(ours[part]) for part in parts[name]]
        for part, piece in zip(parts[name], torch.split(moved, sizes), strict=True):
            ours[part].copy_(piece)
            # NaN and infinities show in the extremes, which need no array of answers.
            if not all(math.isfinite(float(extreme)) for extreme in ours[part].aminmax()):
                raise _not_finite(checkpoint.tensors[name].path, name, moved, dtype)

    implied = {published(name): value for name, value in network.implied().items()}

    def compare(name: str, value: Tensor) -> None:
        expected = implied[name].to(device)
        rounding = max(torch.finfo(value.dtype).eps, torch.finfo(expected.dtype).eps, 1e-6)
        same = torch.isclose(value.to(expected), expected, rtol=rounding, atol=0.0)
        if not bool(same.all()):
            wrong = int((~same).sum())
            raise InputError(
                f"{checkpoint.tensors[name].path}: tensor {name!r}: "
                f"{'1 number differs' if wrong == 1 else f'{wrong} numbers differ'} from what the "
                "config makes of the other tensors",
                hint=_TIED_HINT if name == published("lm_head.weight") else _MISFIT_HINT,
            )

    checkpoint.read(parts.keys(), place)
    checkpoint.read(implied.keys(), compare)


def published_parts(network: Backbone, published: Callable[[str], str]) -> dict[str, list[str]]:
    """Our tensors, in order, of which each published one is the concatenation along rows."""
    parts: dict[str, list[str]] = {}
    for name in network.state_dict():
        parts.setdefault(published(name), []).append(name)
    return parts


def published_shapes(
    network: Backbone, parts: Mapping[str, list[str]]
) -> dict[str, tuple[int, ...]]:
    """Shape of each published tensor."""
    ours = network.state_dict()
    shapes = {}
    for name, names in parts.items():
        first, *rest = (tuple(ours[part].shape) for part in names)
        shapes[name] = (first[0] + sum(shape[0] for shape in rest), *first[1:])
    return shapes


def _check_shapes(
    network: Backbone,
    checkpoint: Checkpoint,
    parts: Mapping[str, list[str]],
    published: Callable[[str], str],
) -> None:
    need = {published(name): tuple(value.shape) for name, value in network.implied().items()}
    need |= published_shapes(network, parts)
    for name, stored in checkpoint.tensors.items():
        if name not in need:
            raise InputError(
                f"{stored.path}: tensor {name!r} has no place in the network", hint=_MISFIT_HINT
            )
        if stored.shape != need[name]:
            raise InputError(
                f"{stored.path}: tensor {name!r}: need shape {need[name]}, got {stored.shape}",
                hint=_MISFIT_HINT,
            )
    missing = sorted(parts.keys() - checkpoint.tensors.keys())
    if missing:
        raise InputError(
            f"{checkpoint.folder}: tensor {missing[0]!r} is missing"
            + (f", and {len(missing) - 1} more" if len(missing) > 1 else ""),
            hint=_MISSING_HINT,
        )


@contextmanager
def _room_for(network: Backbone, device: torch.device) -> Iterator[None]:
    """Refuse weights that are larger than the device, and say so where they still do not fit."""
    needed = sum(value.nbytes for value in network.state_dict().values())
    room = memory_of(device)
    if room is not None and needed > room:
        raise _no_room(needed, device, f"which has {room / 2**30:.1f} GiB in all")
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise _no_room(needed, device, "which has less left") from error


def _no_room(needed: int, device: torch.device, what: str) -> DeviceMemoryError:
    return DeviceMemoryError(
        f"the weights need {needed / 2**30:.1f} GiB on {device}, {what}",
        hint="use a narrower --dtype such as bfloat16, or a larger device; one model cannot be "
        "spread over several",
    )


def memory_of(device: torch.device) -> int | None:
    """Bytes of memory that a device has in all, or None where nobody says."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    if device.type == "cpu" and "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _not_finite(path: Path, name: str, stored: Tensor, dtype: torch.dtype) -> InputError:
    bad = stored[~torch.isfinite(stored)]
    if len(bad):
        return InputError(
            f"{path}: tensor {name!r}: need finite numbers, got {len(bad)} that are not, the first "
            f"{float(bad[0])}",
            hint=DOWNLOAD_HINT,
        )
    largest = float(stored.abs().max())
    return InputError(
        f"{path}: tensor {name!r}: holds {largest:g}, which is too large for {dtype}",
        hint="use --dtype bfloat16 or float32",
    )
