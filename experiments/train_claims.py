"""Train the models that the claims need beside the bundled ones, several at a time on one GPU.

    python experiments/train_bundled.py corpus --out build/corpus.npz           # 1 minute, CPU
    python experiments/train_claims.py tokenize --corpus build/corpus.npz --out build/corpus-bpe.npz
    python experiments/train_claims.py train --corpus build/corpus.npz --bpe build/corpus-bpe.npz \\
        --out build/models --only base-1,light,bpe --minutes 9
    python experiments/train_claims.py train ... --only base-2,light-1,light-2 --minutes 9
    python experiments/train_claims.py record --models build/models

``NAME-1`` is ``NAME`` from seed 1. ``light`` has 4 layers and 1/4.75 of the FLOPs of ``base``;
``bpe`` is ``base`` on a byte-pair vocabulary of 4096 of the same training files. Each model ends
with its recipe's number of steps (those that ``base`` took, so that seeds are alike), or with the
clock. ``bpe-tiny`` is small enough for a CPU; ``--smoke`` runs a few steps of any there.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from common import write_result
from train_bundled import BYTES, RECIPES, WINDOW, Corpus, Recipe, Vocabulary, train_into

BPE = Vocabulary(4096, eos_id=0, mask_id=1)
SPECIAL = ["<|endoftext|>", "<|mask|>"]  # in the order of their ids
BASE = replace(next(r for r in RECIPES if r.name == "base"), most_steps=2435)
LIGHT = replace(BASE, name="light", d_model=384, n_layers=4, n_heads=6, mlp_hidden_size=720)
LARGE_BPE = replace(BASE, name="bpe", vocabulary=BPE, most_steps=1200)
TINY_BPE = Recipe(
    "bpe-tiny",
    d_model=128,
    n_layers=3,
    n_heads=4,
    mlp_hidden_size=352,
    share_of_time=1.0,
    batch_tokens=16 * 128,
    windows=((128, 0.7), (64, 0.3)),
    vocabulary=BPE,
)


def from_seeds(recipe: Recipe, *seeds: int) -> dict[str, tuple[Recipe, int]]:
    """Recipe and seed of each model by its name; seed 0 has the recipe's own."""
    return {f"{recipe.name}-{seed}" if seed else recipe.name: (recipe, seed) for seed in seeds}


MODELS = (
    from_seeds(BASE, 1, 2)
    | from_seeds(LIGHT, 0, 1, 2)
    | from_seeds(LARGE_BPE, 0, 1)
    | from_seeds(TINY_BPE, 0)
)


def tokenize(args: argparse.Namespace) -> None:
    """Learn byte pairs from the training files, and write the corpus in tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    started = time.monotonic()
    corpus = np.load(args.corpus)
    ends = np.flatnonzero(corpus["train"] == BYTES.eos_id)
    files = [
        part[part != BYTES.eos_id].astype(np.uint8).tobytes().decode()
        for part in np.split(corpus["train"], ends + 1)
        if len(part)
    ]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=BPE.size,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(files, trainer)
    print(f"{BPE.size} byte pairs after {time.monotonic() - started:.0f} s", flush=True)
    train = [[*found.ids, BPE.eos_id] for found in tokenizer.encode_batch(files)]
    excerpts = [excerpt["text"] for excerpt in json.loads(str(corpus["text"]))]
    held_out = np.array(list(windows_of(tokenizer.encode_batch(excerpts))), dtype=np.int16)
    # A byte-level alphabet has a letter for each byte.
    letters = [tokenizer.id_to_token(index) for index in range(BPE.size)]
    token_bytes = np.array([0.0 if t in SPECIAL else float(len(t)) for t in letters])
    about = json.loads(str(corpus["about"])) | {
        "train_tokens": sum(map(len, train)),
        "held_out_windows": len(held_out),
        "held_out_bytes_a_token": round(float(token_bytes[held_out].mean()), 3),
    }
    np.savez_compressed(
        args.out,
        train=np.concatenate(train).astype(np.int16),
        held_out=held_out,
        token_bytes=token_bytes,
        about=np.array(json.dumps(about)),
        tokenizer=np.array(tokenizer.to_str()),
    )
    print(json.dumps(about), f"after {time.monotonic() - started:.0f} s", flush=True)


def windows_of(encodings: list) -> Iterator[list[int]]:
    """Whole windows of the held-out texts, cut from their beginnings."""
    for found in encodings:
        ids = found.ids
        yield from (ids[i : i + WINDOW] for i in range(0, len(ids) - WINDOW + 1, WINDOW))


def train_model(name: str, corpus: Path, folder: Path, deadline: float, smoke: bool) -> None:
    """Train one model in this process."""
    torch.set_float32_matmul_precision("high")
    recipe, seed = MODELS[name]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = Corpus.read(corpus, device)
    train_into(folder, recipe, data, deadline - time.time(), seed, smoke)


def train(args: argparse.Namespace) -> None:
    """Train the chosen models at the same time, in a process each."""
    deadline = time.time() + 0.95 * 60.0 * args.minutes  # the rest is for the evaluations
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "2")  # the processes are parallel
    with ProcessPoolExecutor(len(args.only), mp_context=get_context("spawn")) as processes:
        jobs = [
            processes.submit(
                train_model,
                name,
                args.corpus if MODELS[name][0].vocabulary == BYTES else args.bpe,
                args.out / name,
                deadline,
                args.smoke,
            )
            for name in args.only
        ]
        for job in jobs:
            job.result()


def record(args: argparse.Namespace) -> None:
    """Write what training was, of all models that are there (``base`` is in train_bundled.json)."""
    started = time.monotonic()
    found = {name: args.models / name / "training.json" for name in MODELS}
    records = {name: json.loads(p.read_text()) for name, p in found.items() if p.exists()}
    write_result("train_claims", {"about": __doc__, "models": records}, started)


def names(text: str) -> list[str]:
    """Names with commas between them, all of them known."""
    chosen = text.split(",")
    if unknown := set(chosen) - MODELS.keys():
        raise argparse.ArgumentTypeError(f"{sorted(unknown)} are none of {', '.join(MODELS)}")
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(required=True)
    tokens = commands.add_parser("tokenize", help="byte pairs of the corpus")
    tokens.add_argument("--corpus", required=True, type=Path)
    tokens.add_argument("--out", required=True, type=Path)
    tokens.set_defaults(run=tokenize)
    models = commands.add_parser("train", help="train models")
    models.add_argument("--corpus", required=True, type=Path)
    models.add_argument("--bpe", type=Path, help="the corpus in byte pairs")
    models.add_argument("--out", required=True, type=Path)
    models.add_argument("--only", required=True, type=names, help="their names, with commas")
    models.add_argument("--minutes", type=float, default=9.0, help="for all of them together")
    models.add_argument("--smoke", action="store_true", help="three small steps of each")
    models.set_defaults(run=train)
    into = commands.add_parser("record", help="write the result")
    into.add_argument("--models", required=True, type=Path)
    into.set_defaults(run=record)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
