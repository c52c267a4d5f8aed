"""Kernels that numba compiles where it is installed; elsewhere the same source runs as Python."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial, update_wrapper
from importlib.util import find_spec
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

P = ParamSpec("P")
R = TypeVar("R")


def numba_is_installed() -> bool:
    """Whether the extra ``fast`` is there; asking does not import it."""
    return find_spec("numba") is not None


class Kernel(Generic[P, R]):
    """A function of arrays and numbers, compiled at its first call.

    Attributes:
        python: The function as it was written.
    """

    def __init__(self, python: Callable[P, R], options: dict[str, Any]) -> None:
        self.python = python
        self._options = options
        update_wrapper(self, python)

    @cached_property
    def _fastest(self) -> Callable[P, R]:
        if not numba_is_installed():
            return self.python
        import numba  # half a second: not before the first call

        return cast(
            Callable[P, R], numba.njit(cache=True, nogil=True, **self._options)(self.python)
        )

    @property
    def _numba_type_(self) -> Any:
        """Lets a compiled kernel call this one; numba asks for it by this name."""
        return cast(Any, self._fastest)._numba_type_

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the compiled function, or the Python one."""
        return self._fastest(*args, **kwargs)


@overload
def compiled(python: Callable[P, R], /) -> Kernel[P, R]: ...
@overload
def compiled(**options: Any) -> Callable[[Callable[P, R]], Kernel[P, R]]: ...
def compiled(
    python: Callable[P, R] | None = None, /, **options: Any
) -> Kernel[P, R] | Callable[[Callable[P, R]], Kernel[P, R]]:
    """Mark a kernel for numba, with its options (``parallel``, ``fastmath``).

    The source must be what both understand: loops, scalars, numpy arrays and other kernels. One
    that is called in an inner loop wants ``inline="always"``, else the loop is not vectorised.

    Example:
        >>> @compiled
        ... def double(x: float) -> float:
        ...     return 2.0 * x
        >>> double.python(3.0)
        6.0
    """
    if python is None:
        return partial(_kernel, options)
    return Kernel(python, options)


def _kernel(options: dict[str, Any], python: Callable[P, R]) -> Kernel[P, R]:
    return Kernel(python, options)
