"""DUS's bound on the entropy against the entropy itself, on laws where both are exact.

    python experiments/entropy_bound.py

DUS's Lemma 3.3 bounds what its sampler pays, round by round: H <= sum_t L_t <= sum_i H(X_i), where
L_t is the sum of the entropies of the positions of round t given all earlier rounds. Its gap to the
entropy is the KL of the sampler (theory, section 11.1), which is checked here against what knows no
bound: ``kl`` is from the table of what the sampler outputs, and for chains without a table it is
I(X_1; X_{1 + n/2}) (section 11.2). ``optimum_bound`` is the least sum of any ordered partition with
as many rounds. All is exact, in nats a law; ``identity_error`` is what sum_t L_t - H and the KL
differ by, which is rounding.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from common import write_result

from theory.chain_partitions import best_chain_partitions
from theory.distributions import Law, MarkovChain, build_law
from theory.divergences import partition_kl
from theory.dus import pairwise_informations, round_entropies
from theory.orders import dilated_groups
from theory.outputs import kl_divergence, partition_law
from theory.partitions import best_partitions

SHORT, LONG = 12, (32, 64)
STAYS = {2: (0.5, 0.9, 0.99), 4: (0.9,), 8: (0.5, 0.9, 0.99)}  # by number of symbols
SAME = 1e-9  # nats; rounding of sums over a table


def sticky(n: int, q: int, stay: float) -> MarkovChain:
    """Each symbol is kept with this probability, else drawn anew."""
    return MarkovChain(n, stay * np.eye(q) + (1.0 - stay) / q)


def tabled_laws() -> Iterator[tuple[str, Law]]:
    """Laws with a joint table."""
    rng = np.random.default_rng(0)
    for stay in STAYS[2]:
        yield f"chain of 2 symbols, kept {stay}", sticky(SHORT, 2, stay)
    yield "chain of 4 symbols, kept 0.9", sticky(8, 4, 0.9)
    yield "chain of order 2, noisy sums", build_law("markov", n=SHORT, order=2)
    yield "chain of order 2, random", MarkovChain(SHORT, rng.dirichlet([0.4, 0.4], size=(2, 2)))
    yield "hidden chain", build_law("hidden-markov", n=SHORT)
    yield "chain beside parity", build_law("chain-with-parity", n=8)
    yield "Ising ring", build_law("ising-ring", n=SHORT)
    yield "parity", build_law("parity", n=SHORT)
    yield "random parity checks", build_law("xorsat", n=SHORT)
    yield "linear code", build_law("linear-code", n=SHORT)
    yield "Reed-Solomon code", build_law("reed-solomon", n=7, q=7, dimension=3)
    yield "erased Reed-Solomon code", build_law("erased-code", n=6, q=7, dimension=2)
    yield "mixture of products", build_law("mixture", n=SHORT)
    yield "random mixture", build_law("random-mixture", n=SHORT)
    yield "hierarchical prototypes", build_law("hierarchical-prototypes", n=SHORT, ratio=2)
    yield "noisy repeated bit", build_law("repeated-bit", n=SHORT)
    yield "random permutation", build_law("permutation", n=8)
    yield "balanced strings", build_law("balanced", n=SHORT)
    yield "one-hot blocks", build_law("one-hot-blocks", n=SHORT)
    yield "Polya urn", build_law("polya-urn", n=SHORT)
    yield "Bernoulli walk", build_law("bernoulli-walk", n=6)


def long_chains() -> Iterator[tuple[str, MarkovChain]]:
    """Order-1 chains in closed form."""
    for n in LONG:
        for q, stays in STAYS.items():
            for stay in stays:
                yield f"chain of {q} symbols, kept {stay}", sticky(n, q, stay)


def measure(name: str, law: Law, kl: float, optimum: float) -> dict[str, Any]:
    """The bound beside the entropy, the KL found without it, and the optimum's loss."""
    groups = dilated_groups(law.n)
    entropy = law.entropy()
    paid = round_entropies(law, groups)
    marginals = float(law.conditional_entropies(()).sum())
    if not entropy - SAME <= paid.sum() <= marginals + SAME:
        raise RuntimeError(f"{name}: {paid.sum()} is not in {entropy}..{marginals} (Lemma 3.3)")
    if abs(paid.sum() - entropy - kl) > SAME:
        raise RuntimeError(f"{name}: the gap {paid.sum() - entropy} is not the KL {kl}")
    return {
        "law": name,
        "length": law.n,
        "symbols": law.q,
        "dus_steps": len(groups),
        "entropy": entropy,
        "dus_bound": float(paid.sum()),
        "rounds": [float(nats) for nats in paid],
        "marginals": marginals,
        "optimum_bound": entropy + optimum,
        "kl": kl,
        "identity_error": abs(float(paid.sum()) - entropy - kl),
    }


def tabled(name: str, law: Law) -> dict[str, Any]:
    groups = dilated_groups(law.n)
    table = law.table()
    kl = kl_divergence(table.ravel(), partition_law(table, groups).ravel())
    return measure(name, law, kl, best_partitions(law, len(groups))[-1].kl)


def untabled(name: str, chain: MarkovChain) -> dict[str, Any]:
    groups = dilated_groups(chain.n)
    kl = float(pairwise_informations(chain)[0, chain.n // 2])
    best = best_chain_partitions(chain, len(groups))[-1]
    return measure(name, chain, kl, partition_kl(chain, best.groups))


def main() -> None:
    started = time.monotonic()
    rows = [tabled(name, law) for name, law in tabled_laws()]
    rows += [untabled(name, chain) for name, chain in long_chains()]
    print(f"{'law':32}   n  rounds      H  optimum    DUS  marginals (nats a position)")
    for row in sorted(rows, key=lambda r: r["length"]):
        values = [
            row[kind] / row["length"]
            for kind in ("entropy", "optimum_bound", "dus_bound", "marginals")
        ]
        print(
            f"{row['law']:32} {row['length']:3} {row['dus_steps']:4} "
            + " ".join(f"{value:9.5f}" for value in values)
        )
    exact = sum(row["kl"] <= SAME for row in rows)
    document = {
        "about": __doc__,
        "laws": len(rows),
        "bound_is_the_entropy": exact,
        "largest_identity_error": max(row["identity_error"] for row in rows),
        "rows": rows,
    }
    write_result("entropy_bound", document, started)


if __name__ == "__main__":
    main()
