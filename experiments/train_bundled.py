"""Train the bundled byte-level models on the Python standard library: denoisers, and judges.

Two stages, so that the corpus can be built where the interpreter's sources are complete:

    python experiments/train_bundled.py corpus --out build/corpus.npz
    python experiments/train_bundled.py train --corpus build/corpus.npz --out build/models \\
        --only base,tiny,tiny-light
    python experiments/train_bundled.py train --corpus build/corpus.npz --out build/models \\
        --only judge,tiny-judge --minutes 2.5
    python experiments/train_bundled.py install --corpus build/corpus.npz --models build/models

``train`` was run on one NVIDIA H200 (bf16, torch 2.11) and keeps to its ``--minutes``;
``--smoke`` runs a few steps on a CPU. ``install`` puts the small models, their cards and the
held-out text into ``schedopt/assets``; with ``--only``, nothing but those models.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import platform
import sysconfig
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from training import Optimisers, build, save_model, weighted_nll, write_json

from schedopt.models.families.causal import QWEN3
from schedopt.models.families.llada import LLADA
from schedopt.models.transformer import Transformer, TransformerConfig

WINDOW = 256  # bytes the models see at once
HELD_OUT_SHARE = 0.05
OVERLAP = 64  # a held-out window that shares this many bytes with training text is dropped
HELD_OUT_ROWS = 2048  # of the last evaluation, at least: few windows are masked several times


@dataclass(frozen=True)
class Vocabulary:
    """How many tokens there are, which ends a text, and which stands for an unknown one.

    Judges need no mask; theirs begins each window, wherever in a text it is cut.
    """

    size: int
    eos_id: int
    mask_id: int


BYTES = Vocabulary(258, eos_id=256, mask_id=257)


@dataclass(frozen=True)
class Corpus:
    """What a model learns from and is tested on, on its device.

    Args:
        train: Shape (T,), one stream of tokens.
        held_out: Shape (N, L), windows.
        token_bytes: Shape (V,), bytes that each token stands for.
        about: Of the files.
        tokenizer: ``tokenizer.json``; None where tokens are bytes.
    """

    train: Tensor
    held_out: Tensor
    token_bytes: Tensor
    about: dict[str, object]
    tokenizer: str | None

    @classmethod
    def read(cls, path: Path | str, device: torch.device) -> Corpus:
        """What ``corpus`` has written, or ``train_claims.py tokenize``."""
        parts = np.load(path)
        return cls(
            torch.from_numpy(parts["train"]).to(device),
            torch.from_numpy(parts["held_out"].astype(np.int64)).to(device),
            torch.from_numpy(parts.get("token_bytes", np.ones(BYTES.size))).to(device),
            json.loads(str(parts["about"])),
            str(parts["tokenizer"]) if "tokenizer" in parts else None,
        )


@dataclass(frozen=True)
class Recipe:
    """One model: its shape and how it is trained."""

    name: str
    d_model: int
    n_layers: int
    n_heads: int
    mlp_hidden_size: int
    share_of_time: float
    batch_tokens: int
    windows: tuple[tuple[int, float], ...]  # (length, probability)
    muon_lr: float = 0.02
    adam_lr: float = 3e-3
    weight_decay: float = 0.01
    causal: bool = False  # next byte from those before: a judge
    vocabulary: Vocabulary = BYTES
    most_steps: int | None = None  # where the clock allows as many

    def config(self) -> TransformerConfig:
        return TransformerConfig(
            vocab_size=self.vocabulary.size,
            hidden_size=self.d_model,
            num_hidden_layers=self.n_layers,
            num_attention_heads=self.n_heads,
            num_key_value_heads=self.n_heads,
            head_dim=self.d_model // self.n_heads,
            intermediate_size=self.mlp_hidden_size,
            # The start token stands before a window.
            max_position_embeddings=max(length for length, _ in self.windows) + self.causal,
            rope_theta=10000.0,
            rms_norm_eps=1e-5,
            rope_full_precision=not self.causal,
            qk_norm=self.causal,
            attention_block=1 if self.causal else None,
            shift=int(self.causal),
        )


# The small models also see shorter windows, since a CPU user fits on those.
SHORT = ((256, 0.6), (128, 0.25), (64, 0.15))
RECIPES = (
    Recipe("base", 512, 12, 8, 832, 0.66, 512 * 256, ((256, 1.0),), adam_lr=2e-3),
    Recipe("tiny", 128, 4, 4, 352, 0.22, 512 * 256, SHORT),
    Recipe("tiny-light", 96, 2, 4, 256, 0.12, 512 * 256, SHORT),
    # An autoregressive model learns the corpus by heart sooner: after 1249 steps, 5.5 times through
    # it, this one had 1.298 held-out bits per byte, after the 705 steps of 86 s it has 1.228.
    Recipe(
        "judge",
        512,
        12,
        8,
        832,
        0.6,
        512 * 256,
        ((256, 1.0),),
        adam_lr=2e-3,
        weight_decay=0.1,
        causal=True,
    ),
    Recipe("tiny-judge", 128, 4, 4, 352, 0.4, 512 * 256, ((256, 1.0),), causal=True),
)


# ---------------------------------------------------------------- corpus


def is_held_out(relative: str) -> bool:
    """Whether a file is held out: 5 % of the files, by the hash of the name alone."""
    digest = hashlib.sha256(relative.encode()).digest()
    return int.from_bytes(digest[:8], "big") < HELD_OUT_SHARE * 2**64


def read_library() -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Training and held-out files of the running interpreter's standard library, deduplicated."""
    root = Path(sysconfig.get_paths()["stdlib"])
    seen: set[bytes] = set()
    train: dict[str, bytes] = {}
    held_out: dict[str, bytes] = {}
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root).as_posix()
        if relative.startswith(("site-packages/", "dist-packages/")):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # test data in other encodings
        # Lines count without their trailing blanks, so that copies differ in more than white space.
        body = "\n".join(line.rstrip() for line in text.splitlines()).strip() + "\n"
        digest = hashlib.sha256(body.encode()).digest()
        if len(body) < OVERLAP or digest in seen:
            continue
        seen.add(digest)
        (held_out if is_held_out(relative) else train)[relative] = body.encode()
    return train, held_out


