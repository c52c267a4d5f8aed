"""A jump that no probe meets cannot be scheduled for: hidden codes, shown on their tables.

    python experiments/hardness.py --n 6 --field 7 --probes 1,2,5

The laws are uniform on Reed-Solomon codes of every dimension d; d = n is the uniform law. Each
number is enumerated from a table: the curve at the probes, the most that an answer about so many
known positions differs from the uniform law's, and the law of the sampler. Codes with the same
curve at all probes form a class; its sizes are the best for the worst of its codes. ``picture`` has
curves and answers for every number of known positions, and ``by_steps`` the worst loss over all
codes of sizes that know nothing (``blind``), the class (``probed``) or the code (``known``).
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from common import write_result

from theory.curves import conditional_entropy_curve
from theory.distributions import ReedSolomon
from theory.divergences import boundaries
from theory.hardness import (
    code_total_variation,
    hedged_sizes,
    indistinguishable_jumps,
    largest_bias,
    overshoot,
)
from theory.outputs import kl_divergence, partition_law
from theory.tables import check_size

TOLERANCE = 1e-9


def whole_numbers(text: str) -> list[int]:
    try:
        return sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise argparse.ArgumentTypeError(f"need whole numbers with commas, got {text!r}") from None


def read_code(code: ReedSolomon, probes: list[int]) -> dict[str, Any]:
    """What is seen of a code: its curve, and how its answers differ from the uniform law's."""
    curve = conditional_entropy_curve(code.table())
    return {
        "dimension": code.dimension,
        "curve_at_probes": [float(curve[probe]) for probe in probes],
        "answers_differ_by": [largest_bias(code, probe) for probe in probes],
    }


def sampled(code: ReedSolomon, sizes: tuple[int, ...]) -> dict[str, Any]:
    """Total variation and KL of the sampler's law, enumerated and by formula."""
    mu = code.table()
    groups = [range(a, b) for a, b in pairwise(boundaries(sizes, code.n))]
    nu = partition_law(mu, groups)
    found = {
        "dimension": code.dimension,
        "step_sizes": sizes,
        "kl": kl_divergence(mu, nu),
        "total_variation": float(np.abs(mu - nu).sum() / 2.0),
    }
    predicted = (
        overshoot(code.dimension, sizes) * math.log(code.q),
        code_total_variation(code.q, code.dimension, sizes),
    )
    if not np.allclose((found["kl"], found["total_variation"]), predicted, atol=TOLERANCE):
        raise RuntimeError(
            f"the sampler's law does not agree with the formula {predicted}: {found}"
        )
    return found


def picture(code: ReedSolomon) -> dict[str, Any]:
    """``read_code`` at every number of known positions."""
    seen = read_code(code, list(range(code.n)))
    return {
        "dimension": code.dimension,
        "curve": seen["curve_at_probes"],
        "answers_differ_by": seen["answers_differ_by"],
    }


def by_steps(
    codes: dict[int, ReedSolomon], classes: Sequence[Sequence[int]]
) -> Iterator[dict[str, Any]]:
    """The worst loss over all codes by steps, and by what the sizes know of the code."""
    for steps in range(1, len(codes) + 1):
        told = {
            "blind": [tuple(codes)],
            "probed": classes,
            "known": [(d,) for d in codes],
        }
        row: dict[str, Any] = {"steps": steps}
        for words, groups in told.items():
            found = [
                sampled(codes[d], hedged_sizes(len(codes), steps, members))
                for members in groups
                for d in members
            ]
            worst = max(found, key=lambda row: row["kl"])
            row[words] = {key: worst[key] for key in ("dimension", "kl", "total_variation")}
        yield row


def show(document: dict[str, Any]) -> None:
    n, q, probes = document["n"], document["field"], document["probes"]
    print(f"Uniform laws on Reed-Solomon codes, n = {n}, GF({q}), log q = {math.log(q):.4f} nats\n")
    ends = "".join(f"{probe:>8}" for probe in probes)
    print("curve [nats], and how far answers are from the uniform law's, by positions known\n")
    print(f"{'d':>3}{ends}   {ends}")
    for row in document["codes"]:
        curve = "".join(f"{value:8.4f}" for value in row["curve_at_probes"])
        bias = "".join(f"{value:8.4f}" for value in row["answers_differ_by"])
        print(f"{row['dimension']:>3}{curve}   {bias}")
    print(f"\nbest sizes of {document['steps']} steps for the worst code of each class\n")
    print(f"{'class':<14}{'sizes':<14}{'d':>3}{'KL [nats]':>12}{'TV':>9}   sizes if d is known")
    for group in document["classes"]:
        for row, known in zip(group["hedged"], group["known"], strict=True):
            first = row is group["hedged"][0]
            members = ", ".join(str(d) for d in group["dimensions"]) if first else ""
            members += " (uniform)" * (first and group["dimensions"] == (n,))
            sizes = ", ".join(str(size) for size in row["step_sizes"]) if first else ""
            alone = ", ".join(str(size) for size in known["step_sizes"])
            print(
                f"{members:<14}{sizes:<14}{row['dimension']:>3}{row['kl']:12.4f}"
                f"{row['total_variation']:9.4f}   {alone} (KL {known['kl']:.4f})"
            )
    blind = document["without_probes"]
    print(
        f"\nwithout any probe: sizes {', '.join(map(str, blind['step_sizes']))}, "
        f"at worst {blind['worst_kl']:.4f} nats = {blind['worst_overshoot']} log q\n"
    )
    print(f"worst loss over all codes, by what the sizes know of the code\n\n{'steps':>5}", end="")
    print(f"{'nothing':>12}{'its class':>12}{'it':>12}")
    for row in document["by_steps"]:
        losses = "".join(f"{row[words]['kl']:12.4f}" for words in ("blind", "probed", "known"))
        print(f"{row['steps']:>5}{losses}")
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description="Jumps of a curve that probes do not meet.")
    parser.add_argument("--n", type=int, default=6, help="positions, at most the field's order")
    parser.add_argument("--field", type=int, default=7, help="order of the field, a prime")
    parser.add_argument(
        "--probes", type=whole_numbers, default=[1, 2, 5], help="numbers of known positions"
    )
    parser.add_argument("--steps", type=int, default=2, help="steps of a schedule")
    args = parser.parse_args()
    started = time.monotonic()
    n, q, steps = args.n, args.field, args.steps
    try:
        check_size(n, q)
        codes = {d: ReedSolomon(n, q, dimension=d) for d in range(1, n + 1)}
        classes = indistinguishable_jumps(n, args.probes)
        blind = hedged_sizes(n, steps, range(1, n + 1))
    except ValueError as error:
        parser.error(str(error))
    worst = max(overshoot(d, blind) for d in codes)
    document = {
        "about": __doc__,
        "n": n,
        "field": q,
        "probes": args.probes,
        "steps": steps,
        "codes": [read_code(code, args.probes) for code in codes.values()],
        "classes": [
            {
                "dimensions": members,
                "hedged": [sampled(codes[d], hedged_sizes(n, steps, members)) for d in members],
                "known": [sampled(codes[d], hedged_sizes(n, steps, [d])) for d in members],
            }
            for members in classes
        ],
        "picture": [picture(code) for code in codes.values()],
        "by_steps": list(by_steps(codes, classes)),
        "without_probes": {
            "step_sizes": blind,
            "worst_overshoot": worst,
            "worst_kl": worst * math.log(q),
        },
    }
    show(document)
    write_result("hardness", document, started)


if __name__ == "__main__":
    main()
