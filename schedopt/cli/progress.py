"""A bar with the time left, where stderr is a terminal."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(args: Namespace, what: str) -> Iterator[Callable[[int, int], None]]:
    """What to tell how many are done of how many; silent with ``--quiet``."""
    from tqdm import tqdm

    # tqdm takes None for: only where stderr is a terminal.
    hidden = True if args.quiet else None
    with tqdm(desc=what, disable=hidden, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
