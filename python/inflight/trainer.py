"""A trainer's client of the coordinator's HTTP API: publish a checkpoint, update the engines, wait, verify.

trainer = Trainer("http://127.0.0.1:8780")    # or Trainer("https://...", token_file="...", ca_file="...")
trainer.wait(trainer.publish("chat", "v2", model.state_dict()))  # or a path that the worker hosts see
report = trainer.wait(trainer.update("chat", "v2")).result
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import http.client
import json
import os
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from inflight import arena

MAX_WAIT_MS = 30_000
MAX_HISTORY = 1000


class TrainerError(Exception):
    """Base of all that this module raises."""


class UnreachableError(TrainerError):
    """No answer from the coordinator. The request may or may not have arrived."""


class RefusedError(TrainerError):
    """The coordinator refused a request; nothing changed. ``status`` is the HTTP status.

    ``limit`` is the setting that an update was beyond, and ``retry_at`` when it would be taken; both may be None.
    """

    def __init__(self, status: int, message: str, limit: str | None = None, retry_at: datetime.datetime | None = None):
        super().__init__(f"HTTP {status}: {message}")
        self.status = status
        self.message = message
        self.limit = limit
        self.retry_at = retry_at


class InvalidRequestError(RefusedError):
    """400: a field is missing, unknown or wrong."""


class UnauthorizedError(RefusedError):
    """401: no token, or one that the coordinator does not know."""


class NotFoundError(RefusedError):
    """404: no such model, version, operation or source."""


class ConflictError(RefusedError):
    """409: another operation is running, or the version's name or the idempotency key is taken by something else."""


class LimitedError(RefusedError):
    """429: a limit of the model or the requester holds the update up; ``update(..., wait=True)`` waits for its turn."""


class UnavailableError(RefusedError):
    """503: the cluster can not do it now."""


_REFUSALS = {
    400: InvalidRequestError,
    401: UnauthorizedError,
    404: NotFoundError,
    409: ConflictError,
    429: LimitedError,
    503: UnavailableError,
}


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
    engine's host took from other hosts, what of it came more than once, and which hosts those were. ``cast_bytes`` of
    ``received_bytes`` were cast by ``cast_sources``, once for all that joined at the same time; the rest was asked for.

    ``damage`` says which blocks were not what was published, where, and what they were mended from.
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
    cast_bytes: int | None = None
    cast_sources: list[str] | None = None
    kind: str | None = None
    verify: str | None = None
    damage: list[dict] | None = None


@dataclass(frozen=True)
class EngineVerification:
    engine: str
    worker: str
    version: str | None
    tensors: int
    mismatches: int
    mismatched: list[str]
    error: str | None
    files: list[str] | None = None


@dataclass(frozen=True)
class VerifyResult:
    verified: bool
    version: str | None
    engines: list[EngineVerification]


@dataclass(frozen=True)
class CanaryEngine:
    engine: str | None
    worker: str
    outcome: str
    stall_ms: float | None


@dataclass(frozen=True)
class CanaryResult:
    """``outcome`` is ``promoted``, ``reverted`` or ``failed``; ``detected_by`` says what decided, ``reason`` why.

    ``rollback_seconds`` and ``stall_ms`` are of the way back, and null if there was none.
    """

    model: str
    from_version: str
    to_version: str
    group: str | None
    share: str
    outcome: str
    detected_by: str | None
    reason: str | None
    seconds: float
    hold_seconds: float | None
    rollback_seconds: float | None
    stall_ms: float | None
    update_operation: str | None
    final_operation: str | None
    engines: list[CanaryEngine]


