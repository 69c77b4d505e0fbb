"""The gate between requests and updates of the weights they read."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class PausedError(Exception):
    """The engine stayed paused for longer than a request may wait."""


class DrainError(Exception):
    """Requests did not finish in time for a pause."""


class Gate:
    """Requests enter and leave; ``pause`` lets those inside finish and makes new ones wait.

    Thread-safe. ``pause`` and ``resume`` are called by one thread, the link's.
    """

    def __init__(self, wait_seconds: float = 60.0, drain_seconds: float = 30.0):
        self._wait_seconds = wait_seconds
        self._drain_seconds = drain_seconds
        self._changed = threading.Condition()
        self._inside = 0
        self._paused_at: float | None = None

    @property
    def paused(self) -> bool:
        return self._paused_at is not None

    @contextmanager
    def request(self) -> Iterator[None]:
        """Runs a request. Raises PausedError after ``wait_seconds`` of pause."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._paused_at is None, self._wait_seconds):
                raise PausedError(f"the engine has been paused for {self._wait_seconds:g} s")
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                if not self._inside:
                    self._changed.notify_all()

    def pause(self) -> None:
        """Returns once no request is inside. Pausing a paused gate does nothing.

        Raises DrainError, and lets requests in again, when they need longer than ``drain_seconds``.
        """
        with self._changed:
            if self._paused_at is not None:
                return
            self._paused_at = time.monotonic()
            if not self._changed.wait_for(lambda: self._inside == 0, self._drain_seconds):
                running = self._inside
                self._paused_at = None
                self._changed.notify_all()
                raise DrainError(f"{running} requests are still running after {self._drain_seconds:g} s")

    def resume(self) -> int:
        """Lets requests in. Returns for how many microseconds they could not enter."""
        with self._changed:
            if self._paused_at is None:
                return 0
            paused = time.monotonic() - self._paused_at
            self._paused_at = None
            self._changed.notify_all()
            return round(paused * 1e6)
