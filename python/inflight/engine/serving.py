"""What the engine answers its clients: the HTTP side."""

from __future__ import annotations

import json
import logging
import socket
import sys
from collections.abc import Collection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from inflight.adapters.torch_module import TorchModuleAdapter
from inflight.answer import in_order
from inflight.engine.architecture import BertEmbedder, embedding_digest
from inflight.engine.fast_answer import FastAnswer
from inflight.gate import Gate, PausedError
from inflight.session import SERVING, Session

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1 << 20
MAX_LENGTH_DIGITS = 20
MAX_TEXTS = 256


class ServedModule(TorchModuleAdapter):
    """Keeps what the answer function reads. It is made at ``end``, so that a commit only assigns it, and made anew only
    if it reads other memory than what serves and what stands by."""

    def __init__(self, module, reserve_shadow: bool = False):
        super().__init__(module, reserve_shadow)
        self.answer = self._standby = self._staged = FastAnswer([])

    def end(self, names: Collection[str]) -> None:
        super().end(names)
        tensors = in_order({name: self.staged(name) for name in names})
        known = (answer for answer in (self.answer, self._standby) if answer.reads(tensors))
        self._staged = next(known, None) or FastAnswer(tensors)

    def commit(self) -> None:
        super().commit()
        if self._staged is not self.answer:
            # Memory that the module was moved from is not kept.
            self._standby = FastAnswer([]) if self._moved else self.answer
            self.answer = self._staged
        self._moved = False

    def _bind(self) -> None:
        super()._bind()
        self._moved = True


class HttpError(Exception):
    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class Application:
    """Requests by path. Each reads weights and version inside one pass of the gate, so it never sees a mixture."""

    def __init__(
        self, engine: str, model: str, session: Session, gate: Gate, module: ServedModule, embedder: BertEmbedder | None
    ):
        self._engine = engine
        self._model = model
        self._session = session
        self._gate = gate
        self._module = module
        self._embedder = embedder

    def health(self) -> tuple[int, dict]:
        state, served = self._session.state, self._session.served
        body = {
            "engine": self._engine,
            "model": self._model,
            "state": state,
            "version": served and served[0],
            "digest": served and served[1],
        }
        return 200 if state == SERVING else 503, body

    def answer(self, query: str) -> tuple[int, dict]:
        seed = parse_qs(query).get("seed", [""])[0]
        if not (seed.isascii() and seed.isdigit() and len(seed) <= 20 and int(seed) < 2**64):
            raise HttpError(400, "seed must be an unsigned 64-bit decimal number")
        with self._gate.request():
            version = self._version()
            return 200, {"version": version, "digest": self._module.answer(int(seed))}

    def embed(self, body: bytes) -> tuple[int, dict]:
        if self._embedder is None:
            raise HttpError(404, "this engine has no tokenizer; start it with --architecture bert:DIR")
        try:
            texts = json.loads(body)["texts"]
        except (ValueError, KeyError, TypeError):
            raise HttpError(400, 'the body must be {"texts": [...]}') from None
        if not (isinstance(texts, list) and 0 < len(texts) <= MAX_TEXTS and all(isinstance(t, str) for t in texts)):
            raise HttpError(400, f"texts must be 1 to {MAX_TEXTS} strings")
        with self._gate.request():
            version = self._version()
            embeddings = self._embedder.embed(texts)
        return 200, {"version": version, "embeddings": embeddings.tolist(), "sha256": embedding_digest(embeddings)}

    def _version(self) -> str:
        served = self._session.served
        if served is None:
            raise HttpError(503, "no weights have been loaded yet")
        return served[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: EngineServer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        application = self.server.application
        if url.path == "/health":
            self._reply(application.health)
        elif url.path == "/answer":
            self._reply(lambda: application.answer(url.query))
        else:
            self._reply(self._unknown)

    def do_POST(self) -> None:
        length = _body_length(self.headers.get("Content-Length", ""))
        if length is None:
            self.close_connection = True  # What follows can not be told from a next request.
            self._reply(self._bad_length)
            return
        body = self.rfile.read(length)
        if urlsplit(self.path).path == "/embed":
            self._reply(lambda: self.server.application.embed(body))
        else:
            self._reply(self._unknown)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _unknown(self) -> tuple[int, dict]:
        raise HttpError(404, f"nothing at {self.path}; try /health, /answer or /embed")

    def _bad_length(self) -> tuple[int, dict]:
        raise HttpError(400, f"a Content-Length of at most {MAX_BODY_BYTES} is needed")

    def _reply(self, work) -> None:
        try:
            status, tree = work()
        except HttpError as e:
            status, tree = e.status, {"error": str(e)}
        except PausedError as e:
            status, tree = 503, {"error": str(e)}
        except Exception as e:
            # Whatever went wrong, the client gets an answer, and the log says where.
            log.exception("%s %s failed", self.command, self.path)
            status, tree = 500, {"error": f"{type(e).__name__}: {e}"}
        body = json.dumps(tree).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        # Head and body in one segment.
        self._headers_buffer.append(b"\r\n" + body)
        self.flush_headers()


def _body_length(text: str) -> int | None:
    """A Content-Length within the limit, or None. Its digits are counted first: int() refuses thousands of them."""
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_LENGTH_DIGITS):
        return None
    return int(text) if int(text) <= MAX_BODY_BYTES else None


class EngineServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, application: Application):
        super().__init__(("127.0.0.1", port), _Handler)
        self.application = application

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: socket.socket, client_address: object) -> None:
        """A client that hangs up is no error of ours."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)
