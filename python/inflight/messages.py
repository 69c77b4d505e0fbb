"""Messages of the engine link (docs/ENGINE_LINK.md), as frozen dataclasses.

Their wire names are the field names in camel case; the tables of verbs at the end are the whole protocol.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ShmMemory:
    """A range of a POSIX shm file."""

    path: str
    offset: int
    bytes: int
    kind: str = "shm"


@dataclass(frozen=True)
class CudaMemory:
    """A range of a CUDA allocation: its IPC handle in hex, and the UUID of its GPU."""

    handle: str
    device: str
    offset: int
    bytes: int
    kind: str = "cuda"


SlotMemory = ShmMemory | CudaMemory


@dataclass(frozen=True)
class Slot:
    """Where buckets land. On the wire its memory's fields are its own."""

    id: int
    memory: SlotMemory


@dataclass(frozen=True)
class TensorPart:
    """Bytes ``begin`` to ``begin + bytes`` of a tensor, at ``offset`` in the slot."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    bytes: int
    begin: int


@dataclass(frozen=True)
class DumpPart:
    name: str
    offset: int
    bytes: int
    begin: int


@dataclass(frozen=True)
class Device:
    kind: str
    uuid: str | None = None


@dataclass(frozen=True)
class Standby:
    """What an engine can take back without being sent a byte: what its last shadow commit replaced."""

    version: str
    digest: str


@dataclass(frozen=True)
class SliceRule:
    """Tensors that are cut along a dimension; ``*`` in the pattern stands for any run of characters."""

    pattern: str
    dim: int


@dataclass(frozen=True)
class WantRule:
    """Whether tensors are wanted whose names match the pattern, in which ``*`` stands for any run of characters."""

    pattern: str
    take: bool


# Engine to worker.


@dataclass(frozen=True)
class Hello:
    protocol: int
    engine: str
    pid: int
    model: str
    device: Device
    tp_rank: int
    tp_size: int
    modes: tuple[str, ...]
    whole_tensors: bool
    slices: tuple[SliceRule, ...] = ()
    wants: tuple[WantRule, ...] = ()
    version: str | None = None
    digest: str | None = None
    standby: Standby | None = None


@dataclass(frozen=True)
class Begun:
    epoch: int


@dataclass(frozen=True)
class Loaded:
    epoch: int
    bucket: int


@dataclass(frozen=True)
class Ended:
    epoch: int
    tensors: int


@dataclass(frozen=True)
class Committed:
    epoch: int
    version: str
    stall_micros: int
    standby: Standby | None = None


@dataclass(frozen=True)
class Aborted:
    epoch: int
    state: str
    version: str | None = None
    standby: Standby | None = None


@dataclass(frozen=True)
class Dumped:
    id: int


@dataclass(frozen=True)
class Failed:
    message: str
    epoch: int | None = None
    bucket: int | None = None
    id: int | None = None


# Worker to engine.


@dataclass(frozen=True)
class Welcome:
    protocol: int
    worker: str


@dataclass(frozen=True)
class Begin:
    """``from_`` is ``standby`` if the engine is to take back what stands by in it; then there are no slots."""

    epoch: int
    model: str
    version: str
    digest: str
    mode: str
    tensors: int
    bytes: int
    slots: tuple[Slot, ...]
    from_: str | None = None


@dataclass(frozen=True)
class Load:
    epoch: int
    bucket: int
    slot: int
    tensors: tuple[TensorPart, ...]


@dataclass(frozen=True)
class End:
    epoch: int


@dataclass(frozen=True)
class Commit:
    epoch: int
    version: str


@dataclass(frozen=True)
class Abort:
    epoch: int
    reason: str


@dataclass(frozen=True)
class Dump:
    """``epoch`` is that of the running update if what its commit would make live is asked for, else None."""

    id: int
    slot: SlotMemory
    tensors: tuple[DumpPart, ...]
    epoch: int | None = None


# Both ways.


@dataclass(frozen=True)
class Error:
    message: str


FROM_ENGINE = {c.__name__.lower(): c for c in (Hello, Begun, Loaded, Ended, Committed, Aborted, Dumped, Failed, Error)}
FROM_WORKER = {c.__name__.lower(): c for c in (Welcome, Begin, Load, End, Commit, Abort, Dump, Error)}
