"""Copies between slots and the memory of a module, each way, wherever either is."""

from __future__ import annotations

import ctypes
from contextlib import ExitStack

import torch

from inflight.adapter import Piece
from inflight.adapters.torch_storage import source
from inflight.slots import SHM


class Streams:
    """One stream for each GPU, so that copies wait for no kernel of the engine's and it for none of them."""

    def __init__(self) -> None:
        self._streams: dict[torch.device, torch.cuda.Stream] = {}

    def on(self, device: torch.device) -> torch.cuda.Stream:
        stream = self._streams.get(device)
        if stream is None:
            stream = self._streams[device] = torch.cuda.Stream(device)
        return stream


class Copies:
    """The copies of one load or dump. All are done when ``finish`` returns, also if it raises."""

    def __init__(self, streams: Streams):
        self._host = _HostCopies()
        self._cuda = _CudaCopies(streams)

    def load(self, piece: Piece, target: torch.Tensor) -> None:
        """From the slot to the piece's place in ``target``, a flat tensor of bytes."""
        on_host = piece.slot.kind == SHM and not target.is_cuda
        if on_host and piece.rows == 1:
            self._host.add(target.data_ptr() + piece.begin, piece.address, piece.size)
            return
        place = target[piece.begin : piece.begin + piece.size]
        if piece.rows == 1:
            self._cuda.add(place, source(piece))
        elif on_host:
            into, rows = _in_wide_elements(place.view(piece.rows, -1), source(piece))
            into.copy_(rows)
        else:
            # One kernel for all rows. From host memory torch gathers them there first, as it is not pinned anyway.
            self._cuda.add(*_in_wide_elements(place.view(piece.rows, -1), source(piece)))

    def dump(self, piece: Piece, live: torch.Tensor) -> None:
        """From the piece's place in ``live`` to the slot."""
        if piece.slot.kind == SHM and not live.is_cuda:
            self._host.add(piece.address, live.data_ptr() + piece.begin, piece.size)
        else:
            self._cuda.add(source(piece), live[piece.begin : piece.begin + piece.size])

    def finish(self) -> None:
        self._host.flush()
        self._cuda.finish()


def _in_wide_elements(target: torch.Tensor, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Two tensors of bytes, rows by bytes of a row, as ones of the widest elements that all of their rows begin and end
    with: a kernel moves elements, and eight bytes take it no longer than one."""
    places = target.data_ptr() | source.data_ptr() | target.stride(0) | source.stride(0) | target.shape[1]
    offsets = target.storage_offset() | source.storage_offset()
    for wide in (torch.int64, torch.int32, torch.int16):
        if (places | offsets) % wide.itemsize == 0:
            return target.view(wide), source.view(wide)
    return target, source


class _CudaCopies:
    """Copies with a GPU at one end at least: queued one after the other and waited for once."""

    def __init__(self, streams: Streams):
        self._streams = streams
        self._pairs: list[tuple[torch.Tensor, torch.Tensor]] = []

    def add(self, target: torch.Tensor, source: torch.Tensor) -> None:
        self._pairs.append((target, source))

    def finish(self) -> None:
        pairs, self._pairs = self._pairs, []
        devices = {tensor.device for pair in pairs for tensor in pair if tensor.is_cuda}
        streams = [self._streams.on(device) for device in devices]
        try:
            with ExitStack() as current:
                for stream in streams:
                    current.enter_context(torch.cuda.stream(stream))
                for target, source in pairs:
                    # Rows in host memory are gathered into a tensor that is gone when copy_ returns.
                    target.copy_(source, non_blocking=source.is_cuda or source.is_contiguous())
        finally:
            for stream in streams:
                stream.synchronize()


class _HostCopies:
    """Copies in host memory, neighbours in one go.

    memmove was measured twice as fast as copy_. Like it, it runs without the interpreter's lock, which a busy engine
    does not give back soon: the fewer calls, the better.
    """

    def __init__(self) -> None:
        self._target = self._source = self._size = 0

    def add(self, target: int, source: int, size: int) -> None:
        if target == self._target + self._size and source == self._source + self._size:
            self._size += size
            return
        self.flush()
        self._target, self._source, self._size = target, source, size

    def flush(self) -> None:
        if self._size:
            ctypes.memmove(self._target, self._source, self._size)
            self._size = 0
