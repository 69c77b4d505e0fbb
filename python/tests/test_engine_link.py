import socket

import pytest
from test_session import Recorder

from inflight import link
from inflight.engine_link import EngineLink
from inflight.gate import Gate
from inflight.session import Session


@pytest.fixture
def listener(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "link"))
        listener.listen(1)
        listener.settimeout(20)
        yield listener


@pytest.fixture
def engine(listener):
    adapter = Recorder()
    engine = EngineLink(listener.getsockname(), "e", "m", Session("m", adapter, Gate())).start()
    engine.adapter = adapter
    yield engine
    engine.close()


def accept(listener: socket.socket) -> socket.socket:
    connection, _ = listener.accept()
    connection.settimeout(20)
    assert link.read_message(connection, link.FROM_ENGINE).engine == "e"
    return connection


def test_it_comes_back_after_the_worker_went_away(listener, engine):
    for _ in range(3):
        accept(listener).close()


def test_it_does_not_speak_another_protocol(listener, engine):
    with accept(listener) as connection:
        connection.sendall(link.encode(link.Welcome(2, "worker-0/0")))
        answer = link.read_message(connection, link.FROM_ENGINE)
        assert answer == link.Error("protocol 2 is not spoken here, only 1")
        assert link.read_message(connection, link.FROM_ENGINE) is None
    accept(listener).close()


def test_closing_breaks_off_the_running_update(listener, engine):
    with accept(listener) as connection:
        connection.sendall(link.encode(link.Begin(1, "m", "v1", "d", "shadow", 0, 0, ())))
        assert link.read_message(connection, link.FROM_ENGINE) == link.Begun(1)
        engine.close()
        assert engine.adapter.calls == [("begin", "shadow"), ("abort",)]
        assert link.read_message(connection, link.FROM_ENGINE) is None
    engine.close()
