"""The engine's side of an update: states and fencing, the same for every engine."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from inflight import link
from inflight.adapter import IN_PLACE, SHADOW, Adapter, Piece
from inflight.gate import Gate
from inflight.slices import WHOLE, TensorParallel
from inflight.slots import MappedSlot, SlotMappings
from inflight.update import RefusedError, Update, piece
from inflight.wants import EVERYTHING, Wants

__all__ = [
    "IN_PLACE",
    "PENDING_WEIGHTS",
    "SERVING",
    "SHADOW",
    "UPDATING",
    "Adapter",
    "Piece",
    "RefusedError",
    "Session",
]

log = logging.getLogger(__name__)

SERVING, UPDATING, PENDING_WEIGHTS = "SERVING", "UPDATING", "PENDING_WEIGHTS"


@dataclass(frozen=True)
class _Former:
    """The weights that a shadow commit replaced, with the bytes held of each tensor."""

    version: str
    digest: str
    sizes: dict[str, int]


class Session:
    """Answers a worker's messages. Its state outlives connections.

    ``handle`` and ``link_lost`` are called by the link's thread only; the properties may be read by any thread.

    :param share: what the engine holds of each tensor, if it is one of a tensor-parallel group; the adapter's module
        has the shapes of these slices
    :param wants: which tensors the engine is to be sent; the adapter's module has no others
    """

    def __init__(
        self,
        model: str,
        adapter: Adapter,
        gate: Gate,
        modes: tuple[str, ...] | None = None,
        share: TensorParallel = WHOLE,
        wants: Wants = EVERYTHING,
    ):
        self._model = model
        self._adapter = adapter
        self._gate = gate
        self.modes = tuple(m for m in adapter.modes if modes is None or m in modes)
        self.whole_tensors = adapter.whole_tensors
        self.share = share
        self.wants = wants
        self._served: tuple[str, str] | None = None
        self._standby: _Former | None = None
        self._keeps_former = hasattr(adapter, "begin_standby")
        self._sizes: dict[str, int] = {}
        self._update: Update | None = None
        self._highest_epoch = -1
        self._mappings = SlotMappings(adapter.slot_kinds)

    @property
    def version(self) -> str | None:
        """What the engine serves, or None."""
        return self.served and self.served[0]

    @property
    def digest(self) -> str | None:
        return self.served and self.served[1]

    @property
    def served(self) -> tuple[str, str] | None:
        """Version and digest, read at once."""
        return self._served

    @property
    def standby(self) -> link.Standby | None:
        """What an update from standby would take."""
        former = self._standby
        return former and link.Standby(former.version, former.digest)

    @property
    def state(self) -> str:
        if self.served:
            return SERVING
        return UPDATING if self._update else PENDING_WEIGHTS

    def handle(self, message: object) -> object:
        """The answer to a request of the worker."""
        try:
            match message:
                case link.Begin():
                    return self._on_begin(message)
                case link.Load():
                    return self._on_load(message)
                case link.End():
                    return self._on_end(message)
                case link.Commit():
                    return self._on_commit(message)
                case link.Abort():
                    return self._on_abort(message)
                case link.Dump():
                    return self._on_dump(message)
            raise TypeError(f"{type(message).__name__} is not a request")
        except Exception as e:
            # Whatever an adapter raises is an answer, not the end of the link.
            if not isinstance(e, RefusedError):
                log.warning("%s failed", type(message).__name__.lower(), exc_info=e)
            return link.Failed(
                str(e) or type(e).__name__,
                epoch=None if isinstance(message, link.Dump) else getattr(message, "epoch", None),
                bucket=getattr(message, "bucket", None),
                id=getattr(message, "id", None),
            )

    def link_lost(self) -> None:
        """Breaks off the running update: without the worker it can not complete. Unmaps all of its slots."""
        try:
            if self._update:
                self._break_off()
        finally:
            self._mappings.close()

    def close(self) -> None:
        self.link_lost()

    def _on_begin(self, message: link.Begin) -> link.Begun:
        if self._update:
            raise RefusedError(f"update with epoch {self._update.begin.epoch} is running; abort it first")
        if message.epoch <= self._highest_epoch:
            raise RefusedError(f"epoch {message.epoch} is stale: {self._highest_epoch} has begun")
        if message.model != self._model:
            raise RefusedError(f'this engine serves model "{self._model}", not "{message.model}"')
        if message.mode not in self.modes:
            raise RefusedError(f"mode {message.mode} is not supported here, only {', '.join(self.modes)}")
        if message.from_:
            return self._begin_standby(message)
        _refuse_twins(message.slots)
        slots = self._mappings.open(message.slots)
        if message.mode == IN_PLACE:
            was_paused = self._gate.paused
            self._gate.pause()
            try:
                self._adapter.begin(message.mode)
            except Exception:
                if not was_paused:
                    self._gate.resume()
                raise
            # From here on the parameters are neither version.
            self._served = None
        else:
            # From here on what stood by may be written over.
            self._standby = None
            self._adapter.begin(message.mode)
        return self._begun(message, slots)

    def _begin_standby(self, message: link.Begin) -> link.Begun:
        if message.mode != SHADOW:
            raise RefusedError(f"what stands by is taken in mode {SHADOW}, not {message.mode}")
        former = self._standby
        if former is None or former.digest != message.digest:
            present = f'version "{former.version}" does' if former else "nothing does"
            raise RefusedError(f'version "{message.version}" does not stand by here; {present}')
        if message.slots:
            raise RefusedError(f"from standby no bucket comes, but {len(message.slots)} slots are listed")
        try:
            self._adapter.begin_standby()
        except Exception:
            self._standby = None
            raise
        return self._begun(message, {})

    def _begun(self, message: link.Begin, slots: dict[int, MappedSlot]) -> link.Begun:
        self._highest_epoch = message.epoch
        self._update = Update(message, slots, self.share, self.wants)
        return link.Begun(message.epoch)

    def _on_load(self, message: link.Load) -> link.Loaded:
        update = self._running(message.epoch)
        if update.ended:
            raise RefusedError(f"update with epoch {message.epoch} has ended; no more buckets are expected")
        if update.begin.from_:
            raise RefusedError(f"update with epoch {message.epoch} takes what stands by; no bucket is expected")
        # All is checked before the first byte is copied.
        batch = update.check(message, self._adapter)
        self._adapter.load(batch.pieces)
        update.add(batch)
        return link.Loaded(message.epoch, message.bucket)

    def _on_end(self, message: link.End) -> link.Ended:
        update = self._running(message.epoch)
        if update.ended:
            raise RefusedError(f"update with epoch {message.epoch} has ended already")
        if update.begin.from_:
            tensors, sizes = update.begin.tensors, self._standby.sizes
        else:
            tensors, sizes = update.require_complete(), update.sizes
        self._adapter.end(sizes.keys())
        update.ended = True
        return link.Ended(message.epoch, tensors)

    def _on_commit(self, message: link.Commit) -> link.Committed:
        update = self._running(message.epoch)
        if not update.ended:
            raise RefusedError(f"update with epoch {message.epoch} has not ended; it can not be committed")
        begin = update.begin
        if message.version != begin.version:
            raise RefusedError(f'update with epoch {message.epoch} is to "{begin.version}", not "{message.version}"')
        was_paused = self._gate.paused
        self._gate.pause()
        try:
            self._adapter.commit()
        except Exception:
            if not was_paused:
                self._gate.resume()
            raise
        sizes = self._standby.sizes if begin.from_ else update.sizes
        if begin.mode == SHADOW and self._keeps_former:
            self._standby = _Former(*self._served, self._sizes) if self._served else None
        self._sizes = sizes
        self._update = None
        self._served = (begin.version, begin.digest)
        stall_micros = self._gate.resume()
        return link.Committed(begin.epoch, begin.version, stall_micros, self.standby)

    def _on_abort(self, message: link.Abort) -> link.Aborted:
        if self._update and self._update.begin.epoch == message.epoch:
            log.info("update with epoch %d aborted: %s", message.epoch, message.reason)
            self._break_off()
        return link.Aborted(message.epoch, SERVING if self.served else PENDING_WEIGHTS, self.version, self.standby)

    def _on_dump(self, message: link.Dump) -> link.Dumped:
        if message.epoch is None:
            if self._update or not self.served:
                raise RefusedError(f"a dump needs an engine that serves and is not being updated; it is {self.state}")
            version, sizes, dump = self.version, self._sizes, self._adapter.dump
        else:
            version, sizes, dump = self._staged(message.epoch)
        slot = self._mappings.writable(message.slot)
        try:
            pieces = []
            for part in message.tensors:
                size = sizes.get(part.name)
                if size is None:
                    raise RefusedError(f'tensor "{part.name}" is not one of version {version}')
                end = part.begin + part.bytes
                if end > size:
                    raise RefusedError(f'tensor "{part.name}": bytes {part.begin} to {end} are not in its {size} bytes')
                pieces.append(piece(part, slot))
            dump(pieces)
        finally:
            slot.close()
        return link.Dumped(message.id)

    def _staged(self, epoch: int) -> tuple[str, dict[str, int], Callable[[list[Piece]], None]]:
        """What the commit of the running update would make live: version, bytes held of each tensor, way to dump."""
        update = self._running(epoch)
        if not update.ended:
            raise RefusedError(f"update with epoch {epoch} has not ended; its weights are incomplete")
        dump = getattr(self._adapter, "dump_staged", None)
        if dump is None:
            raise RefusedError("this engine can not show what it has loaded before it is live; use verify = arrival")
        return update.begin.version, self._standby.sizes if update.begin.from_ else update.sizes, dump

    def _running(self, epoch: int) -> Update:
        if self._update is None:
            raise RefusedError(f"no update is running; epoch {epoch} is over or never began")
        if self._update.begin.epoch != epoch:
            raise RefusedError(f"epoch {epoch} is not that of the running update, {self._update.begin.epoch}")
        return self._update

    def _break_off(self) -> None:
        # An in-place update leaves the gate paused: the parameters are a mixture until another update ends well.
        self._update = None
        self._adapter.abort()


def _refuse_twins(slots: tuple[link.Slot, ...]) -> None:
    ids: set[int] = set()
    for slot in slots:
        if slot.id in ids:
            raise RefusedError(f"slot id {slot.id} is listed twice")
        ids.add(slot.id)
