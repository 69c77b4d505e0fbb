import http.client
import threading
from urllib.parse import urlsplit

import pytest
import torch

from inflight.engine.serving import Application, EngineServer, ServedModule
from inflight.gate import Gate
from inflight.session import Session


class BrokenEmbedder:
    def embed(self, texts):
        raise RuntimeError("the tokenizer is gone")


@pytest.fixture
def connection():
    module, gate = ServedModule(torch.nn.Linear(2, 2)), Gate()
    session = Session("m", module, gate)
    session._served = ("v1", "d" * 64)
    server = EngineServer(0, Application("e", "m", session, gate, module, BrokenEmbedder()))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    url = urlsplit(server.url)
    client = http.client.HTTPConnection(url.hostname, url.port, timeout=20)
    yield client
    client.close()
    server.shutdown()
    server.server_close()


def test_an_unexpected_error_is_answered_and_the_connection_goes_on(connection):
    for _ in range(2):
        connection.request("POST", "/embed", b'{"texts": ["a"]}')
        response = connection.getresponse()
        assert (response.status, response.read()) == (500, b'{"error": "RuntimeError: the tokenizer is gone"}')


@pytest.mark.parametrize("length", ["9" * 5000, "9" * 21, str((1 << 20) + 1), "-1", "x", "\u00b2"])
def test_a_body_without_a_sensible_length_is_refused(connection, length):
    connection.putrequest("POST", "/embed")
    connection.putheader("Content-Length", length.encode("latin-1"))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 400
    assert b"a Content-Length of at most 1048576 is needed" in response.read()
