import threading

import pytest

from inflight.gate import DrainError, Gate, PausedError


def test_pause_waits_for_the_requests_inside_and_new_ones_wait_for_resume():
    gate = Gate()
    order = []
    inside, finish, paused = threading.Event(), threading.Event(), threading.Event()

    def first():
        with gate.request():
            inside.set()
            finish.wait()
            order.append("first leaves")

    def pause():
        gate.pause()
        order.append("paused")
        paused.set()

    def second():
        with gate.request():
            order.append("second enters")

    threads = [threading.Thread(target=first), threading.Thread(target=pause)]
    threads[0].start()
    inside.wait()
    threads[1].start()
    finish.set()
    paused.wait()
    late = threading.Thread(target=second)
    late.start()
    order.append("resuming")
    assert gate.resume() > 0
    for thread in (*threads, late):
        thread.join()
    assert order == ["first leaves", "paused", "resuming", "second enters"]


def test_a_request_gives_up_after_its_time():
    gate = Gate(wait_seconds=0.01)
    gate.pause()
    with pytest.raises(PausedError, match="paused for 0.01 s"), gate.request():
        pass
    gate.resume()
    with gate.request():
        pass


def test_a_pause_that_can_not_drain_is_taken_back():
    gate = Gate(drain_seconds=0.01)
    with gate.request():
        with pytest.raises(DrainError, match="1 requests are still running"):
            gate.pause()
        assert not gate.paused
        with gate.request():
            pass


def test_pausing_twice_is_one_pause():
    gate = Gate()
    gate.pause()
    gate.pause()
    gate.resume()
    assert gate.resume() == 0
    with gate.request():
        pass
