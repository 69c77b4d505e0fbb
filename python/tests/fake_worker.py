"""A worker for tests that calls a session directly, with real slots."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path

from inflight import link
from inflight.session import Session

MODEL = "model-under-test"


@dataclass(frozen=True)
class Weights:
    dtype: str
    shape: tuple[int, ...]
    data: bytes


def read_checkpoint(path: Path) -> dict[str, Weights]:
    raw = memoryview(path.read_bytes())
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(bytes(raw[8:start]))
    return {
        name: Weights(t["dtype"], tuple(t["shape"]), raw[start:][slice(*t["data_offsets"])])
        for name, t in header.items()
        if name != "__metadata__"
    }


class FakeWorker:
    """Moves checkpoints through one slot."""

    def __init__(self, session: Session, slot_bytes: int = 1 << 20):
        self.session = session
        self.path = Path(f"/dev/shm/inflight-test-{uuid.uuid4().hex}")
        self.path.touch(mode=0o600)
        self.path.write_bytes(bytes(slot_bytes))
        self.slot_bytes = slot_bytes

    @property
    def slot(self) -> link.Slot:
        return link.Slot(0, link.ShmMemory(str(self.path), 0, self.slot_bytes))

    def __enter__(self) -> FakeWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self.path.unlink()

    def begin(self, epoch: int, version: str, mode: str, tensors: dict[str, Weights], **changes) -> object:
        fields = {
            "epoch": epoch, "model": MODEL, "version": version, "digest": "d" * 64, "mode": mode,
            "tensors": len(tensors), "bytes": sum(self._held(name, t) for name, t in tensors.items()),
            "slots": (self.slot,), **changes,
        }  # fmt: skip
        return self.session.handle(link.Begin(**fields))

    def _held(self, name: str, weights: Weights) -> int:
        try:
            return self.session.share.slice(name, weights.dtype, weights.shape).size
        except ValueError:
            return len(weights.data)  # Not to be cut: its load is refused.

    def load(self, epoch: int, name: str, weights: Weights, begin: int = 0, end: int | None = None) -> object:
        data = weights.data[begin:end]
        with self.path.open("r+b") as slot:
            slot.write(data)
        part = link.TensorPart(name, weights.dtype, weights.shape, 0, len(data), begin)
        return self.session.handle(link.Load(epoch, 0, 0, (part,)))

    def stream(self, epoch: int, tensors: dict[str, Weights], part_bytes: int = 1 << 20) -> None:
        for name, weights in tensors.items():
            for begin in range(0, max(1, len(weights.data)), part_bytes):
                answer = self.load(epoch, name, weights, begin, begin + part_bytes)
                assert isinstance(answer, link.Loaded), answer

    def update(self, epoch: int, version: str, mode: str, tensors: dict[str, Weights], part_bytes: int = 1 << 20):
        """A whole update that must succeed."""
        assert self.begin(epoch, version, mode, tensors) == link.Begun(epoch)
        self.stream(epoch, tensors, part_bytes)
        answer = self.session.handle(link.End(epoch))
        assert answer == link.Ended(epoch, len(tensors)), answer
        answer = self.session.handle(link.Commit(epoch, version))
        assert isinstance(answer, link.Committed), answer
        return answer

    def dump(self, name: str, size: int, begin: int = 0) -> bytes:
        answer = self.session.handle(link.Dump(1, self.slot.memory, (link.DumpPart(name, 0, size, begin),)))
        assert answer == link.Dumped(1), answer
        return self.path.read_bytes()[:size]
