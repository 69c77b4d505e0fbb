import pytest
import torch
from fake_worker import MODEL, FakeWorker, Weights
from make_vectors import seeded

from inflight import link
from inflight.adapters.torch_module import TORCH_DTYPES, TorchAdapterError, TorchModuleAdapter, storage_spec
from inflight.dtypes import BITS, tensor_bytes
from inflight.engine.architecture import module_of
from inflight.gate import Gate
from inflight.safetensors_header import TensorSpec
from inflight.session import Session

MODES = ("in-place", "shadow")


def made_up(specs, seed: int) -> dict[str, Weights]:
    return {
        s.name: Weights(s.dtype, s.shape, seeded(seed + 99 * i, tensor_bytes(s.dtype, s.shape)))
        for i, s in enumerate(specs)
    }


def raw(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.detach().contiguous().view(-1).view(torch.uint8).tolist()) if tensor.numel() else b""


def attach(module: torch.nn.Module, **options) -> tuple[TorchModuleAdapter, FakeWorker]:
    adapter = TorchModuleAdapter(module, **options)
    return adapter, FakeWorker(Session(MODEL, adapter, Gate()))


@pytest.mark.parametrize("mode", MODES)
def test_every_dtype_arrives_bit_by_bit(mode):
    specs = [TensorSpec(f"block.{d.lower()}", d, (3, 8)) for d in BITS]
    specs += [TensorSpec(f"odd.{d.lower()}", d, (5,)) for d in BITS if BITS[d] >= 8]
    specs += [TensorSpec(f"scalar.{d.lower()}", d, ()) for d in BITS if BITS[d] >= 8]
    specs += [TensorSpec(f"empty.{d.lower()}", d, (0, 4)) for d in BITS]
    module = module_of(specs)
    _, worker = attach(module)
    with worker:
        for epoch in (1, 2, 3):
            weights = made_up(specs, epoch)
            worker.update(epoch, f"v{epoch}", mode, weights, part_bytes=7)
            parameters = dict(module.named_parameters())
            for name, w in weights.items():
                assert raw(parameters[name]) == w.data, name
                assert worker.dump(name, len(w.data)) == w.data, name


def test_torch_has_every_dtype_but_the_six_bit_ones():
    assert set(BITS) - set(TORCH_DTYPES) == {"F6_E2M3", "F6_E3M2"}
    assert storage_spec("F4", (3, 8)) == (torch.float4_e2m1fn_x2, (3, 4))
    assert storage_spec("F6_E2M3", (2, 4)) == (torch.uint8, (6,))


@pytest.mark.parametrize("mode", MODES)
def test_parameters_stay_the_same_objects(mode):
    module = torch.nn.Linear(3, 2)
    before = dict(module.named_parameters())
    _, worker = attach(module)
    weights = {"weight": Weights("F32", (2, 3), seeded(1, 24)), "bias": Weights("F32", (2,), bytes(8))}
    with worker:
        worker.update(1, "v1", mode, weights)
    assert all(after is before[name] for name, after in module.named_parameters())
    assert module.weight.requires_grad and raw(module.weight) == weights["weight"].data


def test_two_sets_of_storages_take_turns():
    module = torch.nn.Linear(64, 64)
    _, worker = attach(module)
    specs = [TensorSpec("weight", "F32", (64, 64)), TensorSpec("bias", "F32", (64,))]
    places = []
    with worker:
        for epoch in range(1, 5):
            places.append(module.weight.data_ptr())
            worker.update(epoch, "v", "shadow", made_up(specs, epoch))
    assert places[0] == places[2] != places[1] == places[3]


def test_a_shadow_is_not_seen_before_its_commit():
    module = torch.nn.Linear(4, 4, bias=False)
    _, worker = attach(module, reserve_shadow=True)
    first, second = (made_up([TensorSpec("weight", "F32", (4, 4))], seed) for seed in (1, 2))
    with worker:
        worker.update(1, "v1", "in-place", first)
        worker.begin(2, "v2", "shadow", second)
        worker.stream(2, second)
        assert raw(module.weight) == first["weight"].data


def test_the_weights_before_a_shadow_commit_come_back_bit_by_bit_unless_the_module_was_moved():
    module = torch.nn.Linear(4, 4, bias=False)
    _, worker = attach(module)
    first, second = (made_up([TensorSpec("weight", "F32", (4, 4))], seed) for seed in (1, 2))
    with worker:
        worker.update(1, "v1", "in-place", first)
        worker.update(2, "v2", "shadow", second)
        take_back(worker, 3, "v1")
        assert raw(module.weight) == first["weight"].data
        take_back(worker, 4, "v2")
        assert raw(module.weight) == second["weight"].data
        module.weight.data = module.weight.data.clone()
        standby = worker.session.standby
        begin = link.Begin(5, MODEL, "v1", standby.digest, "shadow", 1, 64, (), "standby")
        assert "was moved" in worker.session.handle(begin).message
        assert raw(module.weight) == second["weight"].data


