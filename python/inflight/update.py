"""What has come of one update: which bytes of which tensors."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from inflight import link
from inflight.adapter import Adapter, Piece
from inflight.dtypes import tensor_bytes
from inflight.slices import SliceError, TensorParallel, TensorSlice
from inflight.slots import MappedSlot
from inflight.wants import Wants


class RefusedError(Exception):
    """A message that can not be followed; nothing was changed by it."""


class Arrival:
    """Which bytes of one tensor have come; ``slice`` is the part of it that this engine holds."""

    def __init__(self, dtype: str, shape: tuple[int, ...], size: int, slice: TensorSlice):
        self.dtype, self.shape, self.size, self.slice = dtype, shape, size, slice
        self.ranges: list[tuple[int, int]] = []
        self.held = 0  # Bytes of the slice among those that have come.

    def overlaps(self, begin: int, end: int) -> bool:
        at = bisect_left(self.ranges, (begin, begin))
        return (at < len(self.ranges) and self.ranges[at][0] < end) or (at > 0 and self.ranges[at - 1][1] > begin)

    def add(self, begin: int, end: int) -> int:
        """Returns how many more bytes of the slice these are."""
        self.ranges.insert(bisect_left(self.ranges, (begin, end)), (begin, end))
        more = self.slice.local(end) - self.slice.local(begin)
        self.held += more
        return more


@dataclass(frozen=True)
class Batch:
    """The checked parts of one load."""

    pieces: list[Piece]
    ranges: list[tuple[Arrival, int, int]]
    fresh: dict[str, Arrival]


class Update:
    """A running update, from ``begin`` to ``commit`` or ``abort``.

    What its end must know is counted as buckets come, while others are on their way.
    """

    def __init__(self, begin: link.Begin, slots: dict[int, MappedSlot], share: TensorParallel, wants: Wants):
        self.begin = begin
        self._share = share
        self._wants = wants
        self.ended = False
        self._slots = slots
        self._arrivals: dict[str, Arrival] = {}
        self.sizes: dict[str, int] = {}  # Bytes that this engine holds of every tensor that came.
        self._size = 0  # Their sum.
        self._held = 0  # How many of them have come.

    def check(self, message: link.Load, adapter: Adapter) -> Batch:
        """Checks all of a load's parts. Raises RefusedError, or what the adapter does; nothing has changed then."""
        slot = self._slots.get(message.slot)
        if slot is None:
            raise RefusedError(f"slot {message.slot} is not one of this update's")
        batch = Batch([], [], {})
        for part in message.tensors:
            arrival = self._arrivals.get(part.name) or batch.fresh.get(part.name)
            if arrival is None:
                arrival = batch.fresh[part.name] = self._first_part(part, adapter)
            elif (part.dtype, part.shape) != (arrival.dtype, arrival.shape):
                raise RefusedError(f'tensor "{part.name}": dtype or shape differs from that of an earlier part')
            end = part.begin + part.bytes
            if end > arrival.size:
                raise RefusedError(
                    f'tensor "{part.name}": bytes {part.begin} to {end} are not in its {arrival.size} bytes'
                )
            if adapter.whole_tensors and part.bytes != arrival.size:
                raise RefusedError(f'tensor "{part.name}" came in parts, which this engine can not take')
            if part.bytes and arrival.overlaps(part.begin, end):
                raise RefusedError(f'tensor "{part.name}": bytes {part.begin} to {end} came already')
            batch.ranges.append((arrival, part.begin, end))
            batch.pieces.extend(_pieces(part, slot, arrival.slice))
        _refuse_overlaps(message.tensors)
        return batch

    def add(self, batch: Batch) -> None:
        """Notes that the parts were copied."""
        for name, arrival in batch.fresh.items():
            self._arrivals[name] = arrival
            self.sizes[name] = arrival.slice.size
            self._size += arrival.slice.size
        for arrival, begin, end in batch.ranges:
            if end > begin:
                self._held += arrival.add(begin, end)

    def require_complete(self) -> int:
        """Raises RefusedError unless all that ``begin`` announced has come. Returns how many tensors that are."""
        if self._held != self._size:
            self._refuse_incomplete()
        tensors = len(self._arrivals)
        if (tensors, self._held) != (self.begin.tensors, self.begin.bytes):
            expected = f"{self.begin.tensors} tensors of {self.begin.bytes} bytes"
            raise RefusedError(f"{tensors} tensors of {self._held} bytes came, {expected} were announced")
        return tensors

    def _refuse_incomplete(self) -> None:
        for name, arrival in self._arrivals.items():
            if arrival.held != arrival.slice.size:
                raise RefusedError(
                    f'tensor "{name}": only {arrival.held} of the {arrival.slice.size} bytes held here came'
                )

    def _first_part(self, part: link.TensorPart, adapter: Adapter) -> Arrival:
        if not self._wants.take(part.name):
            raise RefusedError(f'tensor "{part.name}": this engine does not want it')
        try:
            size = tensor_bytes(part.dtype, part.shape)
            slice = self._share.slice(part.name, part.dtype, part.shape)
        except SliceError as e:
            raise RefusedError(str(e)) from None
        except ValueError as e:
            raise RefusedError(f'tensor "{part.name}": {e}') from None
        adapter.check(part.name, part.dtype, slice.shape)
        return Arrival(part.dtype, part.shape, size, slice)


def piece(part: link.TensorPart | link.DumpPart, slot: MappedSlot) -> Piece:
    address = slot.range(part.offset, part.bytes)
    return Piece(part.name, part.begin, part.bytes, address, slot, part.offset)


def _pieces(part: link.TensorPart, slot: MappedSlot, slice: TensorSlice) -> list[Piece]:
    """What a part brings of the slice that this engine holds."""
    whole = piece(part, slot)
    if slice.is_whole:
        return [whole]
    pieces = []
    for run in slice.runs(part.begin, part.begin + part.bytes):
        skipped = run.full - part.begin
        size, address, offset = run.length * run.count, whole.address + skipped, part.offset + skipped
        pieces.append(Piece(part.name, run.local, size, address, slot, offset, run.count, run.stride))
    return pieces


def _refuse_overlaps(parts: tuple[link.TensorPart, ...]) -> None:
    """Refuses parts of one load that overlap each other."""
    last: dict[str, int] = {}
    for name, begin, end in sorted((p.name, p.begin, p.begin + p.bytes) for p in parts if p.bytes):
        if begin < last.get(name, 0):
            raise RefusedError(f'tensor "{name}": bytes from {begin} on are in this bucket twice')
        last[name] = end
