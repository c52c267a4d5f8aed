"""Text to tokens and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from schedopt.errors import InputError, MissingModelError
from schedopt.models.chat import ChatTemplate, read_template
from schedopt.models.hub import INSTALL_HINT
from schedopt.models.vocabulary import QWEN2_CLASSES, build_qwen2, open_tokenizer, read_object

if TYPE_CHECKING:
    import tokenizers

# What byte-level BPE must give back letter by letter.
PROBE: Final = (
    "The naïve café\tcost 1234567890 €.\n\ndef f(x):\r\n    return {'k': x[0] != \"v\"}\n"
    "你好，世界 日本語 한국어 Ελληνικά 🙂👩‍💻\n"
)
# What the families call their mask token, where tokenizer_config.json does not say it.
MASK_TOKENS: Final = ("<|mdm_mask|>", "<|mask|>")

_BELONG_HINT: Final = "take the tokenizer files that belong to the checkpoint"


class Tokenizer(Protocol):
    """Turns text into token ids and back.

    ``decode`` gives back what ``encode`` was given, up to the normalisation of the checkpoint's
    tokenizer (Dream composes accents).
    """

    def encode(self, text: str) -> list[int]:
        """Token ids of a text; nothing is put before or after it.

        Names of special tokens in the text, such as ``<|endoftext|>``, become those tokens.
        """
        ...

    def prompt(self, text: str) -> list[int]:
        """Token ids of a prompt, framed as the model was trained to be asked.

        By the chat template where the checkpoint has one, else as any text.
        """
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of token ids; ids that stand for no text are left out."""
        ...


class ByteTokenizer:
    """One token a UTF-8 byte; ids from 256 on are special and stand for no text.

    Example:
        >>> ByteTokenizer().encode("né")
        [110, 195, 169]
        >>> ByteTokenizer().decode([110, 195, 169, 256])
        'né'
    """

    def encode(self, text: str) -> list[int]:
        """UTF-8 bytes of the text."""
        return list(text.encode("utf-8"))

    def prompt(self, text: str) -> list[int]:
        """As any text."""
        return self.encode(text)

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of the bytes; broken UTF-8 becomes U+FFFD."""
        return bytes(t for t in tokens if t < 256).decode("utf-8", errors="replace")


class CheckpointTokenizer:
    """The tokenizer of a checkpoint, by the package ``tokenizers``.

    Args:
        tokenizer: What the package has read.
        chat: The checkpoint's chat template, or None; kept as an attribute.
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer, chat: ChatTemplate | None = None) -> None:
        self._tokenizer = tokenizer
        self.chat = chat

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without any that the checkpoint would add."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def prompt(self, text: str) -> list[int]:
        """Token ids of a prompt in the chat template, or of the plain text.

        Raises:
            InputError: The chat template is broken.
        """
        return self.encode(text if self.chat is None else self.chat.render_prompt(text))

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of token ids; special tokens and ids of padded rows are left out."""
        return self._tokenizer.decode(list(tokens), skip_special_tokens=True)


class UnavailableTokenizer:
    """Stands for a tokenizer that cannot be read here; the model serves token ids all the same.

    Args:
        path: The tokenizer's file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def _refuse(self) -> NoReturn:
        raise MissingModelError(
            f"{self._path}: the package tokenizers, which would read it, is missing",
            hint=INSTALL_HINT,
        )

    def encode(self, text: str) -> list[int]:
        """Raise MissingModelError."""
        self._refuse()

    def prompt(self, text: str) -> list[int]:
        """Raise MissingModelError."""
        self._refuse()

    def decode(self, tokens: Sequence[int]) -> str:
        """Raise MissingModelError."""
        self._refuse()


