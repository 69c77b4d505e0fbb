"""The engine's end of the link: connects to the worker's socket and answers its requests, for ever."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable

from inflight import link
from inflight.session import Session

log = logging.getLogger(__name__)

FIRST_DELAY_SECONDS = 0.05
LONGEST_DELAY_SECONDS = 2.0
HOST = link.Device("host")


class EngineLink:
    """Runs a session's link on a thread of its own, from ``start`` to ``close``.

    :param path: the worker's Unix socket; it need not exist yet
    :param device: what the weights live on, as the worker is told
    :param on_crash: called when the thread dies of a bug instead of going on without anybody noticing
    """

    def __init__(
        self,
        path: str,
        engine: str,
        model: str,
        session: Session,
        device: link.Device = HOST,
        on_crash: Callable[[BaseException], None] | None = None,
    ):
        self._path = path
        self._engine = engine
        self._model = model
        self._session = session
        self._device = device
        self._on_crash = on_crash
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name="engine-link", daemon=True)

    def start(self) -> EngineLink:
        self._thread.start()
        return self

    def close(self) -> None:
        """Breaks the link and waits for the thread."""
        self._closing.set()
        with self._lock:
            if self._connection:
                try:
                    self._connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # Not connected yet: the thread sees that we are closing.
        self._thread.join()

    def _run(self) -> None:
        delay = FIRST_DELAY_SECONDS
        try:
            while not self._closing.is_set():
                if self._connect_and_serve():
                    delay = FIRST_DELAY_SECONDS
                self._closing.wait(delay)
                delay = min(2 * delay, LONGEST_DELAY_SECONDS)
        except BaseException as e:
            log.critical("the engine link died", exc_info=e)
            if self._on_crash:
                self._on_crash(e)

    def _connect_and_serve(self) -> bool:
        """Returns whether a worker welcomed us."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            with self._lock:
                if self._closing.is_set():
                    return False
                self._connection = connection
            try:
                connection.connect(self._path)
                return self._serve(connection)
            except (FileNotFoundError, ConnectionRefusedError) as e:
                log.debug("%s: no worker yet: %s", self._path, e)
                return False
            except OSError as e:
                log.warning("%s: %s", self._path, e)
                return False
            finally:
                with self._lock:
                    self._connection = None

    def _serve(self, connection: socket.socket) -> bool:
        welcomed = False
        try:
            connection.sendall(link.encode(self._hello()))
            while (message := link.read_message(connection, link.FROM_WORKER)) is not None:
                if isinstance(message, link.Error):
                    log.warning("the worker closes the link: %s", message.message)
                    break
                if isinstance(message, link.Welcome):
                    if message.protocol != link.PROTOCOL:
                        raise link.LinkError(f"protocol {message.protocol} is not spoken here, only {link.PROTOCOL}")
                    log.info("attached to worker %s", message.worker)
                    welcomed = True
                    continue
                connection.sendall(link.encode(self._session.handle(message)))
        except link.LinkError as e:
            log.warning("closing the link: %s", e)
            self._say(connection, str(e))
        except OSError as e:
            log.info("the link broke: %s", e)
        finally:
            self._session.link_lost()
        return welcomed

    def _hello(self) -> link.Hello:
        served = self._session.served
        return link.Hello(
            protocol=link.PROTOCOL,
            engine=self._engine,
            pid=os.getpid(),
            model=self._model,
            device=self._device,
            tp_rank=self._session.share.rank,
            tp_size=self._session.share.size,
            modes=self._session.modes,
            whole_tensors=self._session.whole_tensors,
            slices=self._session.share.rules,
            wants=self._session.wants.rules,
            version=served and served[0],
            digest=served and served[1],
            standby=self._session.standby,
        )

    @staticmethod
    def _say(connection: socket.socket, message: str) -> None:
        try:
            connection.sendall(link.encode(link.Error(message)))
        except OSError:
            pass  # The worker is gone already; it needs no explanation.
