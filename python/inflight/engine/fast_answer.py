"""The answer function for many requests: its offsets are computed by numpy, which holds the interpreter's lock less."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import is_

import numpy
import torch

from inflight.answer import PROBES

_MASK = (1 << 64) - 1


class FastAnswer:
    """``inflight.answer.answer`` over fixed flat tensors of bytes, in order and none empty. Thread-safe."""

    def __init__(self, tensors: Sequence[torch.Tensor]):
        self._tensors = tensors
        self._probed = _Gathered(tensors) if any(t.is_cuda for t in tensors) else _Viewed(tensors)
        self._lengths = numpy.array([len(t) for t in tensors], dtype=numpy.uint64).repeat(PROBES)
        self._steps = numpy.arange(len(self._lengths), dtype=numpy.uint64)

    def reads(self, tensors: Sequence[torch.Tensor]) -> bool:
        """Whether it reads these very tensors, in this order."""
        return len(tensors) == len(self._tensors) and all(map(is_, tensors, self._tensors))

    def __call__(self, seed: int) -> str:
        acc = 0xCBF29CE484222325
        for byte in self._probed.at(self._offsets(seed)):
            acc = ((acc ^ byte) * 0x100000001B3) & _MASK
        return f"{acc:016x}"

    def _offsets(self, seed: int) -> numpy.ndarray:
        # Arithmetic on arrays of uint64 wraps without a warning.
        z = self._steps + numpy.uint64((seed + 0x9E3779B97F4A7C15) & _MASK)
        z = (z ^ z >> numpy.uint64(30)) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> numpy.uint64(27)) * numpy.uint64(0x94D049BB133111EB)
        return (z ^ z >> numpy.uint64(31)) % self._lengths


class _Viewed:
    """Bytes in host memory, read one by one."""

    def __init__(self, tensors: Sequence[torch.Tensor]):
        self._probed = [view for view in map(_view, tensors) for _ in range(PROBES)]

    def at(self, offsets: numpy.ndarray) -> Iterable[int]:
        return [data[offset] for data, offset in zip(self._probed, offsets.tolist())]


class _Gathered:
    """Bytes on a GPU: one kernel and one copy for all tensors in the same block of memory."""

    def __init__(self, tensors: Sequence[torch.Tensor]):
        blocks: dict[tuple, list[int]] = {}
        for number, tensor in enumerate(tensors):
            blocks.setdefault((tensor.device, tensor.untyped_storage().data_ptr()), []).append(number)
        self._blocks = []
        for numbers in blocks.values():
            block = tensors[numbers[0]]
            whole = torch.empty(0, dtype=torch.uint8, device=block.device).set_(block.untyped_storage())
            starts = numpy.array([tensors[n].storage_offset() for n in numbers], dtype=numpy.int64).repeat(PROBES)
            places = numpy.array([PROBES * n + i for n in numbers for i in range(PROBES)])
            self._blocks.append((whole, places, starts))

    def at(self, offsets: numpy.ndarray) -> Iterable[int]:
        found = numpy.empty(len(offsets), dtype=numpy.uint8)
        for whole, places, starts in self._blocks:
            index = torch.from_numpy(starts + offsets[places].astype(numpy.int64)).to(whole.device)
            found[places] = whole[index].cpu().numpy()
        return found.tolist()


def _view(tensor: torch.Tensor) -> memoryview:
    return memoryview(tensor.numpy())
