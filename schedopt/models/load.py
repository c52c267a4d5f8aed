"""Loading a checkpoint: strict, native, safetensors only, no remote code."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from schedopt.errors import InputError, MissingModelError, UsageError
from schedopt.files.strict import RefusedError, parse
from schedopt.models.network import NetworkDenoiser
from schedopt.models.tokenizer import ByteTokenizer, Tokenizer
from schedopt.models.transformer import ARCHITECTURE, LLaDA, LLaDAConfig

ASSETS: Final = Path(__file__).resolve().parent.parent / "assets"
BUNDLED: Final = ("tiny", "tiny-light")
DTYPES: Final = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def load_model(
    path_or_alias: str | Path,
    *,
    device: str = "cpu",
    dtype: str = "float32",
    mask_id: int | None = None,
) -> NetworkDenoiser:
    """Load a masked diffusion language model.

    Args:
        path_or_alias: A bundled model (``tiny``, ``tiny-light``) or a folder that holds
            ``config.json`` and ``model.safetensors`` (or shards with their index).
        device: A torch device, such as ``cpu`` or ``cuda``.
        dtype: ``float32``, ``bfloat16``, ``float16`` or ``float64``; weights are converted.
        mask_id: Token of an unknown position, where the config does not name it.

    Raises:
        MissingModelError: No such folder or alias, or a file of it is missing.
        InputError: The config or a tensor is not what the architecture needs.
        UsageError: An unknown dtype or device, or no mask id.

    Example:
        >>> model = load_model("tiny")
        >>> model.logits(torch.tensor([[model.mask_id] * 4])).shape
        torch.Size([1, 4, 258])
    """
    if dtype not in DTYPES:
        raise UsageError(f"unknown dtype {dtype!r}; one of {', '.join(DTYPES)}")
    try:
        target = torch.device(device)
        torch.zeros(1, device=target).item()  # a device that only pretends has no item
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"device {device!r} is not usable here: {reason}") from error
    folder = _folder(path_or_alias)
    published = _read_json(folder / "config.json")
    architecture = published.get("architectures")
    if architecture != [ARCHITECTURE]:
        raise MissingModelError(
            f"{folder / 'config.json'}: $.architectures: need [{ARCHITECTURE!r}], "
            f"got {architecture!r}",
            hint="this version loads LLaDA-type checkpoints only",
        )
    config = LLaDAConfig.from_published(published, str(folder / "config.json"))
    mask = config.mask_token_id if mask_id is None else mask_id
    if mask is None or not 0 <= mask < config.vocab_size:
        raise UsageError(
            f"mask id: need 0..{config.vocab_size - 1}, got {mask}",
            hint="name the mask token with --mask-id",
        )
    files = _weight_files(folder)
    with torch.device("meta"):
        network = LLaDA(config)
    weights = _read_weights(files, {k: tuple(v.shape) for k, v in network.state_dict().items()})
    network.load_state_dict(
        {name: value.to(target, DTYPES[dtype]) for name, value in weights.items()}, assign=True
    )
    return NetworkDenoiser(
        network,
        mask_id=mask,
        eos_id=config.eos_token_id,
        tokenizer=_tokenizer(folder, config.vocab_size),
        provenance={
            "name": str(path_or_alias),
            "weights_sha256": _sha256(files),
            "dtype": dtype,
            "device": str(target),
            "mask_id": mask,
        },
    )


def _folder(path_or_alias: str | Path) -> Path:
    if str(path_or_alias) in BUNDLED:
        return ASSETS / str(path_or_alias)
    folder = Path(path_or_alias)
    if not folder.is_dir():
        raise MissingModelError(
            f"no model {str(path_or_alias)!r}: neither a bundled model ({', '.join(BUNDLED)}) "
            "nor a folder",
            hint="give a folder that holds config.json and model.safetensors",
        )
    return folder


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = parse(path.read_bytes())
    except FileNotFoundError as error:
        raise MissingModelError(f"{path}: no such file; a model folder needs it") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except RefusedError as refused:
        where, problem = refused.faults[0]
        raise InputError(f"{path}: {where}: {problem}") from None
    if not isinstance(document, dict):
        raise InputError(f"{path}: $: need an object, got {type(document).__name__}")
    return document


def _weight_files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        weight_map = _read_json(index).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise InputError(f"{index}: $.weight_map: need an object of tensor names to shards")
        names = sorted({str(name) for name in weight_map.values()})
        if any(Path(name).name != name for name in names):
            raise InputError(f"{index}: $.weight_map: shards must be file names, got {names!r}")
        files = [folder / name for name in names]
    else:
        files = [folder / "model.safetensors"]
    for path in files:
        if not path.is_file():
            raise MissingModelError(f"{path}: no such file; a model folder needs it")
    return files


def _read_weights(files: list[Path], shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}
    for path in files:
        try:
            with safe_open(path, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 (a safe_open is not iterable)
                    if name not in shapes:
                        raise InputError(f"{path}: tensor {name!r} has no place in the network")
                    if name in weights:
                        raise InputError(f"{path}: tensor {name!r} stands in two shards")
                    value = tensors.get_tensor(name)
                    if tuple(value.shape) != shapes[name]:
                        raise InputError(
                            f"{path}: tensor {name!r}: need shape {shapes[name]}, "
                            f"got {tuple(value.shape)}"
                        )
                    if value.dtype not in DTYPES.values():
                        raise InputError(
                            f"{path}: tensor {name!r}: need {', '.join(DTYPES)}, got {value.dtype}"
                        )
                    bad = value[~torch.isfinite(value)]
                    if len(bad):
                        raise InputError(
                            f"{path}: tensor {name!r}: need finite numbers, got {len(bad)} that "
                            f"are not, the first {float(bad[0])}"
                        )
                    weights[name] = value
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: not readable as safetensors: {error}") from error
    missing = sorted(set(shapes) - set(weights))
    if missing:
        raise InputError(
            f"{files[0].parent}: {len(missing)} tensors are missing, the first {missing[0]!r}"
        )
    return weights


def _tokenizer(folder: Path, vocab_size: int) -> Tokenizer | None:
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return None
    kind = _read_json(path).get("tokenizer_class")
    if kind != "ByteTokenizer":
        return None
    if vocab_size < 256:
        raise InputError(f"{path}: bytes need 256 tokens, the network has {vocab_size}")
    return ByteTokenizer()


def _sha256(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            for piece in iter(lambda: stream.read(1 << 20), b""):
                digest.update(piece)
    return digest.hexdigest()
