"""Adapter for any torch.nn.Module: parameters and persistent buffers by name, whatever their dtype."""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Iterator

import torch

from inflight.dtypes import tensor_bytes
from inflight.session import IN_PLACE, SHADOW, Piece

ALIGNMENT = 256

# safetensors name -> name in torch; the newest are missing from older versions of torch.
_NAMES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3fn",
    "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz", "F4": "float4_e2m1fn_x2", "I16": "int16", "U16": "uint16", "F16": "float16",
    "BF16": "bfloat16", "I32": "int32", "U32": "uint32", "F32": "float32", "C64": "complex64", "F64": "float64",
    "I64": "int64", "U64": "uint64",
}  # fmt: skip
TORCH_DTYPES = {name: getattr(torch, t) for name, t in _NAMES.items() if hasattr(torch, t)}
_SAFETENSORS_NAMES = {t: name for name, t in TORCH_DTYPES.items()}


class TorchAdapterError(Exception):
    """The module can not take, or can not give, these bytes."""


def storage_spec(dtype: str, shape: tuple[int, ...]) -> tuple[torch.dtype, tuple[int, ...]]:
    """The torch dtype and shape that hold such a tensor. Types that torch lacks are held as bytes."""
    kind = TORCH_DTYPES.get(dtype)
    if kind is None:
        return torch.uint8, (tensor_bytes(dtype, shape),)
    if dtype == "F4":
        # Two elements in a byte: torch counts bytes, safetensors elements.
        if not shape or shape[-1] % 2:
            return torch.uint8, (tensor_bytes(dtype, shape),)
        return kind, (*shape[:-1], shape[-1] // 2)
    return kind, tuple(shape)


class _Storage:
    """One place of the module where bytes live, under all of its names and in all tensors tied to it."""

    def __init__(self, first_name: str, tensor: torch.Tensor):
        if not tensor.is_contiguous():
            raise TorchAdapterError(f'"{first_name}" is not contiguous; call .contiguous() on it first')
        self.names = [first_name]
        self.holders = [tensor]
        self.live = tensor.detach()
        self.shadow: torch.Tensor | None = None
        self.size = tensor.numel() * tensor.element_size()

    def swap(self) -> None:
        self.live, self.shadow = self.shadow, self.live
        for holder in self.holders:
            holder.data = self.live if holder.shape == self.live.shape else self.live.view(holder.shape)


class TorchModuleAdapter:
    """Loads weights into a module, in place or beside it.

    Shadow updates need a second set of storages. It is allocated by the first of them, or at once with
    ``reserve_shadow``, and kept: a commit makes the old storages the next shadow, and costs one assignment per tensor.
    The module's Parameter objects stay the same, their storages do not: what holds on to ``parameter.data`` elsewhere,
    like a captured CUDA graph, wants in-place updates.
    """

    modes = (IN_PLACE, SHADOW)
    whole_tensors = False

    def __init__(self, module: torch.nn.Module, reserve_shadow: bool = False):
        self._storages: list[_Storage] = []
        self._by_name: dict[str, _Storage] = {}
        by_place: dict[object, _Storage] = {}
        for name, tensor in _named_tensors(module):
            # Tied weights are one Parameter under two names, or two Parameters over the same memory.
            place = (tensor.data_ptr(), tensor.numel() * tensor.element_size()) if tensor.numel() else id(tensor)
            storage = by_place.get(place)
            if storage is None:
                storage = by_place[place] = _Storage(name, tensor)
                self._storages.append(storage)
            else:
                storage.names.append(name)
                if all(tensor is not holder for holder in storage.holders):
                    storage.holders.append(tensor)
            self._by_name[name] = storage
        self._mode: str | None = None
        if reserve_shadow:
            self._reserve_shadow()
            for storage in self._storages:
                _bytes(storage.shadow).zero_()

    @property
    def names(self) -> list[str]:
        return list(self._by_name)

    def begin(self, mode: str) -> None:
        if mode == SHADOW:
            self._reserve_shadow()
        self._mode = mode

    def check(self, name: str, dtype: str, shape: tuple[int, ...]) -> None:
        storage = self._storage(name)
        kind, stored_shape = storage_spec(dtype, shape)
        live = storage.live
        if live.dtype == kind and tuple(live.shape) == stored_shape:
            return
        # Packed types are often held as plain bytes.
        if live.dtype == torch.uint8 and kind.itemsize == 1 and storage.size == tensor_bytes(dtype, shape):
            return
        has = f"{_SAFETENSORS_NAMES.get(live.dtype, live.dtype)} {list(live.shape)}"
        raise TorchAdapterError(f'tensor "{name}" is {dtype} {list(shape)}, but the module has {has}')

    def load(self, pieces: list[Piece]) -> None:
        shadow = self._mode == SHADOW
        copies = _HostCopies()
        cuda = False
        for p in pieces:
            storage = self._storage(p.name)
            target = storage.shadow if shadow else storage.live
            if not p.size:
                continue
            if target.device.type == "cpu":
                copies.add(target.data_ptr() + p.begin, p.address, p.size)
            else:
                _bytes(target)[p.begin : p.begin + p.size].copy_(_at(p), non_blocking=True)
                cuda = True
        copies.flush()
        if cuda:
            torch.cuda.synchronize()

    def end(self, names: Collection[str]) -> None:
        for storage in self._storages:
            if not any(name in names for name in storage.names):
                raise TorchAdapterError(f'the module\'s "{storage.names[0]}" has not come')

    def commit(self) -> None:
        if self._mode == SHADOW:
            for storage in self._storages:
                storage.swap()
        self._mode = None

    def abort(self) -> None:
        # A shadow's storages stay: every byte of them is written again before they can go live.
        self._mode = None

    def dump(self, pieces: list[Piece]) -> None:
        for p in pieces:
            live = self._storage(p.name).live
            if not p.size:
                continue
            if live.device.type == "cpu":
                ctypes.memmove(p.address, live.data_ptr() + p.begin, p.size)
            else:
                _at(p).copy_(_bytes(live)[p.begin : p.begin + p.size])

    def staged_bytes(self, name: str) -> memoryview:
        """The bytes, in host memory and without a copy, that are live after the commit of the present update.

        They stay so until the commit after it.
        """
        storage = self._storage(name)
        tensor = storage.shadow if self._mode == SHADOW else storage.live
        if tensor.device.type != "cpu":
            raise TorchAdapterError(f'"{name}" is on {tensor.device}; only host memory can be viewed')
        if not storage.size:
            return memoryview(b"")
        return memoryview((ctypes.c_ubyte * storage.size).from_address(tensor.data_ptr())).cast("B")

    def _storage(self, name: str) -> _Storage:
        storage = self._by_name.get(name)
        if storage is None:
            raise TorchAdapterError(f'the module has no parameter or buffer "{name}"')
        return storage

    def _reserve_shadow(self) -> None:
        missing = [s for s in self._storages if s.shadow is None]
        for device in {s.live.device for s in missing}:
            mine = [s for s in missing if s.live.device == device]
            places, total = [], 0
            for s in mine:
                places.append(total)
                total += -(-s.size // ALIGNMENT) * ALIGNMENT
            arena = torch.empty(total, dtype=torch.uint8, device=device)
            for s, place in zip(mine, places):
                s.shadow = arena[place : place + s.size].view(s.live.dtype).view(s.live.shape)


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


def _named_tensors(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from module.named_parameters(remove_duplicate=False)
    for prefix, child in module.named_modules(remove_duplicate=False):
        for name, buffer in child._buffers.items():
            if buffer is not None and name not in child._non_persistent_buffers_set:
                yield f"{prefix}.{name}" if prefix else name, buffer


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.view(-1).view(torch.uint8) if tensor.numel() else torch.empty(0, dtype=torch.uint8)


def _at(piece: Piece) -> torch.Tensor:
    return torch.frombuffer((ctypes.c_ubyte * piece.size).from_address(piece.address), dtype=torch.uint8)
