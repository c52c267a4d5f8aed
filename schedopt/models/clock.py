"""How long a device was at work, without waiting for it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_Event: Any = torch.cuda.Event  # torch says nothing of its types


class Clock:
    """Adds up the time that a device spends on what is launched between two marks.

    Args:
        device: Whose time it is; on a GPU the marks are events in its stream.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._seconds = 0.0
        self._marks: deque[tuple[Any, Any]] = deque()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count what is launched inside."""
        if self._device.type != "cuda":
            begin = time.perf_counter()
            yield
            self._seconds += time.perf_counter() - begin
            return
        while self._marks and self._marks[0][1].query():
            self._add(*self._marks.popleft())
        stream = torch.cuda.current_stream(self._device)
        marks = _Event(enable_timing=True), _Event(enable_timing=True)
        marks[0].record(stream)
        yield
        marks[1].record(stream)
        self._marks.append(marks)

    def seconds(self) -> float:
        """What was counted so far; waits until it is done."""
        while self._marks:
            self._marks[0][1].synchronize()
            self._add(*self._marks.popleft())
        return self._seconds

    def _add(self, begin: Any, end: Any) -> None:
        self._seconds += begin.elapsed_time(end) / 1e3  # from milliseconds
