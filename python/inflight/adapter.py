"""What an engine must do itself: an Adapter, seven short methods."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

IN_PLACE, SHADOW = "in-place", "shadow"


@dataclass(frozen=True)
class Piece:
    """Bytes to copy: ``size`` bytes from ``address`` to byte ``begin`` of the tensor, or the other way in a dump."""

    name: str
    begin: int
    size: int
    address: int


class Adapter(Protocol):
    """How weights get into an engine. Called by one thread, the link's, in the order of an update:

    begin, (check, load)*, end, then commit or abort. The engine is paused during in-place updates and every commit; a
    dump comes between updates. Any method may raise; the message reaches the worker.
    """

    modes: tuple[str, ...]
    whole_tensors: bool

    def begin(self, mode: str) -> None:
        """Prepares for an update; for ``shadow``, provides the second set of storages."""

    def check(self, name: str, dtype: str, shape: tuple[int, ...]) -> None:
        """Raises if the module has no place for such a tensor."""

    def load(self, pieces: list[Piece]) -> None:
        """Copies; the source may be overwritten once this returns."""

    def end(self, names: Collection[str]) -> None:
        """Raises if the tensors of these names, all complete, leave a parameter without a value."""

    def commit(self) -> None:
        """Makes the loaded weights the live ones."""

    def abort(self) -> None:
        """Drops what was loaded, as far as the mode allows."""

    def dump(self, pieces: list[Piece]) -> None:
        """Copies live bytes out."""
