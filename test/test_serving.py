"""The inference thread and its mailbox: what is superseded, refused, left over, and in which order."""

import threading
from collections.abc import Callable

import pytest

from rgbt_seg_ros.serving import InferenceThread

TIMEOUT = 20.0


class Gate:
    """Work that says when it has begun and waits to be let through."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.begun = threading.Semaphore(0)
        self.open = threading.Semaphore(0)

    def __call__(self, item: int) -> None:
        self.begun.release()
        assert self.open.acquire(timeout=TIMEOUT)
        self.done.append(item)

    def wait_until_begun(self) -> None:
        assert self.begun.acquire(timeout=TIMEOUT)

    def let_through(self, count: int) -> None:
        self.open.release(count)


def wait_for(condition: Callable[[], bool]) -> None:
    done = threading.Event()
    for _ in range(int(TIMEOUT / 0.01)):
        if condition():
            return
        done.wait(0.01)
    raise AssertionError("did not happen")


def test_a_newer_item_replaces_the_waiting_one() -> None:
    gate = Gate()
    thread = InferenceThread(gate)
    assert thread.put(0) is None
    gate.wait_until_begun()
    assert [thread.put(item) for item in (1, 2, 3)] == [None, 1, 2]
    assert thread.unfinished == 2
    gate.let_through(2)
    wait_for(lambda: thread.unfinished == 0)
    assert gate.done == [0, 3]
    assert thread.stop(TIMEOUT) == []


def test_a_full_queue_refuses_and_keeps_the_order() -> None:
    gate = Gate()
    thread = InferenceThread(gate, capacity=3, supersede=False)
    thread.put(0)
    gate.wait_until_begun()
    assert [thread.put(item) for item in (1, 2, 3, 4)] == [None, None, None, 4]
    gate.let_through(4)
    wait_for(lambda: gate.done == [0, 1, 2, 3])
    assert thread.stop(TIMEOUT) == []


def test_stop_finishes_the_item_under_way_and_returns_the_others() -> None:
    gate = Gate()
    thread = InferenceThread(gate, capacity=5, supersede=False)
    for item in range(4):
        thread.put(item)
    gate.wait_until_begun()
    gate.let_through(1)
    assert thread.stop(TIMEOUT) == [1, 2, 3]
    assert gate.done == [0]
    assert not thread.alive
    assert thread.stop(TIMEOUT) == []
    assert thread.put(9) == 9


def test_stop_does_not_wait_for_ever() -> None:
    gate = Gate()
    thread = InferenceThread(gate)
    thread.put(0)
    gate.wait_until_begun()
    thread.stop(timeout=0.01)
    assert thread.alive
    gate.let_through(1)
    wait_for(lambda: not thread.alive)


def test_nothing_is_lost_uncounted_under_many_producers() -> None:
    done: list[int] = []
    lost: list[int] = []
    thread = InferenceThread(done.append, capacity=2)

    def produce(first: int) -> None:
        for item in range(first, first + 500):
            gone = thread.put(item)
            if gone is not None:
                lost.append(gone)

    producers = [threading.Thread(target=produce, args=(1000 * i,)) for i in range(4)]
    for producer in producers:
        producer.start()
    for producer in producers:
        producer.join(TIMEOUT)
    left = thread.stop(TIMEOUT)
    assert sorted(done + lost + left) == [1000 * i + k for i in range(4) for k in range(500)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_escaping_exception_ends_the_thread_visibly() -> None:
    def work(item: int) -> None:
        raise SystemError("a bug")

    thread = InferenceThread(work)
    assert thread.alive
    thread.put(0)
    wait_for(lambda: not thread.alive)