def rolling_hashes(data: NDArray[np.uint8], width: int) -> NDArray[np.uint64]:
    """Hash of every substring of ``width`` bytes: a polynomial modulo 2^64, by prefix sums."""
    multiplier = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64

    def powers(base: int) -> NDArray[np.uint64]:
        steps = np.full(len(data), base, dtype=np.uint64)
        steps[:1] = 1
        return np.multiply.accumulate(steps)

    sums = np.cumsum((data + np.uint64(1)) * powers(multiplier))
    sums = np.concatenate([np.zeros(1, np.uint64), sums])
    windows = sums[width:] - sums[:-width]
    return windows * powers(pow(multiplier, -1, 2**64))[: len(windows)]


def join(files: dict[str, bytes]) -> NDArray[np.int16]:
    """All files in one stream of tokens, each followed by the end token."""
    parts: list[NDArray[np.int16]] = []
    for body in files.values():
        parts += [
            np.frombuffer(body, np.uint8).astype(np.int16),
            np.array([BYTES.eos_id], np.int16),
        ]
    return np.concatenate(parts)


def build_corpus(out: Path) -> None:
    """Write training stream, clean held-out windows, and the default text."""
    train, held_out = read_library()
    known = np.unique(
        np.concatenate(
            [rolling_hashes(np.frombuffer(b, np.uint8), OVERLAP) for b in train.values()]
        )
    )
    windows, excerpts, dropped = [], [], 0
    for name, body in held_out.items():
        data = np.frombuffer(body, np.uint8)
        hashes = rolling_hashes(data, OVERLAP)
        seen = known[np.searchsorted(known, hashes).clip(max=len(known) - 1)] == hashes
        counts = np.concatenate([[0], np.cumsum(seen)])
        for start in range(0, len(data) - WINDOW + 1, WINDOW):
            inside = counts[start + WINDOW - OVERLAP + 1] - counts[start]
            if inside:
                dropped += 1
            else:
                windows.append(data[start : start + WINDOW])
        excerpts += clean_excerpts(name, body, seen)
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        out,
        train=join(train),
        held_out=np.stack(windows).astype(np.int16),
        text=np.array(json.dumps(excerpts)),
        about=np.array(
            json.dumps(
                {
                    "interpreter": platform.python_version(),
                    "train_files": len(train),
                    "train_bytes": sum(map(len, train.values())),
                    "held_out_files": len(held_out),
                    "held_out_bytes": sum(map(len, held_out.values())),
                    "held_out_windows": len(windows),
                    "held_out_windows_dropped_for_overlap": dropped,
                }
            )
        ),
    )
    print(np.load(out)["about"])