def take_back(worker, epoch, version):
    begin = link.Begin(epoch, MODEL, version, worker.session.standby.digest, "shadow", 1, 64, (), "standby")
    for message in (begin, link.End(epoch), link.Commit(epoch, version)):
        answer = worker.session.handle(message)
        assert not isinstance(answer, link.Failed), answer


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(5, 4)
        self.head = torch.nn.Linear(4, 5, bias=False)
        self.head.weight = self.embed.weight
        self.view = torch.nn.Linear(4, 5, bias=False)
        self.view.weight = torch.nn.Parameter(self.embed.weight.detach())
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("cache", torch.zeros(9), persistent=False)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("names", [("embed.weight",), ("head.weight",), ("embed.weight", "head.weight", "view.weight")])
def test_tied_parameters_are_covered_by_any_of_their_names(mode, names):
    module = Tied()
    adapter, worker = attach(module)
    assert "cache" not in adapter.names and "steps" in adapter.names
    weights = {name: Weights("F32", (5, 4), seeded(5, 80)) for name in names}
    weights["steps"] = Weights("I64", (), (77).to_bytes(8, "little"))
    with worker:
        worker.update(1, "v1", mode, weights)
        worker.update(2, "v1", mode, weights)
    for tensor in (module.embed.weight, module.head.weight, module.view.weight):
        assert raw(tensor) == weights[names[0]].data
    assert module.head.weight is module.embed.weight
    assert module.view.weight.data_ptr() == module.embed.weight.data_ptr()
    assert int(module.steps) == 77


def refusal(answer: object) -> str:
    assert isinstance(answer, link.Failed), answer
    return answer.message


@pytest.mark.parametrize("mode", MODES)
def test_an_update_and_a_dump_follow_a_module_that_moved(mode):
    module = torch.nn.BatchNorm1d(4)
    specs = [TensorSpec(n, "F32", (4,)) for n in ("weight", "bias", "running_mean", "running_var")]
    specs.append(TensorSpec("num_batches_tracked", "I64", ()))
    _, worker = attach(module)
    with worker:
        for epoch in (1, 2):
            weights = made_up(specs, epoch)
            worker.update(epoch, f"v{epoch}", mode, weights)
            # What .to() does: other memory in the same Parameters, and other buffers.
            for parameter in module.parameters():
                parameter.data = parameter.data.clone()
            module.running_mean = module.running_mean.clone()
            for name, w in weights.items():
                assert raw(module.state_dict()[name]) == w.data
                assert worker.dump(name, len(w.data)) == w.data
            module.weight.data = module.weight.data.clone()
            module.weight.data.zero_()
            assert worker.dump("weight", 16) == bytes(16)
            module.bias = torch.nn.Parameter(module.bias.detach().clone())


def test_a_converted_module_is_refused_by_name():
    module = torch.nn.Linear(2, 2)
    _, worker = attach(module)
    weights = made_up([TensorSpec("weight", "F32", (2, 2)), TensorSpec("bias", "F32", (2,))], 1)
    with worker:
        worker.update(1, "v1", "in-place", weights)
        module.half()
        dump = link.Dump(1, link.ShmMemory(str(worker.path), 0, 64), (link.DumpPart("bias", 0, 4, 0),))
        for answer in (worker.begin(2, "v2", "in-place", weights), worker.session.handle(dump)):
            assert '"weight" was F32 [2, 2] when the adapter was made and is F16 [2, 2] now' in refusal(answer)
        assert worker.session.version == "v1"
        module.float()
        module.bias = None
        assert 'no longer has "bias"' in refusal(worker.begin(2, "v2", "in-place", weights))


@pytest.mark.parametrize("mode", MODES)
def test_a_module_that_moves_during_an_update_fails_its_end(mode):
    module = torch.nn.Linear(2, 2, bias=False)
    _, worker = attach(module)
    weights = made_up([TensorSpec("weight", "F32", (2, 2))], 1)
    with worker:
        worker.begin(1, "v1", mode, weights)
        worker.stream(1, weights)
        module.weight.data = module.weight.data.clone()
        assert '"weight" was moved' in refusal(worker.session.handle(link.End(1)))


