"""The memory of a module's tensors: who holds it, and whether it is still the same."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator

import torch

from inflight.adapter import Piece
from inflight.adapters.torch_dtypes import describe
from inflight.slots import CUDA


class TorchAdapterError(Exception):
    """The module can not take, or can not give, these bytes."""


class Storage:
    """Bytes of a module, under all of their names. ``live`` and ``shadow`` are flat tensors of bytes."""

    def __init__(self, live: torch.Tensor, shadow: torch.Tensor | None):
        self.live = live
        self.place = live.data_ptr()
        self.shadow = shadow
        self.size = live.numel()
        self.held: list[HeldTensor] = []
        self._written: list[tuple[int, int, str]] = []

    @property
    def tied(self) -> bool:
        return len(self.held) > 1

    def ready_to_swap(self) -> None:
        """Makes ahead, while requests run, what ``swap`` assigns while they do not."""
        if self.size:
            for held in self.held:
                held.seen_in(self.shadow)

    def swap(self) -> None:
        if not self.size:
            return
        self.live, self.shadow = self.shadow, self.live
        self.place = self.live.data_ptr()
        for held in self.held:
            held.tensor.data = held.seen_in(self.live)

    def begin(self) -> None:
        self._written.clear()

    def require_agreement(self, piece: Piece, target: torch.Tensor) -> None:
        """Refuses a piece with other bytes than this update has written there under another name.

        Call it before the piece is written, and once all before it are.
        """
        end = piece.begin + piece.size
        for first, last, name in self._written:
            begin, stop = max(first, piece.begin), min(last, end)
            if name == piece.name or begin >= stop:
                continue
            sent = source(piece).reshape(-1)[begin - piece.begin : stop - piece.begin]
            if not torch.equal(sent.to(target.device), target[begin:stop]):
                raise TorchAdapterError(
                    f'"{name}" and "{piece.name}" are tied in the module, but differ in bytes {begin} to {stop}; '
                    "send the same bytes under both names, or only one of them"
                )
        self._written.append((piece.begin, end, piece.name))


class HeldTensor:
    """A tensor of the module under one name, as it was when it was bound.

    The module may put another in its place at any time, or other memory into it, as ``.to()`` and ``.half()`` do.
    """

    __slots__ = ("_key", "_owner", "_views", "dtype", "name", "shape", "storage", "tensor")

    def __init__(self, name: str, owner: dict[str, torch.Tensor | None], key: str):
        self.name = name
        self._owner = owner
        self._key = key
        self.tensor = owner[key]
        self.dtype = self.tensor.dtype
        self.shape = self.tensor.shape
        self._views: dict[int, torch.Tensor] = {}

    def seen_in(self, memory: torch.Tensor) -> torch.Tensor:
        """This tensor in ``memory``, flat bytes. Tied ones may see the same with other dtypes and shapes."""
        place = memory.data_ptr()
        view = self._views.get(place)
        if view is None:
            view = self._views[place] = memory.view(self.dtype).view(self.shape)
        return view

    def is_where_it_was(self) -> bool:
        now = self._owner.get(self._key)
        return (
            now is self.tensor
            and (now.data_ptr() == self.storage.place or not self.storage.size)
            and now.dtype == self.dtype
            and now.shape == self.shape
            and now.is_contiguous()
        )

    def require_same_kind(self) -> None:
        now = self._owner.get(self._key)
        if now is None:
            raise TorchAdapterError(f'the module no longer has "{self.name}"; make an adapter of the module as it is')
        if (now.dtype, now.shape) != (self.dtype, self.shape):
            raise TorchAdapterError(
                f'"{self.name}" was {describe(self.dtype, self.shape)} when the adapter was made and is '
                f"{describe(now.dtype, now.shape)} now; convert the module first, then make its adapter"
            )


def bind(module: torch.nn.Module, earlier: Iterable[Storage]) -> list[Storage]:
    """The module's storages. Those that were known ``earlier`` keep their shadows."""
    shadows = {(s.live.data_ptr(), s.size): s.shadow for s in earlier}
    by_place: dict[object, Storage] = {}
    for held in _held_tensors(module):
        live = _bytes(held)
        # Tied weights are one Parameter under two names, or two Parameters over the same memory.
        place = (live.data_ptr(), live.numel()) if live.numel() else id(held.tensor)
        storage = by_place.get(place)
        if storage is None:
            storage = by_place[place] = Storage(live, shadows.get(place))
        held.storage = storage
        storage.held.append(held)
    return list(by_place.values())


def source(piece: Piece) -> torch.Tensor:
    """The piece's bytes where it comes from, or goes to in a dump: flat, or one row of bytes for each of its rows."""
    length = piece.size // piece.rows
    spanned = (piece.rows - 1) * piece.stride + length
    if piece.slot.kind == CUDA:
        flat = piece.slot.tensor[piece.offset : piece.offset + spanned]
    else:
        flat = torch.frombuffer((ctypes.c_ubyte * spanned).from_address(piece.address), dtype=torch.uint8)
    if piece.rows == 1:
        return flat
    return flat.as_strided((piece.rows, length), (piece.stride, 1), flat.storage_offset())


def _held_tensors(module: torch.nn.Module) -> Iterator[HeldTensor]:
    """Parameters, then persistent buffers."""
    for prefix, child in module.named_modules(remove_duplicate=False):
        for key, parameter in child._parameters.items():
            if parameter is not None:
                yield HeldTensor(f"{prefix}.{key}" if prefix else key, child._parameters, key)
    for prefix, child in module.named_modules(remove_duplicate=False):
        for key, buffer in child._buffers.items():
            if buffer is not None and key not in child._non_persistent_buffers_set:
                yield HeldTensor(f"{prefix}.{key}" if prefix else key, child._buffers, key)


def _bytes(held: HeldTensor) -> torch.Tensor:
    name, tensor = held.name, held.tensor
    if tensor.is_meta:
        raise TorchAdapterError(
            f'"{name}" is on the meta device and has no memory; call .to_empty(device=...) on the module first'
        )
    if tensor.layout is not torch.strided:
        raise TorchAdapterError(f'"{name}" is sparse ({tensor.layout}); replace it by its .to_dense() first')
    if not tensor.is_contiguous():
        raise TorchAdapterError(f'"{name}" is not contiguous; call .contiguous() on it first')
    if not tensor.numel():
        return torch.empty(0, dtype=torch.uint8)
    return tensor.detach().view(-1).view(torch.uint8)
