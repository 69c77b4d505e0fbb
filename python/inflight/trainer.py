"""A trainer's client of the coordinator's HTTP API: publish a checkpoint, update the engines, wait, verify.

trainer = Trainer("http://127.0.0.1:8780")
trainer.wait(trainer.publish("chat", "v2", "/dev/shm/chat-v2"))
report = trainer.wait(trainer.update("chat", "v2")).result
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

MAX_WAIT_MS = 30_000


class TrainerError(Exception):
    """Base of all that this module raises."""


class UnreachableError(TrainerError):
    """No answer from the coordinator. The request may or may not have arrived."""


class RefusedError(TrainerError):
    """The coordinator refused a request; nothing changed. ``status`` is the HTTP status."""

    def __init__(self, status: int, message: str):
        super().__init__(f"HTTP {status}: {message}")
        self.status = status
        self.message = message


class InvalidRequestError(RefusedError):
    """400: a field is missing, unknown or wrong."""


class NotFoundError(RefusedError):
    """404: no such model, version, operation or source."""


class ConflictError(RefusedError):
    """409: another operation is running, or the version's name is taken by other bytes."""


class UnavailableError(RefusedError):
    """503: the cluster can not do it now."""


_REFUSALS = {400: InvalidRequestError, 404: NotFoundError, 409: ConflictError, 503: UnavailableError}


@dataclass(frozen=True)
class PublishResult:
    """``touch_seconds`` and ``register_seconds`` are parts of ``seconds``, on the host that took longest.

    Fresh host memory is touched, which takes 0 where memory was reused; memory is registered with GPUs.
    """

    model: str
    version: str
    digest: str
    bytes: int
    tensors: int
    seconds: float
    in_place: bool
    touch_seconds: float
    register_seconds: float
    hosts: list[str]


@dataclass(frozen=True)
class EngineOutcome:
    """``stall_ms`` is how long the engine could not serve."""

    engine: str
    worker: str
    outcome: str
    state: str
    version: str | None
    stall_ms: float | None


@dataclass(frozen=True)
class UpdateResult:
    """``kind`` is ``update``, ``rollback`` or ``join``.

    ``outcome`` is ``committed`` or ``aborted``; ``from_version`` is null when the engines had no weights.

    ``received_bytes``, ``resent_bytes`` and ``sources`` are of joins, which the coordinator starts by itself: what the
    engine's host took from other hosts, what of it came more than once, and which hosts those were.
    """

    model: str
    from_version: str | None
    to_version: str
    epoch: int
    mode: str
    strategy: str
    outcome: str
    reason: str | None
    seconds: float
    bytes: int
    delivered_bytes: int
    plan_digest: str | None
    engines: list[EngineOutcome]
    slots: dict | None
    exchange: dict | None
    phases: dict | None
    stages: dict | None
    restore: dict | None
    received_bytes: int | None = None
    resent_bytes: int | None = None
    sources: list[str] | None = None
    kind: str | None = None


@dataclass(frozen=True)
class EngineVerification:
    engine: str
    worker: str
    version: str | None
    tensors: int
    mismatches: int
    mismatched: list[str]
    error: str | None


@dataclass(frozen=True)
class VerifyResult:
    verified: bool
    version: str | None
    engines: list[EngineVerification]


@dataclass(frozen=True)
class Operation:
    """``state`` is ``running``, ``succeeded`` or ``failed``. A failed update has a result too."""

    id: str
    kind: str
    state: str
    phase: str | None
    done_bytes: int
    total_bytes: int
    error: str | None
    result: PublishResult | UpdateResult | VerifyResult | None

    @property
    def running(self) -> bool:
        return self.state == "running"


class OperationFailedError(TrainerError):
    """The operation ran and failed; ``operation`` has the result as far as there is one."""

    def __init__(self, operation: Operation):
        super().__init__(f"{operation.kind} {operation.id} failed: {operation.error}")
        self.operation = operation


class WaitTimeoutError(TrainerError):
    """The operation still runs; ``operation`` is what was last known of it."""

    def __init__(self, operation: Operation, seconds: float):
        super().__init__(f"{operation.kind} {operation.id} still runs after {seconds:g} s, in phase {operation.phase}")
        self.operation = operation


