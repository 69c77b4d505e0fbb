"""Slots: memory that the worker shares and that holds tensor bytes; and the mappings of it, kept between updates."""

from __future__ import annotations

import ctypes
import mmap
import os
import stat
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from inflight.messages import CudaMemory, ShmMemory, Slot, SlotMemory

if TYPE_CHECKING:
    from inflight.cuda_slots import CudaAllocations

SHM_ROOT = "/dev/shm"
SHM, CUDA = "shm", "cuda"

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


class SlotError(Exception):
    """A slot that must not, or can not, be mapped; or a range outside of it."""


class MappedSlot(Protocol):
    """A mapped slot. ``address`` is valid until ``close``: in host memory for kind ``shm``, on a GPU for ``cuda``.

    A slot of kind ``cuda`` also has its bytes as a flat ``tensor``.
    """

    kind: str
    size: int
    address: int

    def range(self, offset: int, size: int) -> int:
        """The address of a range, after checking that it is inside the slot."""

    def is_current(self) -> bool:
        """Whether the memory can still be listed again, as far as this process can know."""

    def close(self) -> None: ...


def require_inside(slot: MappedSlot, offset: int, size: int) -> None:
    if offset + size > slot.size:
        raise SlotError(f"bytes {offset} to {offset + size} are not in {slot} of {slot.size} bytes")


class ShmKey(NamedTuple):
    """What tells whether a mapping is still that of a slot: a path may name another file by now."""

    path: str
    offset: int
    size: int
    device: int
    inode: int