def read_tokenizer(
    folder: Path, vocab_size: int, *, mask_id: int | None = None, eos_id: int | None = None
) -> Tokenizer | None:
    """Read the tokenizer of a checkpoint, and check that it belongs to it.

    Args:
        folder: Holds ``tokenizer.json``, or ``vocab.json`` and ``merges.txt`` of a tokenizer of
            Qwen2's kind (Dream), and ``tokenizer_config.json``.
        vocab_size: Rows of the embedding; no id may be beyond them.
        mask_id: The model's mask token, which must not stand for text.
        eos_id: The model's end of text, which must be a special token of the tokenizer.

    Returns:
        The tokenizer, or None where the folder has none.

    Raises:
        InputError: A file is broken, the tokenizer is another model's, or it loses text.

    Example:
        >>> from schedopt.models.hub import find_folder
        >>> read_tokenizer(find_folder("tiny"), 258)
        <schedopt.models.tokenizer.ByteTokenizer object at ...>
    """
    about_path = folder / "tokenizer_config.json"
    about = read_object(about_path) if about_path.is_file() else {}
    kind = about.get("tokenizer_class")
    if kind == "ByteTokenizer":
        if vocab_size < 256:
            raise InputError(
                f"{about_path}: bytes need 256 tokens, the network has {vocab_size} rows"
            )
        return ByteTokenizer()
    path = folder / "tokenizer.json"
    if not path.is_file():
        path = folder / "vocab.json"
        if kind not in QWEN2_CLASSES or not path.is_file():
            return None
    if find_spec("tokenizers") is None:
        return UnavailableTokenizer(path)
    tokenizer = (
        open_tokenizer(path) if path.name == "tokenizer.json" else build_qwen2(folder, about)
    )
    tokens = _special_tokens(folder, about)
    _check_ids(tokenizer, path, vocab_size)
    _check_special(tokenizer, path, mask_id, eos_id, tokens.get("mask_token"))
    _check_round_trip(tokenizer, path)
    return CheckpointTokenizer(tokenizer, read_template(folder, about, tokens))


def _special_tokens(folder: Path, about: Mapping[str, Any]) -> dict[str, str]:
    """The tokens that a checkpoint names, such as ``bos_token``."""
    older = folder / "special_tokens_map.json"
    named = (read_object(older) if older.is_file() else {}) | dict(about)
    contents = {
        name: value.get("content") if isinstance(value, dict) else value
        for name, value in named.items()
        if name.endswith("_token")
    }
    return {name: value for name, value in contents.items() if isinstance(value, str)}


def _check_ids(tokenizer: tokenizers.Tokenizer, path: Path, vocab_size: int) -> None:
    vocab = tokenizer.get_vocab()
    index, token = max(((index, token) for token, index in vocab.items()), default=(0, ""))
    if index >= vocab_size:
        raise InputError(
            f"{path}: token {token!r} has the id {index}, the network has {vocab_size} rows",
            hint=_BELONG_HINT,
        )


def _check_special(
    tokenizer: tokenizers.Tokenizer,
    path: Path,
    mask_id: int | None,
    eos_id: int | None,
    mask_token: str | None,
) -> None:
    special = tokenizer.get_added_tokens_decoder()

    def is_text(index: int) -> bool:
        """Whether some text becomes this token; reserved rows of a vocabulary never do."""
        text = tokenizer.decode([index])
        return (
            index not in special and index in tokenizer.encode(text, add_special_tokens=False).ids
        )

    if mask_token is not None and tokenizer.token_to_id(mask_token) is None:
        raise InputError(
            f"{path}: the mask token {mask_token!r}, which tokenizer_config.json or "
            "special_tokens_map.json names, is no token of it",
            hint=_BELONG_HINT,
        )
    for name in MASK_TOKENS if mask_token is None else (mask_token,):
        index = tokenizer.token_to_id(name)
        if index is not None and mask_id is not None and index != mask_id:
            raise InputError(
                f"{path}: the mask token {name!r} has the id {index}, the model's is {mask_id}",
                hint=f"{_BELONG_HINT}, or name the mask token with --mask-id {index}",
            )
    if mask_id is not None and is_text(mask_id):
        raise InputError(
            f"{path}: {tokenizer.id_to_token(mask_id)!r} has the id {mask_id}, which is the "
            "model's mask token",
            hint=f"{_BELONG_HINT}, or name the mask token with --mask-id",
        )
    if eos_id is not None and (tokenizer.id_to_token(eos_id) is None or is_text(eos_id)):
        got = tokenizer.id_to_token(eos_id)
        raise InputError(
            f"{path}: the id {eos_id} ends a text of the model; in the tokenizer it is "
            f"{'no token' if got is None else f'the text {got!r}'}",
            hint=_BELONG_HINT,
        )


def _check_round_trip(tokenizer: tokenizers.Tokenizer, path: Path) -> None:
    normalizer = tokenizer.normalizer
    wanted = PROBE if normalizer is None else normalizer.normalize_str(PROBE)
    got = tokenizer.decode(tokenizer.encode(PROBE, add_special_tokens=False).ids)
    if got in (PROBE, wanted):
        return
    pairs = zip(f"{PROBE}\0", f"{got}\0", strict=False)
    at = next(i for i, (a, b) in enumerate(pairs) if a != b)
    raise InputError(
        f"{path}: the tokenizer loses text: {PROBE[at : at + 12]!r} comes back as "
        f"{got[at : at + 12]!r}",
        hint=_BELONG_HINT,
    )
