"""A worker for checks on a GPU: CUDA memory to export, and an engine process to talk to. Needs no torch."""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from inflight import link
from inflight.dtypes import tensor_bytes

MODEL = "model-under-test"
START_SECONDS = 180.0
ANSWER_SECONDS = 60.0
GRANULE = 2 << 20


class CheckError(Exception):
    """Something is not as it must be."""


class Cuda:
    """The driver's calls that a worker makes, on one GPU's primary context. For the thread that made it."""

    def __init__(self, index: int):
        self._library = ctypes.CDLL("libcuda.so.1")
        self.call("cuInit", ctypes.c_uint(0))
        device = ctypes.c_int()
        self.call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(index))
        self._context = ctypes.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), device)
        self.index = index
        raw = (ctypes.c_ubyte * 16)()
        self.call("cuDeviceGetUuid_v2", ctypes.byref(raw), device)
        self.uuid = f"GPU-{uuid.UUID(bytes=bytes(raw))}"
        name = ctypes.create_string_buffer(128)
        self.call("cuDeviceGetName", name, ctypes.c_int(128), device)
        self.name = name.value.decode()

    @staticmethod
    def count() -> int:
        library = ctypes.CDLL("libcuda.so.1")
        code, count = library.cuInit(ctypes.c_uint(0)), ctypes.c_int()
        code = code or library.cuDeviceGetCount(ctypes.byref(count))
        if code:
            raise CheckError(f"there is no GPU to check: the driver answers {code}")
        return count.value

    def use(self) -> None:
        self.call("cuCtxSetCurrent", self._context)

    def allocate(self, size: int) -> Block:
        self.use()
        size = -(-size // GRANULE) * GRANULE
        address = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        handle = (ctypes.c_ubyte * 64)()
        self.call("cuIpcGetMemHandle", ctypes.byref(handle), address)
        return Block(self, address.value, size, bytes(handle).hex())

    def free_bytes(self) -> int:
        """Of the whole GPU, whoever uses it."""
        self.use()
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value

    def call(self, name: str, *arguments: object) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            text = ctypes.c_char_p()
            self._library.cuGetErrorName(ctypes.c_int(code), ctypes.byref(text))
            raise CheckError(f"{name} failed with {code}, {text.value}")


@dataclass(frozen=True)
class Block:
    """An exported allocation."""

    cuda: Cuda
    address: int
    size: int
    handle: str

    def memory(self, offset: int = 0, size: int | None = None, **changes) -> link.CudaMemory:
        fields = {"handle": self.handle, "device": self.cuda.uuid, "offset": offset}
        return link.CudaMemory(**{**fields, "bytes": self.size - offset if size is None else size, **changes})

    def write(self, offset: int, data: bytes) -> None:
        if offset + len(data) > self.size:
            raise CheckError(f"{len(data)} bytes at {offset} are not in a block of {self.size}")
        if data:
            self.cuda.use()
            at, size = ctypes.c_uint64(self.address + offset), ctypes.c_size_t(len(data))
            self.cuda.call("cuMemcpyHtoD_v2", at, ctypes.c_char_p(data), size)
            # A copy from pageable memory returns before its last bytes have arrived.
            self.cuda.call("cuCtxSynchronize")

    def read(self, offset: int, size: int) -> bytes:
        self.cuda.use()
        data = ctypes.create_string_buffer(size)
        at = ctypes.c_uint64(self.address + offset)
        self.cuda.call("cuMemcpyDtoH_v2", data, at, ctypes.c_size_t(size))
        return data.raw

    def free(self) -> None:
        self.cuda.use()
        self.cuda.call("cuMemFree_v2", ctypes.c_uint64(self.address))


class ShmBlock:
    """The same over a file in /dev/shm."""

    def __init__(self, size: int):
        self.path = Path(f"/dev/shm/inflight-gpu-checks-{uuid.uuid4().hex}")
        self.path.touch(mode=0o600)
        os.truncate(self.path, size)
        self.size = size

    def memory(self, offset: int = 0, size: int | None = None) -> link.ShmMemory:
        return link.ShmMemory(str(self.path), offset, self.size - offset if size is None else size)

    def write(self, offset: int, data: bytes) -> None:
        with self.path.open("r+b") as file:
            file.seek(offset)
            file.write(data)

    def read(self, offset: int, size: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def free(self) -> None:
        self.path.unlink()


@dataclass(frozen=True)
class Spec:
    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return tensor_bytes(self.dtype, self.shape)


def write_architecture(path: Path, specs: list[Spec]) -> None:
    """A safetensors file that is all hole."""
    header, offset = {}, 0
    for s in specs:
        header[s.name] = {"dtype": s.dtype, "shape": s.shape, "data_offsets": [offset, offset + s.size]}
        offset += s.size
    head = json.dumps(header).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head)
    os.truncate(path, 8 + len(head) + offset)


class Engine:
    """An engine process, attached to this one as its worker."""

    def __init__(self, specs: list[Spec], *flags: str, **environment: str):
        self._directory = tempfile.TemporaryDirectory(prefix="inflight-gpu-")
        directory = Path(self._directory.name)
        write_architecture(directory / "architecture.safetensors", specs)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(directory / "link.sock"))
        self._listener.listen(1)
        self._log_path = directory / "engine.log"
        self._announce = directory / "announce.json"
        command = [sys.executable, "-m", "inflight.engine", "--id", "engine-under-test", "--model", MODEL]
        command += ["--link", str(directory / "link.sock"), "--announce", str(self._announce)]
        command += ["--architecture", str(directory / "architecture.safetensors"), *flags]
        variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        with self._log_path.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=variables)
        try:
            self.accept(START_SECONDS)
            self._url = urlsplit(json.loads(self._announced())["http"])
        except BaseException:
            print(self.log(), flush=True)
            self.close()
            raise

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is not None:
            print(f"--- the engine's log\n{self.log()}\n---", flush=True)
        self.close()

    def log(self) -> str:
        return self._log_path.read_text()[-6000:]

    def accept(self, seconds: float = ANSWER_SECONDS) -> None:
        """Waits for the engine to connect, and for its hello."""
        deadline = time.monotonic() + seconds
        self._listener.settimeout(0.5)
        while True:
            try:
                self._connection, _ = self._listener.accept()
                break
            except TimeoutError:
                if self.process.poll() is not None:
                    raise CheckError(f"the engine ended with status {self.process.returncode}") from None
                if time.monotonic() > deadline:
                    raise CheckError(f"the engine did not connect in {seconds:g} s") from None
        self._connection.settimeout(ANSWER_SECONDS)
        self.hello = self.receive()
        self.send(link.Welcome(link.PROTOCOL, "worker-0/0"))

    def drop_link(self) -> None:
        self._connection.close()

    def send(self, message: object) -> None:
        self._connection.sendall(link.encode(message))

    def receive(self) -> object:
        message = link.read_message(self._connection, link.FROM_ENGINE)
        if message is None:
            raise CheckError("the engine closed the link")
        return message

    def ask(self, message: object, expected: type) -> object:
        self.send(message)
        return self.expect(expected)

    def expect(self, expected: type) -> object:
        answer = self.receive()
        if not isinstance(answer, expected):
            raise CheckError(f"expected {expected.__name__.lower()}, got {answer}")
        return answer

    def get(self, path: str) -> tuple[int, dict]:
        client = http.client.HTTPConnection(self._url.hostname, self._url.port, timeout=ANSWER_SECONDS)
        try:
            client.request("GET", path)
            response = client.getresponse()
            return response.status, json.loads(response.read())
        finally:
            client.close()

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(ANSWER_SECONDS)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        connection = getattr(self, "_connection", None)
        if connection:
            connection.close()
        self._listener.close()
        self._directory.cleanup()

    def _announced(self) -> str:
        deadline = time.monotonic() + ANSWER_SECONDS
        while not self._announce.exists():
            if time.monotonic() > deadline:
                raise CheckError("the engine did not announce itself")
            time.sleep(0.02)
        return self._announce.read_text()