class ShmFile:
    """A slot's file, open and checked."""

    def __init__(self, memory: ShmMemory, writable: bool):
        path, end = memory.path, memory.offset + memory.bytes
        if not os.path.isabs(path):
            raise SlotError(f"slot {path}: the path is not absolute")
        real = os.path.realpath(path)
        if not real.startswith(SHM_ROOT + "/"):
            raise SlotError(f"slot {path}: not under {SHM_ROOT}")
        if memory.bytes == 0:
            raise SlotError(f"slot {path}: has no bytes")
        mode = os.O_RDWR if writable else os.O_RDONLY
        try:
            # O_NONBLOCK: a named pipe must not block us before fstat can refuse it.
            self.descriptor = os.open(real, mode | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as e:
            raise SlotError(f"slot {path}: {e.strerror}") from None
        status = os.fstat(self.descriptor)
        self.memory = memory
        self.writable = writable
        self.key = ShmKey(real, memory.offset, memory.bytes, status.st_dev, status.st_ino)
        try:
            if not stat.S_ISREG(status.st_mode):
                raise SlotError(f"slot {path}: not a regular file")
            if end > status.st_size:
                raise SlotError(f"slot {path}: bytes {memory.offset} to {end} are not in its {status.st_size} bytes")
        except SlotError:
            os.close(self.descriptor)
            raise

    def __enter__(self) -> ShmFile:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


class ShmSlot:
    """A mapped range of an shm file. Only a writable one can be written to, and only its writes reach the file."""

    kind = SHM

    def __init__(self, file: ShmFile):
        memory = file.memory
        base = memory.offset - memory.offset % mmap.ALLOCATIONGRANULARITY
        length = memory.offset - base + memory.bytes
        access = mmap.ACCESS_WRITE if file.writable else mmap.ACCESS_COPY
        self._map: mmap.mmap | None = mmap.mmap(file.descriptor, length, access=access, offset=base)
        self.path = memory.path
        self.size = memory.bytes
        self._key = file.key
        # The exported buffer keeps the mapping alive for as long as this object holds it.
        self._anchor: object | None = ctypes.c_ubyte.from_buffer(self._map)
        start = ctypes.addressof(self._anchor)
        self.address = start + memory.offset - base
        # A page of a private mapping that was written to no longer shows what the worker writes: better a crash.
        if not file.writable and _libc.mprotect(start, length, mmap.PROT_READ):
            reason = os.strerror(ctypes.get_errno())
            self.close()
            raise SlotError(f"slot {self.path}: can not be made read-only: {reason}")

    def __str__(self) -> str:
        return f"slot {self.path}"

    def range(self, offset: int, size: int) -> int:
        require_inside(self, offset, size)
        return self.address + offset

    def is_current(self) -> bool:
        try:
            status = os.stat(self._key.path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == (self._key.device, self._key.inode)

    def close(self) -> None:
        if self._map is not None:
            self._anchor = None
            self._map.close()
            self._map = None


class SlotMappings:
    """The mapped slots of one link, kept from update to update: mapping a slot anew costs a fault for every page.

    Used by one thread, the link's.

    :param kinds: the kinds of memory that the engine's adapter takes
    """

    def __init__(self, kinds: Iterable[str] = (SHM,)):
        self._kinds = tuple(kinds)
        self._kept: dict[Hashable, MappedSlot] = {}
        self._used: set[Hashable] = set()
        self._cuda: CudaAllocations | None = None

    def __len__(self) -> int:
        return len(self._kept)

    def open(self, slots: Iterable[Slot]) -> dict[int, MappedSlot]:
        """Maps an update's slots, by id. Closes those that neither this update nor the one before uses.

        Of the latter, files that are gone are let go as well: they take memory for as long as they are mapped.
        Raises SlotError; no slot is mapped or closed then.
        """
        opened: dict[int, MappedSlot] = {}
        fresh: dict[Hashable, MappedSlot] = {}
        used: set[Hashable] = set()
        try:
            for slot in slots:
                key, opened[slot.id] = self._find_or_map(slot.memory, fresh)
                used.add(key)
        except BaseException:
            _close(fresh)
            raise
        self._kept.update(fresh)
        idle = self._kept.keys() - used
        gone = [key for key in idle if key not in self._used or not self._kept[key].is_current()]
        _close({key: self._kept.pop(key) for key in gone})
        self._used = used
        return opened

    def writable(self, memory: SlotMemory) -> MappedSlot:
        """Maps a slot to write into; the caller closes it."""
        self._require_kind(memory)
        if isinstance(memory, CudaMemory):
            return self._cuda_allocations().slot(memory)
        with ShmFile(memory, writable=True) as file:
            return ShmSlot(file)

    def close(self) -> None:
        """Unmaps everything."""
        _close(self._kept)
        self._kept, self._used = {}, set()

    def _find_or_map(self, memory: SlotMemory, fresh: dict[Hashable, MappedSlot]) -> tuple[Hashable, MappedSlot]:
        self._require_kind(memory)
        if isinstance(memory, CudaMemory):
            allocations = self._cuda_allocations()
            key: Hashable = allocations.key(memory)
            slot = self._kept.get(key) or fresh.get(key)
            if slot is None:
                slot = fresh[key] = allocations.slot(memory)
            return key, slot
        # All is checked again of a mapped file too: it may have been cut short.
        with ShmFile(memory, writable=False) as file:
            slot = self._kept.get(file.key) or fresh.get(file.key)
            if slot is None:
                slot = fresh[file.key] = ShmSlot(file)
            return file.key, slot

    def _require_kind(self, memory: SlotMemory) -> None:
        if memory.kind not in self._kinds:
            raise SlotError(f"this engine takes slots of kind {' or '.join(self._kinds)} only, not {memory.kind}")

    def _cuda_allocations(self) -> CudaAllocations:
        if self._cuda is None:
            try:
                from inflight.cuda_slots import CudaAllocations
            except ImportError as e:
                raise SlotError(f"slots of kind cuda need torch, which this engine does not have: {e}") from None
            self._cuda = CudaAllocations()
        return self._cuda


def _close(slots: dict[Hashable, MappedSlot]) -> None:
    for slot in slots.values():
        slot.close()
