"""Tiny tokenizers in the layouts that checkpoints publish."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

LINES: Final = (
    "def area(radius):\n    return 3.14159 * radius ** 2\n",
    "The end of the line, the other the\n"
    "It's 10 o'clock; they'll say WE'VE 1,234 reasons.  And  more ...\r\n\r\n",
    "naïve café, Größe, ΑΒΓ αβγ, 你好，世界。 日本語 한국어 🙂👩‍💻\t!\n",
    "for (int i = 0; i < n; ++i) { sum += a[i]; } // x² + y²\n",
)
SPECIAL: Final = (
    "<|startoftext|>",
    "<|endoftext|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|mdm_mask|>",
)
HEADERS: Final = (
    "{% for message in messages %}"
    "{% set text = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' "
    "+ message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.first %}{% set text = bos_token + text %}{% endif %}"
    "{{ text }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
    "{% endif %}"
)


def qwen2(model: models.BPE) -> Tokenizer:
    """The pipeline of a published tokenizer.json of Qwen2."""
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.NFC()
    words = (
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+"
        "[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


@cache
def trained() -> str:
    """A tokenizer.json without special tokens, trained on a few lines."""
    tokenizer = qwen2(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(LINES * 3, trainer)
    return tokenizer.to_str()


def tokenizer_of(special: tuple[str, ...] = SPECIAL) -> Tokenizer:
    """The trained tokenizer, its special tokens after the others."""
    tokenizer = Tokenizer.from_str(trained())
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in special])
    return tokenizer


def write_about(folder: Path, **about: Any) -> Path:
    """Write ``tokenizer_config.json``."""
    path = folder / "tokenizer_config.json"
    # As published: no limit of length, beyond 64 bits.
    path.write_text(json.dumps({"model_max_length": 10**30, **about}))
    return path


def write_fast(folder: Path, tokenizer: Tokenizer | None = None, **about: Any) -> Tokenizer:
    """Write ``tokenizer.json``, as LLaDA has it, and ``tokenizer_config.json``."""
    tokenizer = tokenizer_of() if tokenizer is None else tokenizer
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>"}
    write_about(folder, **{"tokenizer_class": "PreTrainedTokenizerFast", **names, **about})
    return tokenizer


def write_slow(folder: Path, tokenizer: Tokenizer | None = None, **about: Any) -> Tokenizer:
    """Write ``vocab.json``, ``merges.txt`` and the added tokens, as Dream has them."""
    tokenizer = tokenizer_of() if tokenizer is None else tokenizer
    model = json.loads(tokenizer.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
    merges = "\n".join(" ".join(pair) for pair in model["merges"])
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")
    added = {
        str(index): {
            "content": token.content,
            "lstrip": token.lstrip,
            "normalized": token.normalized,
            "rstrip": token.rstrip,
            "single_word": token.single_word,
            "special": token.special,
        }
        for index, token in tokenizer.get_added_tokens_decoder().items()
    }
    about = {"tokenizer_class": "DreamTokenizer", "added_tokens_decoder": added, **about}
    write_about(folder, **about)
    return tokenizer
