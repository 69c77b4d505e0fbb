"""Checks engine processes on a GPU: ``python3 tests/gpu_checks.py [--only WORD]...``; needs torch with CUDA, no pytest.

This process is the worker: it allocates, exports and fills memory, and compares what engines answer and dump with what
it sent. One line for each check, and times; the status is 0 if none failed.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from gpu_worker import MODEL, Block, CheckError, Cuda, Engine, ShmBlock, Spec

from inflight import link
from inflight.answer import answer, in_order
from inflight.dtypes import BITS

MODES = ("in-place", "shadow")
SEEDS = (0, 1, 12345, 2**64 - 1)
ALIGNMENT = 256
MIB = 1 << 20
TOLERATED_BYTES = 8 * MIB  # What the driver may take for itself; a set of the weights in every update is far more.
NO_GPU = "GPU-00000000-0000-0000-0000-000000000000"

# Every width, a scalar, an empty tensor, odd sizes, and some that need more than one bucket.
SMALL = [
    Spec("embed.weight", "BF16", (1024, 512)),
    Spec("layers.0.q.weight", "F8_E4M3", (512, 511)),
    Spec("layers.0.q.scale", "F32", (511,)),
    Spec("layers.0.packed", "F4", (64, 126)),
    Spec("layers.0.mask", "BOOL", (7,)),
    Spec("layers.0.empty", "F16", (0, 4)),
    Spec("layers.1.norm.weight", "F32", (3,)),
    Spec("layers.1.up.weight", "F16", (333, 777)),
    Spec("steps", "I64", ()),
    Spec("z.odd", "U8", (1048583,)),
]
# What two ranks share: rows of every alignment, cut by several buckets; some are held whole.
SLICED = [
    Spec("embed.weight", "BF16", (1024, 514)),
    Spec("layers.0.o.weight", "BF16", (700, 1024)),
    Spec("layers.0.o.odd", "U8", (1201, 514)),
    Spec("layers.0.o.fp8", "F8_E4M3", (300, 1028)),
    Spec("layers.0.o.packed", "F4", (64, 128)),
    Spec("layers.0.o.empty", "F32", (0, 4)),
    Spec("layers.0.experts", "F16", (5, 6, 777)),
    Spec("layers.0.last", "F32", (3, 5, 8)),
    Spec("norm.weight", "F32", (333,)),
]
SLICES = "embed.*=0,*.o.*=1,*.experts=1,*.last=2"
RANKS = 2
BUCKET = 512 * 1024 + 64
BUCKETS = 3  # How many lie in a slot block at once.

Weights = dict[str, bytes]
Part = tuple[str, int, int]


def made_up(specs: list[Spec], seed: int) -> Weights:
    return {s.name: random.Random(seed * 1000 + i).randbytes(s.size) for i, s in enumerate(specs)}


def buckets_of(specs: list[Spec], limit: int) -> Iterator[list[tuple[Part, int]]]:
    """Parts and their offsets in a bucket, cutting tensors where a bucket is full."""
    bucket, used = [], 0
    for s in specs:
        begin = 0
        while begin < s.size or (begin == 0 and s.size == 0):
            if limit - used < min(s.size - begin, ALIGNMENT):
                yield bucket
                bucket, used = [], 0
            size = min(s.size - begin, limit - used)
            bucket.append(((s.name, begin, size), used))
            used += -(-max(size, 1) // ALIGNMENT) * ALIGNMENT
            begin += size
            if size == 0:
                break
            if used >= limit:
                yield bucket
                bucket, used = [], 0
    if bucket:
        yield bucket


def rank_flags(rank: int) -> tuple[str, ...]:
    return "--tp-rank", str(rank), "--tp-size", str(RANKS), "--slices", SLICES


def held_by(rank: int, spec: Spec, data: bytes) -> tuple[Spec, bytes]:
    """A rank's slice of a tensor, cut here by hand: what every row holds from the same byte to the same byte."""
    dims = {"embed": 0, "o": 1, "experts": 1, "last": 2}
    dim = next((d for word, d in dims.items() if word in spec.name.split(".")), None)
    if dim is None:
        return spec, data
    shape = (*spec.shape[:dim], spec.shape[dim] // RANKS, *spec.shape[dim + 1 :])
    row = math.prod(spec.shape[dim:]) * BITS[spec.dtype] // 8
    part = row // RANKS
    pieces = (data[at + rank * part : at + (rank + 1) * part] for at in range(0, len(data), row or 1))
    return Spec(spec.name, spec.dtype, shape), b"".join(pieces)


def slots_in(block: Block | ShmBlock, count: int = BUCKETS, first: int = 0) -> list[link.Slot]:
    return [link.Slot(first + i, block.memory(i * BUCKET, BUCKET)) for i in range(count)]


class Updates:
    """Sends updates of some tensors through slots of a block."""

    def __init__(self, engine: Engine, specs: list[Spec]):
        self.engine = engine
        self.specs = specs
        self.epoch = 0

    def begin(self, mode: str, weights: Weights, slots: list[link.Slot], expected: type = link.Begun) -> object:
        self.epoch += 1
        total = sum(self._held(s, weights[s.name]) for s in self.specs)
        version = f"v{self.epoch}"
        message = link.Begin(self.epoch, MODEL, version, "d" * 64, mode, len(weights), total, tuple(slots))
        return self.engine.ask(message, expected)

    def _held(self, spec: Spec, data: bytes) -> int:
        return len(held_by(self.engine.hello.tp_rank, spec, data)[1]) if self.engine.hello.tp_size > 1 else len(data)

    def load(self, bucket: int, slot: int, parts: list[tuple[Part, int]]) -> link.Load:
        by_name = {s.name: s for s in self.specs}
        tensors = tuple(
            link.TensorPart(name, by_name[name].dtype, by_name[name].shape, offset, size, begin)
            for (name, begin, size), offset in parts
        )
        return link.Load(self.epoch, bucket, slot, tensors)

    def update(self, mode: str, weights: Weights, blocks: list[Block | ShmBlock]) -> None:
        """A whole update, its buckets through the slots of all blocks in turn."""
        slots, homes = [], []
        for block in blocks:
            slots += slots_in(block, first=len(slots))
            homes += [(block, i * BUCKET) for i in range(BUCKETS)]
        self.begin(mode, weights, slots)
        for number, parts in enumerate(buckets_of(self.specs, BUCKET)):
            slot = number % len(slots)
            block, base = homes[slot]
            for (name, begin, size), offset in parts:
                block.write(base + offset, weights[name][begin : begin + size])
            self.engine.ask(self.load(number, slot, parts), link.Loaded)
        self.finish()

    def finish(self) -> None:
        self.engine.ask(link.End(self.epoch), link.Ended)
        self.engine.ask(link.Commit(self.epoch, f"v{self.epoch}"), link.Committed)

    def require_serving(self, weights: Weights, version: int | None = None) -> None:
        for seed in SEEDS:
            status, body = self.engine.get(f"/answer?seed={seed}")
            expected = {"version": f"v{version or self.epoch}", "digest": answer(seed, in_order(weights))}
            if (status, body) != (200, expected):
                raise CheckError(f"seed {seed}: the engine answers {status} {body}, expected {expected}")

    def require_dumps(self, weights: Weights, block: Block | ShmBlock, held: list[Spec] | None = None) -> None:
        for number, parts in enumerate(buckets_of(held or self.specs, BUCKET)):
            tensors = tuple(link.DumpPart(name, offset, size, begin) for (name, begin, size), offset in parts)
            memory = block.memory(ALIGNMENT, BUCKET)
            self.engine.ask(link.Dump(number, memory, tensors), link.Dumped)
            for (name, begin, size), offset in parts:
                if size and block.read(ALIGNMENT + offset, size) != weights[name][begin : begin + size]:
                    raise CheckError(f'the dump of "{name}" from byte {begin} has other bytes than were sent')


def require_message(failed: link.Failed, *words: str) -> None:
    for word in words:
        if word not in failed.message:
            raise CheckError(f'"{word}" is not in the refusal: {failed.message}')


class Checks:
    def __init__(self, cuda: Cuda, other: Cuda | None):
        self.cuda = cuda
        self.other = other
        self.block = cuda.allocate(BUCKET * BUCKETS + MIB)
        self.shm = ShmBlock(BUCKET * BUCKETS + MIB)

    def close(self) -> None:
        self.shm.free()

    def hello(self) -> None:
        for device in ("cuda", "cuda:0", self.cuda.uuid):
            with Engine(SMALL, "--device", device) as engine:
                if engine.hello.device != link.Device("cuda", self.cuda.uuid):
                    raise CheckError(f"--device {device} says {engine.hello.device}, not {self.cuda.uuid}")

    def every_way(self) -> None:
        """Slots of both kinds, alone and together, in both modes, into parameters on the GPU."""
        with Engine(SMALL, "--device", "cuda", "--reserve-shadow") as engine:
            self._every_way(engine)

    def host_parameters(self) -> None:
        """The same into parameters in host memory."""
        with Engine(SMALL) as engine:
            if engine.hello.device.kind != "host":
                raise CheckError(f"an engine without --device says {engine.hello.device}")
            self._every_way(engine)

    def _every_way(self, engine: Engine) -> None:
        updates = Updates(engine, SMALL)
        seed = 0
        for blocks in ([self.block], [self.shm], [self.shm, self.block]):
            for mode in (*MODES, "shadow", "in-place"):
                seed += 1
                weights = made_up(SMALL, seed)
                updates.update(mode, weights, blocks)
                updates.require_serving(weights)
                updates.require_dumps(weights, self.block)
                updates.require_dumps(weights, self.shm)

    def old_version_serves(self) -> None:
        """A shadow update is not seen before its commit, and an abort leaves no trace."""
        with Engine(SMALL, "--device", "cuda") as engine:
            updates = Updates(engine, SMALL)
            first, second = made_up(SMALL, 1), made_up(SMALL, 2)
            updates.update("in-place", first, [self.block])
            updates.begin("shadow", second, slots_in(self.block))
            for number, parts in enumerate(buckets_of(SMALL, BUCKET)):
                for (name, begin, size), offset in parts:
                    self.block.write(offset, second[name][begin : begin + size])
                engine.ask(updates.load(number, 0, parts), link.Loaded)
            updates.require_serving(first, 1)
            engine.ask(link.Abort(updates.epoch, "a check"), link.Aborted)
            updates.require_serving(first, 1)
            updates.require_dumps(first, self.shm)

    def kept_mappings(self) -> None:
        """Fifty updates take no more memory of the GPU and no more descriptors than the first few."""
        with Engine(SMALL, "--device", "cuda") as engine:
            updates = Updates(engine, SMALL)
            for number in range(4):
                updates.update(MODES[number % 2], made_up(SMALL, number), [self.block, self.shm])
            free, descriptors = self.cuda.free_bytes(), engine.descriptors()
            for number in range(50):
                weights = made_up(SMALL, 100 + number)
                updates.update(MODES[number % 2], weights, [self.block, self.shm])
            lost, now = free - self.cuda.free_bytes(), engine.descriptors()
            if lost > TOLERATED_BYTES:
                raise CheckError(f"{lost} bytes of GPU memory are gone after 50 updates")
            if now > descriptors:
                raise CheckError(f"{descriptors} descriptors became {now}")
            updates.require_serving(weights)

    def lost_link(self) -> None:
        """A lost link closes all handles: freed memory comes back, and the next link maps anew."""
        with Engine(SMALL, "--device", "cuda") as engine:
            updates = Updates(engine, SMALL)
            weights = made_up(SMALL, 1)
            big = self.cuda.allocate(256 * MIB)
            updates.update("in-place", weights, [big])
            updates.begin("shadow", weights, slots_in(big))
            engine.drop_link()
            engine.accept()
            before = self.cuda.free_bytes()
            big.free()
            if self.cuda.free_bytes() - before < 256 * MIB:
                raise CheckError("the engine still holds a freed block after its link was lost")
            updates.require_serving(weights, 1)
            weights = made_up(SMALL, 2)
            updates.update("shadow", weights, [self.block])
            updates.require_serving(weights)

    def refusals(self) -> None:
        """Slots that can not be opened are refused, and nothing changes."""
        with Engine(SMALL, "--device", "cuda") as engine:
            updates = Updates(engine, SMALL)
            weights = made_up(SMALL, 1)
            updates.update("in-place", weights, [self.block])
            handle = self.block.handle
            for memory, words in (
                (self.block.memory(device=NO_GPU), (NO_GPU, self.cuda.uuid)),
                (self.block.memory(handle="5a" * 64), ("cuIpcOpenMemHandle_v2 failed",)),
                (self.block.memory(self.block.size - 255, 256), ("not in its allocation",)),
                (link.CudaMemory(handle, self.cuda.uuid, 0, 0), ("has no bytes",)),
            ):
                for mode in MODES:
                    slots = [link.Slot(0, self.block.memory(0, BUCKET)), link.Slot(1, memory)]
                    require_message(updates.begin(mode, weights, slots, link.Failed), *words)
                dump = link.Dump(1, memory, ())
                require_message(engine.ask(dump, link.Failed), *words)
                updates.require_serving(weights, 1)
            weights = made_up(SMALL, 2)
            updates.update("shadow", weights, [self.block])
            updates.require_serving(weights)

    def killed_engine(self) -> None:
        """An engine that dies in the middle of a load harms neither the exporter nor the next engine."""
        parts = next(buckets_of(SMALL, BUCKET))
        weights = made_up(SMALL, 1)
        with Engine(SMALL, "--device", "cuda") as engine:
            updates = Updates(engine, SMALL)
            updates.update("in-place", weights, [self.block])
            updates.begin("in-place", weights, slots_in(self.block))
            self.block.write(0, bytes(range(256)) * 16)
            engine.send(updates.load(0, 0, parts))
            engine.kill()
        if self.block.read(0, 4096) != bytes(range(256)) * 16:
            raise CheckError("the exporter's memory has changed")
        with Engine(SMALL, "--device", "cuda") as engine:
            updates = Updates(engine, SMALL)
            updates.update("in-place", weights, [self.block])
            updates.require_serving(weights)

    def killed_exporter(self) -> None:
        """An engine outlives the process that a slot was exported by."""
        with Engine(SMALL, "--device", "cuda") as engine:
            updates = Updates(engine, SMALL)
            weights = made_up(SMALL, 1)
            updates.update("in-place", weights, [self.block])
            command = [sys.executable, str(Path(__file__).resolve()), "--export", "0"]
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            try:
                handle = child.stdout.readline().strip()
                memory = link.CudaMemory(handle, self.cuda.uuid, 0, MIB)
                updates.begin("shadow", weights, [link.Slot(0, memory)])
            finally:
                child.kill()
                child.wait()
            engine.ask(link.Abort(updates.epoch, "its worker is gone"), link.Aborted)
            for number in range(2, 5):
                weights = made_up(SMALL, number)
                updates.update("shadow", weights, [self.block])
                updates.require_serving(weights)

    def second_gpu(self) -> None:
        """GPUs are matched by UUID, whatever each process counts them as; a visible peer's slot works too."""
        other = self._other()
        block = other.allocate(BUCKET * BUCKETS + MIB)
        weights = made_up(SMALL, 1)
        with Engine(SMALL, "--device", "cuda", CUDA_VISIBLE_DEVICES=other.uuid) as engine:
            if engine.hello.device != link.Device("cuda", other.uuid):
                raise CheckError(f"the engine says {engine.hello.device}, not {other.uuid}")
            updates = Updates(engine, SMALL)
            for mode in MODES:
                updates.update(mode, weights, [block])
                updates.require_serving(weights)
                updates.require_dumps(weights, block)
            slots = slots_in(self.block)
            failed = updates.begin("shadow", weights, slots, link.Failed)
            require_message(failed, self.cuda.uuid, other.uuid)
        with Engine(SMALL, "--device", other.uuid) as engine:
            if engine.hello.device != link.Device("cuda", other.uuid):
                raise CheckError(f"the engine says {engine.hello.device}, not {other.uuid}")

    def peer_slots(self) -> None:
        """Slots on another GPU than the parameters."""
        block = self._other().allocate(BUCKET * BUCKETS + MIB)
        with Engine(SMALL, "--device", self.cuda.uuid) as engine:
            updates = Updates(engine, SMALL)
            for seed, mode in enumerate(MODES):
                weights = made_up(SMALL, seed)
                updates.update(mode, weights, [block, self.block])
                updates.require_serving(weights)
                updates.require_dumps(weights, block)

    def slices(self) -> None:
        """Ranks of two take their slices of what comes in slots of both kinds, in both modes."""
        for rank in range(RANKS):
            with Engine(SLICED, "--device", "cuda", "--reserve-shadow", *rank_flags(rank)) as engine:
                self._slices(engine, rank, [[self.block], [self.shm], [self.shm, self.block]])

    def slices_in_host_memory(self) -> None:
        """The same into parameters in host memory."""
        with Engine(SLICED, *rank_flags(1)) as engine:
            self._slices(engine, 1, [[self.block], [self.shm]])

    def slices_of_peer_slots(self) -> None:
        """The same from slots on another GPU than the parameters."""
        block = self._other().allocate(BUCKET * BUCKETS + MIB)
        with Engine(SLICED, "--device", self.cuda.uuid, *rank_flags(1)) as engine:
            self._slices(engine, 1, [[block], [block, self.block]])

    def _slices(self, engine: Engine, rank: int, ways: list[list[Block | ShmBlock]]) -> None:
        if (engine.hello.tp_rank, engine.hello.tp_size) != (rank, RANKS):
            raise CheckError(f"the engine says rank {engine.hello.tp_rank} of {engine.hello.tp_size}")
        updates = Updates(engine, SLICED)
        seed = 0
        for blocks in ways:
            for mode in (*MODES, "shadow", "in-place"):
                seed += 1
                weights = made_up(SLICED, seed)
                updates.update(mode, weights, blocks)
                held = [held_by(rank, s, weights[s.name]) for s in SLICED]
                mine = {s.name: data for s, data in held}
                updates.require_serving(mine)
                updates.require_dumps(mine, self.block, [s for s, _ in held])
                updates.require_dumps(mine, self.shm, [s for s, _ in held])

    def sliced_large_bucket(self) -> None:
        """The time of a load of 256 MiB in 7 tensors, half of each row of which the engine takes."""
        specs = [Spec(f"layer.{i}.o.weight", "BF16", (18725, 1024)) for i in range(7)]
        took = self._time("half of 256 MiB in 7 tensors", specs, 1, 12, *rank_flags(1))
        if took > 20.0:
            raise CheckError(f"{took:.3f} ms for 131075 rows; at most 20 ms may go by")

    def large_bucket(self) -> None:
        """The time of a load of 256 MiB in 7 tensors."""
        specs = [Spec(f"layer.{i}.weight", "BF16", (18725, 1024)) for i in range(7)]
        self._time("256 MiB in 7 tensors", specs, 1, updates=12)

    def many_buckets(self) -> None:
        """The time of 60 small buckets of 7 tensors, which is all overhead."""
        specs = [Spec(f"layer.{i}.weight", "BF16", (64, 256)) for i in range(420)]
        per_bucket = self._time("60 buckets of 7 tensors of 32 KiB", specs, 60, updates=12)
        if per_bucket > 1.0:
            raise CheckError(f"{per_bucket:.3f} ms per bucket; at most 1 ms may go by")

    def _time(self, what: str, specs: list[Spec], buckets: int, updates: int, *flags: str) -> float:
        """Milliseconds per load, all sent without waiting; the middle of several updates."""
        each = len(specs) // buckets
        size = specs[0].size
        block = self.cuda.allocate(each * size)
        weights = {s.name: bytes(s.size) for s in specs}
        result = 0.0
        with Engine(specs, "--device", "cuda", "--reserve-shadow", *flags) as engine:
            run = Updates(engine, specs)
            for mode in MODES:
                times = {"begin": [], "load": [], "end": [], "commit": []}
                for _ in range(updates):
                    started = time.perf_counter()
                    run.begin(mode, weights, [link.Slot(0, block.memory())])
                    times["begin"].append(time.perf_counter() - started)
                    loads = [
                        run.load(b, 0, [((s.name, 0, size), i * size) for i, s in enumerate(specs[b * each :][:each])])
                        for b in range(buckets)
                    ]
                    started = time.perf_counter()
                    for message in loads:
                        engine.send(message)
                    for _ in loads:
                        engine.expect(link.Loaded)
                    times["load"].append((time.perf_counter() - started) / buckets)
                    started = time.perf_counter()
                    engine.ask(link.End(run.epoch), link.Ended)
                    times["end"].append(time.perf_counter() - started)
                    started = time.perf_counter()
                    engine.ask(link.Commit(run.epoch, f"v{run.epoch}"), link.Committed)
                    times["commit"].append(time.perf_counter() - started)
                first, middle = times["load"][0], {k: statistics.median(v[1:]) for k, v in times.items()}
                rate = each * size / middle["load"] / 1e9
                others = ", ".join(f"{k} {1e3 * middle[k]:.3f}" for k in ("begin", "end", "commit"))
                print(
                    f"     {what}, {mode}: load {1e3 * middle['load']:.3f} ms (first {1e3 * first:.3f}), "
                    f"{rate:.1f} GB/s; {others} ms",
                    flush=True,
                )
                result = max(result, 1e3 * middle["load"])
        block.free()
        return result

    def _other(self) -> Cuda:
        if self.other is None:
            raise Skipped("there is one GPU only")
        return self.other


class Skipped(Exception):
    pass


def all_of(checks: Checks) -> list[Callable[[], None]]:
    return [
        checks.hello,
        checks.every_way,
        checks.host_parameters,
        checks.old_version_serves,
        checks.kept_mappings,
        checks.lost_link,
        checks.refusals,
        checks.killed_engine,
        checks.killed_exporter,
        checks.second_gpu,
        checks.peer_slots,
        checks.slices,
        checks.slices_in_host_memory,
        checks.slices_of_peer_slots,
        checks.large_bucket,
        checks.sliced_large_bucket,
        checks.many_buckets,
    ]


def export(index: int) -> None:
    """What a process does that others open memory of, until it is killed."""
    print(Cuda(index).allocate(2 * MIB).handle, flush=True)
    sys.stdin.read()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", default=[], help="checks with this in their name")
    parser.add_argument("--export", type=int, metavar="GPU", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.export is not None:
        export(arguments.export)
        return 0
    gpus = [Cuda(i) for i in range(min(2, Cuda.count()))]
    for gpu in gpus:
        print(f"GPU {gpu.index}: {gpu.name}, {gpu.uuid}, {gpu.free_bytes() / 1e9:.1f} GB free", flush=True)
    print(f"Python {sys.version.split()[0]}, pid {os.getpid()}", flush=True)
    checks = Checks(gpus[0], gpus[1] if len(gpus) > 1 else None)
    passed = failed = 0
    try:
        for check in all_of(checks):
            name = check.__name__.replace("_", " ")
            if arguments.only and not any(word in name for word in arguments.only):
                continue
            started = time.perf_counter()
            try:
                check()
                passed += 1
                result = "ok  "
            except Skipped as e:
                result = f"skip ({e})"
            except Exception as e:
                failed += 1
                result = "FAIL"
                traceback.print_exc(file=sys.stdout)
                name = f"{name}: {e}"
            print(f"{result} {name} ({time.perf_counter() - started:.1f} s)", flush=True)
    finally:
        checks.close()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
