"""What every network offers: hidden states, the rows that the head reads, and the head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class WithoutInitialisation(TorchFunctionMode):
    """Skips the random start values of modules, for networks whose weights come from a file.

    Without weights to fill, torch would emulate them in Python, and load sympy for it: 2 s.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Hand the tensor back as it is where a start value is asked for."""
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


class Backbone(nn.Module, ABC):
    """A network whose vocabulary head stands apart, so that only the rows asked for pay for it.

    Attributes:
        vocab_size: Rows V of the head.
        max_length: Longest sequence, or None where any will do.
        shift: How many positions ahead of itself a row scores: 0, or 1 where row i is about
            token i + 1.
        is_static: Whether a pass launches the same work whatever its tokens are, so that it can
            be recorded once and replayed.
    """

    vocab_size: int
    max_length: int | None
    shift: int
    is_static: bool = True

    @abstractmethod
    def flops(self, length: int) -> float:
        """Floating-point operations of one forward pass of one sequence, head included."""

    @abstractmethod
    def hidden(self, tokens: Tensor, padding: Tensor | None = None) -> Tensor:
        """Hidden states before the last norm, shape (B, L, d).

        Args:
            tokens: Shape (B, L).
            padding: Shape (B,), how many leading tokens of each row do not exist; nobody attends
                to them, and what their own rows say means nothing.
        """

    @abstractmethod
    def rows(self, hidden: Tensor) -> Tensor:
        """What the head reads: the last norm of hidden states, shape (..., d) to the same."""

    @property
    @abstractmethod
    def output(self) -> tuple[Tensor, Tensor | None]:
        """The head: its matrix, shape (V, d), and its bias, shape (V,), or None."""

    def implied(self) -> dict[str, Tensor]:
        """Tensors that a checkpoint may hold though they follow from the config and the others."""
        return {}

    def head(self, hidden: Tensor) -> Tensor:
        """Logits of hidden states, shape (..., d) to (..., V)."""
        return F.linear(self.rows(hidden), *self.output)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of every row, shape (B, L) to (B, L, V), not yet shifted."""
        return self.head(self.hidden(tokens))