@pytest.mark.parametrize("mode", MODES)
def test_tied_parameters_keep_their_own_dtypes_and_shapes(mode):
    module = torch.nn.Module()
    module.packed = torch.nn.Parameter(torch.zeros((4, 6), dtype=torch.uint8), requires_grad=False)
    module.scales = torch.nn.Parameter(module.packed.data.view(-1).view(torch.float32), requires_grad=False)
    _, worker = attach(module)
    with worker:
        for epoch, weights in enumerate(
            ({"packed": Weights("U8", (4, 6), seeded(1, 24))}, {"scales": Weights("F32", (6,), seeded(2, 24))}), start=1
        ):
            worker.update(epoch, "v", mode, weights)
            (sent,) = weights.values()
            assert (module.packed.dtype, module.packed.shape) == (torch.uint8, (4, 6))
            assert (module.scales.dtype, module.scales.shape) == (torch.float32, (6,))
            assert raw(module.packed) == raw(module.scales) == sent.data


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("part_bytes", [7, 80])
def test_tied_names_with_different_bytes_are_refused(mode, part_bytes):
    module = Tied()
    _, worker = attach(module)
    data = seeded(5, 80)
    weights = {
        "embed.weight": Weights("F32", (5, 4), data),
        "head.weight": Weights("F32", (5, 4), data[:79] + bytes([data[79] ^ 1])),
        "steps": Weights("I64", (), bytes(8)),
    }
    with worker:
        worker.begin(1, "v1", mode, weights)
        worker.stream(1, {"embed.weight": weights["embed.weight"]})
        head = weights["head.weight"]
        answers = [worker.load(1, "head.weight", head, b, min(80, b + part_bytes)) for b in range(0, 80, part_bytes)]
        assert all(isinstance(a, link.Loaded) for a in answers[:-1])
        assert '"embed.weight" and "head.weight" are tied in the module, but differ' in refusal(answers[-1])
        worker.load(1, "steps", weights["steps"])
        assert isinstance(worker.session.handle(link.End(1)), link.Failed)
        worker.session.handle(link.Abort(1, "test"))
        # The next update starts from nothing.
        worker.update(2, "v2", mode, {"embed.weight": head, "steps": weights["steps"]})


def test_tied_names_with_different_bytes_are_refused_inside_one_load():
    _, worker = attach(Tied())
    weights = {n: Weights("F32", (5, 4), seeded(i, 80)) for i, n in enumerate(("embed.weight", "view.weight"))}
    with worker:
        worker.begin(1, "v1", "shadow", weights)
        worker.path.write_bytes(b"".join(w.data for w in weights.values()))
        parts = tuple(link.TensorPart(n, "F32", (5, 4), 80 * i, 80, 0) for i, n in enumerate(weights))
        answer = worker.session.handle(link.Load(1, 0, 0, parts))
        assert '"embed.weight" and "view.weight" are tied' in refusal(answer)


def test_tensors_without_memory_of_their_own_are_refused_by_name():
    with pytest.raises(TorchAdapterError, match=r'"weight" is on the meta device .* call \.to_empty'):
        TorchModuleAdapter(torch.nn.Linear(2, 2, device="meta"))
    module = torch.nn.Module()
    module.register_buffer("mask", torch.eye(3).to_sparse())
    with pytest.raises(TorchAdapterError, match=r'"mask" is sparse .*\.to_dense\(\)'):
        TorchModuleAdapter(module)


def test_a_parameter_that_does_not_come_fails_the_end():
    module = torch.nn.Linear(2, 2)
    _, worker = attach(module)
    weights = {"weight": Weights("F32", (2, 2), bytes(16))}
    with worker:
        worker.begin(1, "v1", "shadow", weights)
        worker.stream(1, weights)
        assert '"bias" has not come' in worker.session.handle(link.End(1)).message


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "message"),
    [
        ("wait", "F32", (2, 2), 'no parameter or buffer "wait"'),
        ("weight", "F32", (4,), r'"weight" is F32 \[4\], but the module has F32 \[2, 2\]'),
        ("weight", "I32", (2, 2), r'"weight" is I32 \[2, 2\], but the module has F32 \[2, 2\]'),
    ],
)
def test_what_does_not_fit_is_refused_by_name(name, dtype, shape, message):
    with pytest.raises(TorchAdapterError, match=message):
        TorchModuleAdapter(torch.nn.Linear(2, 2)).check(name, dtype, shape)


def test_packed_types_fit_into_plain_bytes():
    module = torch.nn.Module()
    module.register_buffer("packed", torch.zeros((4, 3), dtype=torch.uint8))
    adapter = TorchModuleAdapter(module)
    adapter.check("packed", "F4", (4, 6))
    adapter.check("packed", "F8_E4M3", (4, 3))
    adapter.check("packed", "F6_E2M3", (4, 4))
    adapter.check("packed", "U8", (4, 3))


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        ("F4", (4, 3)),
        ("F4", (24,)),
        ("F8_E4M3", (12,)),
        ("I8", (4, 3)),
        ("BOOL", (4, 3)),
        ("U8", (12,)),
        ("U8", (3, 4)),
    ],
)
def test_other_types_and_shapes_do_not_fit_into_plain_bytes(dtype, shape):
    module = torch.nn.Module()
    module.register_buffer("packed", torch.zeros((4, 3), dtype=torch.uint8))
    with pytest.raises(TorchAdapterError, match='"packed" is'):
        TorchModuleAdapter(module).check("packed", dtype, shape)


def test_a_parameter_that_is_not_contiguous_is_refused():
    module = torch.nn.Linear(2, 3)
    module.weight = torch.nn.Parameter(torch.zeros(2, 3).t())
    with pytest.raises(TorchAdapterError, match='"weight" is not contiguous'):
        TorchModuleAdapter(module)


def test_a_module_is_made_of_any_names():
    names = ["a", "a.b", "a.b.c", "forward.training", "0.1.2", "x y.ß", "..", ""]
    module = module_of(TensorSpec(n, "U8", (i + 1,)) for i, n in enumerate(names))
    assert sorted(n for n, _ in module.named_parameters()) == sorted(names)
