"""Writes tensors into an arena that a worker host lends, as the bytes of one safetensors file.

Each tensor is copied once: by the processor's threads, or by its GPU into memory that is pinned for the time.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from inflight.dtypes import tensor_bytes
from inflight.safetensors_header import MAX_HEADER_BYTES

SHM = Path("/dev/shm")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
MACHINE_FILE = "inflight-machine-id"

_PREFIX_BYTES = 8
_ALIGNMENT = 256
_PIECE_BYTES = 32 << 20
_MOST_THREADS = 4

_DTYPES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "uint16": "U16",
    "int16": "I16",
    "float16": "F16",
    "bfloat16": "BF16",
    "uint32": "U32",
    "int32": "I32",
    "float32": "F32",
    "uint64": "U64",
    "int64": "I64",
    "float64": "F64",
    "complex64": "C64",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e8m0fnu": "F8_E8M0",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
}


@dataclass(frozen=True)
class Placed:
    """A tensor and its first byte in the file."""

    name: str
    tensor: object
    begin: int
    bytes: int


@dataclass(frozen=True)
class Layout:
    """A safetensors file before its bytes are written: length and JSON of the header, the tensors, the whole length."""

    header: bytes
    tensors: list[Placed]
    bytes: int


def machine_identity(shm: Path = SHM) -> str | None:
    """The identity of this process's shared memory, as worker hosts report theirs; None where none has run."""
    try:
        return f"{BOOT_ID.read_text().strip()}/{(shm / MACHINE_FILE).read_text().strip()}"
    except OSError:
        return None


def lay_out(tensors: Mapping[str, object] | Iterable[tuple[str, object]]) -> Layout:
    """Decides where each tensor goes: in the given order, those of wider elements first, so that all are aligned.

    Raises TypeError or ValueError naming a tensor that can not be written.
    """
    pairs = list(tensors.items() if isinstance(tensors, Mapping) else tensors)
    entries: dict[str, dict] = {}
    placed: list[Placed] = []
    begin = 0
    for name, tensor in sorted(pairs, key=lambda pair: -_element_bytes(*pair)):
        if name in entries:
            raise ValueError(f'tensor "{name}" is there twice')
        dtype, shape = _dtype(name, tensor), list(tensor.shape)
        size = tensor_bytes(dtype, shape)
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, begin + size]}
        placed.append(Placed(name, tensor, begin, size))
        begin += size
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-(_PREFIX_BYTES + len(text)) % _ALIGNMENT)
    if len(text) > MAX_HEADER_BYTES:
        raise ValueError(f"the header would have {len(text)} bytes, more than the format's {MAX_HEADER_BYTES}")
    data = _PREFIX_BYTES + len(text)
    header = len(text).to_bytes(_PREFIX_BYTES, "little") + text
    moved = [Placed(p.name, p.tensor, data + p.begin, p.bytes) for p in placed]
    return Layout(header, moved, data + begin)


def write(layout: Layout, path: str) -> None:
    """Writes header and tensors. The arena is unmapped when it returns."""
    with _mapped(path, layout.bytes) as memory:
        memory[: len(layout.header)] = layout.header
        _copy_from_gpus([p for p in layout.tensors if _on_gpu(p.tensor)], memory)
        threads = min(_MOST_THREADS, os.cpu_count() or 1)
        with ThreadPoolExecutor(threads, "inflight-arena") as pool:
            pieces = (piece for p in layout.tensors if not _on_gpu(p.tensor) for piece in _pieces(p))
            for done in [pool.submit(_copy, memory, *piece) for piece in pieces]:
                done.result()


@contextlib.contextmanager
def _mapped(path: str, size: int) -> Iterator[mmap.mmap]:
    file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size < size:
            raise OSError(f"{path}: is no regular file of at least {size} bytes")
        # Mapping all pages at once takes a third of the time of faulting one after the other.
        memory = mmap.mmap(file, size, flags=mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0))
    finally:
        os.close(file)
    try:
        yield memory
    finally:
        # Views that a failed copy left behind unmap it when they go.
        with contextlib.suppress(BufferError):
            memory.close()


