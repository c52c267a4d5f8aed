"""Loading a checkpoint: strict, native, safetensors only, no remote code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from schedopt.errors import InputError, MissingModelError, UsageError
from schedopt.files.strict import RefusedError, parse
from schedopt.models.backbone import Backbone, WithoutInitialisation
from schedopt.models.checkpoint import DTYPES, Checkpoint, Digest, find_shards
from schedopt.models.denoiser import NO_MASK
from schedopt.models.families import AUTOREGRESSIVE, FAMILIES, Family
from schedopt.models.families.family import GENERIC, NetworkConfig, refuse_generic_options
from schedopt.models.fields import Fields
from schedopt.models.hub import JUDGES, broken_hint, commit_of, find_folder, full_name
from schedopt.models.network import NetworkDenoiser
from schedopt.models.tokenizer import read_tokenizer
from schedopt.models.weights import load_weights

AUTO: Final = "auto"


def load_model(
    path_or_alias: str | Path,
    *,
    device: str = "cpu",
    dtype: str = "float32",
    mask_id: int | None = None,
    revision: str | None = None,
) -> NetworkDenoiser:
    """Load a masked diffusion language model.

    Args:
        path_or_alias: A bundled model (``tiny``, ``tiny-light``), an alias such as ``llada``, a
            folder that holds ``config.json`` and ``model.safetensors`` (or shards with their
            index), or a hub id ``owner/name``; the first of these that it is, so that a folder
            called as an alias is written ``./llada``.
        device: A torch device, such as ``cpu`` or ``cuda``; ``auto`` for a GPU where there is one.
        dtype: ``float32``, ``bfloat16``, ``float16`` or ``float64``; weights are converted.
            ``auto`` for float32 on a CPU, and elsewhere for what the checkpoint is stored in.
        mask_id: Token of an unknown position, where neither the config nor the family names it.
        revision: Branch, tag or commit of a model of the hub.

    Raises:
        MissingModelError: No such folder or alias, or a file of it is missing.
        InputError: The config or a tensor is not what the architecture needs.
        UsageError: An unknown dtype or device, or no mask id.
        DeviceMemoryError: The weights do not fit the device.

    Example:
        >>> model = load_model("tiny")
        >>> model.logits(torch.tensor([[model.mask_id] * 4])).shape
        torch.Size([1, 4, 258])
    """
    target = _usable(device, dtype)
    folder = find_folder(path_or_alias, revision)
    family, fields = _read_family(folder, FAMILIES)
    named, eos, bos = (fields.token(f"{kind}_token_id") for kind in ("mask", "eos", "bos"))
    config = _read_strictly(family, fields)
    mask = _mask_id(mask_id if mask_id is not None else named, family, config.vocab_size)
    eos = family.eos_id if eos is None else eos
    if eos is not None and eos >= config.vocab_size:
        eos = None  # left over from the family's defaults: no row of the head can end a text
    network = _empty(config)
    bos = bos if network.shift else None
    for kind, token in (("eos", eos), ("bos", bos)):
        if token == mask or (token is not None and token >= config.vocab_size):
            raise fields.fault(
                f"{kind}_token_id",
                f"need 0..{config.vocab_size - 1} and not the mask token {mask}, got {token}",
            )
    # Before the weights: they take minutes to read.
    tokenizer = read_tokenizer(folder, config.vocab_size, mask_id=mask, eos_id=eos)
    dtype, sha256 = _fill(network, folder, family, target, dtype)
    return NetworkDenoiser(
        network,
        mask_id=mask,
        eos_id=eos,
        bos_id=bos,
        tokenizer=tokenizer,
        provenance={
            **_origin(path_or_alias, sha256, dtype, target),
            "mask_id": mask,
            **_commit(folder),
        },
    )


def load_autoregressive(
    path_or_alias: str | Path,
    *,
    device: str = "cpu",
    dtype: str = "float32",
    revision: str | None = None,
) -> NetworkDenoiser:
    """Load an autoregressive language model, whose row i scores token i + 1 from those up to i.

    It has no mask token, so that only ``score`` is of use: ``schedopt.evaluation.Judge`` asks it.

    Args:
        path_or_alias: As of ``load_model``; the bundled one is ``tiny-judge``.
        device: As of ``load_model``.
        dtype: As of ``load_model``.
        revision: As of ``load_model``.

    Raises:
        MissingModelError: No such folder, a file of it is missing, or the architecture is unknown.
        InputError: The config, a tensor or the tokenizer is not what the architecture needs.
        UsageError: A masked model, or an unknown dtype or device.
        DeviceMemoryError: The weights do not fit the device.

    Example:
        >>> model = load_autoregressive("tiny-judge")
        >>> model.shift, model.bos_id
        (1, 257)
    """
    target = _usable(device, dtype)
    folder = find_folder(path_or_alias, revision)
    family, fields = _read_family(folder, AUTOREGRESSIVE)
    eos, bos = (fields.token(f"{kind}_token_id") for kind in ("eos", "bos"))
    config = _read_strictly(family, fields)
    for kind, token in (("eos", eos), ("bos", bos)):
        if token is not None and token >= config.vocab_size:
            raise fields.fault(f"{kind}_token_id", f"need 0..{config.vocab_size - 1}, got {token}")
    network = _empty(config)
    tokenizer = read_tokenizer(folder, config.vocab_size, eos_id=eos)
    dtype, sha256 = _fill(network, folder, family, target, dtype)
    return NetworkDenoiser(
        network,
        mask_id=NO_MASK,
        eos_id=eos,
        bos_id=bos,
        tokenizer=tokenizer,
        provenance={**_origin(path_or_alias, sha256, dtype, target), **_commit(folder)},
    )


def _empty(config: NetworkConfig) -> Backbone:
    """The network, on no device yet."""
    with torch.device("meta"), WithoutInitialisation():
        return config.build()


def _fill(
    network: Backbone, folder: Path, family: Family, target: torch.device, dtype: str
) -> tuple[str, str]:
    """Load the weights; the dtype that they now have, and the hash of their files."""
    files, total, shards = find_shards(folder)
    checkpoint = Checkpoint(files, total, shards)
    if dtype == AUTO:
        dtype = "float32" if target.type == "cpu" else checkpoint.dtype
    published = family.names_of(checkpoint.tensors)
    with Digest(files) as digest:
        load_weights(network, checkpoint, published, device=target, dtype=DTYPES[dtype])
        return dtype, digest.hex()


def _origin(
    path_or_alias: str | Path, sha256: str, dtype: str, target: torch.device
) -> dict[str, str]:
    return {
        "name": full_name(path_or_alias),
        "weights_sha256": sha256,
        "dtype": dtype,
        "device": str(target),
    }


def _commit(folder: Path) -> dict[str, str]:
    commit = commit_of(folder)
    return {} if commit is None else {"revision": commit}


def _usable(device: str, dtype: str) -> torch.device:
    if dtype not in (*DTYPES, AUTO):
        raise UsageError(f"unknown dtype {dtype!r}; one of {', '.join(DTYPES)}, {AUTO}")
    if device == AUTO:  # of several processes, each has made its GPU the current one
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        target = torch.device(device)
        torch.zeros(1, device=target).item()  # a device that only pretends has no item
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"device {device!r} is not usable here: {reason}",
            hint="give auto, cpu or another device that `schedopt doctor` names",
        ) from error
    return target


def _read_config(path: Path) -> dict[str, Any]:
    try:
        document = parse(path.read_bytes())
    except FileNotFoundError as error:
        raise MissingModelError(f"{path}: no such file; a model folder needs it") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except RefusedError as refused:
        where, problem = refused.faults[0]
        raise InputError(f"{path}: {where}: {problem}", hint=broken_hint(path)) from None
    if not isinstance(document, dict):
        raise InputError(
            f"{path}: $: need an object, got {type(document).__name__}", hint=broken_hint(path)
        )
    return document


def _read_family(folder: Path, wanted: Mapping[str, Family]) -> tuple[Family, Fields]:
    """The family that a checkpoint's config names, and the fields of the config."""
    where = folder / "config.json"
    published = _read_config(where)
    names = published.get("architectures")
    name = names[0] if isinstance(names, list) and len(names) == 1 else None
    if isinstance(name, str) and name in wanted:
        return wanted[name], Fields(published, str(where))
    judging = wanted is AUTOREGRESSIVE
    others = FAMILIES if judging else AUTOREGRESSIVE
    if isinstance(name, str) and name in others:
        raise _wrong_kind(f"{where}: {name} ({others[name].name})", judging=judging)
    kinds = "Qwen2, Qwen3, Llama, GPT-2" if judging else "LLaDA, Dream, MDLM"
    raise MissingModelError(
        f"{where}: $.architectures: need one of {', '.join(wanted)}, got {names!r}",
        hint=f"only these families are loaded ({kinds} and their relatives); any "
        "other model can be brought along from Python, as a function of token ids",
    )


