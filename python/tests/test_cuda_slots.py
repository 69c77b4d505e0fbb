"""CUDA slots without a GPU: the driver is one that keeps its allocations in host memory."""

import ctypes

import pytest
import torch
from fake_worker import MODEL, FakeWorker, Weights
from make_vectors import seeded

from inflight import cuda_devices, cuda_slots, link
from inflight.adapters.torch_module import TorchModuleAdapter
from inflight.cuda_devices import DeviceError, canonical, index_of, named
from inflight.cuda_driver import CudaDriver, CudaError
from inflight.gate import Gate
from inflight.messages import CudaMemory, Slot
from inflight.session import Session
from inflight.slots import SlotError, SlotMappings

UUIDS = ["GPU-4f6a1b2c-0000-1111-2222-333344445555", "GPU-77777777-8888-9999-aaaa-bbbbccccdddd"]
BYTES = 1 << 16


def handle(number: int) -> str:
    return f"{number:0128x}"


class HostDriver:
    def __init__(self):
        self.memory = {bytes.fromhex(handle(n)): (ctypes.c_ubyte * BYTES)() for n in range(1, 4)}
        self.open: dict[int, bytes] = {}
        self.calls: list[tuple] = []
        self.knows_sizes = True

    def open_ipc(self, index, handle):
        if handle not in self.memory:
            raise CudaError("cuIpcOpenMemHandle_v2 failed with 1, CUDA_ERROR_INVALID_VALUE: invalid argument")
        address = ctypes.addressof(self.memory[handle])
        assert address not in self.open, "opened twice"
        self.open[address] = handle
        self.calls.append(("open", index))
        return address

    def close_ipc(self, index, address):
        del self.open[address]
        self.calls.append(("close", index))

    def allocation_bytes(self, index, address):
        if not self.knows_sizes:
            raise CudaError("cuMemGetAddressRange_v2 failed")
        return BYTES


def host_view(address, size, index):
    return torch.frombuffer((ctypes.c_ubyte * size).from_address(address), dtype=torch.uint8)


@pytest.fixture
def driver(monkeypatch):
    driver = HostDriver()
    monkeypatch.setattr(cuda_devices, "visible_uuids", lambda: UUIDS)
    monkeypatch.setattr(cuda_slots, "CudaDriver", lambda: driver)
    monkeypatch.setattr(cuda_slots, "touch", lambda index: None)
    monkeypatch.setattr(cuda_slots, "view_of", host_view)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda index: driver.calls.append(("synchronize", index)))
    return driver


@pytest.fixture
def mappings():
    return SlotMappings(("shm", "cuda"))


def memory(number=1, offset=0, size=256, device=UUIDS[1]) -> CudaMemory:
    return CudaMemory(handle(number), device, offset, size)


def test_uuids_are_compared_without_prefix_and_case(driver):
    assert canonical("GPU-4F6a") == canonical("4f6A") == "4f6a"
    assert [index_of(u) for u in (UUIDS[1], UUIDS[1].upper(), UUIDS[1].removeprefix("GPU-"))] == [1, 1, 1]
    assert named(UUIDS[1].upper()) == named("cuda:1") == torch.device("cuda", 1)
    assert named("cuda") == torch.device("cuda", 0) and named("cpu") == torch.device("cpu")
    for text in ("cuda:2", "cuda:", "cuda:-1", "cuda:\u0661", "CUDA", "", "GPU-"):
        with pytest.raises(DeviceError):
            named(text)


def test_torch_uuids_get_their_prefix(monkeypatch):
    class Properties:
        uuid = type("Uuid", (), {"__str__": lambda self: UUIDS[0].removeprefix("GPU-").upper()})()

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: Properties)
    assert cuda_devices.visible_uuids() == UUIDS[:1]


def test_a_gpu_that_is_not_visible_is_refused_with_both_sides_uuids(driver, mappings):
    with pytest.raises(SlotError) as refused:
        mappings.open([Slot(0, memory(device="GPU-other"))])
    assert all(uuid in str(refused.value) for uuid in ("GPU-other", *UUIDS))
    assert driver.calls == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_an_engine_without_a_gpu_says_so(mappings):
    with pytest.raises(SlotError, match="GPU-1 is not visible to this engine, which sees no GPU"):
        mappings.open([Slot(0, memory(device="GPU-1"))])


def test_slots_of_one_handle_share_one_opening(driver, mappings):
    opened = mappings.open([Slot(i, memory(offset=1000 * i)) for i in range(3)])
    assert driver.calls == [("open", 1)]
    assert opened[2].address - opened[0].address == 2000
    assert opened[1].tensor.data_ptr() == opened[1].range(0, 256)
    with pytest.raises(SlotError, match="bytes 1 to 257 are not in the slot on GPU-7777"):
        opened[1].range(1, 256)


def test_an_opening_is_kept_and_closed_after_an_update_without_it(driver, mappings):
    slots = [Slot(0, memory()), Slot(1, memory(offset=4096))]
    first = mappings.open(slots)
    for _ in range(50):
        assert mappings.open(slots)[0] is first[0]
    mappings.open(slots[:1])
    mappings.open(slots[:1])
    assert driver.calls == [("open", 1)] and len(mappings) == 1
    mappings.open([Slot(0, memory(2))])
    assert driver.calls == [("open", 1), ("open", 1)]
    mappings.open([Slot(0, memory(2))])
    assert driver.calls[2:] == [("synchronize", 1), ("close", 1)]
    assert first[0].tensor is None