def _pieces(placed: Placed) -> Iterator[tuple[Placed, int, int]]:
    """Ranges of a tensor's bytes that threads copy side by side; one that is not contiguous is copied as a whole."""
    step = _PIECE_BYTES if _is_plain(placed.tensor) else max(1, placed.bytes)
    for begin in range(0, placed.bytes, step):
        yield placed, begin, min(begin + step, placed.bytes)


def _copy(memory: mmap.mmap, placed: Placed, begin: int, end: int) -> None:
    tensor, at = placed.tensor, placed.begin + begin
    if _is_torch(tensor):
        torch = sys.modules["torch"]
        if _is_plain(tensor):
            source = tensor.detach().reshape(-1).view(torch.uint8)[begin:end]
            torch.frombuffer(memory, dtype=torch.uint8, count=end - begin, offset=at).copy_(source)
        else:
            _torch_view(memory, placed).copy_(tensor.detach())
        return
    numpy = sys.modules["numpy"]
    if _is_plain(tensor):
        source = tensor.reshape(-1).view(numpy.uint8)[begin:end]
        numpy.copyto(numpy.frombuffer(memory, numpy.uint8, end - begin, at), source)
    else:
        numpy.copyto(numpy.ndarray(tensor.shape, tensor.dtype.newbyteorder("<"), memory, at), tensor)


def _copy_from_gpus(tensors: list[Placed], memory: mmap.mmap) -> None:
    tensors = [placed for placed in tensors if placed.bytes]
    if not tensors:
        return
    torch = sys.modules["torch"]
    with _pinned(torch, memory):
        try:
            for placed in tensors:
                _torch_view(memory, placed).copy_(placed.tensor.detach(), non_blocking=True)
        finally:
            for device in {placed.tensor.device for placed in tensors}:
                torch.cuda.synchronize(device)


@contextlib.contextmanager
def _pinned(torch, memory: mmap.mmap) -> Iterator[None]:
    """A GPU copies into registered memory about seven times as fast; if it can not be registered, it still copies."""
    address = torch.frombuffer(memory, dtype=torch.uint8).data_ptr()
    driver = torch.cuda.cudart()
    registered = int(driver.cudaHostRegister(address, len(memory), 0)) == 0
    try:
        yield
    finally:
        if registered:
            driver.cudaHostUnregister(address)


def _torch_view(memory: mmap.mmap, placed: Placed):
    torch = sys.modules["torch"]
    tensor = placed.tensor
    flat = torch.frombuffer(memory, dtype=tensor.dtype, count=tensor.numel(), offset=placed.begin)
    return flat.view(tensor.shape)


def _is_torch(tensor: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(tensor, torch.Tensor)


def _is_numpy(tensor: object) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(tensor, numpy.ndarray)


def _on_gpu(tensor: object) -> bool:
    return _is_torch(tensor) and tensor.is_cuda


def _is_plain(tensor: object) -> bool:
    """Whether its bytes lie in memory as they will in the file."""
    if _is_torch(tensor):
        return tensor.is_contiguous() and not tensor.is_conj() and not tensor.is_neg()
    return bool(tensor.flags.c_contiguous) and tensor.dtype.newbyteorder("<") == tensor.dtype


def _element_bytes(name: str, tensor: object) -> int:
    _dtype(name, tensor)
    return tensor.element_size() if _is_torch(tensor) else tensor.dtype.itemsize


def _dtype(name: object, tensor: object) -> str:
    if not isinstance(name, str) or name == "__metadata__":
        raise TypeError(f"{name!r} can not be a tensor's name")
    if _is_torch(tensor):
        torch = sys.modules["torch"]
        # A sharded tensor has no storage of its own.
        if tensor.layout != torch.strided or tensor.device.type == "meta" or hasattr(tensor, "full_tensor"):
            raise TypeError(f'tensor "{name}" is sparse, sharded or without bytes; publish whole dense tensors')
        if tensor.device.type not in ("cpu", "cuda"):
            raise TypeError(f'tensor "{name}" is on {tensor.device}; move it to the CPU')
        label = str(tensor.dtype).removeprefix("torch.")
    elif _is_numpy(tensor):
        label = tensor.dtype.name
    else:
        raise TypeError(f'tensor "{name}" is a {type(tensor).__name__}, neither a torch.Tensor nor a numpy.ndarray')
    dtype = _DTYPES.get(label)
    if dtype is None:
        raise TypeError(f'tensor "{name}": safetensors has no dtype for {label}')
    return dtype
