"""Walks on a graph that the prompt gives."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schedopt.tasks.task import MASK, Bools, Integers, Task, check_size

Floats = NDArray[np.float64]

NODES: Final = 8
EDGES: Final = 12
PAIRS: Final = np.argwhere(np.triu(np.ones((NODES, NODES), dtype=np.bool_), 1))  # sorted


def adjacency(prompts: Integers) -> Bools:
    """Which nodes the edges of each prompt join, shape (N, NODES, NODES), symmetric.

    Example:
        >>> joined = adjacency(walk(2).instances(1, seed=0).prompts)
        >>> int(joined.sum()) == 2 * EDGES
        True
    """
    rows = np.arange(len(prompts))[:, None]
    joined = np.zeros((len(prompts), NODES, NODES), dtype=np.bool_)
    tails, heads = prompts[:, : 2 * EDGES : 2], prompts[:, 1 : 2 * EDGES : 2]
    joined[rows, tails, heads] = joined[rows, heads, tails] = True
    return joined


def _draw_graphs(rng: np.random.Generator, count: int) -> Integers:
    """Uniform graphs as sorted lists of edges, shape (count, 2 * EDGES)."""
    picks = np.sort(rng.random((count, len(PAIRS))).argsort(axis=1)[:, :EDGES], axis=1)
    return PAIRS[picks].reshape(count, 2 * EDGES)


def _ways(joined: Floats, end: Integers, steps: int) -> Floats:
    """How many walks of each length lead from each node to the end, shape (steps + 1, N, NODES)."""
    ways = np.zeros((steps + 1, len(end), NODES))
    ways[0, np.arange(len(end)), end] = 1.0
    for left in range(1, steps + 1):
        ways[left] = (joined @ ways[left - 1][:, :, None])[:, :, 0]
    return ways


def _draw_walks(
    rng: np.random.Generator, joined: Floats, start: Integers, ways: Floats
) -> Integers:
    """Inner nodes of a uniform walk from the start, where there is one to the end."""
    rows, length = np.arange(len(start)), len(ways) - 2
    walks = np.empty((len(start), length), dtype=np.int64)
    node = start
    for step in range(length):
        chances = np.cumsum(joined[rows, node] * ways[length - step], axis=1)
        total = chances[:, -1]
        level = np.minimum(rng.random(len(start)) * total, np.nextafter(total, 0.0))
        node = (chances <= level[:, None]).sum(axis=1)  # the first above it: a node with a chance
        walks[:, step] = node
    return walks


def walk(length: int = 16) -> Task:
    """Walk from one node to another with so many nodes between; answers are uniform over all.

    The prompt lists the 12 edges of a graph on 8 nodes, uniform among all of these and sorted,
    then the two ends, uniform among those that such a walk joins. Steps go along edges in either
    direction and may go back.

    Args:
        length: Nodes between the ends, 1 to 64.

    Raises:
        UsageError: Another length.

    Example:
        >>> one = walk(2).instances(1, seed=0)
        >>> walk(2).show(one.prompts[0])
        'A C B C B E B F C E C F C G D E D H E F E G F H A B'
        >>> walk(2).show(one.answers[0])
        'C F'
    """
    check_size("walk", "nodes between the ends", length, 1, 64)

    def draw(rng: np.random.Generator, count: int) -> tuple[Integers, Integers]:
        ends = rng.integers(NODES, size=(count, 2))
        prompts = np.hstack([_draw_graphs(rng, count), ends])
        joined = adjacency(prompts).astype(np.float64)
        ways = _ways(joined, ends[:, 1], length + 1)
        exists = ways[length + 1, np.arange(count), ends[:, 0]] > 0
        walks = _draw_walks(rng, joined[exists], ends[exists, 0], ways[:, exists])
        return prompts[exists], walks

    def check(prompts: Integers, responses: Integers) -> Bools:
        nodes = np.hstack([prompts[:, -2:-1], responses, prompts[:, -1:]])
        known = (nodes >= 0) & (nodes < NODES)
        nodes = np.where(known, nodes, 0)
        steps = adjacency(prompts)[np.arange(len(prompts))[:, None], nodes[:, :-1], nodes[:, 1:]]
        return np.asarray(known.all(axis=1) & steps.all(axis=1))

    names = tuple("ABCDEFGH")
    return Task(f"walk:{length}", (*names, MASK), 2 * EDGES + 2, length, draw, check)
