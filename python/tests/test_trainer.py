import json
import pathlib
import ssl
import subprocess
import threading
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from safetensors.numpy import load

from inflight import trainer as t

UPDATE = {
    "model": "chat", "from": "v1", "to": "v2", "epoch": 3, "mode": "shadow", "strategy": "broadcast",
    "outcome": "committed", "reason": None, "seconds": 1.5, "bytes": 10, "deliveredBytes": 20,
    "slots": {"count": 3, "bytes": 1048576, "reason": ""}, "planDigest": "ab", "restore": None,
    "exchange": {"name": "nccl", "reason": "two hosts"},
    "engines": [{"engine": "e0", "worker": "w/0", "outcome": "committed", "state": "SERVING", "version": "v2",
                 "stallMs": 0.4, "new": 1}],
    "stages": {"h2dSeconds": 0.1}, "somethingNew": 1,
}  # fmt: skip


class Coordinator:
    """Answers with what it is given, in turn, and keeps the requests."""

    def __init__(self):
        self.answers: list[tuple[int, object]] = []
        self.requests: list[tuple[str, str, object]] = []
        self.authorizations: list[str | None] = []
        coordinator = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(None)

            def do_POST(self):
                self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def answer(self, body):
                coordinator.requests.append((self.command, self.path, body))
                coordinator.authorizations.append(self.headers["Authorization"])
                status, tree = coordinator.answers.pop(0)
                text = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True, kwargs={"poll_interval": 0.01}).start()


@pytest.fixture
def coordinator():
    coordinator = Coordinator()
    yield coordinator
    coordinator.server.shutdown()
    coordinator.server.server_close()


@pytest.fixture
def trainer(coordinator):
    return t.Trainer(coordinator.url)


def test_a_token_is_sent_with_every_request(coordinator, tmp_path, monkeypatch):
    file = tmp_path / "token"
    file.write_text("# mine\ntrainer:of-the-file\n")
    trainers = [t.Trainer(coordinator.url), t.Trainer(coordinator.url, token="given")]
    monkeypatch.setenv("INFLIGHT_TOKEN_FILE", str(file))
    trainers += [t.Trainer(coordinator.url), t.Trainer(coordinator.url, token="given")]
    coordinator.answers = [(200, {})] * len(trainers)
    for each in trainers:
        each.status()
    assert coordinator.authorizations == [None, "Bearer given", "Bearer of-the-file", "Bearer given"]


def test_a_refused_token_is_not_repeated(coordinator):
    coordinator.answers = [(401, {"error": "Authorization: the token is not in the coordinator's token file"})]
    with pytest.raises(t.UnauthorizedError) as refused:
        t.Trainer(coordinator.url, token="secret").status()
    assert "secret" not in str(refused.value)


def test_a_token_file_holds_one_token(coordinator, tmp_path):
    file = tmp_path / "token"
    file.write_text("a:secret\nb:secret\n")
    with pytest.raises(ValueError, match="must hold one line") as refused:
        t.Trainer(coordinator.url, token_file=str(file))
    assert "secret" not in str(refused.value)


