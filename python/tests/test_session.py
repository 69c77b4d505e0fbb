import pytest
from fake_worker import MODEL, FakeWorker, Weights

from inflight import link
from inflight.gate import Gate
from inflight.session import PENDING_WEIGHTS, SERVING, UPDATING, Session

TENSORS = {"a": Weights("U8", (6,), b"abcdef"), "b": Weights("BF16", (2, 1), b"wxyz"), "c": Weights("F32", (0,), b"")}


class Recorder:
    """An adapter that writes down what it was asked, and fails when told to."""

    modes = ("in-place", "shadow")
    slot_kinds = ("shm",)
    whole_tensors = False

    def __init__(self):
        self.calls = []
        self.failing = None

    def _called(self, name, *arguments):
        if self.failing == name:
            raise RuntimeError(f"{name} can not")
        self.calls.append((name, *arguments))

    def begin(self, mode):
        self._called("begin", mode)

    def check(self, name, dtype, shape):
        self._called("check", name)

    def load(self, pieces):
        self._called("load", *((p.name, p.begin, p.size) for p in pieces))

    def end(self, names):
        self._called("end", *sorted(names))

    def commit(self):
        self._called("commit")

    def abort(self):
        self._called("abort")

    def dump(self, pieces):
        self._called("dump", *((p.name, p.begin, p.size) for p in pieces))


@pytest.fixture
def adapter():
    return Recorder()


@pytest.fixture
def gate():
    return Gate(wait_seconds=0.01)


@pytest.fixture
def worker(adapter, gate):
    with FakeWorker(Session(MODEL, adapter, gate), slot_bytes=4096) as worker:
        yield worker


def failure(answer) -> str:
    assert isinstance(answer, link.Failed), answer
    return answer.message


def test_an_update_calls_the_adapter_in_order(worker, adapter, gate):
    committed = worker.update(1, "v1", "in-place", TENSORS)
    assert committed.stall_micros > 0
    assert [c[0] for c in adapter.calls] == ["begin"] + ["check", "load"] * 3 + ["end", "commit"]
    assert (worker.session.state, worker.session.version) == (SERVING, "v1")
    assert not gate.paused


def test_in_place_pauses_from_begin_to_commit_and_shadow_does_not(worker, gate):
    worker.begin(1, "v1", "in-place", TENSORS)
    assert gate.paused and worker.session.state == UPDATING
    worker.stream(1, TENSORS)
    worker.session.handle(link.End(1))
    worker.session.handle(link.Commit(1, "v1"))
    worker.begin(2, "v2", "shadow", TENSORS)
    assert not gate.paused
    assert (worker.session.state, worker.session.version) == (SERVING, "v1")


@pytest.mark.parametrize("broken_off_by", ["abort", "link"])
@pytest.mark.parametrize(("mode", "state"), [("in-place", PENDING_WEIGHTS), ("shadow", SERVING)])
def test_a_broken_off_update_leaves_the_state_of_its_mode(worker, adapter, gate, broken_off_by, mode, state):
    worker.update(1, "v1", "in-place", TENSORS)
    worker.begin(2, "v2", mode, TENSORS)
    if broken_off_by == "abort":
        version = "v1" if mode == "shadow" else None
        assert worker.session.handle(link.Abort(2, "test")) == link.Aborted(2, state, version)
    else:
        worker.session.link_lost()
    assert worker.session.state == state
    assert gate.paused == (mode == "in-place")
    assert adapter.calls[-1] == ("abort",)
    worker.update(3, "v2", mode, TENSORS)
    assert not gate.paused


def test_losing_the_link_without_an_update_changes_nothing(worker, adapter):
    worker.update(1, "v1", "in-place", TENSORS)
    calls = list(adapter.calls)
    worker.session.link_lost()
    assert (worker.session.version, adapter.calls) == ("v1", calls)


def test_an_adapter_that_can_not_show_staged_weights_says_so_and_the_update_goes_on(worker, adapter):
    worker.update(1, "v1", "shadow", TENSORS)
    assert worker.begin(2, "v2", "shadow", TENSORS) == link.Begun(2)
    worker.stream(2, TENSORS)
    worker.session.handle(link.End(2))
    answer = worker.session.handle(link.Dump(7, link.ShmMemory(str(worker.path), 0, 4096), (), epoch=2))
    assert (answer.id, answer.epoch) == (7, None)
    assert "verify = arrival" in answer.message
    assert isinstance(worker.session.handle(link.Commit(2, "v2")), link.Committed)


@pytest.mark.parametrize("step", ["begin", "check", "load", "end", "commit", "dump"])
def test_what_an_adapter_raises_is_answered_as_failed(worker, adapter, gate, step):
    worker.update(1, "v1", "shadow", TENSORS)
    adapter.failing = step
    session = worker.session
    answers = [
        session.handle(link.Dump(7, link.ShmMemory(str(worker.path), 0, 4096), ())),
        worker.begin(2, "v2", "shadow", TENSORS),
        *(worker.load(2, name, w) for name, w in TENSORS.items()),
        session.handle(link.End(2)),
        session.handle(link.Commit(2, "v2")),
    ]
    first = next(a for a in answers if isinstance(a, link.Failed))
    assert first.message == f"{step} can not"
    assert session.version == ("v2" if step == "dump" else "v1") and not gate.paused
    adapter.failing = None
    session.handle(link.Abort(2, "test"))
    worker.update(3, "v2", "shadow", TENSORS)


