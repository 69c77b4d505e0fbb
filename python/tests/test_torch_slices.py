"""Modules of tensor-parallel engines: what a rank takes of each tensor."""

import random

import pytest
import torch
from fake_worker import MODEL, FakeWorker, Weights
from make_vectors import seeded
from test_torch_module import MODES, attach, made_up, raw

from inflight import link
from inflight.adapter import Piece
from inflight.adapters.torch_copies import Copies, Streams
from inflight.adapters.torch_module import TorchModuleAdapter
from inflight.engine.architecture import module_of
from inflight.gate import Gate
from inflight.messages import SliceRule
from inflight.safetensors_header import TensorSpec
from inflight.session import Session
from inflight.slices import TensorParallel

# Rows of odd and of even lengths, so that they are copied in elements of every width.
SPECS = [
    TensorSpec("q.weight", "BF16", (8, 6)),
    TensorSpec("o.weight", "BF16", (5, 64)),
    TensorSpec("o.odd", "U8", (9, 6)),
    TensorSpec("o.wide", "F32", (7, 6)),
    TensorSpec("o.half", "F16", (7, 10)),
    TensorSpec("o.fp8", "F8_E4M3", (33, 16)),
    TensorSpec("o.packed", "F4", (3, 8)),
    TensorSpec("experts", "F16", (3, 4, 5)),
    TensorSpec("deep", "I64", (2, 3, 4)),
    TensorSpec("o.none", "F32", (0, 4)),
    TensorSpec("norm", "F32", (3,)),
]
RULES = (SliceRule("q.*", 0), SliceRule("o.*", 1), SliceRule("experts", 1), SliceRule("deep", 2))


def attach_rank(share: TensorParallel, specs=SPECS) -> tuple[torch.nn.Module, FakeWorker]:
    module = module_of([TensorSpec(s.name, s.dtype, share.slice(s.name, s.dtype, s.shape).shape) for s in specs])
    return module, FakeWorker(Session(MODEL, TorchModuleAdapter(module), Gate(), share=share))


def part(weights: Weights, share: TensorParallel, name: str) -> bytes:
    held = share.slice(name, weights.dtype, weights.shape)
    return bytes(weights.data[held.full(i)] for i in range(held.size))


@pytest.mark.parametrize("part_bytes", [7, 64, 100, 1 << 20])
@pytest.mark.parametrize("mode", MODES)
def test_each_rank_gets_its_slices_bit_by_bit_however_tensors_are_cut(mode, part_bytes):
    for rank in range(2):
        share = TensorParallel(rank, 2, RULES)
        module, worker = attach_rank(share)
        with worker:
            for epoch in (1, 2):
                weights = made_up(SPECS, epoch)
                worker.update(epoch, f"v{epoch}", mode, weights, part_bytes=part_bytes)
                parameters = dict(module.named_parameters())
                for name, w in weights.items():
                    expected = part(w, share, name)
                    assert raw(parameters[name]) == expected, name
                    assert worker.dump(name, len(expected)) == expected, name


def test_what_two_ranks_hold_is_what_torch_would_cut():
    whole = torch.arange(7 * 6, dtype=torch.float32).view(7, 6)
    for rank in range(2):
        module, worker = attach_rank(TensorParallel(rank, 2, RULES), [SPECS[3]])
        with worker:
            worker.update(1, "v1", "in-place", {"o.wide": Weights("F32", (7, 6), raw(whole))}, part_bytes=25)
        assert torch.equal(dict(module.named_parameters())["o.wide"], whole.chunk(2, 1)[rank])


def test_tied_slices_must_agree():
    module = torch.nn.Module()
    module.o = torch.nn.Parameter(torch.zeros(4, 3))
    module.p = module.o
    share = TensorParallel(1, 2, (SliceRule("*", 1),))
    same, other = Weights("F32", (4, 6), seeded(1, 96)), Weights("F32", (4, 6), seeded(2, 96))
    with FakeWorker(Session(MODEL, TorchModuleAdapter(module), Gate(), share=share)) as worker:
        worker.update(1, "v1", "in-place", {"o": same, "p": same}, part_bytes=50)
        assert raw(module.o) == part(same, share, "o")
        worker.begin(2, "v2", "shadow", {"o": same, "p": other})
        assert isinstance(worker.load(2, "o", same), link.Loaded)
        failed = worker.load(2, "p", other)
    assert isinstance(failed, link.Failed) and "are tied in the module" in failed.message


def test_a_module_that_is_not_sliced_is_refused():
    module = module_of([TensorSpec("o.weight", "BF16", (4, 6))])
    share = TensorParallel(0, 2, RULES)
    with FakeWorker(Session(MODEL, TorchModuleAdapter(module), Gate(), share=share)) as worker:
        weights = {"o.weight": Weights("BF16", (4, 6), bytes(48))}
        worker.begin(1, "v1", "in-place", weights)
        failed = worker.load(1, "o.weight", weights["o.weight"])
    assert failed.message == 'tensor "o.weight" is BF16 [4, 3], but the module has BF16 [4, 6]'


def test_a_tensor_that_can_not_be_cut_is_refused_by_name_shape_and_size():
    module, worker = attach_rank(TensorParallel(0, 2, RULES), [SPECS[0]])
    with worker:
        weights = {"q.weight": Weights("BF16", (7, 6), bytes(84))}
        worker.begin(1, "v1", "in-place", weights)
        failed = worker.load(1, "q.weight", weights["q.weight"])
    assert isinstance(failed, link.Failed)
    for word in ('"q.weight"', "[7, 6]", "tpSize 2"):
        assert word in failed.message


def test_a_dump_counts_in_the_bytes_that_are_held():
    _, worker = attach_rank(TensorParallel(0, 2, RULES), [SPECS[0]])
    with worker:
        worker.update(1, "v1", "in-place", made_up([SPECS[0]], 1))
        with pytest.raises(AssertionError, match="not in its 48 bytes"):
            worker.dump("q.weight", 49)


def test_without_a_share_nothing_changes():
    adapter, worker = attach(module_of([SPECS[1]]))
    with worker:
        worker.update(1, "v1", "in-place", made_up([SPECS[1]], 1))
    assert adapter.names == ["o.weight"]


class TensorSlot:
    """A slot of kind cuda whose tensor is in host memory: the path of a GPU's copies, without one."""

    kind = "cuda"

    def __init__(self, size: int):
        self.tensor = torch.arange(size, dtype=torch.int64).mul(2654435761).bitwise_right_shift(7).to(torch.uint8)


@pytest.mark.parametrize("seed", range(100))
def test_rows_of_any_alignment_are_copied_as_they_are(seed):
    rng = random.Random(seed)
    unit = rng.choice([1, 2, 4, 8])
    rows, length = rng.randint(1, 9), unit * rng.randint(1, 9)
    stride = length + unit * rng.randint(0, 9) + rng.choice([0, 0, 0, 1])
    offset, begin = unit * rng.randint(0, 9), unit * rng.randint(0, 9) + rng.choice([0, 0, 0, 1])
    slot, target = TensorSlot(2000), torch.zeros(800, dtype=torch.uint8)
    copies = Copies(Streams())
    copies.load(Piece("t", begin, rows * length, 0, slot, offset, rows, stride), target)
    copies.finish()
    expected = torch.cat([slot.tensor[offset + r * stride :][:length] for r in range(rows)])
    assert torch.equal(target[begin : begin + rows * length], expected)
    assert not target[:begin].any() and not target[begin + rows * length :].any()
