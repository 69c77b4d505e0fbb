"""What a tensor-parallel engine takes of a checkpoint."""

import random

import pytest
import torch

from inflight.messages import SliceRule
from inflight.slices import SliceError, TensorParallel, TensorSlice, matches, parse_rules

ITEM = {"F8_E4M3": 1, "BF16": 2, "F32": 4}


@pytest.mark.parametrize("seed", range(150))
def test_any_partition_copied_piece_by_piece_gives_exactly_the_part(seed):
    rng = random.Random(seed)
    dtype = rng.choice(sorted(ITEM))
    size, rank = rng.randint(1, 5), rng.randint(1, 4)
    dim = rng.randrange(rank)
    shape = [rng.randint(1, 5) for _ in range(rank)]
    shape[dim] *= size
    whole = torch.randint(
        0, 256, (*shape, ITEM[dtype]), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )
    flat = whole.reshape(-1)
    for mine in range(size):
        part = TensorParallel(mine, size, (SliceRule("*", dim),)).slice("t", dtype, shape)
        expected = whole.chunk(size, dim)[mine].reshape(-1)
        got = torch.zeros(part.size, dtype=torch.uint8)
        assert part.shape == tuple(whole.chunk(size, dim)[mine].shape[:-1])
        begin = 0
        ends = sorted({len(flat), *(rng.randint(1, len(flat)) for _ in range(rng.randrange(6)))})
        for end in ends:
            at = part.local(begin)
            runs = part.runs(begin, end)
            assert len(runs) <= 3
            for run in runs:
                assert run.local == at and run.length > 0
                for i in range(run.count):
                    first = run.full + i * run.stride
                    assert begin <= first and first + run.length <= end
                    assert part.full(at) == first
                    got[at : at + run.length] = flat[first : first + run.length]
                    at += run.length
            assert at == part.local(end)
            begin = end
        assert torch.equal(got, expected)


def test_a_tensor_that_no_rule_matches_is_held_whole():
    share = TensorParallel(1, 2, (SliceRule("*.weight", 0),))
    assert share.slice("bias", "BF16", (5,)) == TensorSlice((5,), 10, 0, 10, 1)
    assert share.slice("a.weight", "BF16", (0, 4)).runs(0, 0) == []


@pytest.mark.parametrize(
    ("dtype", "shape", "dim", "why"),
    [
        ("BF16", (3, 4), 0, "dimension 0 has 3 elements"),
        ("BF16", (4,), 1, "it has no dimension 1"),
        ("F4", (4, 2), 1, "whole number of bytes"),
    ],
)
def test_what_can_not_be_cut_is_refused_by_name_shape_and_size(dtype, shape, dim, why):
    with pytest.raises(SliceError, match="tpSize 2") as refused:
        TensorParallel(0, 2, (SliceRule("a.*", dim),)).slice("a.q", dtype, shape)
    assert '"a.q"' in str(refused.value) and str(list(shape)) in str(refused.value) and why in str(refused.value)


@pytest.mark.parametrize(("rank", "size"), [(2, 2), (-1, 2), (0, 0)])
def test_a_rank_is_one_of_its_group(rank, size):
    with pytest.raises(SliceError, match="rank"):
        TensorParallel(rank, size)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.bc", False),
        ("a?b", "axb", False),
        ("*", "", True),
        ("*.weight", "model.layers.0.q.weight", True),
        ("*.weight", "weight", False),
        ("a*a", "a", False),
        ("*q*w*", "q.w", True),
        ("*q*w*", "w.q", False),
        ("*ab*b", "ab", False),
        ("**x", "x", True),
    ],
)
def test_a_star_stands_for_any_run_of_characters(pattern, name, expected):
    assert matches(pattern, name) is expected


def test_rules_are_read_in_order():
    assert parse_rules("*.o.weight=1,*.weight=0") == (SliceRule("*.o.weight", 1), SliceRule("*.weight", 0))
    assert parse_rules("") == ()
    for bad in ("a", "=1", "a=", "a=-1", "a=x", "a=0,"):
        with pytest.raises(SliceError):
            parse_rules(bad)