def test_https_needs_an_authority_that_signed_the_certificate(tmp_path):
    script = pathlib.Path(__file__).parents[2] / "scripts" / "make-test-certs.sh"
    for directory in ("own", "other"):
        subprocess.run([script, tmp_path / directory, "127.0.0.1"], check=True, capture_output=True)
    coordinator = Coordinator()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own/127.0.0.1.crt", tmp_path / "own/127.0.0.1.key")
    coordinator.server.socket = context.wrap_socket(coordinator.server.socket, server_side=True)
    url = coordinator.url.replace("http:", "https:")
    try:
        coordinator.answers = [(200, {"models": []})]
        assert t.Trainer(url, ca_file=str(tmp_path / "own/ca.crt")).status() == {"models": []}
        with pytest.raises(t.UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
            t.Trainer(url, ca_file=str(tmp_path / "other/ca.crt")).status()
    finally:
        coordinator.server.shutdown()
        coordinator.server.server_close()


def operation(state: str, **fields) -> tuple[int, dict]:
    return 200, {"id": "op-1", "kind": "update", "state": state, "phase": "Streaming", "doneBytes": 1, "totalBytes": 2,
                 "error": None, "result": None, **fields}  # fmt: skip


def test_an_update_is_started_and_waited_for(coordinator, trainer):
    coordinator.answers = [(202, {"operation": "op-1"}), operation("running"), operation("succeeded", result=UPDATE)]
    seen = []
    done = trainer.wait(trainer.update("chat", "v2", mode="shadow"), on_progress=seen.append)
    assert coordinator.requests[0] == ("POST", "/v1/updates", {"model": "chat", "version": "v2", "mode": "shadow"})
    assert coordinator.requests[1] == ("GET", "/v1/operations/op-1?waitMs=1000", None)
    assert [o.running for o in seen] == [True, False]
    result = done.result
    assert (result.from_version, result.to_version, result.outcome) == ("v1", "v2", "committed")
    assert result.engines == [t.EngineOutcome("e0", "w/0", "committed", "SERVING", "v2", 0.4)]


def test_a_key_and_the_requester_go_with_every_command(coordinator):
    coordinator.answers = [(202, {"operation": "op-1"})] * 3
    trainer = t.Trainer(coordinator.url, requester="ann")
    trainer.publish("chat", "v2", "/ckpt", idempotency_key="k1")
    trainer.update("chat", "v2", idempotency_key="k2")
    trainer.verify("chat", idempotency_key="k3")
    bodies = [body for _, _, body in coordinator.requests]
    assert [body["idempotencyKey"] for body in bodies] == ["k1", "k2", "k3"]
    assert {body["requester"] for body in bodies} == {"ann"}


def test_history_follows_the_pages(coordinator, trainer):
    coordinator.answers = [
        (200, {"operations": [{"operation": "b"}], "next": 7}),
        (200, {"operations": [{"operation": "a"}], "next": None}),
    ]
    assert [row["operation"] for row in trainer.history(model="chat")] == ["b", "a"]
    assert coordinator.requests[1][1] == "/v1/history?model=chat&before=7&limit=99"


def test_a_rollback_names_only_what_was_asked_for(coordinator, trainer):
    back = {**UPDATE, "kind": "rollback", "from": "v2", "to": "v1"}
    coordinator.answers = [(202, {"operation": "op-1"}), operation("succeeded", kind="rollback", result=back)]
    result = trainer.wait(trainer.rollback("chat")).result
    assert coordinator.requests[0] == ("POST", "/v1/rollbacks", {"model": "chat"})
    assert (result.kind, result.to_version) == ("rollback", "v1")


def test_a_canary_is_asked_for_and_decided_about(coordinator, trainer):
    reverted = {
        "kind": "canary",
        "model": "chat",
        "from": "v1",
        "to": "v2",
        "group": "tenant=a",
        "share": "10%",
        "outcome": "reverted",
        "detectedBy": "command",
        "reason": "odd",
        "seconds": 3.0,
        "holdSeconds": 2.0,
        "rollbackSeconds": 0.5,
        "stallMs": 1.5,
        "updateOperation": "update-1",
        "finalOperation": "rollback-1",
        "engines": [{"engine": "e0", "worker": "h0/0", "outcome": "committed", "stallMs": 1.5}],
    }
    coordinator.answers = [
        (202, {"operation": "canary-1"}),
        (202, {"operation": "canary-1"}),
        (202, {"operation": "canary-1"}),
        operation("failed", kind="canary", error="odd", result=reverted),
    ]
    id = trainer.update("chat", "v2", select={"tenant": "a", "domain": "x"}, canary="10%", hold=30, check="client")
    assert coordinator.requests[0][2] == {
        "model": "chat",
        "version": "v2",
        "select": "domain=x,tenant=a",
        "canary": "10%",
        "holdSeconds": 30,
        "check": "client",
    }
    trainer.promote(id)
    assert coordinator.requests[1] == ("POST", "/v1/promotions", {"operation": id})
    trainer.revert(model="chat", reason="odd", detected_by="command")
    assert coordinator.requests[2][1:] == ("/v1/reverts", {"model": "chat", "reason": "odd", "detectedBy": "command"})
    with pytest.raises(t.OperationFailedError) as failed:
        trainer.wait(id)
    result = failed.value.operation.result
    assert (result.outcome, result.detected_by, result.rollback_seconds) == ("reverted", "command", 0.5)
    assert result.engines[0].stall_ms == 1.5
    with pytest.raises(ValueError):
        trainer.promote()


def test_publish_and_verify_have_typed_results(coordinator, trainer):
    published = {"model": "chat", "version": "v1", "digest": "ab", "bytes": 1, "tensors": 2, "seconds": 0.1,
                 "inPlace": True, "touchSeconds": 0.05, "registerSeconds": 0.0, "hosts": ["h"]}  # fmt: skip
    verified = {"verified": False, "version": "v1", "engines": [
        {"engine": "e", "worker": "w", "version": "v1", "tensors": 2,
         "mismatches": 1, "mismatched": ["a"], "error": None}
    ]}  # fmt: skip
    coordinator.answers = [
        (202, {"operation": "a/b"}), operation("succeeded", kind="publish", result=published),
        (202, {"operation": "op-2"}), operation("succeeded", kind="verify", result=verified),
    ]  # fmt: skip
    result = trainer.wait(trainer.publish("chat", "v1", "/x")).result
    assert (result.in_place, result.touch_seconds, result.register_seconds) == (True, 0.05, 0.0)
    assert coordinator.requests[1][1] == "/v1/operations/a%2Fb?waitMs=30000"
    assert trainer.wait(trainer.verify("chat")).result.engines[0].mismatched == ["a"]


def lease(state: str, path=None, **fields) -> dict:
    return {"lease": "w1-0123456789ab", "host": "w1", "state": state, "source": "arena:w1-0123456789ab",
            "path": path, "bytes": 1, "expiresInSeconds": 600.0, "error": None, **fields}  # fmt: skip


def test_tensors_are_written_into_a_lent_arena_and_published_from_there(coordinator, trainer, tmp_path):
    path = tmp_path / "arena"
    path.write_bytes(bytes(4096))
    coordinator.answers = [
        (202, lease("preparing")), (200, lease("preparing")), (200, lease("ready", str(path))),
        (202, {"operation": "op-1"}),
    ]  # fmt: skip
    assert trainer.publish("chat", "v2", {"a": np.arange(6, dtype=np.int16)}, host="w1") == "op-1"
    sent = [request[:2] for request in coordinator.requests]
    assert sent == [
        ("POST", "/v1/arenas"),
        ("GET", "/v1/arenas/w1-0123456789ab?waitMs=30000"),
        ("GET", "/v1/arenas/w1-0123456789ab?waitMs=30000"),
        ("POST", "/v1/checkpoints"),
    ]
    assert coordinator.requests[-1][2] == {"model": "chat", "version": "v2", "source": "arena:w1-0123456789ab"}
    length = coordinator.requests[0][2]["bytes"]
    assert load(path.read_bytes()[:length])["a"].tolist() == [0, 1, 2, 3, 4, 5]


def test_an_arena_is_given_back_when_it_can_not_be_published(coordinator, trainer, tmp_path):
    path = tmp_path / "arena"
    path.write_bytes(bytes(4096))
    coordinator.answers = [
        (202, lease("ready", str(path))), (409, {"error": "the version has other bytes"}), (200, lease("given-back")),
        (202, lease("failed", error="7 bytes free")), (200, lease("given-back")),
    ]  # fmt: skip
    with pytest.raises(t.ConflictError, match="other bytes"):
        trainer.publish("chat", "v2", {"a": np.zeros(6)}, host="w1")
    with pytest.raises(t.TrainerError, match="host w1 has no memory to lend: 7 bytes free"):
        trainer.publish("chat", "v2", {"a": np.zeros(6)}, host="w1")
    back = [request for request in coordinator.requests if request[1].endswith("/give-back")]
    assert back == [("POST", "/v1/arenas/w1-0123456789ab/give-back", {})] * 2


def test_a_failed_update_raises_with_its_result(coordinator, trainer):
    coordinator.answers = [operation("failed", error="worker-1/0 is gone", result={**UPDATE, "outcome": "aborted"})]
    with pytest.raises(t.OperationFailedError, match="update op-1 failed: worker-1/0 is gone") as e:
        trainer.wait("op-1")
    assert e.value.operation.result.outcome == "aborted"


def test_waiting_ends_in_time(coordinator, trainer):
    coordinator.answers = [operation("running")]
    with pytest.raises(t.WaitTimeoutError, match="phase Streaming"):
        trainer.wait("op-1", timeout_seconds=0)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, t.InvalidRequestError),
        (404, t.NotFoundError),
        (409, t.ConflictError),
        (503, t.UnavailableError),
        (500, t.RefusedError),
    ],
)
def test_refusals_are_typed_and_name_the_reason(coordinator, trainer, status, kind):
    coordinator.answers = [(status, {"error": "the reason"})]
    with pytest.raises(kind, match=f"HTTP {status}: the reason") as e:
        trainer.publish("chat", "v1", "/x")
    assert type(e.value) is kind and e.value.status == status


