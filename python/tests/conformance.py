"""Plays the engine link's conformance vectors (docs/ENGINE_LINK.md) against an engine process.

As a script: ``python tests/conformance.py [--engine-command "java ..."] [--session NAME]...``; without a command, the
Python engine. Under pytest: test_conformance.py.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from inflight.answer import splitmix64
from inflight.dtypes import tensor_bytes

VECTORS = ROOT.parent / "protocol/src/test/resources/engine-link"
SESSIONS = sorted((VECTORS / "sessions").glob("*.json"))
TIMEOUT_SECONDS = 20.0
START_SECONDS = 60.0


class Violation(Exception):
    """The engine did not do what the script says."""


def python_engine() -> list[str]:
    return [sys.executable, "-m", "inflight.engine"]


def seeded(seed: int, count: int) -> bytes:
    return bytes(splitmix64((seed + i) & (2**64 - 1)) & 0xFF for i in range(count))


# Of a session's engine, if it does not hold all of every tensor.
SHARE_FLAGS = {"tpRank": "--tp-rank", "tpSize": "--tp-size", "slices": "--slices", "wants": "--wants"}


def write_architecture(path: Path, tensors: list[dict]) -> None:
    """A safetensors file of zeros."""
    header, offset = {}, 0
    for t in tensors:
        size = tensor_bytes(t["dtype"], t["shape"])
        header[t["name"]] = {"dtype": t["dtype"], "shape": t["shape"], "data_offsets": [offset, offset + size]}
        offset += size
    head = json.dumps(header).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(offset))


def difference(expected: object, actual: object, where: str = "") -> str | None:
    """What in ``actual`` is not as expected; objects may have more fields."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key, value in expected.items():
            found = difference(value, actual.get(key), f"{where}.{key}" if where else key)
            if found:
                return found
        return None
    same = type(expected) is type(actual) and expected == actual
    return None if same else f"{where} is {actual!r}, expected {expected!r}"


