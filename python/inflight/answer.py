"""The answer function (docs/ENGINE_LINK.md): a digest of every tensor, so that a mixture of versions shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_MASK = (1 << 64) - 1
PROBES = 4


def splitmix64(x: int) -> int:
    z = (x + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & _MASK
    return z ^ z >> 31


def in_order(tensors: Mapping[str, Sequence[int]]) -> list[Sequence[int]]:
    """The bytes of the tensors as ``answer`` wants them: by name in UTF-8, without empty ones."""
    return [tensors[name] for name in sorted(tensors, key=str.encode) if len(tensors[name])]


def answer(seed: int, tensors: Sequence[Sequence[int]]) -> str:
    acc = 0xCBF29CE484222325
    x = (seed + 0x9E3779B97F4A7C15) & _MASK
    for data in tensors:
        length = len(data)
        for _ in range(PROBES):
            # splitmix64, inlined: this loop is all that a request does.
            z = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & _MASK
            z = ((z ^ z >> 27) * 0x94D049BB133111EB) & _MASK
            acc = ((acc ^ data[(z ^ z >> 31) % length]) * 0x100000001B3) & _MASK
            x = (x + 1) & _MASK
    return f"{acc:016x}"
