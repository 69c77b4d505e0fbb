"""What a trainer writes into an arena is the safetensors file that the format's own library reads."""

import json
import os
import stat

import numpy as np
import pytest
import torch
from safetensors import safe_open

from inflight import arena


def write(tmp_path, tensors, spare=0):
    layout = arena.lay_out(tensors)
    path = tmp_path / "arena"
    path.write_bytes(b"\xff" * (layout.bytes + spare))
    arena.write(layout, str(path))
    os.truncate(path, layout.bytes)
    return layout, path


def read(path, framework):
    with safe_open(path, framework) as file:
        return {name: file.get_tensor(name) for name in file.keys()}


def test_numpy_arrays_of_any_shape_and_order(tmp_path):
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    tensors = {
        "plain": base,
        "transposed": base.T,
        "strided": base[::2, 1:5],
        "big-endian": base.astype(">f4"),
        "scalar": np.array(3.0),
        "empty": np.empty((0, 3), np.int64),
        "bool": np.array([True, False, True]),
        "half": np.arange(3, dtype=np.float16),
    }
    _, path = write(tmp_path, tensors, spare=1000)
    found = read(path, "np")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name], tensor, err_msg=name)


def test_torch_tensors_of_any_dtype_and_order(tmp_path):
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    tensors = {
        "odd": torch.arange(7, dtype=torch.uint8),
        "bf16": base.to(torch.bfloat16),
        "transposed": base.T,
        "expanded": torch.ones(3, 1).expand(3, 5),
        "parameter": torch.nn.Parameter(base),
        "fp8": base.to(torch.float8_e4m3fn),
        "conjugate": torch.tensor([1 + 2j, 3j], dtype=torch.complex64).conj(),
        "scalar": torch.tensor(5),
    }
    layout, path = write(tmp_path, iter(tensors.items()))
    assert all(placed.begin % placed.tensor.element_size() == 0 for placed in layout.tensors)
    header = json.loads(layout.header[8:])
    assert header["fp8"]["dtype"] == "F8_E4M3" and header["conjugate"]["dtype"] == "C64"
    data = path.read_bytes()
    for placed in layout.tensors:
        expected = placed.tensor.detach().resolve_conj().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        assert data[placed.begin : placed.begin + placed.bytes] == expected, placed.name


def test_a_large_tensor_is_copied_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(arena, "_PIECE_BYTES", 1000)
    tensors = {"a": torch.arange(5001), "b": torch.arange(7, dtype=torch.int16)}
    _, path = write(tmp_path, tensors)
    found = read(path, "pt")
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize(
    ("tensors", "error", "message"),
    [
        ({"a": [1, 2]}, TypeError, 'tensor "a" is a list'),
        ({"a": np.array(["x"])}, TypeError, 'tensor "a": safetensors has no dtype for str'),
        ({"a": torch.eye(2).to_sparse()}, TypeError, 'tensor "a" is sparse'),
        ({"a": torch.empty(2, device="meta")}, TypeError, 'tensor "a" is sparse, sharded or without bytes'),
        ({"__metadata__": np.zeros(1)}, TypeError, "__metadata__"),
        ([("a", np.zeros(1)), ("a", np.zeros(1))], ValueError, 'tensor "a" is there twice'),
    ],
)
def test_what_can_not_be_written_is_named(tensors, error, message):
    with pytest.raises(error, match=message):
        arena.lay_out(tensors)


def test_a_path_that_is_no_arena_is_refused(tmp_path):
    layout = arena.lay_out({"a": np.zeros(1000)})
    short = tmp_path / "short"
    short.write_bytes(b"x")
    with pytest.raises(OSError, match="no regular file of at least"):
        arena.write(layout, str(short))
    link = tmp_path / "link"
    link.symlink_to(short)
    with pytest.raises(OSError):
        arena.write(layout, str(link))
    assert stat.S_ISREG(short.stat().st_mode) and short.read_bytes() == b"x"


def test_the_machine_is_named_by_its_shared_memory(tmp_path):
    assert arena.machine_identity(tmp_path) is None
    (tmp_path / arena.MACHINE_FILE).write_text("nonce\n")
    assert arena.machine_identity(tmp_path) == arena.BOOT_ID.read_text().strip() + "/nonce"