class Run:
    """One script against one engine process."""

    def __init__(self, script: dict, command: list[str], directory: Path):
        self._script = script
        self._directory = directory
        self._tag = f"inflight-conformance-{uuid.uuid4().hex[:12]}"
        self._slots: dict[int, Path] = {}
        self._later: dict[str, Future] = {}
        self._pool = ThreadPoolExecutor(8)
        self._connection: socket.socket | None = None
        path = directory / "link.sock"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)
        architecture = directory / "architecture.safetensors"
        write_architecture(architecture, script["tensors"])
        flags = {
            "--link": path,
            "--id": "engine-under-test",
            "--model": "model-under-test",
            "--modes": script["engine"]["modes"],
            "--pause-timeout-ms": script["engine"]["pauseTimeoutMs"],
            "--http-port": 0,
            "--announce": directory / "announce.json",
        }
        for field, flag in SHARE_FLAGS.items():
            if field in script["engine"]:
                flags[flag] = script["engine"][field]
        if "inflight.engine" in command:
            flags["--architecture"] = architecture
        self._log = (directory / "engine.log").open("w+")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        arguments = [str(a) for pair in flags.items() for a in pair]
        self._process = subprocess.Popen(command + arguments, stdout=self._log, stderr=self._log, env=environment)

    def play(self) -> None:
        self._accept(START_SECONDS)
        self._url = urlsplit(self._announced())
        for number, step in enumerate(self._script["steps"]):
            try:
                (kind, argument), rest = next(iter(step.items())), step
                if len(rest) != 1:
                    raise Violation(f"a step has one key, not {', '.join(rest)}")
                getattr(self, f"_{kind}")(argument)
            except (Violation, OSError) as e:
                self._log.flush()
                log = (self._directory / "engine.log").read_text()[-4000:]
                text = json.dumps(step)[:600]
                raise Violation(f"{self._script['name']}, step {number} {text}: {e}\nengine's log:\n{log}") from None

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        self._listener.close()
        self._process.terminate()
        try:
            code = self._process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._pool.shutdown()
        self._log.close()
        for path in self._slots.values():
            path.unlink()
        if code not in (0, 143, -15):
            raise Violation(f"the engine ended with status {code}")

    def _announced(self) -> str:
        file = self._directory / "announce.json"
        self._until(file.exists, "the announce file")
        return json.loads(file.read_text())["http"]

    def _until(self, condition, what: str) -> None:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise Violation(f"waited {TIMEOUT_SECONDS} s for {what}")
            threading.Event().wait(0.01)

    # The steps.

    def _accept(self, argument: object) -> None:
        self._listener.settimeout(argument if isinstance(argument, float) else TIMEOUT_SECONDS)
        try:
            self._connection, _ = self._listener.accept()
        except TimeoutError:
            raise Violation(f"the engine did not connect: {(self._directory / 'engine.log').read_text()}") from None
        self._connection.settimeout(TIMEOUT_SECONDS)

    def _close(self, _: object) -> None:
        self._connection.close()

    def _reconnect(self, _: object) -> None:
        self._close(True)
        self._accept(True)

    def _send(self, message: dict) -> None:
        text = json.dumps(message)
        for id, path in self._slots.items():
            text = text.replace(f"${{slot:{id}}}", str(path))
        body = text.encode()
        self._connection.sendall(len(body).to_bytes(4, "big") + body)

    def _raw(self, stream: str) -> None:
        self._connection.sendall(bytes.fromhex(stream))

    def _expect(self, expected: dict) -> None:
        actual = json.loads(self._read(int.from_bytes(self._read(4), "big")))
        found = difference(expected, actual)
        if found:
            raise Violation(f"{found}; the whole frame: {actual}")

    def _closed(self, _: object) -> None:
        try:
            more = self._connection.recv(4096)
        except ConnectionResetError:
            more = b""
        if more:
            raise Violation(f"expected the end of the stream, got {more!r}")
        self._connection.close()

    def _slot(self, slot: dict) -> None:
        path = self._slots.get(slot["id"])
        if path is None:
            path = self._slots[slot["id"]] = Path(f"/dev/shm/{self._tag}-{slot['id']}")
            path.touch(mode=0o600)
            os.truncate(path, slot["bytes"])
        with path.open("r+b") as file:
            for fill in slot["fill"]:
                file.seek(fill["offset"])
                file.write(_content(fill))

    def _holds(self, slot: dict) -> None:
        data = self._slots[slot["id"]].read_bytes()
        for fill in slot["fill"]:
            expected = _content(fill)
            if data[fill["offset"] : fill["offset"] + len(expected)] != expected:
                raise Violation(f"slot {slot['id']} does not hold the bytes at {fill['offset']}")

    def _http(self, request: dict) -> None:
        if "later" in request:
            started = threading.Event()
            self._later[request["later"]] = self._pool.submit(self._get, request["path"], started)
            started.wait(TIMEOUT_SECONDS)
        else:
            self._check(request, self._get(request["path"]))

    def _result(self, expected: dict) -> None:
        self._check(expected, self._later.pop(expected["id"]).result(TIMEOUT_SECONDS))

    def _waiting(self, id: str) -> None:
        if self._later[id].done():
            raise Violation(f"request {id} has been answered already: {self._later[id].result()}")

    def _get(self, path: str, sent: threading.Event | None = None) -> tuple[int, dict]:
        client = http.client.HTTPConnection(self._url.hostname, self._url.port, timeout=TIMEOUT_SECONDS)
        try:
            client.request("GET", path)
            if sent:
                sent.set()
            response = client.getresponse()
            return response.status, json.loads(response.read())
        finally:
            client.close()

    @staticmethod
    def _check(expected: dict, actual: tuple[int, dict]) -> None:
        if actual[0] != expected["status"]:
            raise Violation(f"status {actual[0]}, expected {expected['status']}: {actual[1]}")
        found = difference(expected["expect"], actual[1])
        if found:
            raise Violation(found)

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                part = self._connection.recv(count - len(data))
            except TimeoutError:
                raise Violation(f"no frame within {TIMEOUT_SECONDS} s") from None
            if not part:
                raise Violation("the engine closed the connection")
            data += part
        return data


def _content(fill: dict) -> bytes:
    return bytes.fromhex(fill["hex"]) if "hex" in fill else seeded(fill["seed"], fill["bytes"])


def run_session(path: Path, command: list[str]) -> None:
    """Raises Violation."""
    with tempfile.TemporaryDirectory(prefix="inflight-") as directory:
        run = Run(json.loads(path.read_text()), command, Path(directory))
        try:
            run.play()
        except BaseException:
            try:
                run.close()
            except Violation:
                pass  # The first one says more.
            raise
        run.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine-command", type=shlex.split, default=python_engine())
    parser.add_argument("--session", action="append", help="only these, by file name without .json")
    arguments = parser.parse_args()
    failed = 0
    for path in SESSIONS:
        if arguments.session and path.stem not in arguments.session:
            continue
        try:
            run_session(path, arguments.engine_command)
            print(f"{path.stem}: ok", flush=True)
        except Violation as e:
            failed += 1
            print(f"{path.stem}: FAILED: {e}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
