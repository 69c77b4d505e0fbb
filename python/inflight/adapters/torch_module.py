"""Adapter for any torch.nn.Module: parameters and persistent buffers by name, whatever their dtype."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import torch

from inflight import link
from inflight.adapter import IN_PLACE, SHADOW, Piece
from inflight.adapters.torch_copies import Copies, Streams
from inflight.adapters.torch_dtypes import TORCH_DTYPES, describe, fits, storage_spec
from inflight.adapters.torch_storage import HeldTensor, Storage, TorchAdapterError, bind
from inflight.cuda_devices import visible_uuids
from inflight.slots import CUDA, SHM

__all__ = ["ALIGNMENT", "TORCH_DTYPES", "TorchAdapterError", "TorchModuleAdapter", "storage_spec"]

ALIGNMENT = 256


class TorchModuleAdapter:
    """Loads weights into a module, in place or beside it.

    Shadow updates need a second set of storages. It is allocated by the first of them, or at once with
    ``reserve_shadow``, and kept: a commit makes the old storages the next shadow, and costs one assignment per tensor.
    The module's Parameter objects stay the same, their storages do not: what holds on to ``parameter.data`` elsewhere,
    like a captured CUDA graph, wants in-place updates.

    The module may be moved between updates, as by ``.to(device)``: the next update and the next dump follow it. One
    whose dtypes or shapes have changed needs a new adapter.
    """

    modes = (IN_PLACE, SHADOW)
    slot_kinds = (SHM, CUDA)
    whole_tensors = False

    def __init__(self, module: torch.nn.Module, reserve_shadow: bool = False):
        self._module = module
        self._storages: list[Storage] = []
        self._by_name: dict[str, HeldTensor] = {}
        self._streams = Streams()
        self._bind()
        self._mode: str | None = None
        if reserve_shadow:
            self._reserve_shadow()
            for storage in self._storages:
                storage.shadow.zero_()

    @property
    def names(self) -> list[str]:
        return list(self._by_name)

    @property
    def device(self) -> link.Device:
        """What to report in ``hello``: the first GPU that holds any of the module, else the host."""
        gpus = sorted(s.live.device.index for s in self._storages if s.live.is_cuda)
        return link.Device("cuda", visible_uuids()[gpus[0]]) if gpus else link.Device("host")

    def begin(self, mode: str) -> None:
        self._follow(self._by_name.values())
        # Requests are done, but what they queued may still read the storages that are now written to.
        for device in {s.live.device for s in self._storages if s.live.is_cuda}:
            torch.cuda.synchronize(device)
        if mode == SHADOW:
            self._reserve_shadow()
        for storage in self._storages:
            storage.begin()
        self._mode = mode

    def begin_standby(self) -> None:
        moved = not all(held.is_where_it_was() for held in self._by_name.values())
        if moved or any(s.shadow is None for s in self._storages):
            raise TorchAdapterError("the module was moved since, and the weights that it had before are gone")
        self._mode = SHADOW

    def check(self, name: str, dtype: str, shape: tuple[int, ...]) -> None:
        held = self._held(name)
        if not fits(dtype, shape, held.dtype, held.shape):
            has = describe(held.dtype, held.shape)
            raise TorchAdapterError(f'tensor "{name}" is {dtype} {list(shape)}, but the module has {has}')

    def load(self, pieces: list[Piece]) -> None:
        shadow = self._mode == SHADOW
        copies = Copies(self._streams)
        for p in pieces:
            storage = self._held(p.name).storage
            target = storage.shadow if shadow else storage.live
            if not p.size:
                continue
            if storage.tied:
                copies.finish()
                storage.require_agreement(p, target)
            copies.load(p, target)
            if shadow:
                storage.ready_to_swap()
        copies.finish()

    def end(self, names: Collection[str]) -> None:
        for held in self._by_name.values():
            if not held.is_where_it_was():
                raise TorchAdapterError(f'"{held.name}" was moved or replaced while the update ran; begin another')
        for storage in self._storages:
            if storage.held[0].name not in names and not any(held.name in names for held in storage.held):
                raise TorchAdapterError(f'the module\'s "{storage.held[0].name}" has not come')

    def commit(self) -> None:
        if self._mode == SHADOW:
            for storage in self._storages:
                storage.swap()
        self._mode = None

    def abort(self) -> None:
        # A shadow's storages stay: every byte of them is written again before they can go live.
        self._mode = None

    def dump(self, pieces: list[Piece]) -> None:
        # What the module computes with, wherever it is by now: a dump of forgotten memory would prove nothing.
        self._follow([self._held(p.name) for p in pieces])
        copies = Copies(self._streams)
        for p in pieces:
            if p.size:
                copies.dump(p, self._held(p.name).storage.live)
        copies.finish()

    def dump_staged(self, pieces: list[Piece]) -> None:
        copies = Copies(self._streams)
        for p in pieces:
            if p.size:
                copies.dump(p, self.staged(p.name))
        copies.finish()

    def staged(self, name: str) -> torch.Tensor:
        """The bytes, flat and without a copy, that are live after the commit of the present update.

        They stay so until the commit after it.
        """
        storage = self._held(name).storage
        return storage.shadow if self._mode == SHADOW else storage.live

    def _held(self, name: str) -> HeldTensor:
        held = self._by_name.get(name)
        if held is None:
            raise TorchAdapterError(f'the module has no parameter or buffer "{name}"')
        return held

    def _bind(self) -> None:
        self._storages = bind(self._module, self._storages)
        self._by_name = {held.name: held for storage in self._storages for held in storage.held}

    def _follow(self, tensors: Iterable[HeldTensor]) -> None:
        """Binds anew if any of these tensors has moved."""
        if all(held.is_where_it_was() for held in tensors):
            return
        for held in self._by_name.values():
            held.require_same_kind()
        self._bind()

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
                s.shadow = arena[place : place + s.size]
