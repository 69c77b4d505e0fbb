import json
import socket
import threading

import pytest
from conformance import VECTORS
from make_vectors import files

from inflight import link

FRAMES = json.loads((VECTORS / "frames.json").read_text())


def read_stream(stream: bytes, sender: str) -> object:
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def write():
            try:
                theirs.sendall(stream)
                theirs.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # The reader refused it early.

        writer = threading.Thread(target=write)
        writer.start()
        try:
            message = link.read_message(ours, link.FROM_ENGINE if sender == "engine" else link.FROM_WORKER)
            assert link.read_message(ours, {}) is None
            return message
        finally:
            ours.close()
            writer.join()


@pytest.mark.parametrize("vector", [f for f in FRAMES if "message" in f], ids=lambda f: f["name"])
def test_reads_and_writes_a_good_frame(vector):
    message = read_stream(bytes.fromhex(vector["hex"]), vector["from"])
    assert link.to_json(message) == vector["message"]
    assert read_stream(link.encode(message), vector["from"]) == message


@pytest.mark.parametrize("vector", [f for f in FRAMES if "error" in f], ids=lambda f: f["name"])
def test_refuses_a_malformed_frame(vector):
    with pytest.raises(link.LinkError):
        read_stream(bytes.fromhex(vector["hex"]), vector["from"])


def test_refuses_to_write_an_over_long_frame():
    with pytest.raises(link.LinkError, match="over 16777216"):
        link.encode(link.Error("x" * link.MAX_FRAME_BYTES))


def test_the_checked_in_vectors_are_those_of_the_generator():
    for path, text in files().items():
        assert path.read_text() == text, f"{path} is stale; run python tests/make_vectors.py"
