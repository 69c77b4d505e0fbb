import os
import uuid

import pytest

from inflight.slots import MappedSlot, SlotError


@pytest.fixture
def shm():
    path = f"/dev/shm/inflight-test-{uuid.uuid4().hex}"
    with open(path, "wb") as file:
        file.write(bytes(10000))
    yield path
    os.unlink(path)


def test_maps_a_range_at_any_offset(shm):
    import ctypes

    slot = MappedSlot("shm", shm, 4099, 5901)
    ctypes.memset(slot.range(1, 2), 7, 2)
    slot.close()
    with open(shm, "rb") as file:
        data = file.read()
    assert data == bytes(4100) + b"\7\7" + bytes(5898)


def test_refuses_a_range_outside_of_the_slot(shm):
    slot = MappedSlot("shm", shm, 0, 100)
    with pytest.raises(SlotError, match="bytes 99 to 101 are not in slot"):
        slot.range(99, 2)
    slot.close()


@pytest.mark.parametrize(
    ("offset", "size", "message"),
    [
        (0, 10001, "not in its 10000 bytes"),
        (1, 10000, "not in its 10000"),
        (2**63 - 1, 1, "not in its"),
        (0, 0, "no bytes"),
    ],
)
def test_refuses_what_is_not_in_the_file(shm, offset, size, message):
    with pytest.raises(SlotError, match=message):
        MappedSlot("shm", shm, offset, size)
    assert os.stat(shm).st_size == 10000


def test_refuses_paths_that_lead_out_of_shm(shm, tmp_path):
    outside = tmp_path / "file"
    outside.write_bytes(bytes(100))
    linked = shm + "-link"
    os.symlink(outside, linked)
    pipe = shm + "-pipe"
    os.mkfifo(pipe)
    try:
        for path, message in [
            (str(outside), "not under"),
            (linked, "not under"),
            ("/dev/shm/../../etc/hostname", "not under"),
            (os.path.relpath(shm), "not absolute"),
            (shm + "-missing", "No such file"),
            (pipe, "not a regular file"),
        ]:
            with pytest.raises(SlotError, match=message):
                MappedSlot("shm", path, 0, 1)
    finally:
        os.unlink(linked)
        os.unlink(pipe)


def test_refuses_other_kinds(shm):
    with pytest.raises(SlotError, match='kind "cuda"'):
        MappedSlot("cuda", shm, 0, 1)
