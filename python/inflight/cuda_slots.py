"""Slots in CUDA memory of another process, opened by their IPC handles. Needs torch."""

from __future__ import annotations

import logging
from typing import NamedTuple

import torch

from inflight.cuda_devices import DeviceError, canonical, index_of
from inflight.cuda_driver import CudaDriver, CudaError
from inflight.messages import CudaMemory
from inflight.slots import CUDA, SlotError, require_inside

log = logging.getLogger(__name__)


class AllocationKey(NamedTuple):
    handle: bytes
    device: str


class CudaKey(NamedTuple):
    allocation: AllocationKey
    offset: int
    size: int


class CudaAllocation:
    """An opened allocation of another process, shared by all slots in it."""

    def __init__(self, key: AllocationKey, index: int, address: int, size: int | None):
        self.key = key
        self.index = index
        self.address = address
        self.size = size
        self.slots = 0


class CudaSlot:
    """A range of an opened allocation. ``tensor`` is a view of it; none of it may be left when the slot is closed."""

    kind = CUDA

    def __init__(self, allocations: CudaAllocations, allocation: CudaAllocation, memory: CudaMemory):
        self.device = memory.device
        self.size = memory.bytes
        self.address = allocation.address + memory.offset
        self.tensor: torch.Tensor | None = view_of(self.address, self.size, allocation.index)
        self._allocations = allocations
        self._allocation: CudaAllocation | None = allocation
        allocation.slots += 1

    def __str__(self) -> str:
        return f"the slot on {self.device}"

    def range(self, offset: int, size: int) -> int:
        require_inside(self, offset, size)
        return self.address + offset

    def is_current(self) -> bool:
        return True  # The exporter keeps it while the link lives.

    def close(self) -> None:
        if self._allocation is not None:
            self.tensor = None
            self._allocation.slots -= 1
            self._allocations.close_unused(self._allocation)
            self._allocation = None


class CudaAllocations:
    """Opens each handle once, however many slots are in its allocation: a handle stands for all of it."""

    def __init__(self) -> None:
        self._driver: CudaDriver | None = None
        self._open: dict[AllocationKey, CudaAllocation] = {}

    def __len__(self) -> int:
        return len(self._open)

    @staticmethod
    def key(memory: CudaMemory) -> CudaKey:
        """What tells whether a mapping is still that of a slot: the driver gives new memory a new handle."""
        allocation = AllocationKey(bytes.fromhex(memory.handle), canonical(memory.device))
        return CudaKey(allocation, memory.offset, memory.bytes)

    def slot(self, memory: CudaMemory) -> CudaSlot:
        """Raises SlotError."""
        if memory.bytes == 0:
            raise SlotError(f"the slot on {memory.device} has no bytes")
        allocation = self._allocation(memory)
        try:
            end = memory.offset + memory.bytes
            if allocation.size is not None and end > allocation.size:
                raise SlotError(
                    f"the slot on {memory.device}: bytes {memory.offset} to {end} are not in its allocation of "
                    f"{allocation.size} bytes"
                )
            return CudaSlot(self, allocation, memory)
        except BaseException:
            self.close_unused(allocation)
            raise

    def close_unused(self, allocation: CudaAllocation) -> None:
        """Closes an allocation that no slot uses any more."""
        if allocation.slots:
            return
        del self._open[allocation.key]
        try:
            # What was queued may still read it.
            torch.cuda.synchronize(allocation.index)
            self._driver.close_ipc(allocation.index, allocation.address)
        except (CudaError, RuntimeError) as e:
            log.warning("memory on %s can not be closed: %s", allocation.key.device, e)

    def _allocation(self, memory: CudaMemory) -> CudaAllocation:
        key = self.key(memory).allocation
        allocation = self._open.get(key)
        if allocation is not None:
            return allocation
        try:
            index = index_of(memory.device)
            if self._driver is None:
                self._driver = CudaDriver()
            touch(index)
            address = self._driver.open_ipc(index, key.handle)
        except (DeviceError, CudaError, RuntimeError) as e:
            raise SlotError(f"the slot on {memory.device} can not be opened: {e}") from None
        allocation = self._open[key] = CudaAllocation(key, index, address, self._size(index, address))
        return allocation

    def _size(self, index: int, address: int) -> int | None:
        try:
            return self._driver.allocation_bytes(index, address)
        except CudaError as e:
            log.warning("slots are not checked against the size of their allocation: %s", e)
            return None


def touch(index: int) -> None:
    """Lets torch make its own state for a GPU, before anything is put beside it."""
    torch.zeros(1, device=torch.device("cuda", index))


class _ArrayInterface:
    def __init__(self, address: int, size: int):
        self.__cuda_array_interface__ = {
            "shape": (size,),
            "typestr": "|u1",
            "data": (address, False),
            "strides": None,
            "version": 3,
        }


def view_of(address: int, size: int, index: int) -> torch.Tensor:
    """A flat tensor over memory of a GPU, without a copy."""
    tensor = torch.as_tensor(_ArrayInterface(address, size), device=torch.device("cuda", index))
    if tensor.data_ptr() != address:
        raise SlotError(f"torch takes the memory at {address:#x} for another GPU's than cuda:{index} and copied it")
    return tensor