def clean_excerpts(name: str, body: bytes, seen: NDArray[np.bool_]) -> list[dict[str, str]]:
    """Stretches of whole lines without a substring that training has seen, 0.5 to 4 KiB each."""
    overlapping = np.zeros(len(body), dtype=bool)
    for start in np.flatnonzero(seen):
        overlapping[start : start + OVERLAP] = True
    excerpts: list[dict[str, str]] = []
    stretch: list[bytes] = []
    position = 0
    kept = 0

    def flush() -> None:
        nonlocal kept
        text = b"".join(stretch)
        if len(text) >= 512 and kept + len(text) <= 8192:  # no file dominates the default text
            excerpts.append({"name": name, "text": text.decode()})
            kept += len(text)
        stretch.clear()

    for line in body.splitlines(keepends=True):
        if overlapping[position : position + len(line)].any():
            flush()
        else:
            stretch.append(line)
            if sum(map(len, stretch)) > 4096:
                flush()
        position += len(line)
    flush()
    return excerpts


# ---------------------------------------------------------------- objective


def draw_masks(
    batch: int, length: int, generator: torch.Generator, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Masked positions of a batch and the weight of each in the loss.

    65 % any order: k positions masked, k uniform on 1..length. 25 % semi-autoregressive: the
    left is known, k of a block's positions are masked, everything right of it is masked and not
    scored. 10 % infill: k positions of a span are masked. Counts are stratified over the batch.
    Weights make each row the mean over its k scored positions, so that the batch mean over the
    first kind estimates the any-order NLL a token.

    Returns:
        ``masked`` and ``weights``, each shape (batch, length).
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    kind = uniform(batch)
    semi, span = kind < 0.25, (kind >= 0.25) & (kind < 0.35)
    exponents = torch.arange(3, int(math.log2(length)) + 1, device=device)  # blocks 8..length
    widths = 2 ** exponents[(uniform(batch) * len(exponents)).long()]
    widths = torch.where(
        semi, widths, torch.where(span, 2 + (uniform(batch) * (length // 2)).long(), length)
    )
    starts = (uniform(batch) * (length - widths + 1)).long()
    position = torch.arange(length, device=device)
    inside = (position >= starts[:, None]) & (position < (starts + widths)[:, None])
    strata = (torch.randperm(batch, generator=generator, device=device) + uniform(batch)) / batch
    counts = 1 + (strata * widths).long()  # uniform on 1..width
    noise = uniform(batch, length).masked_fill(~inside, 2.0)
    scored = noise.argsort(dim=1).argsort(dim=1) < counts[:, None]
    right = semi[:, None] & (position >= (starts + widths)[:, None])
    return scored | right, scored / counts[:, None]


def after_start(tokens: Tensor, start_id: int) -> Tensor:
    """What an autoregressive model reads to score windows: the start token, then all but the last.

    Shape (batch, length) to the same; row i scores token i.
    """
    return torch.cat([torch.full_like(tokens[:, :1], start_id), tokens[:, :-1]], dim=1)


def held_out_bits(
    network: Transformer,
    recipe: Recipe,
    windows: Tensor,
    token_bytes: Tensor,
    seed: int,
    repeats: int = 1,
) -> tuple[float, float]:
    """Held-out bits per byte with its standard error over windows.

    Of a denoiser in any order, uniform over masked counts; of a judge from left to right, after
    the start token.

    Args:
        network: The model.
        recipe: Its own.
        windows: Shape (N, L), tokens.
        token_bytes: Shape (V,), bytes that each token stands for.
        seed: Of the masks.
        repeats: How often each window is masked.
    """
    generator = torch.Generator(device=windows.device).manual_seed(seed)
    widths = token_bytes[windows].sum(dim=1)
    windows, mask_id = windows.repeat(repeats, 1), recipe.vocabulary.mask_id
    count, length = windows.shape
    strata = torch.randperm(count, generator=generator, device=windows.device)
    masked_counts = 1 + strata * length // count
    noise = torch.rand(count, length, generator=generator, device=windows.device)
    masked = noise.argsort(dim=1).argsort(dim=1) < masked_counts[:, None]
    if recipe.causal:
        masked = torch.ones_like(masked)
    means = []
    with torch.inference_mode(), torch.autocast(windows.device.type, torch.bfloat16):
        for tokens, hidden in zip(windows.split(256), masked.split(256), strict=True):
            read = (
                after_start(tokens, mask_id)
                if recipe.causal
                else tokens.masked_fill(hidden, mask_id)
            )
            logits = network(read).float()
            if not recipe.causal:
                logits[..., mask_id] = -torch.inf
            nll = F.cross_entropy(logits.transpose(1, 2), tokens, reduction="none")
            means.append((nll * hidden).sum(1) / hidden.sum(1))
    bits = torch.cat(means).double().view(repeats, -1).mean(0) * length / math.log(2.0)
    a_byte = float(bits.mean() / widths.mean())
    rest = (bits - a_byte * widths) / widths.mean()  # of a ratio of means
    return a_byte, float(rest.std() / len(rest) ** 0.5)


# ---------------------------------------------------------------- training


def train_one(
    recipe: Recipe, corpus: Corpus, seconds: float, seed: int, smoke: bool
) -> tuple[Transformer, dict[str, object]]:
    """Train until the clock, or the number of steps, is over; the network and its record."""
    train, device, mask_id = corpus.train, corpus.train.device, recipe.vocabulary.mask_id
    longest = max(length for length, _ in recipe.windows)
    windows = corpus.held_out.unflatten(1, (-1, longest)).flatten(0, 1)
    windows = windows[:64] if smoke else windows
    started = time.monotonic()
    generator = torch.Generator(device=device).manual_seed(seed)
    network = build(recipe.config(), generator)
    optimisers = Optimisers(
        network,
        muon_lr=recipe.muon_lr,
        adam_lr=recipe.adam_lr,
        weight_decay=recipe.weight_decay,
    )
    lengths = np.array([w for w, _ in recipe.windows])
    chances = np.array([p for _, p in recipe.windows])
    picker = np.random.default_rng(seed)
    losses: list[float] = []
    held_out: list[float] = []
    running = torch.zeros((), device=device)
    step, progress = 0, 0.0
    while progress < 1.0:
        length = int(picker.choice(lengths, p=chances))
        batch = (1024 if smoke else recipe.batch_tokens) // length
        starts = torch.randint(len(train) - length, (batch, 1), generator=generator, device=device)
        tokens = train[starts + torch.arange(length, device=device)].long()
        if recipe.causal:
            read = after_start(tokens, mask_id)
            weights = torch.full(tokens.shape, 1 / length, device=device)
        else:
            masked, weights = draw_masks(batch, length, generator, device)
            read = tokens.masked_fill(masked, mask_id)
        with torch.autocast(device.type, torch.bfloat16):
            logits = network(read)
        loss = weighted_nll(logits, tokens, weights)
        optimisers.step(loss, progress)
        running += loss.detach()
        step += 1
        if step % 50 == 0 or smoke:
            losses.append(float(running) / (1 if smoke else 50) / math.log(2.0))
            running.zero_()
            if step % 500 == 0:
                some = windows[::10][:512]
                held_out.append(held_out_bits(network, recipe, some, corpus.token_bytes, 1)[0])
                print(
                    f"{recipe.name} step {step} {time.monotonic() - started:.0f} s "
                    f"train {losses[-1]:.3f} held-out {held_out[-1]:.3f} bits",
                    flush=True,
                )
        progress = step / 3 if smoke else (time.monotonic() - started) / seconds
        if recipe.most_steps is not None:
            progress = max(progress, step / recipe.most_steps)
    repeats = 1 if smoke else -(-HELD_OUT_ROWS // len(windows))
    bits, stderr = held_out_bits(network, recipe, windows, corpus.token_bytes, 1, repeats)
    record: dict[str, object] = {
        "parameters": sum(p.numel() for p in network.parameters()),
        f"flops_per_256_{'byte' if corpus.tokenizer is None else 'token'}_pass": network.flops(256),
        "steps": step,
        "tokens": step * recipe.batch_tokens,
        "seconds": round(time.monotonic() - started, 1),
        "held_out_bits_per_byte": round(bits, 4),
        "held_out_stderr": round(stderr, 4),
        "train_bits_every_50_steps": [round(x, 3) for x in losses],
        "held_out_bits_every_500_steps": [round(x, 3) for x in held_out],
        "recipe": asdict(recipe),
        "seed": seed,
    }
    print(json.dumps({k: v for k, v in record.items() if "every" not in k}), flush=True)
    return network, record


def published_config(
    config: TransformerConfig, vocabulary: Vocabulary = BYTES
) -> dict[str, object]:
    """The config with the fields and fixed options that LLaDA, or for a judge Qwen3, publishes."""
    if config.attention_block == 1:
        return {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "attention_bias": config.qkv_bias,
            "attention_dropout": 0.0,
            "bos_token_id": vocabulary.mask_id,
            "eos_token_id": vocabulary.eos_id,
            "head_dim": config.head_dim,
            "hidden_act": "silu",
            "hidden_size": config.hidden_size,
            "initializer_range": 0.02,
            "intermediate_size": config.intermediate_size,
            "max_position_embeddings": config.max_position_embeddings,
            "max_window_layers": config.num_hidden_layers,
            "num_attention_heads": config.num_attention_heads,
            "num_hidden_layers": config.num_hidden_layers,
            "num_key_value_heads": config.num_key_value_heads,
            "rms_norm_eps": config.rms_norm_eps,
            "rope_scaling": None,
            "rope_theta": config.rope_theta,
            "sliding_window": None,
            "tie_word_embeddings": config.tie_word_embeddings,
            "torch_dtype": "float16",
            "use_cache": True,
            "use_sliding_window": False,
            "vocab_size": config.vocab_size,
        }
    return {
        "architectures": ["LLaDAModelLM"],
        "model_type": "llada",
        "activation_type": "silu",
        "alibi": False,
        "attention_layer_norm": False,
        "bias_for_layer_norm": False,
        "block_group_size": 1,
        "block_type": "llama",
        "d_model": config.hidden_size,
        "embedding_size": config.vocab_size,
        "eos_token_id": vocabulary.eos_id,
        "include_bias": False,
        "include_qkv_bias": False,
        "input_emb_norm": False,
        "layer_norm_type": "rms",
        "layer_norm_with_affine": True,
        "mask_token_id": vocabulary.mask_id,
        "max_sequence_length": config.max_position_embeddings,
        "mlp_hidden_size": config.intermediate_size,
        "multi_query_attention": None,
        "n_heads": config.num_attention_heads,
        "n_kv_heads": config.num_key_value_heads,
        "n_layers": config.num_hidden_layers,
        "pad_token_id": vocabulary.eos_id,
        "rms_norm_eps": config.rms_norm_eps,
        "rope": True,
        "rope_full_precision": True,
        "rope_theta": config.rope_theta,
        "scale_logits": False,
        "torch_dtype": "float16",
        "vocab_size": config.vocab_size,
        "weight_tying": config.tie_word_embeddings,
    }


def train_into(
    folder: Path, recipe: Recipe, corpus: Corpus, seconds: float, seed: int, smoke: bool
) -> None:
    """Train one model, and write its weights, config, tokenizer and record into a folder."""
    network, record = train_one(recipe, corpus, seconds, seed, smoke)
    record |= {
        "corpus": corpus.about,
        "machine": torch.cuda.get_device_name() if corpus.train.is_cuda else "cpu",
        "torch": torch.__version__,
    }
    published = (QWEN3 if recipe.causal else LLADA).published
    config = published_config(network.config, recipe.vocabulary)
    save_model(folder, network, published, config, record)
    kind = "ByteTokenizer" if corpus.tokenizer is None else "PreTrainedTokenizerFast"
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": kind})
    if corpus.tokenizer is not None:
        (folder / "tokenizer.json").write_text(corpus.tokenizer, encoding="utf-8")


def train_all(args: argparse.Namespace) -> None:
    started = time.monotonic()
    torch.set_float32_matmul_precision("high")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    corpus = Corpus.read(args.corpus, device)
    chosen = [r for r in RECIPES if not args.only or r.name in args.only.split(",")]
    # What is left of the clock is shared out as the recipes say; 5 % is kept for the evaluations.
    total = sum(r.share_of_time for r in chosen)
    for recipe in chosen:
        seconds = 0.95 * 60.0 * args.minutes * recipe.share_of_time / total
        train_into(Path(args.out) / recipe.name, recipe, corpus, seconds, args.seed, args.smoke)
    print(f"all trained in {time.monotonic() - started:.0f} s", flush=True)


# ---------------------------------------------------------------- packaging

CARD = """# {name}

{kind}

- Architecture: {n_layers} layers of width {d_model}, {n_heads} heads, SwiGLU of width \
{mlp_hidden_size}, RMSNorm,
  RoPE, {attention} {parameters:,} parameters, {flops_per_256_byte_pass:.3g} FLOPs a pass of 256 \
bytes;
  tensors and config named as {published} publishes them, weights in fp16. Tokens 0-255 are bytes, \
256
  ends a text, {last_token}.
- Corpus: the {train_files} Python files ({train_bytes:,} bytes) of the standard library of CPython
  {interpreter} (tests included, deduplicated by content); 5 % of the files, chosen by the hash of
  their names, are held out. Licence of the corpus: PSF License Version 2
  (`../LICENSE-PSF-2.0.txt`).
- Objective: {objective}; windows of {lengths} bytes.
- Training: {steps} steps of 131,072 bytes, seed {seed}, {seconds:.0f} s on one {machine}
  (`experiments/train_bundled.py`).
- Held-out loss: **{held_out_bits_per_byte:.3f} ± {held_out_stderr:.3f} bits per byte** \
({measured}), over \
{held_out_windows} windows of 256 bytes that share no 64 bytes with the training
  text.
- Limits: {limits}.
"""
DENOISER = {
    "kind": "A byte-level masked diffusion language model that ships with schedopt, for "
    "demonstrations and\ntests.",
    "attention": "no causal mask;",
    "published": "LLaDA",
    "last_token": "257 is the mask",
    "objective": "masked cross-entropy; 65 % any-order with a uniform masked count, 25 %\n"
    "  semi-autoregressive blocks, 10 % spans",
    "measured": "any order, uniform over masked\n  counts",
    "limits": "it knows Python-like bytes and nothing else; it is no assistant",
}
JUDGE = {
    "kind": "A byte-level autoregressive language model that ships with schedopt, to judge what "
    "its\ndenoisers generate, in demonstrations and tests.",
    "attention": "heads of queries and keys normed, a causal mask;\n ",
    "published": "Qwen3",
    "last_token": "257 stands before every window, wherever in a text it begins",
    "objective": "cross-entropy of each byte after those before it",
    "measured": "left to right,\n  after token 257",
    "limits": "it knows Python-like bytes and nothing else. It has learnt from the text that the\n"
    "  bundled denoisers have learnt from, so that it finds likely what they know by heart",
}


def install(args: argparse.Namespace) -> None:
    root = Path(__file__).resolve().parent
    assets = root.parent / "schedopt" / "assets"
    assets.mkdir(exist_ok=True)
    names = args.only.split(",") if args.only else ["tiny", "tiny-light", "tiny-judge"]
    for name in names:
        install_model(Path(args.models) / name, assets / name)
    if not args.only:
        install_text(args.corpus, assets)
    results = root / "results" / "train_bundled.json"
    results.parent.mkdir(exist_ok=True)
    records = json.loads(results.read_text()) if results.exists() else {}
    for recipe in RECIPES:
        path = Path(args.models) / recipe.name / "training.json"
        if path.exists():
            records[recipe.name] = json.loads(path.read_text())
    trained = [records[recipe.name] for recipe in RECIPES if recipe.name in records]
    records["provenance"] = {
        "command": ["python", "experiments/train_bundled.py", "train"],
        "machine": trained[0]["machine"],
        "torch": trained[0]["torch"],
        "seconds": round(sum(record["seconds"] for record in trained), 1),
    }
    write_json(results, records)


def install_model(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for file in ("model.safetensors", "config.json", "tokenizer_config.json"):
        (target / file).write_bytes((source / file).read_bytes())
    record = json.loads((source / "training.json").read_text())
    recipe = record.pop("recipe")
    kind = JUDGE if recipe.get("causal") else DENOISER
    lengths = " or ".join(str(length) for length, _ in recipe["windows"])
    facts = record | record["corpus"] | recipe | kind | {"lengths": lengths}
    (target / "MODEL_CARD.md").write_text(CARD.format(**facts))


def install_text(corpus: str, assets: Path) -> None:
    excerpts = json.loads(str(np.load(corpus)["text"]))
    with (assets / "heldout.jsonl").open("w", encoding="utf-8") as stream:
        for excerpt in excerpts:
            stream.write(json.dumps(excerpt, ensure_ascii=False) + "\n")
    licence = Path(sysconfig.get_paths()["stdlib"]) / "LICENSE.txt"
    (assets / "LICENSE-PSF-2.0.txt").write_bytes(licence.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    corpus = commands.add_parser("corpus", help="build the corpus from the running interpreter")
    corpus.add_argument("--out", required=True, type=Path)
    train = commands.add_parser("train", help="train the models")
    train.add_argument("--corpus", required=True)
    train.add_argument("--out", required=True)
    train.add_argument("--minutes", type=float, default=7.5)
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--only", help="names of the models to train, with commas")
    train.add_argument("--smoke", action="store_true", help="three small steps, to try the script")
    into = commands.add_parser("install", help="put the small models and the text into the package")
    into.add_argument("--corpus", required=True)
    into.add_argument("--models", required=True)
    into.add_argument("--only", help="names of the models to install, with commas, and no text")
    args = parser.parse_args()
    if args.command == "corpus":
        build_corpus(args.out)
    elif args.command == "train":
        train_all(args)
    else:
        install(args)


if __name__ == "__main__":
    main()
