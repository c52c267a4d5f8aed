"""How far DUS is from the best of all ordered partitions with as many steps.

    python experiments/dus_optimum.py

- ``long``: order-1 chains and rings of 32, 64 and 128 positions, where the optimum takes
  polynomial time (``theory.chain_partitions``).
- ``short``: laws of 8 or 12 positions, of which most are no chain; all partitions are compared.

DUS (base 2, its own groups) takes R steps. ``at_dus_steps`` has the least losses in R steps of

- ``optimum``: all ordered partitions,
- ``dus_order``: DUS's order, positions of a group from left to right, with any sizes,
- ``dilated_order``: the same order evenly spread inside a group, with any sizes,
- ``random_order``: any sizes, expected over orders,

and what ``dus`` loses, and for n = 2^R ``halving`` of every gap at its middle: 2^R - 1 positions of
a chain lose nothing so, and one inside is revealed beside another in the last step.
``frontiers`` has losses of 1 .. R + 1 steps, ``steps_...`` the fewest steps that are as good as DUS
or lose at most 0.01. ``summary`` has the means of each family of long laws. All is exact, in nats a
block.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from common import write_result
from numpy.typing import NDArray

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.data import read_corpus
from schedopt.schedule import Order
from schedopt.solvers import losses
from theory.chain_partitions import best_chain_partitions, best_ring_partitions
from theory.distributions import IsingRing, Law, MarkovChain, Parity, ReedSolomon, TableLaw
from theory.distributions.blocks import one_hot_blocks
from theory.distributions.exchangeable import BalancedStrings, RandomPermutation
from theory.distributions.hidden import HiddenMarkov
from theory.distributions.registry import noisy_prototypes, noisy_sum_chain, repeated_bit
from theory.distributions.walks import BernoulliWalk
from theory.divergences import dus_kl, order_surface, partition_kl
from theory.dus import block_bisection
from theory.orders import dilated_groups, dilated_order
from theory.partitions import OrderedPartition, best_partitions

Floats = NDArray[np.float64]

SEEDS = {32: 10, 64: 10, 128: 3}  # members of a random family, by length
SYMBOLS = (2, 4, 8)
SPARSE = 0.2  # Dirichlet parameter: most of a row on one symbol or two
LEAK = 1e-3  # keeps a sparse chain from falling apart into several
RING_LIMIT = 64  # a ring takes as long as a chain of twice its length
GROUPS_LIMIT = 32  # longer optima are not written out
DIGITS = 12  # beyond it there is only rounding
SAME = 1e-9  # losses that differ by less are the same
NEGLIGIBLE = 0.01  # nats a block


def text_bigrams() -> Floats:
    """Transitions between the bytes of the bundled text, from their counts."""
    text = np.frombuffer("".join(read_corpus().texts).encode(), np.uint8)
    symbols, codes = np.unique(text, return_inverse=True)
    counts = np.zeros((len(symbols),) * 2)
    np.add.at(counts, (codes, np.roll(codes, -1)), 1.0)  # in a circle, so that no symbol is last
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def transitions(seeds: int) -> Iterator[tuple[str, Floats]]:
    """Families of order-1 chains, the random ones with several members."""
    for q in SYMBOLS:
        uniform = np.full((q, q), 1.0 / q)
        for seed in range(seeds):
            rng = np.random.default_rng([q, seed])
            yield f"random, q={q}", rng.dirichlet(np.ones(q), size=q)
            sparse = rng.dirichlet(np.full(q, SPARSE), size=q)
            yield f"random sparse, q={q}", (1.0 - LEAK) * sparse + LEAK * uniform
        for stay in (0.5, 0.9, 0.99):
            yield f"sticky {stay}, q={q}", stay * np.eye(q) + (1.0 - stay) * uniform
        cycle = np.roll(np.eye(q), 1, axis=1)
        yield f"cycle, q={q}", cycle
        yield f"late cycle, q={q}", 0.9 * cycle + 0.1 * np.eye(q)  # not reversible from q = 3 on
    steps = np.eye(8, k=1) + np.eye(8, k=-1)
    yield "reflected walk, q=8", steps / steps.sum(axis=1, keepdims=True)
    yield "bigrams of text", text_bigrams()


def long_laws(n: int) -> Iterator[tuple[str, Law, Sequence[OrderedPartition]]]:
    """Laws whose optimum takes polynomial time, with it for up to one step more than DUS."""
    steps = len(dilated_groups(n)) + 1
    for family, transition in transitions(SEEDS[n]):
        chain = MarkovChain(n, transition)
        yield family, chain, best_chain_partitions(chain, steps)
    for coupling in (0.5, 1.0, 2.0) if n <= RING_LIMIT else ():
        ring = IsingRing(n, coupling)
        yield f"Ising ring, coupling {coupling}", ring, best_ring_partitions(ring, steps)


def short_laws(n: int) -> Iterator[tuple[str, Law]]:
    rng = np.random.default_rng(0)
    generic = rng.gamma(0.5, size=(2,) * n)
    stay = np.array([[0.9, 0.1], [0.3, 0.7]])
    yield "chain", MarkovChain(n, stay)
    yield "chain of order 2, noisy sums", noisy_sum_chain(n, order=2)
    yield "chain of order 2, random", MarkovChain(n, rng.dirichlet([0.4, 0.4], size=(2, 2)))
    yield "hidden Markov", HiddenMarkov(n, stay, np.array([[0.8, 0.2], [0.1, 0.9]]))
    yield "Ising ring", IsingRing(n, coupling=0.8)
    yield "noisy repeated bit", repeated_bit(n)
    yield "mixture of four products", noisy_prototypes(n, components=4)
    yield "parity", Parity(n)
    yield "balanced strings", BalancedStrings(n)
    yield "one-hot blocks of 4", one_hot_blocks(4, n // 4)
    yield "random table", TableLaw(generic / generic.sum())


def many_symbols() -> Iterator[tuple[str, Law]]:
    """Laws with about as many symbols as positions, so that q^n limits n."""
    yield "random permutation", RandomPermutation(8)
    yield "Reed-Solomon code", ReedSolomon(7, 7, dimension=3)
    yield "Bernoulli walk", BernoulliWalk(6)


def halving(steps: int) -> tuple[tuple[int, ...], ...]:
    """Halving of 2^steps positions, where n/2 + 1 goes with its neighbour n/2 in the last step."""
    groups = block_bisection(2**steps - 1)
    extra = 2 ** (steps - 1) + 1
    shifted = [tuple(p + (p >= extra) for p in group) for group in groups]
    return (*shifted[:-1], (*shifted[-1], extra))


def compare(law: Law, optimum: Sequence[OrderedPartition]) -> dict[str, Any]:
    """What DUS, the optimum and the orders with free sizes lose."""
    n, most, steps = law.n, len(optimum), len(dilated_groups(law.n))

    def of_order(permutation: Sequence[int]) -> Floats:
        order = Order("explicit", permutation=tuple(permutation))
        return losses(OrderSurface(order_surface(law, permutation), order), most)

    frontiers = {
        "optimum": np.array([best.kl for best in optimum]),
        "dus_order": of_order([p for group in dilated_groups(n) for p in group]),
        "dilated_order": of_order(dilated_order(n)),
        "random_order": losses(InformationCurve(law.conditional_entropy_curve()), most),
    }
    at_dus_steps = {"dus": dus_kl(law)}
    at_dus_steps |= {name: float(values[steps - 1]) for name, values in frontiers.items()}
    if n == 2**steps:
        at_dus_steps["halving"] = partition_kl(law, halving(steps))
    if min(at_dus_steps.values()) < at_dus_steps["optimum"] - SAME:
        raise RuntimeError(f"something is better than the optimum: {at_dus_steps}")
    return {
        "length": n,
        "symbols": law.q,
        "entropy": rounded(law.entropy()),
        "dus_steps": steps,
        "at_dus_steps": {name: rounded(loss) for name, loss in at_dus_steps.items()},
        "frontiers": {
            name: [rounded(loss) for loss in frontiers[name]] for name in ("optimum", "dus_order")
        },
        "steps_as_good_as_dus": {
            name: fewest(values, at_dus_steps["dus"] + SAME) for name, values in frontiers.items()
        },
        "steps_within_0.01": {
            name: fewest(values, NEGLIGIBLE) for name, values in frontiers.items()
        },
        "groups": optimum[steps - 1].groups if n <= GROUPS_LIMIT else None,
    }


def rounded(nats: float | np.floating[Any]) -> float:
    """Without what is only rounding, and without the sign of a negative zero."""
    return round(float(nats), DIGITS) + 0.0


def fewest(values: Floats, most: float) -> int | None:
    """The fewest steps that lose at most this much; None where it takes more than R + 1."""
    enough = np.flatnonzero(values <= most)
    return int(enough[0]) + 1 if enough.size else None


def summarise(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean losses in R steps by length and family, and how few steps the optimum takes."""
    members: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        members[row["law"], row["length"]].append(row)

    def spread(group: Sequence[dict[str, Any]], kind: str) -> list[int | None]:
        steps = [row[kind]["optimum"] for row in group]
        # None is more steps than were tried.
        return [min(steps, key=in_order), max(steps, key=in_order)]

    def in_order(steps: int | None) -> float:
        return np.inf if steps is None else steps

    return [
        {
            "law": law,
            "length": n,
            "members": len(group),
            "dus_steps": group[0]["dus_steps"],
            "at_dus_steps": {
                name: rounded(np.mean([row["at_dus_steps"][name] for row in group]))
                for name in group[0]["at_dus_steps"]
            },
            "dus_is_optimal": sum(
                row["at_dus_steps"]["dus"] <= row["at_dus_steps"]["optimum"] + SAME for row in group
            ),
            "steps_as_good_as_dus": spread(group, "steps_as_good_as_dus"),
            "steps_within_0.01": spread(group, "steps_within_0.01"),
        }
        for (law, n), group in members.items()
    ]


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print a summary: losses in R steps, and fewest steps of the optimum."""
    columns = ("dus", "optimum", "halving", "dus_order", "dilated_order", "random_order")
    print(
        f"{'law':30}   n steps"
        + "".join(f"{name:>14}" for name in columns)
        + "  DUS optimal, as good, within 0.01"
    )
    for row in rows:
        found = row["at_dus_steps"]
        spreads = row["steps_as_good_as_dus"], row["steps_within_0.01"]
        values = [f"{found[name]:14.6f}" if name in found else f"{'-':>14}" for name in columns]
        print(
            f"{row['law']:30} {row['length']:3} {row['dus_steps']:5}{''.join(values)}"
            f"  {row['dus_is_optimal']}/{row['members']}"
            + "".join(f" {least}-{most}" for least, most in spreads)
        )


def main() -> None:
    started = time.monotonic()
    long = []
    for n in SEEDS:
        long += [{"law": name, **compare(law, best)} for name, law, best in long_laws(n)]
        print(f"{n} positions after {time.monotonic() - started:.0f} s", flush=True)
    short = []
    for name, law in (*short_laws(8), *many_symbols(), *short_laws(12)):
        steps = len(dilated_groups(law.n)) + 1
        short.append({"law": name, **compare(law, best_partitions(law, steps))})
    summary = summarise(long)
    show([*summary, *summarise(short)])
    write_result(
        "dus_optimum",
        {"about": __doc__, "summary": summary, "long": long, "short": short},
        started,
    )


if __name__ == "__main__":
    main()