@dataclass(frozen=True)
class Operation:
    """``state`` is ``running``, ``succeeded`` or ``failed``. A failed update has a result too.

    ``turn`` is the place of an update that waits, in phase ``queued``: position, reason, expectedAt and until.
    """

    id: str
    kind: str
    state: str
    phase: str | None
    done_bytes: int
    total_bytes: int
    error: str | None
    result: PublishResult | UpdateResult | VerifyResult | CanaryResult | None
    turn: dict | None = None

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
    :param token: the bearer token that the coordinator asks for, if it does
    :param token_file: instead, a file whose only line is the token or ``name:token``; the environment's
        INFLIGHT_TOKEN_FILE if neither is given
    :param ca_file: certificates in PEM of those who may sign the coordinator's, for https; the environment's
        INFLIGHT_CA_FILE, or else what Python trusts
    :param requester: who asks, for the history, where the coordinator asks for no token

    ``idempotency_key``, wherever it is a parameter, makes a request safe to repeat: with the same key it is answered
    with the same operation, also by another coordinator; another request with that key raises ConflictError.
    """

    def __init__(
        self,
        url: str,
        timeout_seconds: float = 30.0,
        token: str | None = None,
        token_file: str | None = None,
        ca_file: str | None = None,
        requester: str | None = None,
    ):
        self._url = url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._requester = requester
        token_file = token_file or os.environ.get("INFLIGHT_TOKEN_FILE")
        self._token = token if token is not None or not token_file else _read_token(token_file)
        ca_file = ca_file or os.environ.get("INFLIGHT_CA_FILE")
        self._tls = ssl.create_default_context(cafile=ca_file) if self._url.startswith("https:") else None

    def publish(
        self,
        model: str,
        version: str,
        checkpoint: str | os.PathLike | Mapping[str, object] | Iterable[tuple[str, object]],
        host: str | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Starts making a checkpoint known under a model and a version. Returns the operation's id.

        :param checkpoint: a path as the worker hosts see it, or torch or numpy tensors by name. Tensors are written
            once, into memory that a worker host on this machine lends, and may change when this returns.
            Pairs are gathered before the first is written, since sizes must be known.
        :param host: name of the worker host that lends the memory; by default one that shares this machine's
        """
        if isinstance(checkpoint, (str, os.PathLike)):
            return self._publish(model, version, os.fspath(checkpoint), idempotency_key)
        layout = arena.lay_out(checkpoint)
        lease = self._lend(layout.bytes, host)
        try:
            arena.write(layout, self._ready(lease)["path"])
            return self._publish(model, version, lease["source"], idempotency_key)
        except BaseException:
            # Else it would be the lease's time that frees the memory.
            with contextlib.suppress(TrainerError):
                self._request("POST", f"/v1/arenas/{_quoted(lease['lease'])}/give-back", {})
            raise

    def _publish(self, model: str, version: str, source: str, idempotency_key: str | None) -> str:
        return self._start("/v1/checkpoints", {"model": model, "version": version, "source": source}, idempotency_key)

    def _lend(self, size: int, host: str | None) -> dict:
        if host is not None:
            return self._request("POST", "/v1/arenas", {"bytes": size, "host": host})
        machine = arena.machine_identity()
        if machine is None:
            raise TrainerError("no worker host has run on this machine; tensors are written into memory of one")
        return self._request("POST", "/v1/arenas", {"bytes": size, "machine": machine})

    def _ready(self, lease: dict) -> dict:
        """Waits until the arena's memory is present."""
        while lease["state"] == "preparing":
            path = f"/v1/arenas/{_quoted(lease['lease'])}?waitMs={MAX_WAIT_MS}"
            lease = self._request("GET", path, None, MAX_WAIT_MS / 1000)
        if lease["state"] != "ready":
            raise TrainerError(f"host {lease['host']} has no memory to lend: {lease['error']}")
        return lease

    def update(
        self,
        model: str,
        version: str,
        mode: str | None = None,
        strategy: str | None = None,
        group: str | None = None,
        idempotency_key: str | None = None,
        verify: str | None = None,
        wait: bool = False,
        wait_timeout_seconds: float | None = None,
        select: str | Mapping[str, str] | None = None,
        canary: int | str | None = None,
        hold: float | None = None,
        check: str | None = None,
    ) -> str:
        """Starts moving the model's engines to a published version. Returns the operation's id.

        :param group: id of a worker host, worker or engine, or several joined by ``|``
        :param verify: where bytes are last compared with what was published, ``arrival`` or ``engine``; the
            coordinator's setting if None
        :param wait: whether it waits for its turn where another operation or a limit stands in the way, instead of
            raising ConflictError or LimitedError; ``cancel`` calls it off. Not for a canary
        :param wait_timeout_seconds: how long; by default as long as the coordinator lets updates wait
        :param select: labels that engines must have, as a mapping or as ``tenant=a,domain=chat``
        :param canary: so many engines, or a percentage like ``10%``, get it first; the operation is then a canary,
            whose result is a CanaryResult, and which fails if it is reverted
        :param hold: seconds for which they are watched before the others follow; by default until somebody decides
        :param check: what is asked meanwhile: ``http://…``, ``metric:URL#NAME<1``, or ``client`` if the caller watches
            and calls promote or revert within the hold
        """
        wanted = {
            "model": model,
            "version": version,
            "mode": mode,
            "strategy": strategy,
            "group": group,
            "select": _labels(select),
            "canary": None if canary is None else str(canary),
            "holdSeconds": hold,
            "check": check,
        }
        if verify is not None:
            wanted["verify"] = verify
        if wait:
            wanted["wait"] = True
            if wait_timeout_seconds is not None:
                wanted["waitTimeoutMs"] = max(1, round(wait_timeout_seconds * 1000))
        elif wait_timeout_seconds is not None:
            raise ValueError("wait_timeout_seconds: is for updates that wait")
        return self._start("/v1/updates", wanted, idempotency_key)

    def promote(self, operation: str | None = None, model: str | None = None) -> str:
        """Ends the hold of a canary: the other engines follow. Returns the canary's id, to wait for.

        :param operation: the canary; or else the one that runs of ``model``
        """
        return self._decide("/v1/promotions", operation, model, None, None)

    def revert(
        self,
        operation: str | None = None,
        model: str | None = None,
        reason: str | None = None,
        detected_by: str | None = None,
    ) -> str:
        """Ends a canary: its engines go back. Returns its id; waiting for it raises OperationFailedError.

        :param operation: the canary; or else the one that runs of ``model``
        :param reason: for the history
        :param detected_by: ``operator``, or ``command`` if a program decided
        """
        return self._decide("/v1/reverts", operation, model, reason, detected_by)

    def _decide(
        self, path: str, operation: str | None, model: str | None, reason: str | None, detected_by: str | None
    ) -> str:
        if (operation is None) == (model is None):
            raise ValueError("give the canary's operation or its model, and not both")
        wanted = {"operation": operation, "model": model, "reason": reason, "detectedBy": detected_by}
        return self._start(path, wanted, None)

    def cancel(self, id: str) -> Operation:
        """Calls off an update that waits for its turn. Raises ConflictError if it has begun."""
        body = {} if self._requester is None else {"requester": self._requester}
        return _operation(self._request("POST", f"/v1/operations/{_quoted(id)}/cancel", body))

    def rollback(
        self,
        model: str,
        to: str | None = None,
        mode: str | None = None,
        group: str | None = None,
        idempotency_key: str | None = None,
        select: str | Mapping[str, str] | None = None,
    ) -> str:
        """Starts moving the model's engines back, by default to the version before the last update.

        Returns the operation's id; its result is an UpdateResult.
        """
        wanted = {"model": model, "to": to, "mode": mode, "group": group, "select": _labels(select)}
        return self._start("/v1/rollbacks", wanted, idempotency_key)

    def verify(
        self,
        model: str,
        idempotency_key: str | None = None,
        group: str | None = None,
        select: str | Mapping[str, str] | None = None,
    ) -> str:
        """Starts comparing live tensors of engines with the manifest. Returns the operation's id."""
        wanted = {"model": model, "group": group, "select": _labels(select)}
        return self._start("/v1/verifications", wanted, idempotency_key)

    def operation(self, id: str, wait_ms: int = 0) -> Operation:
        """The operation's present state; waits up to ``wait_ms`` for its end."""
        path = f"/v1/operations/{_quoted(id)}?waitMs={wait_ms}"
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

    def history(self, model: str | None = None, since: str | None = None, limit: int = 100) -> list[dict]:
        """Past operations as the HTTP API shows them, the newest first.

        :param since: only those that began at this time or later, like 2026-11-22T09:30:00Z
        """
        rows: list[dict] = []
        before = None
        while len(rows) < limit:
            wanted = {"model": model, "since": since, "before": before, "limit": min(limit - len(rows), MAX_HISTORY)}
            query = urllib.parse.urlencode({k: v for k, v in wanted.items() if v is not None})
            page = self._request("GET", f"/v1/history?{query}", None)
            rows += page["operations"]
            before = page["next"]
            if before is None:
                break
        return rows

    def _start(self, path: str, wanted: dict, idempotency_key: str | None) -> str:
        body = {**wanted, "requester": self._requester, "idempotencyKey": idempotency_key}
        return self._request("POST", path, {k: v for k, v in body.items() if v is not None})["operation"]

    def _request(self, method: str, path: str, body: dict | None, extra_seconds: float = 0.0) -> dict:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"}, method=method)
        if self._token is not None:
            # Never passed on to where a redirect leads.
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        timeout = self._timeout_seconds + extra_seconds
        try:
            with urllib.request.urlopen(request, timeout=timeout, context=self._tls) as response:
                text = response.read()
        except urllib.error.HTTPError as e:
            with e:
                raise _refusal(e) from None
        except (OSError, http.client.HTTPException) as e:
            raise UnreachableError(f"{method} {self._url}{path}: {getattr(e, 'reason', None) or e}") from e
        try:
            tree = json.loads(text)
        except ValueError:
            tree = None
        if not isinstance(tree, dict):
            raise UnreachableError(f"{method} {self._url}{path}: the answer is not the coordinator's: {text[:100]!r}")
        return tree


