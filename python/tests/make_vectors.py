"""Writes the conformance vectors of the engine link: ``python tests/make_vectors.py``.

The vectors are data, checked in; this program is how they were made. A test checks that they are up to date.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from inflight.answer import answer, in_order, splitmix64
from inflight.dtypes import BITS

TARGET = Path(__file__).resolve().parents[2] / "protocol/src/test/resources/engine-link"
MODEL = "model-under-test"
# Every width, a scalar, an empty tensor, odd sizes, and two names that UTF-16 would sort the other way.
TENSORS = [
    {"name": "embed.weight", "dtype": "BF16", "shape": [16, 8]},
    {"name": "layers.0.proj.weight", "dtype": "F8_E4M3", "shape": [8, 8]},
    {"name": "layers.0.proj.weight_scale", "dtype": "F8_E8M0", "shape": [5]},
    {"name": "layers.0.packed", "dtype": "F4", "shape": [3, 6]},
    {"name": "layers.0.mask", "dtype": "BOOL", "shape": [7]},
    {"name": "layers.1.norm.weight", "dtype": "F32", "shape": [3]},
    {"name": "layers.1.empty", "dtype": "F16", "shape": [0, 4]},
    {"name": "steps", "dtype": "I64", "shape": []},
    {"name": "z.\U0001f600", "dtype": "U8", "shape": [9]},
    {"name": "z.\uff5e", "dtype": "U8", "shape": [11]},
]

# One of every dtype. Three rows of eight elements are whole bytes of every width.
EVERY_DTYPE = [{"name": f"every.{dtype}", "dtype": dtype, "shape": [3, 8]} for dtype in sorted(BITS)]

# What the last of two ranks is sent: cut along each dimension, packed, empty, and one that is held whole.
SLICES = "embed.*=0,*.o.weight=1,*.experts=1,*.last=2,*.packed=1,*.empty=1"
SLICED = [
    {"name": "embed.weight", "dtype": "BF16", "shape": [16, 8]},
    {"name": "layers.0.o.weight", "dtype": "F8_E4M3", "shape": [7, 10]},
    {"name": "layers.0.experts", "dtype": "F16", "shape": [3, 4, 5]},
    {"name": "layers.0.last", "dtype": "F32", "shape": [2, 3, 2]},
    {"name": "layers.0.packed", "dtype": "F4", "shape": [3, 8]},
    {"name": "layers.0.empty", "dtype": "F16", "shape": [0, 4]},
    {"name": "norm.weight", "dtype": "F32", "shape": [3]},
]
SLICED_DIMS = (0, 1, 1, 2, 1, 1, None)


# The first rule that matches counts; what none matches is wanted.
WANTS = "*.proj.weight,layers.1.*,!layers.*,!z.\uff5e"
WANTED = (0, 1, 5, 6, 7, 8)
UNWANTED = (3,)


def size(tensor: dict) -> int:
    return math.prod(tensor["shape"]) * BITS[tensor["dtype"]] // 8


def seeded(seed: int, count: int) -> bytes:
    return bytes(splitmix64((seed + i) & (2**64 - 1)) & 0xFF for i in range(count))


class Version:
    """Made-up weights: tensor i holds the seeded bytes of ``seed + 1000 * i``."""

    def __init__(self, name: str, seed: int, tensors: list[dict] = TENSORS):
        self.name = name
        self.tensors = tensors
        self.digest = f"{splitmix64(seed):016x}" * 4
        self.seeds = {t["name"]: seed + 1000 * i for i, t in enumerate(tensors)}
        self.bytes = {t["name"]: seeded(self.seeds[t["name"]], size(t)) for t in tensors}

    def answer(self, seed: int) -> dict:
        return {"version": self.name, "digest": answer(seed, in_order(self.bytes))}

    @property
    def total(self) -> int:
        return sum(map(len, self.bytes.values()))

    def parts(self, *wanted: tuple) -> list[dict]:
        """Parts to load, laid out at multiples of 256: (index of the tensor[, begin, end])."""
        parts, offset = [], 0
        for index, *cut in wanted:
            t = self.tensors[index]
            begin, end = cut or (0, size(t))
            parts.append({**t, "offset": offset, "bytes": end - begin, "begin": begin})
            offset += max(256, -(-(end - begin) // 256) * 256)
        return parts

    def fill(self, parts: list[dict]) -> list[dict]:
        return [
            {"offset": p["offset"], "bytes": p["bytes"], "seed": self.seeds[p["name"]] + p["begin"]}
            for p in parts
            if p["bytes"]
        ]


class SlicedVersion(Version):
    """What rank 1 of 2 holds of a version."""

    def __init__(self, name: str, seed: int):
        super().__init__(name, seed, SLICED)
        self.whole = self.bytes
        self.bytes = {t["name"]: second_half(self.whole[t["name"]], t, d) for t, d in zip(SLICED, SLICED_DIMS)}

    def held(self, *indexes: int) -> tuple[list[dict], list[dict]]:
        """Parts to dump, and what the slot holds then."""
        parts, offset = [], 0
        for index in indexes:
            name = self.tensors[index]["name"]
            parts.append({"name": name, "offset": offset, "bytes": len(self.bytes[name]), "begin": 0})
            offset += 256
        return parts, [{"offset": p["offset"], "hex": self.bytes[p["name"]].hex()} for p in parts if p["bytes"]]


class WantedVersion(Version):
    """What an engine holds that wants some tensors."""

    def __init__(self, name: str, seed: int):
        super().__init__(name, seed)
        wanted = {TENSORS[i]["name"] for i in WANTED}
        self.bytes = {name: data for name, data in self.bytes.items() if name in wanted}


def second_half(data: bytes, tensor: dict, dim: int | None) -> bytes:
    if dim is None or not data:
        return data
    row = math.prod(tensor["shape"][dim:]) * BITS[tensor["dtype"]] // 8
    return b"".join(data[at + row // 2 : at + row] for at in range(0, len(data), row))


V1, V2, V3 = Version("v1", 7), Version("v2", 8_000_000), Version("v3", 2**64 - 5)
SLOT_BYTES = 4096
NO_GPU = "GPU-00000000-0000-0000-0000-000000000000"

# Two buckets; tensor 0 (256 bytes) is split in three parts over both, out of order.
FIRST = ((1,), (0, 128, 256), (2,), (3,), (4,))
SECOND = ((0, 0, 77), (5,), (6,), (7,), (8,), (9,), (0, 77, 128))


class Script:
    def __init__(
        self,
        name: str,
        about: str,
        pause_timeout_ms: int = 60000,
        modes: str = "in-place,shadow",
        tensors: list[dict] = TENSORS,
        flags: dict | None = None,
    ):
        self.head = {
            "name": name,
            "about": about,
            "engine": {"modes": modes, "pauseTimeoutMs": pause_timeout_ms, **(flags or {})},
            "tensors": tensors,
        }
        self.modes = modes.split(",")
        self.steps: list[dict] = []

    def step(self, **step) -> Script:
        self.steps.append(step)
        return self

    def hello(self, version: Version | None = None, **changes) -> Script:
        self.step(
            expect={
                "verb": "hello",
                "protocol": 1,
                "engine": "engine-under-test",
                "model": MODEL,
                "device": {"kind": "host"},
                "tpRank": 0,
                "tpSize": 1,
                "modes": self.modes,
                "wholeTensors": False,
                "version": version and version.name,
                "digest": version and version.digest,
                **changes,
            }
        )
        return self.step(send={"verb": "welcome", "protocol": 1, "worker": "worker-0/0"})

    def ask(self, send: dict, **expect) -> Script:
        return self.step(send=send).step(expect=expect)

    def begin_message(self, epoch: int, version: Version, mode: str, **changes) -> dict:
        slots = [slot(0), slot(1)]
        return {
            "verb": "begin",
            "epoch": epoch,
            "model": MODEL,
            "version": version.name,
            "digest": version.digest,
            "mode": mode,
            "tensors": len(version.tensors),
            "bytes": version.total,
            "slots": slots,
            **changes,
        }

    def begin(self, epoch: int, version: Version, mode: str) -> Script:
        self.step(slot={"id": 0, "bytes": SLOT_BYTES, "fill": []}).step(slot={"id": 1, "bytes": SLOT_BYTES, "fill": []})
        return self.ask(self.begin_message(epoch, version, mode), verb="begun", epoch=epoch)

    def load(self, epoch: int, bucket: int, slot_id: int, version: Version, wanted: tuple) -> Script:
        parts = version.parts(*wanted)
        self.step(slot={"id": slot_id, "bytes": SLOT_BYTES, "fill": version.fill(parts)})
        return self.ask(load(epoch, bucket, slot_id, parts), verb="loaded", epoch=epoch, bucket=bucket)

    def stream(self, epoch: int, version: Version) -> Script:
        self.load(epoch, 0, 0, version, FIRST).load(epoch, 1, 1, version, SECOND)
        return self.ask({"verb": "end", "epoch": epoch}, verb="ended", epoch=epoch, tensors=len(TENSORS))

    def commit(self, epoch: int, version: Version) -> Script:
        return self.ask(
            {"verb": "commit", "epoch": epoch, "version": version.name},
            verb="committed",
            epoch=epoch,
            version=version.name,
        )

    def swap(self, epoch: int, version: Version, standby: Version | None) -> Script:
        """Commits a shadow update, after which this stands by."""
        return self.ask(
            {"verb": "commit", "epoch": epoch, "version": version.name},
            verb="committed",
            epoch=epoch,
            version=version.name,
            standby=standing_by(standby),
        )

    def take_standby(self, epoch: int, version: Version) -> Script:
        message = self.begin_message(epoch, version, "shadow", slots=[], **{"from": "standby"})
        self.ask(message, verb="begun", epoch=epoch)
        return self.ask({"verb": "end", "epoch": epoch}, verb="ended", epoch=epoch, tensors=len(TENSORS))

    def update(self, epoch: int, version: Version, mode: str) -> Script:
        return self.begin(epoch, version, mode).stream(epoch, version).commit(epoch, version)

    def failed(self, send: dict, **expect) -> Script:
        return self.ask(send, verb="failed", **expect)

    def abort(self, epoch: int, state: str, version: Version | None) -> Script:
        return self.ask(
            {"verb": "abort", "epoch": epoch, "reason": "a test"},
            verb="aborted",
            epoch=epoch,
            state=state,
            version=version and version.name,
        )

    def serves(self, version: Version, seed: int = 1) -> Script:
        self.step(http={"path": "/health", "status": 200, "expect": health("SERVING", version)})
        return self.step(http={"path": f"/answer?seed={seed}", "status": 200, "expect": version.answer(seed)})

    def pending(self) -> Script:
        self.step(http={"path": "/health", "status": 503, "expect": health("PENDING_WEIGHTS", None)})
        return self.step(http={"path": "/answer?seed=1", "status": 503, "expect": {}})

    def dump(self, id: int, version: Version, wanted: tuple, epoch: int | None = None) -> Script:
        parts = version.parts(*wanted)
        self.step(slot={"id": 2, "bytes": SLOT_BYTES, "fill": []})
        self.ask(dump(id, parts, epoch), verb="dumped", id=id)
        return self.step(holds={"id": 2, "fill": version.fill(parts)})

    def text(self) -> str:
        return json.dumps({**self.head, "steps": self.steps}, indent=1, ensure_ascii=True) + "\n"


def standing_by(version: Version | None) -> dict | None:
    return version and {"version": version.name, "digest": version.digest}


def slot(id: int, **changes) -> dict:
    return {"id": id, "kind": "shm", "path": f"${{slot:{id}}}", "offset": 0, "bytes": SLOT_BYTES, **changes}


def cuda_slot(id: int, **changes) -> dict:
    """A slot on a GPU that no machine has."""
    place = {"kind": "cuda", "handle": "5a" * 64, "device": NO_GPU, "offset": 0, "bytes": SLOT_BYTES}
    return {"id": id, **place, **changes}


def load(epoch: int, bucket: int, slot_id: int, parts: list[dict]) -> dict:
    return {"verb": "load", "epoch": epoch, "bucket": bucket, "slot": slot_id, "tensors": parts}


def dump(id: int, parts: list[dict], epoch: int | None = None, **slot_changes) -> dict:
    return dump_into(slot(2, **slot_changes), id, parts, epoch)


def dump_into(place: dict, id: int, parts: list[dict], epoch: int | None = None) -> dict:
    place = {k: v for k, v in place.items() if k != "id"}
    tensors = [{k: p[k] for k in ("name", "offset", "bytes", "begin")} for p in parts]
    staged = {} if epoch is None else {"epoch": epoch}
    return {"verb": "dump", "id": id, "slot": place, "tensors": tensors, **staged}


def health(state: str, version: Version | None) -> dict:
    return {
        "engine": "engine-under-test",
        "model": MODEL,
        "state": state,
        "version": version and version.name,
        "digest": version and version.digest,
    }


def standby_session() -> Script:
    s = Script(
        "standby", "What a shadow commit replaced stands by, is taken back by a swap, and is gone once written over."
    )
    s.hello(standby=None).begin(1, V1, "shadow").stream(1, V1).swap(1, V1, None)
    s.begin(2, V2, "shadow").stream(2, V2).swap(2, V2, V1).serves(V2)
    take = {"slots": [], "from": "standby"}
    s.failed(s.begin_message(3, V3, "shadow", **take), epoch=3)
    s.failed(s.begin_message(3, V1, "in-place", **take), epoch=3)
    s.failed(s.begin_message(3, V1, "shadow", **{**take, "slots": [slot(0)]}), epoch=3)
    s.ask(s.begin_message(3, V1, "shadow", **take), verb="begun", epoch=3).serves(V2)
    s.failed(load(3, 0, 0, V1.parts(*FIRST)), epoch=3, bucket=0)
    s.failed({"verb": "commit", "epoch": 3, "version": "v1"}, epoch=3)
    s.failed(dump(20, V1.parts((0,)), 3), id=20, epoch=None)
    s.ask({"verb": "end", "epoch": 3}, verb="ended", epoch=3, tensors=len(TENSORS))
    s.dump(21, V1, ((0,), (1,), (9,)), 3)
    s.abort(3, "SERVING", V2).serves(V2)
    s.step(reconnect=True).hello(V2, standby=standing_by(V1))
    s.take_standby(4, V1).swap(4, V1, V2).serves(V1).dump(1, V1, ((0,), (1,), (9,)))
    s.take_standby(5, V2).swap(5, V2, V1).serves(V2)
    s.begin(6, V3, "in-place").stream(6, V3).swap(6, V3, V1).serves(V3)
    s.begin(7, V2, "in-place").abort(7, "PENDING_WEIGHTS", None)
    s.step(http={"path": "/health", "status": 503, "expect": health("PENDING_WEIGHTS", None)})
    s.take_standby(8, V1).swap(8, V1, None).serves(V1).dump(2, V1, ((0,), (1,), (9,)))
    s.begin(9, V2, "shadow").stream(9, V2).swap(9, V2, V1)
    s.begin(10, V3, "shadow").load(10, 0, 0, V3, FIRST)
    s.ask(
        {"verb": "abort", "epoch": 10, "reason": "a test"},
        verb="aborted",
        epoch=10,
        state="SERVING",
        version="v2",
        standby=None,
    )
    return s.failed(s.begin_message(11, V1, "shadow", **take), epoch=11).serves(V2)


def wants_session() -> Script:
    rules = [{"pattern": p.removeprefix("!"), "take": not p.startswith("!")} for p in WANTS.split(",")]
    s = Script(
        "wants", "An engine that wants some tensors is sent these alone.", tensors=TENSORS, flags={"wants": WANTS}
    )
    s.hello(wants=rules).pending()
    w1, w2 = WantedVersion("w1", 31), WantedVersion("w2", 4_000_000)
    counts = {"tensors": len(WANTED), "bytes": w1.total}
    first, second = tuple((i,) for i in WANTED[:3]), tuple((i,) for i in WANTED[3:])
    epoch = 0
    for mode, version in (("in-place", w1), ("in-place", w2), ("shadow", w1), ("shadow", w2)):
        epoch += 1
        s.step(slot={"id": 0, "bytes": SLOT_BYTES, "fill": []}).step(slot={"id": 1, "bytes": SLOT_BYTES, "fill": []})
        s.ask(s.begin_message(epoch, version, mode, **counts), verb="begun", epoch=epoch)
        s.load(epoch, 0, 0, version, first)
        # One that is not wanted, beside one that is; then nothing of either has come.
        s.failed(load(epoch, 1, 1, version.parts(second[0], UNWANTED)), epoch=epoch, bucket=1)
        s.failed({"verb": "end", "epoch": epoch}, epoch=epoch)
        s.load(epoch, 1, 1, version, second)
        s.ask({"verb": "end", "epoch": epoch}, verb="ended", epoch=epoch, tensors=len(WANTED))
        s.commit(epoch, version).serves(version).dump(epoch, version, first + second)
    s.failed(dump(20, w2.parts(UNWANTED)), id=20)
    s.step(reconnect=True).hello(w2, wants=rules).serves(w2)
    return s


def staged_session() -> Script:
    s = Script("staged", "What an update has loaded is dumped once it has ended, before it is live.")
    whole, wanted = tuple((i,) for i in range(len(TENSORS))), ((0,), (7, 3, 8), (9,))
    s.hello().begin(1, V1, "in-place").load(1, 0, 0, V1, FIRST)
    s.failed(dump(1, V1.parts((0,)), 1), id=1, epoch=None)
    s.load(1, 1, 1, V1, SECOND).ask({"verb": "end", "epoch": 1}, verb="ended", epoch=1, tensors=len(TENSORS))
    s.dump(2, V1, wanted, 1).failed(dump(3, V1.parts((0,))), id=3).failed(dump(4, V1.parts((0,)), 2), id=4)
    s.failed(dump(5, [{**V1.parts((0,))[0], "name": "no.such.tensor"}], 1), id=5)
    s.commit(1, V1).serves(V1).failed(dump(6, V1.parts((0,)), 1), id=6, epoch=None)
    s.begin(2, V2, "in-place").stream(2, V2).dump(7, V2, wanted, 2).commit(2, V2).serves(V2)
    for epoch, old, new in ((3, V2, V1), (4, V1, V3)):
        s.begin(epoch, new, "shadow").stream(epoch, new).dump(10 * epoch, new, whole, epoch).serves(old)
        s.commit(epoch, new).serves(new).dump(10 * epoch + 1, new, wanted)
    s.begin(5, V2, "shadow").stream(5, V2).dump(60, V2, wanted, 5).abort(5, "SERVING", V3)
    return s.failed(dump(61, V2.parts((0,)), 5), id=61).serves(V3).dump(62, V3, wanted)


def sessions() -> list[Script]:
    scripts = [standby_session(), staged_session()]

    s = Script("in-place", "First weights and an update in place; requests wait while it runs; dumps.")
    s.hello().pending().begin(1, V1, "in-place")
    s.step(http={"path": "/health", "status": 503, "expect": health("UPDATING", None)})
    s.stream(1, V1).commit(1, V1).serves(V1).serves(V1, 2**64 - 1)
    s.step(http={"path": "/answer?seed=18446744073709551616", "status": 400, "expect": {}})
    s.step(http={"path": "/answer?seed=-1", "status": 400, "expect": {}})
    s.step(http={"path": "/answer", "status": 400, "expect": {}})
    s.dump(1, V1, ((0,), (1,), (9,), (6,))).dump(2, V1, ((0, 100, 256), (7, 3, 8)))
    s.begin(2, V2, "in-place")
    s.step(http={"path": "/answer?seed=5", "later": "during"})
    s.stream(2, V2).step(waiting="during").commit(2, V2)
    s.step(result={"id": "during", "status": 200, "expect": V2.answer(5)})
    s.serves(V2).dump(3, V2, ((5,), (8,), (0,)))
    s.step(reconnect=True).hello(V2).serves(V2)
    scripts.append(s)

    s = Script("shadow", "Shadow updates, the first weights included; the engine serves the old version until commit.")
    s.hello().pending().begin(1, V1, "shadow").stream(1, V1).commit(1, V1).serves(V1)
    s.begin(2, V2, "shadow").serves(V1).load(2, 0, 1, V2, FIRST).serves(V1).load(2, 1, 0, V2, SECOND).serves(V1)
    s.ask({"verb": "end", "epoch": 2}, verb="ended", epoch=2, tensors=len(TENSORS)).serves(V1)
    s.commit(2, V2).serves(V2).dump(7, V2, ((0,), (3,)))
    s.update(3, V3, "shadow").serves(V3)
    s.update(4, V1, "in-place").serves(V1)
    s.update(5, V2, "shadow").serves(V2).dump(8, V2, ((0,), (1,), (2,), (3,), (4,), (5,), (7,), (8,), (9,)))
    scripts.append(s)

    s = Script("pipelined", "Requests are sent without waiting and answered in order.")
    s.hello()
    first, second = V1.parts(*FIRST), V1.parts(*SECOND)
    s.step(slot={"id": 0, "bytes": SLOT_BYTES, "fill": V1.fill(first)})
    s.step(slot={"id": 1, "bytes": SLOT_BYTES, "fill": V1.fill(second)})
    for message in (
        s.begin_message(1, V1, "in-place"),
        load(1, 0, 0, first),
        load(1, 1, 1, second),
        {"verb": "end", "epoch": 1},
        {"verb": "commit", "epoch": 1, "version": "v1"},
        {"verb": "abort", "epoch": 1, "reason": "too late"},
    ):
        s.step(send=message)
    s.step(expect={"verb": "begun", "epoch": 1})
    s.step(expect={"verb": "loaded", "epoch": 1, "bucket": 0}).step(expect={"verb": "loaded", "epoch": 1, "bucket": 1})
    s.step(expect={"verb": "ended", "epoch": 1, "tensors": len(TENSORS)})
    s.step(expect={"verb": "committed", "epoch": 1, "version": "v1"})
    s.step(expect={"verb": "aborted", "epoch": 1, "state": "SERVING", "version": "v1"}).serves(V1)
    scripts.append(s)

    s = Script("fencing", "Late and early messages change nothing.")
    s.hello().failed({"verb": "end", "epoch": 1}, epoch=1)
    s.failed({"verb": "commit", "epoch": 1, "version": "v1"}, epoch=1)
    s.abort(1, "PENDING_WEIGHTS", None)
    s.update(5, V1, "in-place").serves(V1)
    s.failed(s.begin_message(5, V2, "shadow"), epoch=5).failed(s.begin_message(4, V2, "in-place"), epoch=4)
    s.failed({"verb": "commit", "epoch": 5, "version": "v1"}, epoch=5)
    s.abort(5, "SERVING", V1).abort(99, "SERVING", V1).serves(V1)
    s.begin(6, V2, "shadow").load(6, 0, 0, V2, FIRST)
    s.failed(s.begin_message(7, V3, "shadow"), epoch=7).failed(s.begin_message(6, V3, "shadow"), epoch=6)
    s.failed(load(5, 1, 1, V2.parts(*SECOND)), epoch=5, bucket=1)
    s.failed(load(7, 1, 1, V2.parts(*SECOND)), epoch=7, bucket=1)
    s.failed({"verb": "end", "epoch": 5}, epoch=5)
    s.failed({"verb": "commit", "epoch": 6, "version": "v2"}, epoch=6)
    s.abort(5, "SERVING", V1)
    s.failed(dump(1, V1.parts((0,))), id=1)
    s.load(6, 1, 1, V2, SECOND).ask({"verb": "end", "epoch": 6}, verb="ended", epoch=6, tensors=len(TENSORS))
    s.failed(load(6, 2, 1, V2.parts((5,))), epoch=6, bucket=2)
    s.failed({"verb": "commit", "epoch": 6, "version": "v3"}, epoch=6)
    s.failed({"verb": "commit", "epoch": 5, "version": "v2"}, epoch=5).serves(V1)
    s.commit(6, V2).serves(V2)
    # The failed begin with epoch 7 left no mark.
    s.update(7, V3, "in-place").serves(V3)
    scripts.append(s)

    s = Script("abort-shadow", "Abort at each point of a shadow update: the old version stays.")
    s.hello().begin(1, V1, "shadow").abort(1, "PENDING_WEIGHTS", None).pending()
    s.update(2, V1, "in-place").serves(V1)
    s.begin(3, V2, "shadow").abort(3, "SERVING", V1).serves(V1)
    s.begin(4, V2, "shadow").load(4, 0, 0, V2, FIRST).abort(4, "SERVING", V1).serves(V1)
    s.failed(load(4, 1, 1, V2.parts(*SECOND)), epoch=4, bucket=1)
    s.begin(5, V2, "shadow").stream(5, V2).abort(5, "SERVING", V1).serves(V1)
    s.failed({"verb": "commit", "epoch": 5, "version": "v2"}, epoch=5)
    s.begin(6, V2, "shadow").load(6, 1, 1, V2, SECOND)
    # Nothing of epoch 5's buckets counts.
    s.failed({"verb": "end", "epoch": 6}, epoch=6).abort(6, "SERVING", V1).serves(V1)
    s.dump(1, V1, ((0,), (1,), (2,), (3,))).update(7, V2, "shadow").serves(V2)
    scripts.append(s)

    s = Script("abort-in-place", "Abort at each point of an in-place update: paused until whole again.", 400)
    s.hello().begin(1, V1, "in-place").abort(1, "PENDING_WEIGHTS", None).pending()
    s.update(2, V1, "in-place").serves(V1)
    s.begin(3, V2, "in-place").abort(3, "PENDING_WEIGHTS", None).pending()
    s.failed(dump(1, V1.parts((0,))), id=1)
    s.begin(4, V2, "in-place").load(4, 0, 0, V2, FIRST).abort(4, "PENDING_WEIGHTS", None).pending()
    s.update(5, V1, "in-place").serves(V1)
    s.begin(6, V2, "in-place").stream(6, V2).abort(6, "PENDING_WEIGHTS", None).pending()
    s.step(reconnect=True).hello(None)
    s.update(7, V3, "shadow").serves(V3)
    scripts.append(s)

    s = Script("incomplete", "A stream that lacks something fails at end; bad loads change nothing.", 400)
    s.hello().update(1, V1, "in-place").serves(V1)
    s.begin(2, V2, "shadow").failed({"verb": "end", "epoch": 2}, epoch=2)
    s.failed({"verb": "commit", "epoch": 2, "version": "v2"}, epoch=2).abort(2, "SERVING", V1)
    # All but a middle part of one tensor.
    s.begin(3, V2, "shadow").load(3, 0, 0, V2, FIRST).load(3, 1, 1, V2, SECOND[:-1])
    s.failed({"verb": "end", "epoch": 3}, epoch=3).abort(3, "SERVING", V1).serves(V1)
    # All but an empty tensor.
    s.begin(4, V2, "shadow").load(4, 0, 0, V2, FIRST).load(4, 1, 1, V2, tuple(w for w in SECOND if w != (6,)))
    s.failed({"verb": "end", "epoch": 4}, epoch=4).abort(4, "SERVING", V1).serves(V1)
    # More announced than came.
    changed = s.begin_message(5, V2, "shadow", tensors=len(TENSORS) + 1)
    s.ask(changed, verb="begun", epoch=5).load(5, 0, 0, V2, FIRST).load(5, 1, 1, V2, SECOND)
    s.failed({"verb": "end", "epoch": 5}, epoch=5).abort(5, "SERVING", V1)
    s.begin(6, V2, "shadow").load(6, 0, 0, V2, FIRST)
    good = V2.parts(*SECOND)
    for bucket, (index, change) in enumerate(
        [
            (1, {"offset": SLOT_BYTES - 4}),  # past the slot's end
            (1, {"offset": 2**63 - 1}),
            (0, {"bytes": 78, "begin": 200}),  # past the tensor's end
            (0, {"begin": 2**63 - 1}),
            (0, {"begin": 100}),  # overlaps what came
            (1, {"bytes": 4}),  # of 12: legal by itself, but see the next part
        ],
        start=10,
    ):
        parts = [dict(p) for p in good]
        parts[index].update(change)
        if index == 1 and change == {"bytes": 4}:
            parts.append({**good[1], "begin": 2, "bytes": 10})
        s.failed(load(6, bucket, 1, parts), epoch=6, bucket=bucket)
    s.failed(load(6, 20, 2, good), epoch=6, bucket=20)
    s.failed(load(6, 21, 0, V2.parts(*FIRST)), epoch=6, bucket=21)
    mixed = [dict(p) for p in good]
    mixed[0]["shape"] = [8, 16]
    s.failed(load(6, 22, 1, mixed), epoch=6, bucket=22)
    s.load(6, 1, 1, V2, SECOND).ask({"verb": "end", "epoch": 6}, verb="ended", epoch=6, tensors=len(TENSORS))
    s.commit(6, V2).serves(V2)
    scripts.append(s)

    s = Script("slots", "Slots that must not be mapped, and dumps that must not be written.")
    s.hello().step(slot={"id": 0, "bytes": SLOT_BYTES, "fill": []})
    bad = [
        [slot(0, path="/etc/hostname", bytes=1)],
        [slot(0, path="/dev/shm/../../etc/hostname", bytes=1)],
        [slot(0, path="/dev/shm/inflight-there-is-no-such-file")],
        [slot(0, path="/dev/shm")],
        [slot(0, path="relative")],
        [slot(0, bytes=SLOT_BYTES + 1)],
        [slot(0, offset=1)],
        [slot(0, offset=2**63 - 1)],
        [slot(0), slot(0)],
    ]
    for slots in bad:
        s.failed(s.begin_message(1, V1, "in-place", slots=slots), epoch=1)
    s.failed(s.begin_message(1, V1, "in-place", model="another"), epoch=1).pending()
    # Two slots in one file, at offsets that are no multiple of a page.
    halves = [slot(0, offset=256, bytes=1280), {**slot(0, offset=1536, bytes=2560), "id": 5}]
    s.ask(s.begin_message(1, V1, "in-place", slots=halves), verb="begun", epoch=1)
    first, second = V1.parts(*FIRST), V1.parts(*SECOND)
    shifted = [{**f, "offset": f["offset"] + 256} for f in V1.fill(first)]
    shifted += [{**f, "offset": f["offset"] + 1536} for f in V1.fill(second)]
    s.step(slot={"id": 0, "bytes": SLOT_BYTES, "fill": shifted})
    s.ask(load(1, 0, 0, first), verb="loaded", epoch=1, bucket=0)
    s.ask(load(1, 1, 5, second), verb="loaded", epoch=1, bucket=1)
    s.ask({"verb": "end", "epoch": 1}, verb="ended", epoch=1, tensors=len(TENSORS)).commit(1, V1).serves(V1)
    s.step(slot={"id": 2, "bytes": SLOT_BYTES, "fill": []})
    part = V1.parts((0,))
    s.failed(dump(1, part, path="/tmp/inflight-no-slot"), id=1, epoch=None).failed(dump(2, part, offset=4000), id=2)
    s.failed(dump(3, part, bytes=128), id=3).failed(dump(4, [{**part[0], "begin": 1}]), id=4)
    s.failed(dump(5, [{**part[0], "name": "no.such.tensor"}]), id=5)
    s.step(holds={"id": 2, "fill": [{"offset": 0, "hex": "00" * 64}]})
    s.dump(6, V1, ((0,),)).serves(V1)
    scripts.append(s)

    s = Script("cuda-slots", "An engine that can not map a CUDA slot refuses it, and nothing changes.")
    s.hello().step(slot={"id": 0, "bytes": SLOT_BYTES, "fill": []})
    s.failed(s.begin_message(1, V1, "in-place", slots=[cuda_slot(0)]), epoch=1).pending()
    s.failed(s.begin_message(1, V1, "in-place", slots=[slot(0), cuda_slot(1)]), epoch=1).pending()
    s.update(1, V1, "in-place").serves(V1)
    for mode in ("in-place", "shadow"):
        s.failed(s.begin_message(2, V2, mode, slots=[cuda_slot(0), slot(1)]), epoch=2).serves(V1)
    s.failed(dump_into(cuda_slot(2), 1, V1.parts((0,))), id=1, epoch=None).serves(V1)
    s.dump(2, V1, ((0,), (1,))).update(2, V2, "shadow").serves(V2)
    scripts.append(s)

    s = Script("modes", "An engine refuses a mode that it did not offer.", modes="shadow")
    s.hello().step(slot={"id": 0, "bytes": SLOT_BYTES, "fill": []}).step(
        slot={"id": 1, "bytes": SLOT_BYTES, "fill": []}
    )
    s.failed(s.begin_message(1, V1, "in-place"), epoch=1).update(1, V1, "shadow").serves(V1)
    scripts.append(s)

    s = Script("every-dtype", "A tensor of every dtype, in place and as a shadow.", tensors=EVERY_DTYPE)
    s.hello()
    half = len(EVERY_DTYPE) // 2
    first, second = tuple((i,) for i in range(half)), tuple((i,) for i in range(half, len(EVERY_DTYPE)))
    for epoch, mode in enumerate(("in-place", "shadow"), start=1):
        version = Version(f"e{epoch}", 77 * epoch, EVERY_DTYPE)
        s.begin(epoch, version, mode).load(epoch, 0, 0, version, first).load(epoch, 1, 1, version, second)
        s.ask({"verb": "end", "epoch": epoch}, verb="ended", epoch=epoch, tensors=len(EVERY_DTYPE))
        s.commit(epoch, version).serves(version).dump(2 * epoch, version, first).dump(2 * epoch + 1, version, second)
    scripts.append(s)

    flags = {"tpRank": 1, "tpSize": 2, "slices": SLICES}
    rules = [{"pattern": p, "dim": int(d)} for p, d in (rule.split("=") for rule in SLICES.split(","))]
    s = Script(
        "slices", "A rank of two takes its slices of what comes, however it is cut.", tensors=SLICED, flags=flags
    )
    s.hello(tpRank=1, tpSize=2, slices=rules).pending()
    w1, w2 = SlicedVersion("w1", 31), SlicedVersion("w2", 4_000_000)
    # Cut in the middle of rows and of elements; rows of the other rank alone, too.
    first = ((0, 100, 131), (1, 3, 5), (2, 7, 120), (3,), (4, 0, 1), (6,))
    second = ((0, 131, 256), (1, 0, 3), (1, 5, 38), (2, 0, 7), (4, 1, 12), (5,), (0, 0, 100), (1, 38, 70))
    epoch = 0
    for mode, version in (("in-place", w1), ("in-place", w2), ("shadow", w1), ("shadow", w2)):
        epoch += 1
        s.begin(epoch, version, mode).load(epoch, 0, 0, version, first)
        wrong = [{**version.parts((6,))[0], "name": "embed.weight", "dtype": "F32", "shape": [3]}]
        s.failed(load(epoch, 9, 0, wrong), epoch=epoch, bucket=9)
        s.load(epoch, 1, 1, version, second)
        s.ask({"verb": "end", "epoch": epoch}, verb="ended", epoch=epoch, tensors=len(SLICED))
        parts, held = version.held(*range(len(SLICED)))
        s.step(slot={"id": 2, "bytes": SLOT_BYTES, "fill": []})
        staged = 10 + epoch
        s.ask(dump(staged, parts, epoch), verb="dumped", id=staged).step(holds={"id": 2, "fill": held})
        s.commit(epoch, version).serves(version).serves(version, 2**64 - 1)
        s.step(slot={"id": 2, "bytes": SLOT_BYTES, "fill": []})
        s.ask(dump(epoch, parts), verb="dumped", id=epoch).step(holds={"id": 2, "fill": held})
    # A dump counts in the bytes that are held.
    s.failed(dump(20, [{**parts[0], "begin": 1}]), id=20)
    s.step(reconnect=True).hello(w2, tpRank=1, tpSize=2, slices=rules).serves(w2)
    # What is another rank's need not come, all that is this one's must.
    s.begin(5, w1, "shadow").load(5, 0, 0, w1, first).load(5, 1, 1, w1, second[:2] + second[3:])
    s.failed({"verb": "end", "epoch": 5}, epoch=5).abort(5, "SERVING", w2).serves(w2)
    s.begin(6, w1, "shadow").load(6, 0, 0, w1, ((0, 128, 131), *first[1:]))
    s.load(6, 1, 1, w1, second[:-2] + second[-1:])
    s.ask({"verb": "end", "epoch": 6}, verb="ended", epoch=6, tensors=len(SLICED)).commit(6, w1).serves(w1)
    scripts.append(s)
    scripts.append(wants_session())

    s = Script(
        "slices-refused",
        "A tensor that can not be cut into equal parts is refused by its load, and nothing of it is copied.",
        400,
        tensors=[{"name": "a.weight", "dtype": "BF16", "shape": [4, 2]}],
        flags={"tpRank": 0, "tpSize": 2, "slices": "*.weight=0"},
    )
    s.hello(tpSize=2, slices=[{"pattern": "*.weight", "dim": 0}])
    odd = Version("odd", 5, [{"name": "a.weight", "dtype": "BF16", "shape": [3, 2]}])
    s.begin(1, odd, "in-place").failed(load(1, 0, 0, odd.parts((0,))), epoch=1, bucket=0)
    s.failed({"verb": "end", "epoch": 1}, epoch=1).abort(1, "PENDING_WEIGHTS", None).pending()
    scripts.append(s)

    s = Script("link-lost", "The link breaks in the middle of updates.", 400)
    s.hello().update(1, V1, "in-place").serves(V1)
    s.begin(2, V2, "shadow").load(2, 0, 0, V2, FIRST).step(reconnect=True).hello(V1).serves(V1)
    s.failed(load(2, 1, 1, V2.parts(*SECOND)), epoch=2, bucket=1).failed(s.begin_message(2, V2, "shadow"), epoch=2)
    s.begin(3, V2, "shadow").stream(3, V2).step(reconnect=True).hello(V1)
    s.failed({"verb": "commit", "epoch": 3, "version": "v2"}, epoch=3).serves(V1)
    s.begin(4, V2, "in-place").load(4, 0, 0, V2, FIRST).step(reconnect=True).hello(None).pending()
    s.begin(5, V1, "in-place").step(reconnect=True).hello(None)
    s.update(6, V1, "in-place").serves(V1)
    s.begin(7, V2, "in-place").stream(7, V2).step(reconnect=True).hello(None).pending()
    s.update(8, V2, "in-place").serves(V2)
    scripts.append(s)

    s = Script("malformed", "Malformed frames close the connection and break off the update, nothing else.", 400)
    s.hello().update(1, V1, "in-place")
    for epoch, raw in enumerate(
        [
            "00000000",
            "01000001",
            "ffffffff",
            frame_hex(b"{}"),
            frame_hex(b'{"verb":"ended","epoch":1,"tensors":1}'),
            frame_hex(b"[]"),
            frame_hex(b'{"verb":"end"}'),
            frame_hex(b'{"verb":"end","epoch":"1"}'),
            frame_hex(b'{"verb":"end","epoch":1'),
            frame_hex(b'{"verb":"end","epoch":-1}'),
            frame_hex(b'{"verb":"\xff"}'),
        ],
        start=2,
    ):
        if epoch < 4:
            s.begin(epoch, V2, "shadow").load(epoch, 0, 0, V2, FIRST)
        s.step(raw=raw).step(expect={"verb": "error"}).step(closed=True).step(accept=True).hello(V1)
    s.begin(20, V2, "in-place").step(raw=frame_hex(b"nonsense")).step(expect={"verb": "error"}).step(closed=True)
    s.step(accept=True).hello(None).pending()
    s.update(21, V2, "in-place").serves(V2)
    s.step(send={"verb": "error", "message": "go away"}).step(closed=True).step(accept=True).hello(V2).serves(V2)
    scripts.append(s)
    return scripts


def without(record: dict, field: str) -> dict:
    return {k: v for k, v in record.items() if k != field}


def frame_hex(body: bytes) -> str:
    return (len(body).to_bytes(4, "big") + body).hex()


def frames() -> list[dict]:
    hello = {
        "verb": "hello",
        "protocol": 1,
        "engine": "engine-0",
        "pid": 4711,
        "model": "m",
        "device": {"kind": "cuda", "uuid": "GPU-1"},
        "tpRank": 0,
        "tpSize": 1,
        "modes": ["in-place", "shadow"],
        "wholeTensors": False,
        "slices": [],
        "wants": [],
        "version": "v1",
        "digest": "ab" * 32,
    }
    standby = {"version": "v1", "digest": "ef" * 32}
    slices = [{"pattern": "*.o_proj.weight", "dim": 1}, {"pattern": "lm_head.weight", "dim": 0}]
    wants = [
        {"pattern": "*.experts.3.*", "take": True},
        {"pattern": "*.experts.*", "take": False},
        {"pattern": "\u00fc" * 128, "take": True},
    ]
    begin = {
        "verb": "begin",
        "epoch": 2**63 - 1,
        "model": "m",
        "version": "v2",
        "digest": "cd" * 32,
        "mode": "shadow",
        "tensors": 2,
        "bytes": 3 * 2**40,
        "slots": [
            {"id": 0, "kind": "shm", "path": "/dev/shm/s", "offset": 0, "bytes": 2**30},
            {"id": 7, "kind": "shm", "path": "/dev/shm/t", "offset": 4096, "bytes": 2**30},
        ],
    }
    cuda = {
        "id": 8,
        "kind": "cuda",
        "handle": "0123456789abcdef" * 8,
        "device": "GPU-4f6a1b2c-0000-1111-2222-333344445555",
        "offset": 2**33,
        "bytes": 2**28,
    }
    part = {
        "name": 'z.\U0001f600\uff5e"\\\n',
        "dtype": "F8_E4M3",
        "shape": [2, 3],
        "offset": 256,
        "bytes": 6,
        "begin": 0,
    }
    good = [
        ("hello", "engine", hello),
        (
            "hello of a fresh engine",
            "engine",
            {**hello, "device": {"kind": "host", "uuid": None}, "modes": ["in-place"], "version": None, "digest": None},
        ),
        ("hello with a standby", "engine", {**hello, "standby": standby}),
        ("hello of a rank", "engine", {**hello, "tpRank": 7, "tpSize": 8, "slices": slices}),
        ("hello that wants some tensors", "engine", {**hello, "wants": wants}),
        ("begun", "engine", {"verb": "begun", "epoch": 1}),
        ("loaded", "engine", {"verb": "loaded", "epoch": 1, "bucket": 0}),
        ("ended", "engine", {"verb": "ended", "epoch": 1, "tensors": 150000}),
        ("committed", "engine", {"verb": "committed", "epoch": 1, "version": "v2", "stallMicros": 12}),
        (
            "committed with a standby",
            "engine",
            {"verb": "committed", "epoch": 1, "version": "v2", "stallMicros": 12, "standby": standby},
        ),
        (
            "aborted with a standby",
            "engine",
            {"verb": "aborted", "epoch": 1, "state": "SERVING", "version": "v2", "standby": standby},
        ),
        ("aborted and serving", "engine", {"verb": "aborted", "epoch": 1, "state": "SERVING", "version": "v1"}),
        ("aborted and pending", "engine", {"verb": "aborted", "epoch": 1, "state": "PENDING_WEIGHTS", "version": None}),
        ("dumped", "engine", {"verb": "dumped", "id": 0}),
        ("failed load", "engine", {"verb": "failed", "epoch": 1, "bucket": 3, "id": None, "message": "no"}),
        ("failed dump", "engine", {"verb": "failed", "epoch": None, "bucket": None, "id": 9, "message": "no"}),
        ("error of an engine", "engine", {"verb": "error", "message": "m\u00fcll"}),
        ("error of a worker", "worker", {"verb": "error", "message": ""}),
        ("welcome", "worker", {"verb": "welcome", "protocol": 1, "worker": "worker-0/0"}),
        ("begin", "worker", begin),
        ("begin with slots of both kinds", "worker", {**begin, "slots": [*begin["slots"], cuda]}),
        ("handle in capitals", "worker", {**begin, "slots": [{**cuda, "handle": "0F" * 64}]}),
        ("begin without slots", "worker", {**begin, "slots": []}),
        ("begin from standby", "worker", {**begin, "slots": [], "from": "standby"}),
        (
            "load",
            "worker",
            {"verb": "load", "epoch": 1, "bucket": 0, "slot": 7, "tensors": [part, {**part, "shape": []}]},
        ),
        ("end", "worker", {"verb": "end", "epoch": 0}),
        ("commit", "worker", {"verb": "commit", "epoch": 1, "version": "v2"}),
        ("abort", "worker", {"verb": "abort", "epoch": 1, "reason": "worker-1/0 is gone"}),
        (
            "dump",
            "worker",
            {
                "verb": "dump",
                "id": 1,
                "slot": {"kind": "shm", "path": "/dev/shm/d", "offset": 0, "bytes": 8},
                "tensors": [{"name": "a", "offset": 0, "bytes": 8, "begin": 1048576}],
            },
        ),
        (
            "dump of staged weights",
            "worker",
            {
                "verb": "dump",
                "id": 3,
                "slot": {"kind": "shm", "path": "/dev/shm/d", "offset": 0, "bytes": 8},
                "tensors": [],
                "epoch": 12,
            },
        ),
        (
            "dump into a CUDA slot",
            "worker",
            {
                "verb": "dump",
                "id": 2,
                "slot": {k: v for k, v in cuda.items() if k != "id"},
                "tensors": [{"name": "a", "offset": 256, "bytes": 8, "begin": 0}],
            },
        ),
    ]
    entries = [
        {"name": name, "from": sender, "hex": frame_hex(json.dumps(m, ensure_ascii=False).encode()), "message": m}
        for name, sender, m in good
    ]

    def also(name, sender, body: bytes, message):
        entries.append({"name": name, "from": sender, "hex": frame_hex(body), "message": message})

    also(
        "white space and escapes",
        "worker",
        b' {\n"epoch" : 1 , "\\u0076erb":"\\u0065nd"}\t',
        {"verb": "end", "epoch": 1},
    )
    also(
        "unknown fields are dropped",
        "worker",
        b'{"verb":"end","epoch":1,"later":{"deep":[1,2.5,null,true]},"x":null}',
        {"verb": "end", "epoch": 1},
    )
    also(
        "a nullable field left out",
        "engine",
        b'{"verb":"aborted","epoch":1,"state":"PENDING_WEIGHTS"}',
        {"verb": "aborted", "epoch": 1, "state": "PENDING_WEIGHTS", "version": None},
    )
    also(
        "failed with nothing but a message",
        "engine",
        b'{"verb":"failed","message":"no"}',
        {"verb": "failed", "epoch": None, "bucket": None, "id": None, "message": "no"},
    )

    for name, body in (("left out", without(hello, "slices")), ("null", {**hello, "slices": None})):
        also(f"hello with slices {name}", "engine", json.dumps(body).encode(), hello)
    for name, body in (("left out", without(hello, "wants")), ("null", {**hello, "wants": None})):
        also(f"hello with wants {name}", "engine", json.dumps(body).encode(), hello)

    def bad(name, stream: bytes, sender="worker"):
        entries.append({"name": name, "from": sender, "hex": stream.hex(), "error": True})

    def bad_body(name, body: bytes, sender="worker"):
        bad(name, bytes.fromhex(frame_hex(body)), sender)

    bad("length 0", b"\0\0\0\0")
    bad("length of 16 MiB and 1", b"\x01\0\0\1{}")
    bad("length with the top bit", b"\xff\xff\xff\xff{}")
    bad("stream ends inside the length", b"\0\0")
    bad("stream ends inside the body", b'\0\0\0\x19{"verb":"end","epoch":1')
    bad_body("not JSON", b"hello")
    bad_body("JSON cut short", b'{"verb":"end","epoch":1')
    bad_body("something after the object", b'{"verb":"end","epoch":1}{}')
    bad_body("invalid UTF-8", b'{"verb":"abort","epoch":1,"reason":"\xff\xfe"}')
    bad_body("a list", b'["end"]')
    bad_body("a string", b'"end"')
    bad_body("null", b"null")
    bad_body("nested ten thousand deep", b"[" * 10000 + b"]" * 10000)
    bad_body("no verb", b'{"epoch":1}')
    bad_body("verb is no string", b'{"verb":1,"epoch":1}')
    bad_body("unknown verb", b'{"verb":"explode","epoch":1}')
    bad_body("verb in capitals", b'{"verb":"End","epoch":1}')
    bad_body("verb of the other side", b'{"verb":"begun","epoch":1}')
    bad_body("verb of the other side, to the worker", b'{"verb":"end","epoch":1}', "engine")
    bad_body("missing field", b'{"verb":"commit","epoch":1}')
    bad_body("null where a value is needed", b'{"verb":"commit","epoch":1,"version":null}')
    bad_body("number as a string", b'{"verb":"end","epoch":"1"}')
    bad_body("number with a fraction", b'{"verb":"end","epoch":1.5}')
    bad_body("integer written as a float", b'{"verb":"end","epoch":1.0}')
    bad_body("integer as a boolean", b'{"verb":"end","epoch":true}')
    bad_body("NaN", b'{"verb":"end","epoch":NaN}')
    bad_body("negative number", b'{"verb":"end","epoch":-1}')
    bad_body("number of 2^63", b'{"verb":"end","epoch":9223372036854775808}')
    bad_body("string as a number", b'{"verb":"commit","epoch":1,"version":2}')
    bad_body("begin from elsewhere", json.dumps({**begin, "from": "disk"}).encode())
    bad_body(
        "hello with a standby without a digest", json.dumps({**hello, "standby": {"version": "v1"}}).encode(), "engine"
    )
    bad_body("hello with a standby that is a string", json.dumps({**hello, "standby": "v1"}).encode(), "engine")
    bad_body("unknown mode", json.dumps({**begin, "mode": "sideways"}).encode())
    dumped = {"verb": "dump", "id": 1, "slot": {"kind": "shm", "path": "/dev/shm/d", "offset": 0, "bytes": 8}}
    bad_body("dump of an epoch that is a string", json.dumps({**dumped, "tensors": [], "epoch": "1"}).encode())
    bad_body("slots is no list", json.dumps({**begin, "slots": {}}).encode())
    bad_body(
        "slot without a path",
        json.dumps({**begin, "slots": [{"id": 0, "kind": "shm", "offset": 0, "bytes": 1}]}).encode(),
    )
    bad_body("slot of an unknown kind", json.dumps({**begin, "slots": [{**cuda, "kind": "disk"}]}).encode())
    bad_body("slot without a kind", json.dumps({**begin, "slots": [without(cuda, "kind")]}).encode())
    bad_body("shm slot with a handle", json.dumps({**begin, "slots": [{**cuda, "kind": "shm"}]}).encode())
    bad_body("CUDA slot with a path", json.dumps({**begin, "slots": [{**begin["slots"][0], "kind": "cuda"}]}).encode())
    for field in ("handle", "device", "offset", "bytes"):
        bad_body(f"CUDA slot without {field}", json.dumps({**begin, "slots": [without(cuda, field)]}).encode())
    for name, change in (
        ("a handle of 127 digits", {"handle": "0" * 127}),
        ("a handle of 130 digits", {"handle": "0" * 130}),
        ("a handle that is not hex", {"handle": "0" * 127 + "g"}),
        ("a handle with a line end", {"handle": "0" * 128 + "\n"}),
        ("a handle with digits of another script", {"handle": "\u0661" * 128}),
        ("a handle that is a number", {"handle": 0}),
        ("a device that is a number", {"device": 0}),
        ("a negative offset", {"offset": -1}),
        ("half a byte", {"bytes": 0.5}),
    ):
        bad_body(f"CUDA slot with {name}", json.dumps({**begin, "slots": [{**cuda, **change}]}).encode())
    bad_body(
        "dump into a slot of an unknown kind",
        json.dumps({"verb": "dump", "id": 1, "slot": {**cuda, "kind": "CUDA"}, "tensors": []}).encode(),
    )
    bad_body(
        "negative size in a shape",
        json.dumps(
            {"verb": "load", "epoch": 1, "bucket": 0, "slot": 0, "tensors": [{**part, "shape": [2, -3]}]}
        ).encode(),
    )
    bad_body("unknown state", b'{"verb":"aborted","epoch":1,"state":"FINE","version":null}', "engine")
    bad_body("unknown mode in hello", json.dumps({**hello, "modes": ["both"]}).encode(), "engine")
    for name, wrong in (
        ("slices is no list", {}),
        ("slice without a pattern", [{"dim": 0}]),
        ("slice without a dimension", [{"pattern": "*"}]),
        ("slice with a negative dimension", [{"pattern": "*", "dim": -1}]),
        ("slice as a string", ["*=0"]),
    ):
        bad_body(name, json.dumps({**hello, "slices": wrong}).encode(), "engine")
    for name, wrong in (
        ("wants is no list", {}),
        ("want without a pattern", [{"take": True}]),
        ("want that does not say whether", [{"pattern": "*"}]),
        ("want that says 1", [{"pattern": "*", "take": 1}]),
        ("want as a string", ["*"]),
        ("want of nothing", [{"pattern": "", "take": True}]),
        ("want with a pattern of 257 bytes", [{"pattern": "a" + "\u00fc" * 128, "take": True}]),
        ("513 wants", [{"pattern": "*", "take": True}] * 513),
    ):
        bad_body(name, json.dumps({**hello, "wants": wrong}).encode(), "engine")
    return entries


def files() -> dict[Path, str]:
    """Every vector file and its text."""
    texts = {TARGET / "frames.json": json.dumps(frames(), indent=1, ensure_ascii=True) + "\n"}
    for script in sessions():
        texts[TARGET / "sessions" / f"{script.head['name']}.json"] = script.text()
    return texts


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(path)
