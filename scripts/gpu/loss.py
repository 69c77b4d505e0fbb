#!/usr/bin/env python3
"""Kills processes of a fleet while an update streams, and looks at what becomes of the others.

A fleet as an operator starts it: a coordinator, a worker host with a worker for each GPU (at least two), another with
one, and an engine for each worker. With --nccl the two hosts have no GPU in common, and every update must be exchanged
by NCCL. By SIGKILL an engine is lost, then a worker host, in either load mode. Each time the
update must end soon and say who was lost, the engines that are left serve the version they had and nothing mixed, and
after the killed process alone was started again the next update reaches all. One line for each case; the status is 0 if
none failed. Needs torch in the engines' Python only.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "python"))

from by_hand import MODEL, Engine, Fleet, FleetError, Host, Program, wait_for
from made_up import MadeUp
from watch import Watch, health

from inflight.trainer import Operation, OperationFailedError, Trainer, TrainerError, UnavailableError

MODES = ("shadow", "in-place")
END_SECONDS = 10
HEALTH_SECONDS = 5
# A killed worker host must be down before its successor is up, and an engine imports torch.
RETURN_SECONDS = 60
UPDATE_SECONDS = 40
# A set of weights or a slot ring that stays behind is more.
TOLERATED_BYTES = 256 << 20
MEMORY_SECONDS = 5
POLL_SECONDS = 0.003
ATTEMPTS = 3
UNITS = {"": 1, "MIB": 1 << 20, "GIB": 1 << 30}


class CheckError(Exception):
    """Something is not as it must be."""


class OutOfTimeError(BaseException):
    """The whole run took too long, or was told to stop; no case may catch it."""


@dataclass(frozen=True)
class Victim:
    """Who is killed, and any of the names by which the others may know it."""

    kind: str
    program: Program
    names: tuple[str, ...]
    survivors: list[Engine]
    orphans: list[Engine]
    """Engines that live but have lost their worker host: no update reaches them until it is back."""


@dataclass(frozen=True)
class Loss:
    """An update during which a process was killed, and how long after that it ended."""

    operation: Operation
    seconds: float

    @property
    def committed(self) -> bool:
        return self.operation.state == "succeeded"

    @property
    def reason(self) -> str:
        return (self.operation.result and self.operation.result.reason) or self.operation.error or ""


class Cases:
    def __init__(self, fleet: Fleet, trainer: Trainer, versions: list[MadeUp], exchange: str | None):
        self._fleet = fleet
        self._trainer = trainer
        self._exchange = exchange
        self._names = [v.version for v in versions]
        self._expected = {v.version: v.answers() for v in versions}

    def warm_up(self) -> None:
        """Everything once, so that device memory is what it will be."""
        for name, mode in zip(self._names, MODES, strict=True):
            self._update(name, mode)
            self._verify(name)

    def lose_engine(self, mode: str) -> str:
        lost = self._fleet.engines[0]
        rest = [e for e in self._fleet.engines if e is not lost]
        return self._lose(mode, Victim("engine", lost.program, (lost.id, lost.worker), rest, []))

    def lose_host(self, mode: str) -> str:
        host = self._fleet.hosts[1]
        orphans = [e for e in self._fleet.engines if e.host is host]
        # In place, the engines of that host have nobody to give them their weights back until it returns.
        rest = [e for e in self._fleet.engines if mode == "shadow" or e not in orphans]
        names = (host.name, *(e.id for e in orphans))
        return self._lose(mode, Victim("worker host", host.program, names, rest, orphans))

    def _lose(self, mode: str, victim: Victim) -> str:
        old, new = self._ready(mode)
        before = self._memory()
        with ExitStack() as stack:
            watches = {e.id: stack.enter_context(Watch(e.id, e.url, self._expected)) for e in self._fleet.engines}
            loss = self._kill_while_streaming(mode, new, victim)
            require(loss.seconds <= END_SECONDS, f"the update ended only {loss.seconds:.1f} s after the kill")
            require(
                any(name in loss.reason for name in victim.names),
                f'"{loss.reason}" names none of {", ".join(victim.names)}',
            )
            for engine in victim.survivors:
                took_part = loss.committed and engine not in victim.orphans
                self._require_health(engine, new if took_part else old)
            for engine in victim.survivors:
                failed = watches[engine.id].failed
                require(not failed, f"{engine.id} did not answer {len(failed)} times, first: {failed[:1]}")
            self._start_again(victim.program)
            self._update(new, mode)
            for engine in self._fleet.engines:
                self._require_health(engine, new)
                require(not watches[engine.id].mixed, f"{engine.id} answered {watches[engine.id].mixed[:3]}")
            for engine in victim.survivors:
                require(watches[engine.id].answered > 0, f"{engine.id} was never asked")
        self._verify(new)
        self._require_memory(before)
        how = "committed" if loss.committed else "aborted"
        return f"{loss.seconds:.1f} s: {how}, {self._shorter(loss.reason)}"

    def _ready(self, mode: str) -> tuple[str, str]:
        """All there and on one version: that, and the other one."""
        for program in self._programs():
            if not program.alive:
                self._start_again(program)
        served = {health(e.url)[1] for e in self._fleet.engines}
        if len(served) > 1 or None in served:
            self._update(self._names[0], mode)
            served = {self._names[0]}
        (old,) = served
        return old, next(name for name in self._names if name != old)

    def _kill_while_streaming(self, mode: str, version: str, victim: Victim) -> Loss:
        for _ in range(ATTEMPTS):
            id = self._trainer.update(MODEL, version, mode)
            operation = self._trainer.operation(id)
            while operation.running and not operation.done_bytes:
                time.sleep(POLL_SECONDS)
                operation = self._trainer.operation(id)
            if operation.running:
                killed = time.monotonic()
                victim.program.kill()
                note(f"killed {victim.program.name} in {operation.phase}, {operation.done_bytes >> 20} MiB delivered")
                while operation.running and time.monotonic() < killed + 3 * END_SECONDS:
                    operation = self._trainer.operation(id, wait_ms=1000)
                require(not operation.running, f"the update is still {operation.phase} {3 * END_SECONDS} s later")
                loss = Loss(operation, time.monotonic() - killed)
                note(f"{loss.seconds:.1f} s later {operation.phase}: {loss.reason}; restore {operation.result.restore}")
                return loss
            require(operation.state == "succeeded", f"before anything was killed: {operation.error}")
            note("the update was over before the kill; going back")
            self._update(next(name for name in self._names if name != version), mode)
        raise CheckError(f"{ATTEMPTS} updates were over before anything could be killed; give more --bytes")

    def _require_health(self, engine: Engine, version: str) -> None:
        wait_for(
            lambda: f"{engine.id} is not healthy with {version} but {health(engine.url)}",
            HEALTH_SECONDS,
            lambda: health(engine.url) == (200, version),
        )

    def _start_again(self, program: Program) -> None:
        note(f"starting {program.name} again")
        endpoints = {h["host"]: h["endpoint"] for h in self._trainer.status()["hosts"]}
        program.start()
        program.announced(RETURN_SECONDS)
        for host in self._fleet.hosts:
            if host.program is program:
                self._await_endpoint(host, endpoints.get(host.name))
        self.await_engines()
        note("all engines are attached")

    def _await_endpoint(self, host: Host, former: str | None) -> None:
        """The coordinator may still list the killed one."""
        wait_for(
            lambda: f"the coordinator does not know the new {host.name}",
            RETURN_SECONDS,
            lambda: any(h["host"] == host.name and h["endpoint"] != former for h in self._trainer.status()["hosts"]),
        )

    def await_engines(self) -> None:
        """Every engine's present process is attached to its worker."""
        wanted = {(e.worker, e.id, e.program.pid) for e in self._fleet.engines}
        wait_for(
            lambda: f"the coordinator does not know {sorted(wanted - self._attached())}",
            RETURN_SECONDS,
            lambda: wanted == self._attached(),
        )

    def _attached(self) -> set[tuple[str, str, int]]:
        workers = [w for w in self._trainer.status()["workers"] if w["engine"]]
        return {
            (w["worker"], w["engine"]["engine"], w["engine"]["pid"])
            for w in workers
            if w["engine"]["state"] in ("SERVING", "PENDING_WEIGHTS")
        }

    def publish(self, checkpoint: MadeUp) -> None:
        done = self._trainer.wait(
            self._trainer.publish(MODEL, checkpoint.version, checkpoint.directory), UPDATE_SECONDS
        )
        note(f"published {checkpoint.version}, {done.result.bytes >> 20} MiB in {done.result.seconds:.1f} s")

    def _update(self, version: str, mode: str) -> None:
        id = wait_for(lambda: "the coordinator takes no update", END_SECONDS, lambda: self._taken_update(version, mode))
        result = self._trainer.wait(id, UPDATE_SECONDS).result
        used = result.exchange or {}
        note(f"updated to {version}, {mode}, in {result.seconds:.2f} s by {used.get('name')}: {used.get('reason')}")
        require(self._exchange in (None, used.get("name")), f"the update was exchanged otherwise: {used}")
        bad = [e for e in result.engines if e.outcome != "committed"]
        require(not bad and len(result.engines) == len(self._fleet.engines), f"the next update: {result}")

    def _taken_update(self, version: str, mode: str) -> str | None:
        try:
            return self._trainer.update(MODEL, version, mode)
        except UnavailableError as e:
            note(f"not yet: {e}")
            return None

    def _verify(self, version: str) -> None:
        result = self._trainer.wait(self._trainer.verify(MODEL), UPDATE_SECONDS).result
        require(result.verified and result.version == version, f"verify says {result}")

    def _require_memory(self, before: dict[str, int]) -> None:
        def is_back() -> bool:
            return all(taken - before[gpu] <= TOLERATED_BYTES for gpu, taken in self._memory().items())

        wait_for(lambda: f"device memory taken was {before} and is {self._memory()}", MEMORY_SECONDS, is_back)

    def _memory(self) -> dict[str, int]:
        return device_memory() if self._fleet.gpus else {}

    def _programs(self) -> list[Program]:
        fleet = self._fleet
        return [*(host.program for host in fleet.hosts), *(engine.program for engine in fleet.engines)]

    def _shorter(self, reason: str) -> str:
        return reason.replace(f"{self._fleet.id}-", "")


