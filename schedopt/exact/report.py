"""The exact account of a small or structured law: the document behind ``schedopt exact``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from schedopt.curve import InformationCurve
from schedopt.errors import DeviceMemoryError, InputError, MissingModelError, UsageError
from schedopt.exact.bounds import MOST_STEPS, scalar_bounds
from schedopt.exact.partition import best_partition
from schedopt.sizes import doublings
from theory import curves
from theory.distributions import Law, TableLaw
from theory.divergences import expected_kl, partition_kl
from theory.orders import dilated_groups
from theory.tables import Floats

# All step counts of longer laws would fill pages: n of them, with up to n sizes each.
EVERY_STEP_LIMIT: Final = 256

ALL_CORES: Final = "leave out --device to use all cores"


def exact_report(
    source: Law | ArrayLike,
    *,
    steps: Sequence[int] | None = None,
    device: str | None = None,
    name: str = "table",
) -> dict[str, Any]:
    """Curve, correlations, best schedules, what others guarantee, and DUS's loss of an exact law.

    Args:
        source: A law, or its joint table of shape (q,) * n.
        steps: For which numbers of steps k to give the best sizes; by default every k up to
            n = 256, and 1, 2, 4, ..., n beyond.
        device: Of torch, such as ``cuda``, to enumerate the joint table there; by default closed
            forms are used where a law has them, and else all cores.
        name: What the document calls the law.

    Returns:
        A JSON document; losses are expected KL, nats. ``optimal`` is for the random order, and
        so is ``bounds``, ``scalar_bounds`` for the k that are asked for, by default 1, 2, 4, ...,
        n, up to 128. ``dus`` is for base 2 without the reference's merge of a smaller last group;
        ``best_partition`` loses least of all with as many groups, or is None where finding it
        takes long (``partition.best_partition``).

    Raises:
        InputError: The table is no law, or too large.
        UsageError: The law has no closed form and its table would be too large, a number of
            steps is not in 1..n, or there is no such device.
        MissingModelError: The device is a GPU, and Triton is not installed.
        DeviceMemoryError: The device has too little memory.

    References:
        theory, sections 1, 2, 6 and 11.

    Example:
        >>> report = exact_report([[0.5, 0.0], [0.0, 0.5]])
        >>> report["optimal"]["2"], report["dus"]
        ({'step_sizes': [1, 1], 'loss': 0.0}, {'groups': [[0, 1]], 'loss': 0.6931471805599453})
    """
    from schedopt.solvers import solve

    fault = UsageError if isinstance(source, Law) else InputError
    if device is not None:
        _check_device(device)
    try:
        law = source if isinstance(source, Law) else TableLaw(np.asarray(source))
        curve = law.conditional_entropy_curve() if device is None else _enumerated(law, device)
        groups = dilated_groups(law.n)
        dus_loss = partition_kl(law, groups)
    except ValueError as error:
        raise fault(f"{name}: {error}") from error
    measured = InformationCurve(curve)
    every = range(1, law.n + 1) if law.n <= EVERY_STEP_LIMIT else doublings(law.n)
    optimal = {}
    for k in every if steps is None else steps:
        sizes = solve(measured, steps=k).schedule.step_sizes
        optimal[str(k)] = {"step_sizes": list(sizes), "loss": expected_kl(curve, sizes)}
    compared = [k for k in (doublings(law.n) if steps is None else steps) if k <= MOST_STEPS]
    best = best_partition(law, len(groups))
    return {
        "format": "schedopt.exact",
        "schema_version": 1,
        "law": name,
        "length": law.n,
        "alphabet": law.q,
        "unit": "nats",
        "conditional_entropy": curve.tolist(),
        "entropy": law.entropy(),
        "total_correlation": curves.total_correlation(curve),
        "dual_total_correlation": curves.dual_total_correlation(curve),
        "tse_complexity": curves.tse_complexity(curve),
        "unmasking_growth_complexity": curves.unmasking_growth_complexity(curve),
        "optimal": optimal,
        "bounds": {str(k): scalar_bounds(curve, k) for k in compared},
        "dus": _losing(groups, dus_loss),
        "best_partition": None if best is None else _losing(best.groups, best.kl),
    }


def _losing(groups: Sequence[Sequence[int]], loss: float) -> dict[str, Any]:
    return {"groups": [list(group) for group in groups], "loss": loss}


def _check_device(device: str) -> None:
    from theory.enumeration.devices import device_named

    try:
        device_named(device)
    except ValueError as error:
        raise UsageError(str(error), hint=ALL_CORES) from error


def _enumerated(law: Law, device: str) -> Floats:
    """The curve from the joint table, by torch."""
    import torch

    try:
        return curves.conditional_entropy_curve(law.table(), device)
    except ModuleNotFoundError as error:
        raise MissingModelError(str(error), hint=ALL_CORES) from error
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError(
            f"{device} has too little memory for a table of {law.q}^{law.n} entries",
            hint=ALL_CORES,
        ) from error