class Trainer:
    """Thread-safe; it holds no connection between calls.

    :param url: the coordinator's HTTP address
    :param timeout_seconds: for one request, not for an operation
    """

    def __init__(self, url: str, timeout_seconds: float = 30.0):
        self._url = url.rstrip("/")
        self._timeout_seconds = timeout_seconds

    def publish(self, model: str, version: str, source: str) -> str:
        """Starts loading a checkpoint into the host stores; ``source`` is a path as the worker hosts see it.

        Returns the operation's id.
        """
        return self._start("/v1/checkpoints", {"model": model, "version": version, "source": str(source)})

    def update(
        self,
        model: str,
        version: str,
        mode: str | None = None,
        strategy: str | None = None,
        group: str | None = None,
    ) -> str:
        """Starts moving the model's engines to a published version. Returns the operation's id."""
        wanted = {"model": model, "version": version, "mode": mode, "strategy": strategy, "group": group}
        return self._start("/v1/updates", {k: v for k, v in wanted.items() if v is not None})

    def rollback(self, model: str, to: str | None = None, mode: str | None = None, group: str | None = None) -> str:
        """Starts moving the model's engines back, by default to the version before the last update.

        Returns the operation's id; its result is an UpdateResult.
        """
        wanted = {"model": model, "to": to, "mode": mode, "group": group}
        return self._start("/v1/rollbacks", {k: v for k, v in wanted.items() if v is not None})

    def verify(self, model: str) -> str:
        """Starts comparing every engine's live tensors with the manifest. Returns the operation's id."""
        return self._start("/v1/verifications", {"model": model})

    def operation(self, id: str, wait_ms: int = 0) -> Operation:
        """The operation's present state; waits up to ``wait_ms`` for its end."""
        path = f"/v1/operations/{urllib.parse.quote(id, safe='')}?waitMs={wait_ms}"
        return _operation(self._request("GET", path, None, wait_ms / 1000))

    def wait(
        self, id: str, timeout_seconds: float | None = None, on_progress: Callable[[Operation], None] | None = None
    ) -> Operation:
        """Waits for an operation's success. Raises OperationFailedError or WaitTimeoutError.

        :param on_progress: called with every state seen, about once a second
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        step = 1000 if on_progress else MAX_WAIT_MS
        while True:
            left = step if deadline is None else max(0, round((deadline - time.monotonic()) * 1000))
            operation = self.operation(id, min(step, left))
            if on_progress:
                on_progress(operation)
            if operation.state == "failed":
                raise OperationFailedError(operation)
            if not operation.running:
                return operation
            if deadline is not None and time.monotonic() >= deadline:
                raise WaitTimeoutError(operation, timeout_seconds)

    def status(self) -> dict:
        """The cluster as the coordinator sees it, as the HTTP API shows it."""
        return self._request("GET", "/v1/status", None)

    def _start(self, path: str, body: dict) -> str:
        return self._request("POST", path, body)["operation"]

    def _request(self, method: str, path: str, body: dict | None, extra_seconds: float = 0.0) -> dict:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_seconds + extra_seconds) as response:
                text = response.read()
        except urllib.error.HTTPError as e:
            with e:
                raise _REFUSALS.get(e.code, RefusedError)(e.code, _reason(e)) from None
        except (OSError, http.client.HTTPException) as e:
            raise UnreachableError(f"{method} {self._url}{path}: {getattr(e, 'reason', None) or e}") from e
        try:
            tree = json.loads(text)
        except ValueError:
            tree = None
        if not isinstance(tree, dict):
            raise UnreachableError(f"{method} {self._url}{path}: the answer is not the coordinator's: {text[:100]!r}")
        return tree


def _reason(error: urllib.error.HTTPError) -> str:
    text = error.read(1 << 16)
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return text.decode(errors="replace") or error.reason


def _operation(tree: dict) -> Operation:
    result = tree.get("result")
    read = {
        "publish": _publish_result,
        "update": _update_result,
        "rollback": _update_result,
        "join": _update_result,
        "verify": _verify_result,
    }.get(tree.get("kind"))
    return _record(Operation, {**tree, "result": read(result) if result and read else result})


def _publish_result(tree: dict) -> PublishResult:
    return _record(PublishResult, tree)


def _update_result(tree: dict) -> UpdateResult:
    engines = [_record(EngineOutcome, e) for e in tree.get("engines") or []]
    return _record(
        UpdateResult, {**tree, "fromVersion": tree.get("from"), "toVersion": tree.get("to"), "engines": engines}
    )


def _verify_result(tree: dict) -> VerifyResult:
    return _record(
        VerifyResult, {**tree, "engines": [_record(EngineVerification, e) for e in tree.get("engines") or []]}
    )


def _record(kind: type, tree: dict):
    """Reads the fields a dataclass has, and leaves out what newer coordinators add."""
    return kind(**{f.name: tree.get(_wire_name(f.name)) for f in dataclasses.fields(kind)})


def _wire_name(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.title() for word in tail)
