"""Slots: ranges of POSIX shm files that hold tensor bytes."""

from __future__ import annotations

import ctypes
import mmap
import os
import stat

SHM_ROOT = "/dev/shm"


class SlotError(Exception):
    """A slot that must not, or can not, be mapped; or a range outside of it."""


class MappedSlot:
    """A mapped slot. ``address`` is valid until ``close``."""

    def __init__(self, kind: str, path: str, offset: int, size: int):
        if kind != "shm":
            raise SlotError(f'slot {path}: kind "{kind}" is not supported, only "shm"')
        if not os.path.isabs(path):
            raise SlotError(f"slot {path}: the path is not absolute")
        real = os.path.realpath(path)
        if not real.startswith(SHM_ROOT + "/"):
            raise SlotError(f"slot {path}: not under {SHM_ROOT}")
        try:
            # O_NONBLOCK: a named pipe must not block us before fstat can refuse it.
            file = os.open(real, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as e:
            raise SlotError(f"slot {path}: {e.strerror}") from None
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise SlotError(f"slot {path}: not a regular file")
            if offset + size > status.st_size:
                raise SlotError(f"slot {path}: bytes {offset} to {offset + size} are not in its {status.st_size} bytes")
            if size == 0:
                raise SlotError(f"slot {path}: has no bytes")
            base = offset - offset % mmap.ALLOCATIONGRANULARITY
            self._map: mmap.mmap | None = mmap.mmap(file, offset - base + size, offset=base)
        finally:
            os.close(file)
        self.path = path
        self.size = size
        # The exported buffer keeps the mapping alive for as long as this object holds it.
        self._anchor: object | None = ctypes.c_ubyte.from_buffer(self._map)
        self.address = ctypes.addressof(self._anchor) + offset - base

    def range(self, offset: int, size: int) -> int:
        """The address of a range, after checking that it is inside the slot."""
        if offset + size > self.size:
            raise SlotError(f"bytes {offset} to {offset + size} are not in slot {self.path} of {self.size} bytes")
        return self.address + offset

    def close(self) -> None:
        if self._map is not None:
            self._anchor = None
            self._map.close()
            self._map = None