def test_closing_drops_views_then_waits_then_closes_each_once(driver, mappings):
    opened = mappings.open([Slot(0, memory()), Slot(1, memory(offset=300)), Slot(2, memory(2, device=UUIDS[0]))])
    mappings.close()
    assert all(slot.tensor is None for slot in opened.values()) and driver.open == {}
    assert driver.calls[2:] == [("synchronize", 1), ("close", 1), ("synchronize", 0), ("close", 0)]
    mappings.close()
    assert len(driver.calls) == 6


def test_a_bad_slot_leaves_no_opening_behind(driver, mappings):
    kept = mappings.open([Slot(0, memory())])[0]
    for bad, message in [
        (memory(2, offset=BYTES - 255), f"bytes {BYTES - 255} to {BYTES + 1} are not in its allocation of {BYTES}"),
        (memory(2, offset=2**63 - 1, size=2**63 - 1), "not in its allocation"),
        (memory(2, size=0), "has no bytes"),
        (memory(9), "CUDA_ERROR_INVALID_VALUE"),
    ]:
        with pytest.raises(SlotError, match=message):
            mappings.open([Slot(0, memory(3)), Slot(1, bad)])
        assert len(driver.open) == 1
    assert mappings.open([Slot(0, memory())])[0] is kept


def test_a_driver_that_does_not_tell_sizes_is_no_reason_to_refuse(driver, mappings):
    driver.knows_sizes = False
    assert mappings.open([Slot(0, memory())])[0].size == 256


def test_no_driver_is_an_error_with_a_reason(monkeypatch):
    monkeypatch.setattr("inflight.cuda_driver.LIBRARY", "libcuda-that-is-not-there.so.1")
    with pytest.raises(CudaError, match="there is no CUDA driver"):
        CudaDriver()


@pytest.mark.parametrize("mode", ["in-place", "shadow"])
def test_a_session_takes_weights_out_of_cuda_slots_and_dumps_into_them(driver, mode):
    module = torch.nn.Linear(4, 3)
    block = driver.memory[bytes.fromhex(handle(1))]
    weights = {"weight": Weights("F32", (3, 4), seeded(1, 48)), "bias": Weights("F32", (3,), seeded(2, 12))}
    session = Session(MODEL, TorchModuleAdapter(module), Gate())
    with FakeWorker(session) as worker:
        for epoch in (1, 2):
            slots = (Slot(0, worker.slot.memory), Slot(5, memory(offset=4096, size=1024)))
            assert worker.begin(epoch, "v", mode, weights, slots=slots) == link.Begun(epoch)
            parts, place = [], 256
            for name, w in weights.items():
                block[4096 + place : 4096 + place + len(w.data)] = w.data
                parts.append(link.TensorPart(name, w.dtype, w.shape, place, len(w.data), 0))
                place += 256
            assert session.handle(link.Load(epoch, 0, 5, tuple(parts))) == link.Loaded(epoch, 0)
            block[4096:5120] = bytes(1024)
            assert session.handle(link.End(epoch)) == link.Ended(epoch, 2)
            assert isinstance(session.handle(link.Commit(epoch, "v")), link.Committed)
            for name, w in weights.items():
                assert worker.dump(name, len(w.data)) == w.data
        assert driver.calls == [("open", 1)]
        dump = link.Dump(1, memory(2, offset=8, size=64), (link.DumpPart("weight", 10, 40, 8),))
        assert session.handle(dump) == link.Dumped(1)
        assert bytes(driver.memory[bytes.fromhex(handle(2))])[18:58] == weights["weight"].data[8:]
        assert driver.calls[1:] == [("open", 1), ("synchronize", 1), ("close", 1)]
        session.link_lost()
        assert driver.open == {} and session.version == "v"


def test_tied_tensors_are_compared_in_cuda_slots_too(driver):
    module = torch.nn.Module()
    module.one = torch.nn.Parameter(torch.zeros(8), requires_grad=False)
    module.two = module.one
    block = driver.memory[bytes.fromhex(handle(1))]
    block[0:64] = seeded(1, 64)
    session = Session(MODEL, TorchModuleAdapter(module), Gate())
    slots = (Slot(0, memory()),)
    assert session.handle(link.Begin(1, MODEL, "v", "d", "shadow", 2, 64, slots)) == link.Begun(1)
    parts = tuple(link.TensorPart(n, "F32", (8,), 32 * i, 32, 0) for i, n in enumerate(("one", "two")))
    assert "are tied in the module" in session.handle(link.Load(1, 0, 0, parts)).message
    block[32:64] = bytes(block[0:32])
    session.handle(link.Abort(1, "again"))
    assert session.handle(link.Begin(2, MODEL, "v", "d", "shadow", 2, 64, slots)) == link.Begun(2)
    assert session.handle(link.Load(2, 0, 0, parts)) == link.Loaded(2, 0)


def test_losing_the_link_in_mid_update_closes_every_slot(driver):
    session = Session(MODEL, TorchModuleAdapter(torch.nn.Linear(2, 2)), Gate())
    session.handle(link.Begin(1, MODEL, "v", "d", "in-place", 2, 24, (Slot(0, memory()), Slot(1, memory(2)))))
    assert len(driver.open) == 2
    session.link_lost()
    assert driver.open == {}
