"""The answer function for many requests: its offsets are computed by numpy, which holds the interpreter's lock less."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from inflight.answer import PROBES

_MASK = (1 << 64) - 1


class FastAnswer:
    """``inflight.answer.answer`` over fixed tensors, which must be in order and not empty. Thread-safe."""

    def __init__(self, tensors: Sequence[Sequence[int]]):
        self._probed = [data for data in tensors for _ in range(PROBES)]
        self._lengths = numpy.array([len(data) for data in self._probed], dtype=numpy.uint64)
        self._steps = numpy.arange(len(self._probed), dtype=numpy.uint64)

    def __call__(self, seed: int) -> str:
        acc = 0xCBF29CE484222325
        for data, offset in zip(self._probed, self._offsets(seed)):
            acc = ((acc ^ data[offset]) * 0x100000001B3) & _MASK
        return f"{acc:016x}"

    def _offsets(self, seed: int) -> list[int]:
        # Arithmetic on arrays of uint64 wraps without a warning.
        z = self._steps + numpy.uint64((seed + 0x9E3779B97F4A7C15) & _MASK)
        z = (z ^ z >> numpy.uint64(30)) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> numpy.uint64(27)) * numpy.uint64(0x94D049BB133111EB)
        return ((z ^ z >> numpy.uint64(31)) % self._lengths).tolist()
