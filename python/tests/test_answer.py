import torch
from make_vectors import seeded

from inflight.answer import answer, in_order, splitmix64
from inflight.engine import fast_answer
from inflight.engine.fast_answer import FastAnswer


def test_it_has_the_documented_value():
    tensors = {"b": bytes([255, 0, 127]), "a": bytes(range(10)), "empty": b""}
    assert answer(0, in_order(tensors)) == "e5f97fe1dd998b01"
    assert answer(2**64 - 1, in_order(tensors)) == "448629a82cfa957c"


def test_names_are_ordered_by_their_utf_8_bytes():
    assert in_order({"\U0001f600": b"2", "\uff5e": b"1", "a": b"0"}) == [b"0", b"1", b"2"]


def flat(data: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def test_the_fast_form_gives_the_same_answers():
    tensors = [seeded(i, 1 + splitmix64(i) % 5000) for i in range(40)]
    fast = FastAnswer([flat(t) for t in tensors])
    for seed in [0, 1, 2**63, 2**64 - 1, *(splitmix64(i) for i in range(50))]:
        assert fast(seed) == answer(seed, tensors)
    assert FastAnswer([])(1) == answer(1, []) == "cbf29ce484222325"


def test_the_form_for_gpus_gives_the_same_answers(monkeypatch):
    # Tensors of two blocks in turn, at places of their own in each.
    blocks = [flat(seeded(i, 8000)) for i in range(2)]
    tensors = [blocks[i % 2][97 * i : 97 * i + 1 + splitmix64(i) % 3000] for i in range(40)]
    expected = [bytes(t.tolist()) for t in tensors]
    monkeypatch.setattr(fast_answer, "_Viewed", fast_answer._Gathered)
    fast = FastAnswer(tensors)
    assert len(fast._probed._blocks) == 2
    for seed in [0, 2**64 - 1, *(splitmix64(i) for i in range(50))]:
        assert fast(seed) == answer(seed, expected)