def test_a_limit_says_when_it_would_be_taken(coordinator, trainer):
    error = {"error": "updates-per-hour is 1", "limit": "updates-per-hour", "retryAt": "2026-11-22T10:00:00.123456789Z"}
    coordinator.answers = [(429, error)]
    with pytest.raises(t.LimitedError) as refused:
        trainer.update("chat", "v2")
    assert refused.value.limit == "updates-per-hour"
    assert refused.value.retry_at == datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=timezone.utc)


def test_an_update_waits_for_its_turn_and_can_be_called_off(coordinator, trainer):
    turn = {"position": 2, "reason": "update-1 is running", "expectedAt": None, "until": "2026-11-22T11:00:00Z"}
    queued = {"id": "update-2", "kind": "update", "state": "running", "phase": "queued", "turn": turn}
    cancelled = {**queued, "state": "failed", "phase": "cancelled", "turn": None}
    coordinator.answers = [(202, {"operation": "update-2"}), (200, queued), (200, cancelled)]
    id = trainer.update("chat", "v2", wait=True, wait_timeout_seconds=0.5)
    assert trainer.operation(id).turn["position"] == 2
    assert trainer.cancel(id).phase == "cancelled"
    assert coordinator.requests[0][2] == {"model": "chat", "version": "v2", "wait": True, "waitTimeoutMs": 500}
    assert coordinator.requests[2][:2] == ("POST", "/v1/operations/update-2/cancel")


def test_an_answer_of_something_else_is_named(coordinator, trainer):
    coordinator.answers = [(200, b"<html>"), (502, b"bad gateway")]
    with pytest.raises(t.UnreachableError, match="not the coordinator's"):
        trainer.status()
    with pytest.raises(t.RefusedError, match="HTTP 502: bad gateway"):
        trainer.status()


def test_nobody_there():
    with pytest.raises(t.UnreachableError, match="GET http://127.0.0.1:1/v1/status"):
        t.Trainer("http://127.0.0.1:1").status()
