"""A fleet on this machine as an operator starts it: one coordinator, two worker hosts, an engine for each worker."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

HOME = Path(__file__).resolve().parents[2]
SHARED_MEMORY = Path("/dev/shm")
ADDRESS = "127.0.0.1"
MODEL = "demo"
POLL_SECONDS = 0.05
STOP_SECONDS = 5
# The first import of torch with CUDA reads gigabytes.
START_SECONDS = 90
# How long a request waits for a paused engine.
PAUSE_MS = 20_000
# Progress is otherwise told four times a second, and an update of a few GiB is over by then.
COORDINATOR_SETTINGS = "inflight.coordinator.update.progress-interval = 20ms\n"
SLOT_MEMORY = {"host": "48 MiB", "cuda": "512 MiB"}
# Small slots, or a broadcast of a few GiB would be over before anything can be killed.
APART_SLOT_MEMORY = "24 MiB"

T = TypeVar("T")


class FleetError(Exception):
    """A process that did not do what it was started for."""


def wait_for(otherwise: Callable[[], str], seconds: float, condition: Callable[[], T | None]) -> T:
    """What ``condition`` gives once that is true, or a FleetError that says what is instead."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise FleetError(f"after {seconds:g} s: {otherwise()}")
        time.sleep(POLL_SECONDS)


class Program:
    """A process that can be started again after it was killed."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path, announcement: Path):
        self.name = name
        self._command = command
        self._environment = environment
        self._log = log
        self._announcement = announcement
        self._process: subprocess.Popen | None = None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        if self._process is not None:
            self._process.wait()
        self._announcement.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            log.write(f"== {' '.join(self._command)}\n".encode())
            log.flush()
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=HOME,
                env={**os.environ, **self._environment},
                start_new_session=True,
            )

    def announced(self, seconds: float) -> dict:
        """Waits until the process says where it is reached."""
        wait_for(lambda: f"{self.name} is not up; see {self._log}", seconds, self._announced_or_ended)
        if not self._announcement.exists():
            raise FleetError(f"{self.name} ended with {self._process.returncode} at start; see {self._log}")
        return json.loads(self._announcement.read_text())

    def kill(self) -> None:
        """By SIGKILL. Does not wait for its end, which takes long where much memory is given back."""
        self._process.kill()

    def ask_to_stop(self) -> None:
        if self.alive:
            self._process.terminate()

    def stopped(self, deadline: float) -> None:
        """Waits until then for its end, and kills what is left of it and of all it started."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _announced_or_ended(self) -> bool:
        return self._announcement.exists() or not self.alive


class Host:
    """A worker host and how many workers it has."""

    def __init__(self, name: str, program: Program, workers: int):
        self.name = name
        self.program = program
        self.workers = workers


class Engine:
    def __init__(self, program: Program, host: Host, worker: str, port: int):
        self.id = program.name
        self.program = program
        self.host = host
        self.worker = worker
        self.url = f"http://{ADDRESS}:{port}"