def _wrong_kind(model: str, *, judging: bool) -> UsageError:
    if judging:
        return UsageError(
            f"{model} is a masked diffusion model, which sees what comes after a token: no judge",
            hint=f"give an autoregressive model as the judge: {', '.join(JUDGES)}, or a folder or "
            f"hub id of {', '.join(AUTOREGRESSIVE)}",
        )
    return UsageError(
        f"{model} is an autoregressive model, which judges texts and fills in no masked position",
        hint="give it as the judge (load_judge in Python), and as the model one of "
        f"{', '.join(FAMILIES)}",
    )


def _read_strictly(family: Family, fields: Fields) -> NetworkConfig:
    config = family.read(fields)
    refuse_generic_options(fields)
    fields.finish(family.harmless | GENERIC)
    return config


def _mask_id(named: int | None, family: Family, vocab_size: int) -> int:
    source = ""
    if named is None and family.mask_id is not None:
        named = family.mask_id % vocab_size if family.mask_id < 0 else family.mask_id
        source = f" ({family.mask_source})"
    if named is None or not 0 <= named < vocab_size:
        raise UsageError(
            f"mask id: need 0..{vocab_size - 1}, got {named}{source}",
            hint="name the mask token with --mask-id, or mask_id= in Python",
        )
    return named