def _read_token(path: str) -> str:
    with open(path, encoding="ascii") as file:
        lines = [line.strip() for line in file]
    lines = [line for line in lines if line and not line.startswith("#")]
    if len(lines) != 1:
        raise ValueError(f"{path}: must hold one line, TOKEN or name:TOKEN, but has {len(lines)}")
    return lines[0].rpartition(":")[2]


def _labels(select: str | Mapping[str, str] | None) -> str | None:
    if select is None or isinstance(select, str):
        return select
    return ",".join(f"{label}={value}" for label, value in sorted(select.items()))


def _quoted(segment: str) -> str:
    return urllib.parse.quote(segment, safe="")


def _refusal(error: urllib.error.HTTPError) -> RefusedError:
    kind = _REFUSALS.get(error.code, RefusedError)
    text = error.read(1 << 16)
    try:
        tree = json.loads(text)
        return kind(error.code, str(tree["error"]), tree.get("limit"), _instant(tree.get("retryAt")))
    except (ValueError, KeyError, TypeError, AttributeError):
        return kind(error.code, text.decode(errors="replace") or error.reason)


def _instant(text: str | None) -> datetime.datetime | None:
    """Java writes up to nine digits of a second; Python reads six."""
    if text is None:
        return None
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.datetime.fromisoformat(f"{seconds}.{fraction[:6].ljust(6, '0')}+00:00")


def _operation(tree: dict) -> Operation:
    result = tree.get("result")
    read = {
        "publish": _publish_result,
        "update": _update_result,
        "rollback": _update_result,
        "join": _update_result,
        "verify": _verify_result,
        "canary": _canary_result,
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


def _canary_result(tree: dict) -> CanaryResult:
    engines = [_record(CanaryEngine, e) for e in tree.get("engines") or []]
    return _record(
        CanaryResult, {**tree, "fromVersion": tree.get("from"), "toVersion": tree.get("to"), "engines": engines}
    )


def _record(kind: type, tree: dict):
    """Reads the fields a dataclass has, and leaves out what newer coordinators add."""
    return kind(**{f.name: tree.get(_wire_name(f.name)) for f in dataclasses.fields(kind)})


def _wire_name(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.title() for word in tail)
