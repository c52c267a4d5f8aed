"""Hypothesis strategies that the tests share; plural names, no subnormal numbers."""

from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.schedule import FIXED_ORDERS, ORDER_NAMES, Order, UnmaskingSchedule

Floats = NDArray[np.float64]

# The machines that run the tests are shared: a slow moment is no failure.
settings.register_profile(
    "schedopt", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("schedopt")


def probabilities(shape: tuple[int, ...]) -> st.SearchStrategy[Floats]:
    """Arrays that sum to one: generic ones, with zeros, with ties, and point masses."""
    generic = hnp.arrays(np.float64, shape, elements=st.floats(0.01, 1.0))
    tied = hnp.arrays(np.int64, shape, elements=st.integers(0, 3))
    sparse = hnp.arrays(np.float64, shape, elements=st.floats(0.01, 1.0), fill=st.just(0.0))
    masses = st.integers(0, int(np.prod(shape)) - 1).map(
        lambda i: np.eye(1, int(np.prod(shape)), i).reshape(shape)
    )
    return (
        st.one_of(generic, tied, sparse, masses)
        .filter(lambda weights: bool(weights.sum() > 0))
        .map(lambda weights: weights / weights.sum())
    )


@st.composite
def tables(
    draw: st.DrawFn, *, min_n: int = 1, max_n: int = 6, max_q: int = 3, max_entries: int = 128
) -> Floats:
    """Joint tables of shape (q,) * n."""
    q = draw(st.integers(2, max_q))
    most = max(min_n, min(max_n, int(np.log(max_entries) / np.log(q) + 1e-9)))
    n = draw(st.integers(min_n, most))
    return draw(probabilities((q,) * n))


@st.composite
def stochastic_matrices(draw: st.DrawFn, shape: tuple[int, ...]) -> Floats:
    """Arrays whose last axis sums to one, so of shape (q,) * (m + 1) a chain of order m."""
    rows = [draw(probabilities(shape[-1:])) for _ in range(int(np.prod(shape[:-1])))]
    return np.stack(rows).reshape(shape)


def permutations(n: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Orders of n positions."""
    return st.permutations(range(n)).map(tuple)


def compositions(n: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Step sizes >= 1 that sum to n."""
    cuts = st.sets(st.integers(1, n - 1)) if n > 1 else st.just(set[int]())
    return cuts.map(lambda c: tuple(int(s) for s in np.diff([0, *sorted(c), n])))


@st.composite
def ordered_partitions(draw: st.DrawFn, n: int) -> tuple[tuple[int, ...], ...]:
    """Groups that partition n positions, in order of revelation."""
    order, sizes = draw(permutations(n)), draw(compositions(n))
    return tuple(order[end - size : end] for size, end in zip(sizes, np.cumsum(sizes), strict=True))


@st.composite
def tables_with(draw: st.DrawFn, /, strategy: Any, **limits: int) -> tuple[Floats, Any]:
    """A table and a draw of ``strategy(n)``, such as ``compositions``, for its n positions."""
    table = draw(tables(**limits))
    return table, draw(strategy(table.ndim))


def orders(n: int, *, names: tuple[str, ...] = ORDER_NAMES) -> st.SearchStrategy[Order]:
    """Orders of these names for n positions, with the fields that they take."""
    kinds = {
        "dilated": st.builds(
            Order, st.just("dilated"), base=st.integers(2, 5), skip=st.integers(1, 3)
        ),
        "explicit": st.builds(Order, st.just("explicit"), permutation=permutations(n)),
    }
    return st.sampled_from(names).flatmap(
        lambda name: kinds[name] if name in kinds else st.just(Order(name))
    )


@st.composite
def unmasking_schedules(draw: st.DrawFn, *, max_n: int = 12) -> UnmaskingSchedule:
    """Schedules of every order; some with a model for each step or with sizes for each block."""
    n = draw(st.integers(1, max_n))
    sizes = draw(compositions(n))
    models = st.lists(st.integers(0, 3), min_size=len(sizes), max_size=len(sizes)).map(tuple)
    blocks = st.lists(compositions(n), min_size=1, max_size=3).map(tuple)
    extra = draw(
        st.one_of(
            st.just({}),
            st.fixed_dictionaries({"models": models}),
            st.fixed_dictionaries({"blocks": blocks}),
        )
    )
    return UnmaskingSchedule(n, draw(orders(n)), sizes, **extra)


def nats(shape: tuple[int, ...]) -> st.SearchStrategy[Floats]:
    """Arrays of numbers >= 0 with every digit in use, some of them ties."""
    return hnp.arrays(np.float64, shape, elements=st.floats(0.0, 30.0, allow_subnormal=False))


@st.composite
def information_curves(draw: st.DrawFn, *, max_n: int = 12) -> InformationCurve:
    """Curves that need not be monotone, with and without standard errors."""
    shape = (draw(st.integers(1, max_n)),)
    return InformationCurve(draw(nats(shape)), draw(st.none() | nats(shape)))


@st.composite
def order_surfaces(draw: st.DrawFn, *, max_n: int = 6) -> OrderSurface:
    """Surfaces of the fixed orders, with and without standard errors."""
    n = draw(st.integers(1, max_n))
    order = draw(orders(n, names=FIXED_ORDERS))
    return OrderSurface(draw(nats((n, n))), order, draw(st.none() | nats((n, n))))


def random_table(q: int, n: int, *, seed: int) -> Floats:
    """One generic table of shape (q,) * n, the same for the same seed."""
    weights = np.random.default_rng(seed).gamma(0.5, size=(q,) * n)
    return np.asarray(weights / weights.sum())


def falling_arrays(shape: tuple[int, ...]) -> st.SearchStrategy[Floats]:
    """Arrays that never rise along axis 0: generic ones, and ones with long ties."""
    ties = hnp.arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.1, 0.7, 2.0]))
    return st.one_of(nats(shape), ties).map(lambda values: -np.sort(-values, axis=0))


def falling_curves(*, max_n: int = 9) -> st.SearchStrategy[InformationCurve]:
    """Monotone curves, as every exact law has them."""
    return st.integers(1, max_n).flatmap(lambda n: falling_arrays((n,))).map(InformationCurve)


@st.composite
def falling_surfaces(draw: st.DrawFn, *, max_n: int = 7) -> OrderSurface:
    """Monotone surfaces, as every exact law has them."""
    n = draw(st.integers(1, max_n))
    return OrderSurface(draw(falling_arrays((n, n))), draw(orders(n, names=FIXED_ORDERS)))


@st.composite
def bands(
    draw: st.DrawFn, *, min_n: int = 1, max_n: int = 7, whole: bool = False
) -> tuple[Floats, Floats]:
    """Lower and upper bounds of falling curves, not tight, whole numbers where asked for."""
    n = draw(st.integers(min_n, max_n))
    middle = draw(falling_arrays((n,)))
    below, above = draw(nats((n,))), draw(nats((n,)))
    if whole:
        return np.floor(middle / 8) - below // 10, np.floor(middle / 8) + above // 10
    share = draw(st.sampled_from([0.0, 0.01, 0.3]))
    return middle - share * below, middle + share * above
