"""The laws of ``golden/theory.json``, built from the line that describes each."""

from __future__ import annotations

import json
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GOLDEN = json.loads((Path(__file__).parent / "golden" / "theory.json").read_text())
CASES: dict[str, dict[str, Any]] = GOLDEN["cases"]


def _random(seed: int, shape: tuple[int, ...]) -> Floats:
    state, weights = seed, []
    for _ in range(int(np.prod(shape))):
        state = (1664525 * state + 1013904223) % 2**32
        weights.append(np.log((state + 0.5) / 2**32) ** 2)
    return np.asarray(np.reshape(weights, shape) / np.sum(weights))


def _uniform_on(words: Any, q: int, n: int) -> Floats:
    table = np.zeros((q,) * n)
    for word in words:
        table[tuple(word)] = 1.0
    return np.asarray(table / table.sum())


def _markov() -> Floats:
    table, step = np.array([0.75, 0.25]), np.array([[0.9, 0.1], [0.3, 0.7]])
    while table.ndim < 8:
        table = table[..., None] * step
    return table


def _copies() -> Floats:
    table = np.zeros((2,) * 6)
    for bits in product(range(2), repeat=3):
        ones = zip(bits, (0.5, 0.3, 0.8), strict=True)
        table[bits + bits] = np.prod([p if b else 1 - p for b, p in ones])
    return table


TABLES: dict[str, Floats] = {
    "tiny_2^3": np.reshape(CASES["tiny_2^3"]["table"], (2, 2, 2)),
    "rand_3^6": _random(2024, (3,) * 6),
    "markov_2_n8": _markov(),
    "parity_n6": _uniform_on((x for x in product(range(2), repeat=6) if sum(x) % 2 == 0), 2, 6),
    "rs_gf5_n5_k2": _uniform_on(
        ([(a + b * i) % 5 for i in range(5)] for a, b in product(range(5), repeat=2)), 5, 5
    ),
    "product_copy_n6": _copies(),
    "permutation_n5": _uniform_on(permutations(range(5)), 5, 5),
}
