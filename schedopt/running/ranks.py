"""The processes that ``torchrun`` starts, which share the work and end together."""

from __future__ import annotations

import os
from datetime import timedelta
from types import TracebackType
from typing import Final, TypeAlias, TypeVar

from schedopt.errors import SchedoptError, UsageError

T = TypeVar("T")

# How long a rank waits for another that is alive: one may be downloading the model for all.
PATIENCE: Final = timedelta(hours=4)


# What a rank says of how it failed: the message, the hint and the exit code.
Failure: TypeAlias = tuple[str, str | None, int]


class RankError(SchedoptError):
    """Another rank has failed; its message, hint and exit code."""

    def __init__(self, message: str, *, hint: str | None, exit_code: int) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


class Ranks:
    """A process alone, and the interface of several.

    Attributes:
        rank: Which one this is, from 0.
        world: How many there are.
    """

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and talks."""
        return self.rank == 0

    def exchange(self, mine: T) -> list[T]:
        """What each rank has, in order of rank; all ranks must come to this together.

        Raises:
            RankError: A rank has failed instead.
        """
        return [mine]

    def __enter__(self) -> Ranks:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nobody else is to be told."""


ALONE: Final = Ranks()


class TorchRanks(Ranks):
    """The ranks of a torch process group, as a context: whatever ends one ends all.

    What passes between them are messages of objects on the host, a few kilobytes a unit, so that
    the backend is gloo with and without GPUs. In every message a rank says either what it has or
    how it failed; so a failure reaches the others wherever they wait next, at the latest at the
    end of the context, and the first rank can tell it.
    """

    def __init__(self, rank: int, world: int, local_rank: int) -> None:
        self.rank, self.world, self.local_rank = rank, world, local_rank
        self._over = False

    def __enter__(self) -> Ranks:
        import torch
        from torch import distributed

        if torch.cuda.is_available():  # "cuda" is then the rank's own device
            torch.cuda.set_device(self.local_rank % torch.cuda.device_count())
        distributed.init_process_group("gloo", timeout=PATIENCE)
        return self

    def exchange(self, mine: T) -> list[T]:
        """What each rank has, in order of rank; all ranks must come to this together.

        Raises:
            RankError: A rank has failed instead, or is gone.
        """
        return self._gather(mine, None)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Tell the others, and let the first rank alone speak of it.

        Raises:
            RankError: Another rank has failed, and this is the first.
            SystemExit: A rank has failed, and this is not the first.
        """
        from torch import distributed

        try:
            if not self._over and (error is None or isinstance(error, Exception)):
                self._gather(None, _failure(error, self.rank))
        except RankError as other:
            error = other if error is None else error
            if self.first and error is other:
                raise
        finally:
            distributed.destroy_process_group()
        if isinstance(error, Exception) and not self.first:
            raise SystemExit(getattr(error, "exit_code", SchedoptError.exit_code)) from error

    def _gather(self, mine: T, failure: Failure | None) -> list[T]:
        from torch import distributed

        told: list[tuple[T, Failure | None]] = [(mine, failure)] * self.world
        try:
            distributed.all_gather_object(told, (mine, failure))
        except RuntimeError as error:  # the connection to a rank that is gone
            self._over = True
            raise RankError(
                f"another rank is gone: {str(error).partition(chr(10))[0]}",
                hint="see what it said last",
                exit_code=SchedoptError.exit_code,
            ) from error
        for _, failed in told:
            if failed is not None:
                self._over = True
                message, hint, code = failed
                raise RankError(message, hint=hint, exit_code=code)
        return [value for value, _ in told]


def _failure(error: BaseException | None, rank: int) -> Failure | None:
    if error is None:
        return None
    if isinstance(error, SchedoptError):
        return f"rank {rank}: {error}", error.hint, error.exit_code
    message = f"rank {rank}: unexpected {type(error).__name__}: {error}"
    return message, "run it again with --debug", SchedoptError.exit_code


def join() -> Ranks:
    """The ranks that ``torchrun`` has started with this process, or this process alone.

    Raises:
        UsageError: The environment of torchrun is not that of torchrun.

    Example:
        >>> with join() as ranks:
        ...     ranks.exchange("a"), ranks.first
        (['a'], True)
    """
    told = {name: os.environ.get(name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    if None in told.values() or told["WORLD_SIZE"] == "1":
        return ALONE
    try:
        return TorchRanks(*(int(value or "") for value in told.values()))
    except ValueError:
        raise UsageError(
            f"the environment has {told}: need whole numbers",
            hint="start several processes with torchrun, or unset these",
        ) from None