class Fleet:
    """The first host has a worker for each GPU, at least two; the second has one, on the last GPU.

    :param gpus: UUIDs, empty for a fleet in host memory
    :param apart: whether the first host has no worker on the last GPU, so that NCCL can connect all
    :param python: for the engines
    :param same_ports: whether a worker host that is started again has the address it had, as in profile cluster
    """

    def __init__(self, gpus: list[str], python: str, logs: Path, same_ports: bool, apart: bool = False):
        self.id = f"loss{secrets.token_hex(3)}"
        self.gpus = gpus
        self.checkpoints = SHARED_MEMORY / f"inflight-{self.id}-checkpoints"
        self._device = "cuda" if gpus else "host"
        self._python = python
        self._logs = logs
        self._same_ports = same_ports
        # Not under --out: the path of a socket may have at most 103 bytes.
        self._run = Path(tempfile.mkdtemp(prefix="inflight-loss-", dir="/tmp"))
        port = free_port()
        self._seed = f"akka://inflight@{ADDRESS}:{port}"
        self.coordinator = self._node("coordinator", "coordinator", port, COORDINATOR_SETTINGS, "--http-port", "0")
        first = len(gpus) - 1 if apart else max(2, len(gpus))
        self._slot_memory = APART_SLOT_MEMORY if apart else SLOT_MEMORY[self._device]
        self.hosts = [self._host("w1", first, 0), self._host("w2", 1, first if apart else first - 1)]
        self.engines: list[Engine] = []

    def start(self, architecture: Path) -> str:
        """Starts all and returns the address of the HTTP API.

        :param architecture: a checkpoint to take the engines' tensors from
        """
        programs = [self.coordinator, *(host.program for host in self.hosts)]
        for program in programs:
            program.start()
        # Engines go on trying to connect until their worker is there.
        for host in self.hosts:
            for index in range(host.workers):
                self.engines.append(self._engine(host, index, architecture))
                self.engines[-1].program.start()
        for program in [*programs, *(engine.program for engine in self.engines)]:
            program.announced(START_SECONDS)
        return self.coordinator.announced(0)["http"]

    def close(self) -> None:
        programs = [e.program for e in self.engines] + [h.program for h in self.hosts] + [self.coordinator]
        for program in programs:
            program.ask_to_stop()
        deadline = time.monotonic() + STOP_SECONDS
        for program in programs:
            program.stopped(deadline)
        for left in SHARED_MEMORY.glob(f"inflight-{self.id}*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
        shutil.rmtree(self._run, ignore_errors=True)

    def _host(self, name: str, workers: int, first_gpu: int) -> Host:
        settings = ""
        if self.gpus:
            own = [self._gpu(first_gpu + i) for i in range(workers)]
            settings += f"include file({json.dumps(str(HOME / 'config/gpu.conf'))})\n"
            settings += f"inflight.worker.gpus = {json.dumps(own)}\n"
        settings += f"inflight.worker.slot-memory = {self._slot_memory}\n"
        full = f"{self.id}-{name}"
        port = free_port() if self._same_ports else 0
        program = self._node(full, "worker", port, settings, "--workers", str(workers))
        return Host(full, program, workers)

    def _node(self, name: str, role: str, port: int, settings: str, *more: str) -> Program:
        config, announcement = self._run / f"{name}.conf", self._run / f"{name}.json"
        config.write_text(settings)
        command = [str(HOME / "inflight"), "node", "--profile", "local", "--role", role, "--name", name]
        command += ["--host", ADDRESS, "--port", str(port), "--seed", self._seed, "--config", str(config)]
        command += ["--run-dir", str(self._run), "--announce", str(announcement)]
        if role == "coordinator":
            command += ["--data-dir", str(self._run / "ledger")]
        command += ["--exit-with-parent", str(os.getpid()), *more]
        return Program(name, command, {}, self._logs / f"{name.removeprefix(self.id + '-')}.log", announcement)

    def _engine(self, host: Host, index: int, architecture: Path) -> Engine:
        number, port = len(self.engines), free_port()
        name = f"engine-{number}"
        announcement = self._run / f"{name}.json"
        command = [self._python, "-m", "inflight.engine", "--id", name, "--model", MODEL, "--reserve-shadow"]
        command += ["--link", str(self._run / f"{host.name}-{index}.sock"), "--architecture", str(architecture)]
        command += ["--http-port", str(port), "--pause-timeout-ms", str(PAUSE_MS), "--announce", str(announcement)]
        command += ["--exit-with-parent", str(os.getpid())]
        environment = {"PYTHONPATH": str(HOME / "python"), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
        if self.gpus:
            command += ["--device", "cuda"]
            environment["CUDA_VISIBLE_DEVICES"] = self._gpu(index if host is self.hosts[0] else len(self.gpus) - 1)
        program = Program(name, command, environment, self._logs / f"{name}.log", announcement)
        return Engine(program, host, f"{host.name}/{index}", port)

    def _gpu(self, worker: int) -> str:
        return self.gpus[worker % len(self.gpus)]


def free_port() -> int:
    """Chosen before the process starts, so that it has the same port when it is started again."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return probe.getsockname()[1]
