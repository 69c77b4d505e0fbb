import gc
import http.client
import threading
import weakref
from urllib.parse import urlsplit

import pytest
import torch

from inflight.answer import answer
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


@pytest.mark.parametrize("mode", ["in-place", "shadow"])
def test_answers_follow_the_weights_however_often_they_change(mode):
    module = torch.nn.Linear(8, 8)
    served = ServedModule(module)
    seen = []
    for update in range(5):
        served.begin(mode)
        for name, parameter in module.named_parameters():
            torch.manual_seed(update)
            served.staged(name).copy_(torch.randn(parameter.shape).view(-1).view(torch.uint8))
            if mode == "shadow":
                served._held(name).storage.ready_to_swap()
        served.end(["weight", "bias"])
        served.commit()
        live = [p.detach().view(-1).view(torch.uint8).tolist() for _, p in sorted(module.named_parameters())]
        assert served.answer(7) == answer(7, live)
        seen.append(served.answer)
    assert len(set(map(id, seen))) == (1 if mode == "in-place" else 2)


@pytest.mark.parametrize("mode", ["in-place", "shadow"])
def test_a_moved_module_is_answered_from_and_the_memory_it_was_moved_from_forgotten(mode):
    module = torch.nn.Linear(8, 8)
    served = ServedModule(module)
    for value in (3.0, 4.0, 5.0):
        before = weakref.ref(served._held("weight").storage.live)
        module.weight.data = torch.full((8, 8), value)
        served.begin(mode)
        for name, parameter in module.named_parameters():
            served.staged(name).copy_(parameter.detach().view(-1).view(torch.uint8))
            if mode == "shadow":
                served._held(name).storage.ready_to_swap()
        served.end(["weight", "bias"])
        served.commit()
        live = [p.detach().view(-1).view(torch.uint8).tolist() for _, p in sorted(module.named_parameters())]
        assert served.answer(7) == answer(7, live)
        gc.collect()
        assert before() is None
