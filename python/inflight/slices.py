"""Tensor parallelism: which bytes of a checkpoint's tensors an engine of a group holds (docs/ENGINE_LINK.md).

A tensor is cut along one dimension in equal parts. Counted in bytes, row-major, it is a sequence of rows, each the
product of the extents from that dimension on; a part is the same range of every row, and holds these one after the
other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from inflight.dtypes import BITS, tensor_bytes
from inflight.messages import SliceRule


class SliceError(ValueError):
    """A tensor that can not be cut as wanted, or a share that makes no sense."""


class Run(NamedTuple):
    """``count`` pieces of ``length`` bytes, ``stride`` apart in the tensor from byte ``full`` on, which are neighbours
    in the part from its byte ``local`` on."""

    full: int
    stride: int
    local: int
    length: int
    count: int


@dataclass(frozen=True)
class TensorSlice:
    """One part of a tensor, or all of it.

    :param shape: of the part
    :param row: bytes of a row of the tensor; 0 for a tensor of zero bytes
    :param begin: first byte of the part in each row
    :param length: bytes of the part in each row
    :param rows: number of rows
    """

    shape: tuple[int, ...]
    row: int
    begin: int
    length: int
    rows: int

    @property
    def size(self) -> int:
        """Bytes of the part."""
        return self.length * self.rows

    @property
    def is_whole(self) -> bool:
        return self.length == self.row

    def local(self, full: int) -> int:
        """How many bytes of the part lie before this byte of the tensor."""
        if not self.row:
            return 0
        rows, rest = divmod(full, self.row)
        return rows * self.length + min(max(rest - self.begin, 0), self.length)

    def full(self, local: int) -> int:
        """Where in the tensor a byte of the part is."""
        rows, rest = divmod(local, self.length)
        return rows * self.row + self.begin + rest

    def runs(self, begin: int, end: int) -> list[Run]:
        """What bytes ``begin`` to ``end`` of the tensor hold of the part: at most three runs, in order, none empty."""
        if not self.row:
            return []
        if self.is_whole or begin // self.row == end // self.row:
            return self._piece(begin, end)
        first, last = -(-begin // self.row), end // self.row
        runs = self._piece(begin, first * self.row)
        if last > first:
            runs.append(Run(first * self.row + self.begin, self.row, first * self.length, self.length, last - first))
        return runs + self._piece(last * self.row, end)

    def _piece(self, begin: int, end: int) -> list[Run]:
        """For a range within a row, or of a part that is the whole tensor."""
        local = self.local(begin)
        size = self.local(end) - local
        return [Run(self.full(local), size, local, size, 1)] if size else []


@dataclass(frozen=True)
class TensorParallel:
    """An engine's share of a checkpoint: its rank in a group of ``size``, and what is cut. The first rule that matches
    a tensor's name counts; a tensor that none matches is held whole. Raises SliceError for a rank outside the group.
    """

    rank: int = 0
    size: int = 1
    rules: tuple[SliceRule, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.size:
            raise SliceError(f"rank {self.rank} is not in 0 to {self.size - 1}")

    def slice(self, name: str, dtype: str, shape: Iterable[int]) -> TensorSlice:
        """This rank's part of a tensor. Raises ValueError if its size is no whole number of bytes, SliceError if it
        can not be cut in equal parts."""
        shape = tuple(shape)
        total = tensor_bytes(dtype, shape)
        dim = next((rule.dim for rule in self.rules if matches(rule.pattern, name)), None)
        if dim is None:
            return TensorSlice(shape, total, 0, total, 1)
        if dim >= len(shape):
            raise self._refusal(name, shape, f"it has no dimension {dim}")
        if shape[dim] % self.size:
            raise self._refusal(name, shape, f"dimension {dim} has {shape[dim]} elements")
        part = (*shape[:dim], shape[dim] // self.size, *shape[dim + 1 :])
        if not total:
            return TensorSlice(part, 0, 0, 0, 0)
        bits = math.prod(part[dim:]) * BITS[dtype]
        if bits % 8:
            raise self._refusal(name, shape, f"a part of a row of {dtype} is no whole number of bytes")
        length = bits // 8
        return TensorSlice(part, length * self.size, length * self.rank, length, math.prod(shape[:dim]))

    def _refusal(self, name: str, shape: tuple[int, ...], why: str) -> SliceError:
        return SliceError(
            f'tensor "{name}" of shape {list(shape)} can not be cut into {self.size} equal parts '
            f"(tpSize {self.size}): {why}"
        )


WHOLE = TensorParallel()


def matches(pattern: str, name: str) -> bool:
    """Whether the pattern, in which ``*`` stands for any run of characters, covers the whole name."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    *middle, last = rest
    end = len(name) - len(last)
    if end < len(first) or not name.startswith(first) or not name.endswith(last):
        return False
    at = len(first)
    for piece in middle:
        # The earliest place leaves the most room for what follows.
        at = name.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


def parse_rules(text: str) -> tuple[SliceRule, ...]:
    """Rules as on a command line: ``PATTERN=DIM,PATTERN=DIM,...``. Raises SliceError."""
    rules = []
    for rule in text.split(",") if text else ():
        pattern, equals, dim = rule.rpartition("=")
        if not (pattern and equals and dim.isascii() and dim.isdigit() and len(dim) < 4):
            raise SliceError(f"{rule!r} is not PATTERN=DIM, like *.q_proj.weight=0")
        rules.append(SliceRule(pattern, int(dim)))
    return tuple(rules)
