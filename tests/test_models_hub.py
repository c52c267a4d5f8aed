"""Models are found where they are: bundled, in a folder, in the hub's cache, on the hub."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from checkpoints import PUBLISHED, write_checkpoint
from huggingface_hub import constants, errors
from huggingface_hub.utils import filter_repo_objects

from schedopt.errors import MissingModelError, OutputError, SchedoptError, UsageError
from schedopt.models import BUNDLED, REPOSITORIES, find_folder, load_model
from schedopt.models.hub import commit_of

COMMIT = "08b83a6feb34df1a6011b80c3c00c7563e963b07"
LLADA = REPOSITORIES["llada"]
FOLDER = "--model /path/to/folder"


def refused(
    name: str | Path,
    *parts: str,
    error: type[SchedoptError] = MissingModelError,
    code: int = 6,
    **options: Any,
) -> str:
    """The hint of the error."""
    with pytest.raises(error) as caught:
        find_folder(name, **options)
    message = str(caught.value)
    for part in parts:
        assert part in message
    assert "\n" not in message
    assert caught.value.exit_code == code
    return str(caught.value.hint)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub that is empty, on a machine without a network."""
    folder = tmp_path / "cache" / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return folder


def keep(cache: Path, repository: str, *, ref: str = "main") -> Path:
    """Put a checkpoint where the hub's package keeps what it has downloaded."""
    home = cache / f"models--{repository.replace('/', '--')}"
    snapshot = home / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (home / "refs").mkdir()
    (home / "refs" / ref).write_text(COMMIT)
    return write_checkpoint(snapshot, PUBLISHED)


# Without the hub


def test_bundled_models_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for name in BUNDLED:
        assert (find_folder(name) / "config.json").is_file()
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "owner/name"):
        Path(name).mkdir(parents=True)
        assert find_folder(name) == find_folder(Path(name)) == Path(name)


