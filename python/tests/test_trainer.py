import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

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
        coordinator = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(None)

            def do_POST(self):
                self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def answer(self, body):
                coordinator.requests.append((self.command, self.path, body))
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


def test_a_rollback_names_only_what_was_asked_for(coordinator, trainer):
    back = {**UPDATE, "kind": "rollback", "from": "v2", "to": "v1"}
    coordinator.answers = [(202, {"operation": "op-1"}), operation("succeeded", kind="rollback", result=back)]
    result = trainer.wait(trainer.rollback("chat")).result
    assert coordinator.requests[0] == ("POST", "/v1/rollbacks", {"model": "chat"})
    assert (result.kind, result.to_version) == ("rollback", "v1")


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


def test_an_answer_of_something_else_is_named(coordinator, trainer):
    coordinator.answers = [(200, b"<html>"), (502, b"bad gateway")]
    with pytest.raises(t.UnreachableError, match="not the coordinator's"):
        trainer.status()
    with pytest.raises(t.RefusedError, match="HTTP 502: bad gateway"):
        trainer.status()


def test_nobody_there():
    with pytest.raises(t.UnreachableError, match="GET http://127.0.0.1:1/v1/status"):
        t.Trainer("http://127.0.0.1:1").status()
