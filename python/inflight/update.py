"""What has come of one update: which bytes of which tensors."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from inflight import link
from inflight.adapter import Adapter, Piece
from inflight.dtypes import tensor_bytes
from inflight.slots import MappedSlot


class RefusedError(Exception):
    """A message that can not be followed; nothing was changed by it."""


class Arrival:
    """Which bytes of one tensor have come."""

    def __init__(self, dtype: str, shape: tuple[int, ...], size: int):
        self.dtype, self.shape, self.size = dtype, shape, size
        self.ranges: list[tuple[int, int]] = []
        self.bytes = 0

    def overlaps(self, begin: int, end: int) -> bool:
        at = bisect_left(self.ranges, (begin, begin))
        return (at < len(self.ranges) and self.ranges[at][0] < end) or (at > 0 and self.ranges[at - 1][1] > begin)

    def add(self, begin: int, end: int) -> None:
        self.ranges.insert(bisect_left(self.ranges, (begin, end)), (begin, end))
        self.bytes += end - begin


@dataclass(frozen=True)
class Batch:
    """The checked parts of one load."""

    pieces: list[Piece]
    ranges: list[tuple[Arrival, int, int]]
    fresh: dict[str, Arrival]


class Update:
    """A running update, from ``begin`` to ``commit`` or ``abort``."""

    def __init__(self, begin: link.Begin, slots: dict[int, MappedSlot]):
        self.begin = begin
        self.ended = False
        self._slots = slots
        self._arrivals: dict[str, Arrival] = {}

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of every tensor that came."""
        return {name: arrival.size for name, arrival in self._arrivals.items()}

    def check(self, message: link.Load, adapter: Adapter) -> Batch:
        """Checks all of a load's parts. Raises RefusedError, or what the adapter does; nothing has changed then."""
        slot = self._slots.get(message.slot)
        if slot is None:
            raise RefusedError(f"slot {message.slot} is not one of this update's")
        batch = Batch([], [], {})
        for part in message.tensors:
            arrival = self._arrivals.get(part.name) or batch.fresh.get(part.name)
            if arrival is None:
                arrival = batch.fresh[part.name] = _first_part(part, adapter)
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
            batch.pieces.append(piece(part, slot))
        _refuse_overlaps(batch.pieces)
        return batch

    def add(self, batch: Batch) -> None:
        """Notes that the parts were copied."""
        self._arrivals.update(batch.fresh)
        for arrival, begin, end in batch.ranges:
            if end > begin:
                arrival.add(begin, end)

    def require_complete(self) -> int:
        """Raises RefusedError unless all that ``begin`` announced has come. Returns how many tensors that are."""
        for name, arrival in self._arrivals.items():
            if arrival.bytes != arrival.size:
                raise RefusedError(f'tensor "{name}": only {arrival.bytes} of its {arrival.size} bytes came')
        tensors = len(self._arrivals)
        total = sum(arrival.bytes for arrival in self._arrivals.values())
        if (tensors, total) != (self.begin.tensors, self.begin.bytes):
            expected = f"{self.begin.tensors} tensors of {self.begin.bytes} bytes"
            raise RefusedError(f"{tensors} tensors of {total} bytes came, {expected} were announced")
        return tensors


def piece(part: link.TensorPart | link.DumpPart, slot: MappedSlot) -> Piece:
    address = slot.range(part.offset, part.bytes)
    return Piece(part.name, part.begin, part.bytes, address, slot, part.offset)


def _first_part(part: link.TensorPart, adapter: Adapter) -> Arrival:
    try:
        size = tensor_bytes(part.dtype, part.shape)
    except ValueError as e:
        raise RefusedError(f'tensor "{part.name}": {e}') from None
    adapter.check(part.name, part.dtype, part.shape)
    return Arrival(part.dtype, part.shape, size)


def _refuse_overlaps(pieces: list[Piece]) -> None:
    """Refuses parts of one load that overlap each other."""
    last: dict[str, int] = {}
    for name, begin, end in sorted((p.name, p.begin, p.begin + p.size) for p in pieces if p.size):
        if begin < last.get(name, 0):
            raise RefusedError(f'tensor "{name}": bytes from {begin} on are in this bucket twice')
        last[name] = end