def require(good: bool, otherwise: str) -> None:
    if not good:
        raise CheckError(otherwise)


def note(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def device_memory() -> dict[str, int]:
    """Bytes taken of each GPU, by UUID."""
    command = [sys.executable, str(HERE / "device_memory.py")]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, timeout=30, check=True).stdout)


def run(cases: Cases, only: str) -> int:
    wanted: list[tuple[str, Callable[[str], str], str]] = [
        (f"{kind} lost, {mode}", lose, mode)
        for mode in MODES
        for kind, lose in (("engine", cases.lose_engine), ("worker host", cases.lose_host))
        if only in f"{kind} lost, {mode}"
    ]
    passed, current = 0, ""
    try:
        for current, lose, mode in wanted:
            note(f"-- {current}")
            try:
                told = lose(mode)
                print(f"ok      {current} ({told})", flush=True)
                passed += 1
            except (CheckError, FleetError, TrainerError, OSError) as e:
                print(f"FAILED  {current}: {e}", flush=True)
                if isinstance(e, OperationFailedError):
                    note(f"{e.operation}")
    except OutOfTimeError as e:
        print(f"FAILED  {current}: {e}", flush=True)
    finally:
        print(f"{passed} passed, {len(wanted) - passed} failed", flush=True)
    return 0 if passed == len(wanted) else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "host"), default="cuda", help="where slots and weights are")
    parser.add_argument("--bytes", type=size, default=size("8GiB"), help="of each checkpoint, like 512MiB")
    parser.add_argument("--out", type=Path, help="where logs go (default: a new temporary directory)")
    parser.add_argument("--python", default=sys.executable, help="the engines' Python, which needs torch")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases with this in their name, like in-place")
    parser.add_argument("--same-ports", action="store_true", help="worker hosts come back at the address they had")
    parser.add_argument("--nccl", action="store_true", help="two hosts with no GPU in common, connected by NCCL")
    parser.add_argument("--limit", type=int, default=145, metavar="SECONDS", help="for all of it")
    return parser.parse_args()


