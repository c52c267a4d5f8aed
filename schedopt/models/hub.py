"""Where a model is: bundled, in a folder, or on the Hugging Face hub."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Final, cast

from schedopt.errors import MissingModelError, OutputError, UsageError

ASSETS: Final = Path(__file__).resolve().parent.parent / "assets"
BUNDLED: Final = ("tiny", "tiny-light")
JUDGES: Final = ("tiny-judge",)  # bundled too: autoregressive, for texts rather than for masks

# The plain name of a family is its instruction-tuned model, where there is one.
REPOSITORIES: Final = {
    "llada": "GSAI-ML/LLaDA-8B-Instruct",
    "llada-base": "GSAI-ML/LLaDA-8B-Base",
    "llada-1.5": "GSAI-ML/LLaDA-1.5",
    "illada": "GSAI-ML/iLLaDA-8B-Instruct",
    "illada-base": "GSAI-ML/iLLaDA-8B-Base",
    "dream": "Dream-org/Dream-v0-Instruct-7B",
    "dream-base": "Dream-org/Dream-v0-Base-7B",
    "dream-coder": "Dream-org/Dream-Coder-v0-Instruct-7B",
    "dream-coder-base": "Dream-org/Dream-Coder-v0-Base-7B",
    "diffucoder": "apple/DiffuCoder-7B-Instruct",
    "diffucoder-base": "apple/DiffuCoder-7B-Base",
    "mdlm": "kuleshov-group/mdlm-owt",
    "a2d-qwen3": "dllm-hub/Qwen3-0.6B-diffusion-mdlm-v0.1",
    "a2d-qwen2": "dllm-hub/Qwen2.5-Coder-0.5B-Instruct-diffusion-mdlm-v0.1",
    "llada-moe": "inclusionAI/LLaDA-MoE-7B-A1B-Instruct",
    "llada-moe-base": "inclusionAI/LLaDA-MoE-7B-A1B-Base",
    "llada2": "inclusionAI/LLaDA2.0-mini",
}
# Weights, config and tokenizer of the repository's top folder: no code, no pickle.
WANTED: Final = (
    "*.safetensors",
    "model.safetensors.index.json",
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
)
INSTALL_HINT: Final = "pip install huggingface_hub tokenizers jinja2"
DOWNLOAD_HINT: Final = "download the file again: it is not what its authors published"

_FOLDER_HINT: Final = (
    "give a folder that holds config.json and model.safetensors: --model /path/to/folder "
    "(./name where its name is an alias too)"
)
_POINTER: Final = b"version https://git-lfs"
_REPOSITORY: Final = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_DISK: Final = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


def find_folder(path_or_alias: str | Path, revision: str | None = None) -> Path:
    """Find the folder of a model, downloading it where it comes from the hub.

    Args:
        path_or_alias: A bundled model (``tiny``, ``tiny-light``, the judge ``tiny-judge``), an
            alias such as ``llada`` or ``dream``, a folder, or a hub id ``owner/name``; the first of
            these that it is. A folder that is called as a model or an alias is written
            ``./llada``, or is a ``Path``.
        revision: Branch, tag or commit of the hub's repository; its main branch by default.

    Returns:
        The folder. What has been downloaded before needs no network.

    Raises:
        MissingModelError: None of these, not on the hub, not allowed, no network, or the extra
            ``hub`` is missing.
        UsageError: A revision of what has none.
        OutputError: The download cannot be written.

    Example:
        >>> find_folder("tiny").name
        'tiny'
    """
    name = str(path_or_alias)
    if (repository := full_name(path_or_alias)) != name:
        return _download(repository, revision)
    is_bundled = path_or_alias in (*BUNDLED, *JUDGES)
    local = ASSETS / name if is_bundled else Path(path_or_alias)
    if name and local.is_dir():
        if revision is not None:
            kind = "the bundled model" if is_bundled else "the folder"
            raise UsageError(
                f"revision {revision!r}: {kind} {name!r} has no revisions",
                hint="only a model of the hub (an alias or owner/name) has them",
            )
        return local
    if not isinstance(path_or_alias, str) or not _REPOSITORY.fullmatch(name):
        known = (*BUNDLED, *JUDGES, *REPOSITORIES)
        close = get_close_matches(name.lower(), known)
        hint = f"did you mean {' or '.join(close)}? Or {_FOLDER_HINT}" if close else _FOLDER_HINT
        raise MissingModelError(
            f"no model {name!r}: neither a bundled model ({', '.join(BUNDLED)}) nor a folder, "
            f"nor an alias ({', '.join(REPOSITORIES)}), nor a hub id owner/name",
            hint=hint,
        )
    return _download(name, revision)


def full_name(path_or_alias: str | Path) -> str:
    """What files call a model: the hub id that an alias stands for, anything else as it is.

    Example:
        >>> full_name("llada"), full_name("./llada")
        ('GSAI-ML/LLaDA-8B-Instruct', './llada')
    """
    name = str(path_or_alias)
    return REPOSITORIES.get(name.lower(), name) if isinstance(path_or_alias, str) else name


def broken_hint(path: Path) -> str:
    """How to cure a file of a checkpoint that cannot be read."""
    try:
        with path.open("rb") as file:
            is_pointer = file.read(len(_POINTER)) == _POINTER
    except OSError:
        is_pointer = False
    if is_pointer:
        return f"it only points to the file, as Git LFS does: run `git lfs pull` in {path.parent}"
    return DOWNLOAD_HINT


def commit_of(folder: Path) -> str | None:
    """The commit that a folder of the hub's cache is a snapshot of; None for other folders.

    Example:
        >>> commit_of(Path("models--a--b", "snapshots", "0f" * 20)) == "0f" * 20
        True
    """
    is_snapshot = folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name)
    return folder.name if is_snapshot else None


def _download(repository: str, revision: str | None) -> Path:
    try:
        from huggingface_hub import errors, snapshot_download
    except ImportError as error:
        raise MissingModelError(
            f"model {repository!r} is no folder here, and the package huggingface_hub, which "
            "would download it, is missing",
            hint=f"{INSTALL_HINT}, or {_FOLDER_HINT}",
        ) from error
    fetch: Callable[..., str] = partial(
        snapshot_download,
        repository,
        revision=revision,
        allow_patterns=list(WANTED),
        ignore_patterns=["*/*"],  # copies of the weights in other layouts
    )
    # Errors of the HTTP client (another one in each major version of the hub's package), and
    # what the package of the hub's storage raises.
    transport = cast(tuple[type[Exception], ...], errors.HfHubHTTPError.__bases__)
    unreachable: tuple[type[Exception], ...] = (OSError, RuntimeError, *transport)

    try:
        return Path(fetch())
    except errors.GatedRepoError as error:
        raise MissingModelError(
            f"model {repository!r} is gated: the hub hands it to those who accepted its terms",
            hint=f"accept them at https://huggingface.co/{repository} and log in with "
            f"`hf auth login`, or {_FOLDER_HINT}",
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise MissingModelError(
            f"no model {repository!r}: no such folder here, and none on the hub that is public "
            "or yours",
            hint=_FOLDER_HINT,
        ) from error
    except errors.RevisionNotFoundError as error:
        raise MissingModelError(
            f"model {repository!r}: the hub has no revision {revision!r}",
            hint=f"see https://huggingface.co/{repository}/tree/main, or {_FOLDER_HINT}",
        ) from error
    except errors.HFValidationError as error:
        raise MissingModelError(
            f"no model {repository!r}: no such folder here, and no name on the hub: {_line(error)}",
            hint=_FOLDER_HINT,
        ) from error
    except unreachable as error:
        _refuse_full_disk(error, repository)
        try:  # a proxy that refuses keeps the hub's package from looking at what is here
            return Path(fetch(local_files_only=True))
        except unreachable:
            raise MissingModelError(
                f"model {repository!r} is not here in full, and the hub is out of reach: "
                f"{_line(error)}",
                hint="download it where there is a network "
                f"(hf download {repository}), or {_FOLDER_HINT}",
            ) from error


def _refuse_full_disk(error: Exception, repository: str) -> None:
    if isinstance(error, OSError) and error.errno in _DISK:
        raise OutputError(
            f"model {repository!r} cannot be written: {error.strerror}: {error.filename}",
            hint="free some space, or set HF_HOME to a folder that has it",
        ) from error


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0].strip()
