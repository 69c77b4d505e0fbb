"""The few calls of the CUDA driver that torch has no name for, through ctypes."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

LIBRARY = "libcuda.so.1"
HANDLE_BYTES = 64
_LAZY_PEER_ACCESS = 1


class CudaError(Exception):
    """A call of the driver that did not succeed, or no driver at all."""


class _IpcHandle(ctypes.Structure):
    _fields_ = [("reserved", ctypes.c_ubyte * HANDLE_BYTES)]


_POINTER = ctypes.c_uint64
_CALLS = {
    "cuInit": (ctypes.c_uint,),
    "cuDeviceGet": (ctypes.POINTER(ctypes.c_int), ctypes.c_int),
    "cuDevicePrimaryCtxRetain": (ctypes.POINTER(ctypes.c_void_p), ctypes.c_int),
    "cuCtxPushCurrent_v2": (ctypes.c_void_p,),
    "cuCtxPopCurrent_v2": (ctypes.POINTER(ctypes.c_void_p),),
    "cuIpcOpenMemHandle_v2": (ctypes.POINTER(_POINTER), _IpcHandle, ctypes.c_uint),
    "cuIpcCloseMemHandle": (_POINTER,),
    "cuMemGetAddressRange_v2": (ctypes.POINTER(_POINTER), ctypes.POINTER(ctypes.c_size_t), _POINTER),
}


class CudaDriver:
    """Devices are counted as torch counts them: both count those of CUDA_VISIBLE_DEVICES."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL(LIBRARY)
        except OSError as e:
            raise CudaError(f"there is no CUDA driver: {e}") from None
        for name, arguments in _CALLS.items():
            function = getattr(self._library, name)
            function.argtypes, function.restype = arguments, ctypes.c_int
        self._contexts: dict[int, ctypes.c_void_p] = {}
        self._call("cuInit", 0)

    @contextmanager
    def current(self, index: int) -> Iterator[None]:
        """Makes a device's primary context, which is torch's, the calling thread's."""
        self._call("cuCtxPushCurrent_v2", self._primary(index))
        try:
            yield
        finally:
            self._call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))

    def open_ipc(self, index: int, handle: bytes) -> int:
        """Maps another process's allocation into this one. Returns its address."""
        address = _POINTER()
        with self.current(index):
            ipc = _IpcHandle.from_buffer_copy(handle)
            self._call("cuIpcOpenMemHandle_v2", ctypes.byref(address), ipc, _LAZY_PEER_ACCESS)
        return address.value

    def close_ipc(self, index: int, address: int) -> None:
        with self.current(index):
            self._call("cuIpcCloseMemHandle", address)

    def allocation_bytes(self, index: int, address: int) -> int:
        """The size of the allocation that begins at this address."""
        base, size = _POINTER(), ctypes.c_size_t()
        with self.current(index):
            self._call("cuMemGetAddressRange_v2", ctypes.byref(base), ctypes.byref(size), address)
        return base.value + size.value - address

    def _primary(self, index: int) -> ctypes.c_void_p:
        context = self._contexts.get(index)
        if context is None:
            device, context = ctypes.c_int(), ctypes.c_void_p()
            self._call("cuDeviceGet", ctypes.byref(device), index)
            # Never released: torch holds it as well, to the end of the process.
            self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
            self._contexts[index] = context
        return context

    def _call(self, name: str, *arguments: object) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            raise CudaError(f"{name} failed with {code}, {self._text('Name', code)}: {self._text('String', code)}")

    def _text(self, what: str, code: int) -> str:
        text = ctypes.c_char_p()
        self._library[f"cuGetError{what}"](ctypes.c_int(code), ctypes.byref(text))
        return text.value.decode() if text.value else "an unknown error"