def test_a_begin_that_can_not_drain_leaves_the_engine_serving(worker, adapter):
    worker.update(1, "v1", "in-place", TENSORS)
    gate = worker.session._gate
    gate._drain_seconds = 0.01
    with gate.request():
        assert "still running" in failure(worker.begin(2, "v2", "in-place", TENSORS))
    assert (worker.session.state, gate.paused) == (SERVING, False)


def test_a_failed_load_can_be_repeated(worker, adapter):
    worker.begin(1, "v1", "shadow", TENSORS)
    adapter.failing = "load"
    assert failure(worker.load(1, "a", TENSORS["a"])) == "load can not"
    adapter.failing = None
    worker.stream(1, TENSORS)
    assert worker.session.handle(link.End(1)) == link.Ended(1, 3)


def test_parts_may_come_in_any_order_but_not_twice(worker):
    a = TENSORS["a"]
    worker.begin(1, "v1", "shadow", TENSORS)
    for begin, end in [(4, 6), (0, 1), (1, 3)]:
        assert isinstance(worker.load(1, "a", a, begin, end), link.Loaded)
    for begin, end in [(0, 1), (2, 4), (3, 5), (0, 6), (1, 2)]:
        assert "came already" in failure(worker.load(1, "a", a, begin, end))
    assert isinstance(worker.load(1, "b", TENSORS["b"]), link.Loaded)
    assert isinstance(worker.load(1, "c", TENSORS["c"]), link.Loaded)
    assert failure(worker.session.handle(link.End(1))) == 'tensor "a": only 5 of the 6 bytes held here came'
    assert isinstance(worker.load(1, "a", a, 3, 4), link.Loaded)
    assert worker.session.handle(link.End(1)) == link.Ended(1, 3)


@pytest.mark.parametrize(
    ("dtype", "shape", "message"),
    [("F12", (6,), 'unknown dtype "F12"'), ("F4", (3,), "12 bits"), ("U8", (5,), "not in its 5 bytes")],
)
def test_a_load_names_the_tensor_it_refuses(worker, dtype, shape, message):
    worker.begin(1, "v1", "shadow", TENSORS)
    answer = worker.load(1, "a", Weights(dtype, shape, b"abcdef"))
    assert failure(answer).startswith('tensor "a": ') and message in answer.message
    assert (answer.epoch, answer.bucket) == (1, 0)


def test_parts_are_refused_by_an_engine_that_needs_whole_tensors(gate):
    adapter = Recorder()
    adapter.whole_tensors = True
    with FakeWorker(Session(MODEL, adapter, gate), 4096) as worker:
        worker.begin(1, "v1", "shadow", TENSORS)
        assert "came in parts" in failure(worker.load(1, "a", TENSORS["a"], 0, 3))
        worker.stream(1, TENSORS)


def test_an_engine_offers_no_mode_that_was_not_asked_for(adapter, gate):
    with FakeWorker(Session(MODEL, adapter, gate, ("shadow",)), 4096) as worker:
        assert worker.session.modes == ("shadow",)
        assert "in-place is not supported" in failure(worker.begin(1, "v1", "in-place", TENSORS))
        assert not gate.paused


class Keeper(Recorder):
    """An adapter that keeps what a shadow commit replaces."""

    def begin_standby(self):
        self._called("begin_standby")


@pytest.fixture
def keeping():
    adapter = Keeper()
    with FakeWorker(Session(MODEL, adapter, Gate(wait_seconds=0.01)), slot_bytes=4096) as worker:
        worker.update(1, "v1", "in-place", TENSORS)
        worker.update(2, "v2", "shadow", TENSORS)
        adapter.calls.clear()
        yield worker, adapter


def from_standby(epoch, version, digest) -> link.Begin:
    return link.Begin(epoch, MODEL, version, digest, "shadow", 3, 10, (), "standby")


def test_what_stands_by_is_taken_back_without_a_load(keeping):
    worker, adapter = keeping
    former = worker.session.standby
    assert former.version == "v1"
    assert worker.session.handle(from_standby(3, "v1", former.digest)) == link.Begun(3)
    assert worker.session.version == "v2"
    assert worker.session.handle(link.End(3)) == link.Ended(3, 3)
    committed = worker.session.handle(link.Commit(3, "v1"))
    assert (committed.version, committed.standby.version) == ("v1", "v2")
    assert adapter.calls == [("begin_standby",), ("end", "a", "b", "c"), ("commit",)]


def test_what_an_adapter_finds_gone_no_longer_stands_by(keeping):
    worker, adapter = keeping
    former = worker.session.standby
    adapter.failing = "begin_standby"
    assert failure(worker.session.handle(from_standby(3, "v1", former.digest))) == "begin_standby can not"
    assert worker.session.handle(link.Abort(3, "a test")) == link.Aborted(3, SERVING, "v2", None)
    assert "nothing does" in failure(worker.session.handle(from_standby(4, "v1", former.digest)))


def test_a_shadow_update_takes_the_place_of_what_stood_by(keeping):
    worker, _ = keeping
    worker.begin(3, "v3", "shadow", TENSORS)
    assert worker.session.handle(link.Abort(3, "a test")).standby is None


def test_an_adapter_that_keeps_nothing_says_no_standby(worker):
    worker.update(1, "v1", "in-place", TENSORS)
    assert worker.update(2, "v2", "shadow", TENSORS).standby is None
