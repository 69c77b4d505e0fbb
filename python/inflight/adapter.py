"""What an engine must do itself: an Adapter, seven short methods, and more that it may have."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from inflight.slots import MappedSlot

IN_PLACE, SHADOW = "in-place", "shadow"


@dataclass(frozen=True)
class Piece:
    """Bytes to copy: ``size`` bytes from the slot to byte ``begin`` of the tensor, or the other way in a dump.

    They are at ``address``, in host memory or on a GPU as ``slot.kind`` says, which is ``offset`` bytes into the slot.
    A slot stays mapped at least until the adapter returns; hold on to no view of it.

    In an engine that holds slices of tensors, ``tensor`` means the slice. A piece to load then may be ``rows`` rows of
    ``size // rows`` bytes, each beginning ``stride`` bytes after the one before it in the slot; in the tensor they
    follow each other. Else ``rows`` is 1.
    """

    name: str
    begin: int
    size: int
    address: int
    slot: MappedSlot
    offset: int
    rows: int = 1
    stride: int = 0


class Adapter(Protocol):
    """How weights get into an engine. Called by one thread, the link's, in the order of an update:

    begin, (check, load)*, end, then commit or abort. The engine is paused during in-place updates and every commit; a
    dump comes between updates. Any method may raise; the message reaches the worker.

    ``slot_kinds`` says which slots it can copy from and to: of ``shm`` and ``cuda``.
    """

    modes: tuple[str, ...]
    slot_kinds: tuple[str, ...]
    whole_tensors: bool

    def begin(self, mode: str) -> None:
        """Prepares for an update; for ``shadow``, provides the second set of storages."""

    def check(self, name: str, dtype: str, shape: tuple[int, ...]) -> None:
        """Raises if the module has no place for such a tensor; ``shape`` is the slice's where the engine holds one."""

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


class StagedAdapter(Adapter, Protocol):
    """An adapter that can show what it has loaded before that is live, which ``verify = engine`` asks for."""

    def dump_staged(self, pieces: list[Piece]) -> None:
        """Copies bytes out that ``commit`` would make live; between end and commit."""


class StandbyAdapter(Adapter, Protocol):
    """An adapter that keeps the weights which a shadow commit replaces until another shadow update begins.

    Then the order of an update may also be: begin_standby, end, then commit or abort.
    """

    def begin_standby(self) -> None:
        """Prepares to make them live again, unchanged. Raises if they are gone; nothing has changed then."""