def size(text: str) -> int:
    match = re.fullmatch(r"(\d+)(MiB|GiB|)", text, re.IGNORECASE)
    if not match:
        raise argparse.ArgumentTypeError(f"{text} is no size; write 512MiB or 8GiB")
    return int(match[1]) * UNITS[match[2].upper()]


def on_signal(number: int, _: object) -> None:
    raise OutOfTimeError("not done in time" if number == signal.SIGALRM else f"ended by {signal.Signals(number).name}")


def main() -> int:
    flags = parse()
    out = flags.out or Path(tempfile.mkdtemp(prefix="inflight-loss-"))
    logs = (out / "loss-logs").resolve()
    logs.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    signal.alarm(flags.limit)
    gpus = list(device_memory()) if flags.device == "cuda" else []
    if flags.device == "cuda" and not gpus:
        print("loss: no GPU here; try --device host", file=sys.stderr)
        return 1
    if flags.nccl and len(gpus) < 2:
        print(f"loss: --nccl needs two GPUs, there are {len(gpus)}", file=sys.stderr)
        return 1
    fleet = Fleet(gpus, flags.python, logs, flags.same_ports, flags.nccl)
    try:
        versions = [MadeUp(fleet.checkpoints, version, flags.bytes) for version in ("v1", "v2")]
        for version in versions:
            version.write()
        note(f"made two checkpoints of {versions[0].bytes >> 20} MiB; starting a fleet on {gpus or 'host memory'}")
        trainer = Trainer(fleet.start(versions[0].directory))
        cases = Cases(fleet, trainer, versions, "nccl" if flags.nccl else None)
        cases.await_engines()
        for version in versions:
            cases.publish(version)
        cases.warm_up()
        return run(cases, flags.only)
    except (CheckError, FleetError, TrainerError, OutOfTimeError, OSError) as e:
        print(f"FAILED  to start: {e}\n0 passed, all failed", flush=True)
        return 1
    finally:
        signal.alarm(0)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        fleet.close()
        note(f"stopped; logs in {logs}")


if __name__ == "__main__":
    sys.exit(main())
