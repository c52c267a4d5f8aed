"""How far the work is: a bar where stderr is a terminal, else a line a minute."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from schedopt.cli.output import say
from schedopt.running import Progress

if TYPE_CHECKING:
    from schedopt.models import Denoiser
    from schedopt.models.usage import Usage

LOG_SECONDS: Final = 60.0


@contextmanager
def progress_bar(args: Namespace, what: str, unit: str = "nats") -> Iterator[Progress]:
    """What to tell how many are done of how many, and the standard error; silent if ``--quiet``."""
    if args.quiet or not sys.stderr.isatty():
        yield _log(args, what, unit)
        return
    from tqdm import tqdm

    with tqdm(desc=what, leave=False) as bar:

        def show(done: int, total: int, stderr: float | None = None, /) -> None:
            if done < bar.n:  # of another part, which begins anew
                bar.reset()
            bar.total = total
            if stderr is not None:
                bar.set_postfix_str(_spread(stderr, unit), refresh=False)
            bar.update(done - bar.n)

        yield show


def say_usage(args: Namespace, denoiser: Denoiser) -> None:
    """What the passes took, in a line, where the model counts them."""
    usage: Usage | None = denoiser.usage() if hasattr(denoiser, "usage") else None
    if usage is not None and usage.passes:
        say(args, "; ".join(usage.lines()))


def _log(args: Namespace, what: str, unit: str) -> Progress:
    """Say how far it is, a minute after it began and then once a minute."""
    last = before = 0
    since = time.monotonic()

    def tell(done: int, total: int, stderr: float | None = None, /) -> None:
        nonlocal before, since, last
        now = time.monotonic()
        if done < last:  # of another part, which begins anew
            before, since = done, now
        last = done
        if now - since < LOG_SECONDS or done == before:
            return
        # At the pace of the last minute: what a journal had kept came at once.
        left = (total - done) * (now - since) / (done - before)
        known = "" if stderr is None else f", standard error {_spread(stderr, unit)}"
        say(args, f"{what}: {done} of {total}, {_interval(left)} left{known}")
        before, since = done, now

    return tell


def _spread(stderr: float, unit: str) -> str:
    return f"±{stderr:.2g} {unit}"


def _interval(seconds: float) -> str:
    """A time as ``h:mm:ss``.

    Example:
        >>> _interval(3723.4), _interval(59.9)
        ('1:02:03', '0:00:59')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