def test_folders_that_are_called_as_a_model(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a name means must not depend on the folder that one is in."""
    snapshot = keep(cache, LLADA)
    monkeypatch.chdir(tmp_path)
    for name in ("llada", "dream", "tiny"):
        write_checkpoint(Path(name), PUBLISHED)
        assert find_folder(f"./{name}") == find_folder(Path(name)) == Path(name)
    assert find_folder("llada") == find_folder("LLaDA") == snapshot
    assert find_folder("tiny") != Path("tiny")
    assert "./name" in refused("dream", "is not here in full")
    names = [load_model(name).provenance["name"] for name in ("llada", "./llada", Path("llada"))]
    assert names == [LLADA, "./llada", "llada"]


@pytest.mark.parametrize("name", ["tiny", "."])
def test_only_the_hub_has_revisions(name: str) -> None:
    hint = refused(
        name, "revision 'main'", f"{name!r} has no", error=UsageError, code=2, revision="main"
    )
    assert "owner/name" in hint


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("lada", "did you mean llada or "),
        ("LLaDA-8B", "did you mean llada"),
        ("dreamcoder", "did you mean dream-coder or "),
        ("tinny", "did you mean tiny"),
        ("quetzalcoatl", "give a folder"),
        ("", "give a folder"),
        ("./a/b", "give a folder"),
        ("a/b/c", "give a folder"),
        ("/owner/name", "give a folder"),
        ("owner/name\n", "give a folder"),
        (Path("owner/name"), "give a folder"),  # a path is no id
    ],
    ids=str,
)
def test_names_of_nothing(name: str | Path, close: str) -> None:
    hint = refused(name, f"no model {str(name)!r}: neither a bundled model (tiny, tiny-light)")
    assert close in hint
    assert FOLDER in hint
    assert "config.json" in hint


def test_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for name, repository in (("llada", LLADA), ("owner/name", "owner/name")):
        hint = refused(name, f"model {repository!r}", "the package huggingface_hub")
        assert "pip install huggingface_hub tokenizers jinja2" in hint
        assert FOLDER in hint


# What is there already


def test_what_is_there_needs_no_network(cache: Path) -> None:
    snapshot = keep(cache, LLADA)
    for name in ("llada", "LLaDA", LLADA):
        assert find_folder(name) == find_folder(name, "main") == snapshot
        assert find_folder(name, COMMIT) == snapshot
    hint = refused("llada", f"model {LLADA!r} is not here in full", revision="other")
    assert FOLDER in hint
    model = load_model("llada")
    assert model.provenance["revision"] == commit_of(snapshot) == COMMIT
    assert "revision" not in load_model("tiny-light").provenance


def test_in_a_process_of_its_own(tmp_path: Path) -> None:
    """As a user meets it: by the environment alone."""
    snapshot = keep(tmp_path / "hub", LLADA)
    code = (
        "import sys; from schedopt.models.hub import find_folder; print(find_folder(sys.argv[1]))"
    )
    environment = os.environ | {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    environment.pop("HF_HUB_CACHE", None)
    done = subprocess.run(
        [sys.executable, "-c", code, "llada"],
        env=environment,
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(snapshot)


def test_a_snapshot_in_part_is_told(cache: Path) -> None:
    snapshot = keep(cache, LLADA)
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(MissingModelError, match=r"model\.safetensors: no such file"):
        load_model("llada")


def test_commits() -> None:
    assert commit_of(Path("snapshots", COMMIT)) == COMMIT
    assert commit_of(Path("snapshots", "main")) is None
    assert commit_of(Path("models", COMMIT)) is None
    assert commit_of(find_folder("tiny")) is None


# The hub


def replaced(monkeypatch: pytest.MonkeyPatch, download: Callable[..., str]) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def download(*_: object, **__: object) -> str:
        raise error

    replaced(monkeypatch, download)


@pytest.mark.parametrize("alias", REPOSITORIES)
def test_aliases(alias: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[str, str | None]] = []

    def download(repository: str, *, revision: str | None, **_: object) -> str:
        asked.append((repository, revision))
        return str(tmp_path)

    replaced(monkeypatch, download)
    assert find_folder(alias) == find_folder(alias.upper(), "v1") == tmp_path
    assert asked == [(REPOSITORIES[alias], None), (REPOSITORIES[alias], "v1")]
    assert re.fullmatch(r"[\w-]+/[\w.-]+", REPOSITORIES[alias])


def test_only_weights_config_and_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [
        *("config.json", "generation_config.json", "model.safetensors.index.json"),
        *("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
        *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
        *("vocab.json", "merges.txt", "added_tokens.json", "chat_template.jinja"),
    ]
    others = [
        *("modeling_llada.py", "pytorch_model.bin", "training_args.bin", "model.pt", "README.md"),
        *("original/model.safetensors", "onnx/config.json", "a/tokenizer.json", ".gitattributes"),
        *("optimizer.pkl", "trainer_state.json", "model.gguf", "tokenizer.model", "vocab.json.py"),
    ]

    def download(_: str, *, allow_patterns: Any, ignore_patterns: Any, **__: object) -> str:
        kept = filter_repo_objects(
            wanted + others, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns
        )
        assert list(kept) == wanted
        return "."

    replaced(monkeypatch, download)
    find_folder("llada")


def answer(kind: type[errors.HfHubHTTPError], status: int) -> errors.HfHubHTTPError:
    """An error of the hub, whatever HTTP client its package has."""
    response: Any = SimpleNamespace(status_code=status, headers={}, request=None)
    return kind("a message\nof two lines", response=response)


@pytest.mark.parametrize(
    ("kind", "status", "message", "hint"),
    [
        (errors.GatedRepoError, 403, "is gated", "https://huggingface.co/owner/name"),
        (errors.RepositoryNotFoundError, 401, "no model 'owner/name'", "give a folder"),
        (errors.RevisionNotFoundError, 404, "has no revision 'v9'", "/tree/main"),
        (errors.HfHubHTTPError, 503, "out of reach: a message", "hf download owner/name"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_the_hub_answers(
    kind: type[errors.HfHubHTTPError],
    status: int,
    message: str,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing(monkeypatch, answer(kind, status))
    told = refused("owner/name", "'owner/name'", message, revision="v9")
    assert hint in told
    assert FOLDER in told


@pytest.mark.parametrize(
    "error",
    [
        errors.LocalEntryNotFoundError("Cannot find an appropriate cached snapshot folder"),
        errors.OfflineModeIsEnabled("offline"),
        ConnectionError("Name or service not known"),
        OSError("Consistency check failed"),
        RuntimeError("Data processing error: CAS service error"),  # of the storage's own package
        errors.HfHubHTTPError.__bases__[0]("403 Forbidden"),  # of the HTTP client
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_hub_is_out_of_reach(
    error: Exception, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = str(error)
    download = huggingface_hub.snapshot_download

    def fail(*given: Any, local_files_only: bool = False, **options: Any) -> str:
        if not local_files_only:
            raise error
        return str(download(*given, local_files_only=True, **options))

    replaced(monkeypatch, fail)
    hint = refused("llada", f"model {LLADA!r}", f"out of reach: {told}")
    assert f"hf download {LLADA}" in hint
    assert FOLDER in hint
    snapshot = keep(cache, LLADA)
    assert find_folder("llada") == snapshot


def test_names_that_the_hub_refuses() -> None:
    for name in ("owner/two--dashes", "owner/" + "a" * 200, "owner/name.git"):
        hint = refused(name, f"no model {name!r}", "no name on the hub")
        assert FOLDER in hint


def test_no_room_for_the_download(monkeypatch: pytest.MonkeyPatch) -> None:
    for code in (errno.ENOSPC, errno.EROFS, errno.EACCES):
        failing(monkeypatch, OSError(code, os.strerror(code), "/cache/blobs/x"))
        hint = refused("llada", os.strerror(code), "/cache/blobs/x", error=OutputError, code=1)
        assert "HF_HOME" in hint


def test_other_faults_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (TypeError("a fault of the package"), KeyboardInterrupt()):

        def download(*_: object, fault: BaseException = error, **__: object) -> str:
            raise fault

        replaced(monkeypatch, download)
        with pytest.raises(type(error)):
            find_folder("llada")
