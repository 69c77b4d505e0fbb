import ctypes
import os
import uuid

import pytest

from inflight.messages import CudaMemory, ShmMemory, Slot
from inflight.slots import SHM, SlotError, SlotMappings


@pytest.fixture
def shm():
    path = f"/dev/shm/inflight-test-{uuid.uuid4().hex}"
    with open(path, "wb") as file:
        file.write(bytes(10000))
    yield path
    os.unlink(path)


@pytest.fixture
def mappings():
    mappings = SlotMappings()
    yield mappings
    mappings.close()


def content(slot, offset=0, size=1) -> bytes:
    return ctypes.string_at(slot.range(offset, size), size)


def write(path: str, offset: int, data: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def mapped(path: str) -> list[str]:
    """The permissions of each of this process's mappings of a file."""
    with open("/proc/self/maps") as maps:
        return [line.split()[1] for line in maps if line.rstrip("\n").split(maxsplit=5)[-1].startswith(path)]


def test_a_dumps_slot_is_written_through_at_any_offset(shm, mappings):
    slot = mappings.writable(ShmMemory(shm, 4099, 5901))
    ctypes.memset(slot.range(1, 2), 7, 2)
    assert mapped(shm) == ["rw-s"]
    slot.close()
    with open(shm, "rb") as file:
        data = file.read()
    assert data == bytes(4100) + b"\7\7" + bytes(5898)
    assert mapped(shm) == [] and len(mappings) == 0


def test_a_loads_slot_can_not_be_written_and_shows_what_the_worker_writes(shm, mappings):
    os.chmod(shm, 0o400)  # Not even asked for.
    slot = mappings.open([Slot(3, ShmMemory(shm, 4099, 5901))])[3]
    assert mapped(shm) == ["r--p"]
    assert content(slot, 1, 3) == bytes(3)
    os.chmod(shm, 0o600)
    write(shm, 4100, b"abc")
    assert content(slot, 1, 3) == b"abc"


def test_a_mapping_is_kept_for_the_next_update_and_closed_after_one_without_it(shm, mappings):
    one, two = Slot(0, ShmMemory(shm, 0, 4096)), Slot(1, ShmMemory(shm, 4096, 4096))
    first = mappings.open([one, two])
    again = mappings.open([Slot(7, one.memory)])
    assert again[7] is first[0]
    assert len(mapped(shm)) == 2 and content(first[1]) == b"\0"
    assert mappings.open([one])[0] is first[0]
    assert len(mapped(shm)) == len(mappings) == 1
    assert mappings.open([two])[1] is not first[1]
    mappings.close()
    assert mapped(shm) == [] and len(mappings) == 0


def test_fifty_updates_take_no_more_mappings_and_descriptors(shm, mappings):
    slots = [Slot(i, ShmMemory(shm, 256 * i, 256)) for i in range(8)]
    mappings.open(slots)
    before = len(mapped(shm)), len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        mappings.open(slots)
    assert (len(mapped(shm)), len(os.listdir("/proc/self/fd"))) == before


def test_another_file_under_the_same_path_is_mapped_anew(shm, mappings):
    slot = Slot(0, ShmMemory(shm, 0, 4096))
    old = mappings.open([slot])[0]
    os.unlink(shm)
    with open(shm, "wb") as file:
        file.write(b"new" + bytes(5000))
    new = mappings.open([slot])[0]
    assert new is not old and content(new, 0, 3) == b"new"
    assert len(mapped(shm)) == len(mappings) == 1


def test_a_deleted_file_is_let_go_at_the_next_update(shm, mappings):
    deleted = shm + "-deleted"
    with open(deleted, "wb") as file:
        file.write(bytes(100))
    mappings.open([Slot(0, ShmMemory(deleted, 0, 100))])
    os.unlink(deleted)
    mappings.open([Slot(0, ShmMemory(shm, 0, 100))])
    assert mapped(deleted) == [] and len(mappings) == 1


def test_a_mapped_file_that_was_cut_short_is_refused(shm, mappings):
    slot = Slot(0, ShmMemory(shm, 0, 10000))
    mappings.open([slot])
    os.truncate(shm, 100)
    with pytest.raises(SlotError, match="not in its 100 bytes"):
        mappings.open([slot])


def test_one_bad_slot_leaves_the_mappings_as_they_were(shm, mappings):
    good = Slot(0, ShmMemory(shm, 0, 4096))
    kept = mappings.open([good])[0]
    for _ in range(3):
        with pytest.raises(SlotError):
            mappings.open([Slot(0, ShmMemory(shm, 4096, 100)), Slot(1, ShmMemory(shm, 0, 10001))])
    assert len(mapped(shm)) == 1
    assert mappings.open([good])[0] is kept


def test_the_same_range_under_two_ids_is_mapped_once(shm, mappings):
    memory = ShmMemory(shm, 0, 100)
    opened = mappings.open([Slot(0, memory), Slot(1, memory)])
    assert opened[0] is opened[1] and len(mapped(shm)) == 1


def test_refuses_a_range_outside_of_the_slot(shm, mappings):
    slot = mappings.open([Slot(0, ShmMemory(shm, 0, 100))])[0]
    with pytest.raises(SlotError, match=f"bytes 99 to 101 are not in slot {shm} of 100 bytes"):
        slot.range(99, 2)


@pytest.mark.parametrize(
    ("offset", "size", "message"),
    [
        (0, 10001, "not in its 10000 bytes"),
        (1, 10000, "not in its 10000"),
        (2**63 - 1, 1, "not in its"),
        (0, 0, "no bytes"),
    ],
)
def test_refuses_what_is_not_in_the_file(shm, mappings, offset, size, message):
    for map_slot in (mappings.writable, lambda memory: mappings.open([Slot(0, memory)])):
        with pytest.raises(SlotError, match=message):
            map_slot(ShmMemory(shm, offset, size))
    assert os.stat(shm).st_size == 10000


def test_refuses_paths_that_lead_out_of_shm(shm, mappings, tmp_path):
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
                mappings.open([Slot(0, ShmMemory(path, 0, 1))])
    finally:
        os.unlink(linked)
        os.unlink(pipe)


def test_refuses_kinds_that_the_adapter_does_not_take(mappings):
    with pytest.raises(SlotError, match="takes slots of kind shm only, not cuda"):
        mappings.open([Slot(0, CudaMemory("0" * 128, "GPU-1", 0, 1))])
    with pytest.raises(SlotError, match="takes slots of kind shm only, not cuda"):
        mappings.writable(CudaMemory("0" * 128, "GPU-1", 0, 1))


def test_a_cuda_slot_without_torch_is_refused(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "inflight.cuda_slots", None)
    with pytest.raises(SlotError, match="slots of kind cuda need torch"):
        SlotMappings((SHM, "cuda")).writable(CudaMemory("0" * 128, "GPU-1", 0, 1))
