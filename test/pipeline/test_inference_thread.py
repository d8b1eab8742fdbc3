"""The inference thread and its mailboxes: what is superseded, refused, left over, and in which order."""

import threading

import pytest
from waiting import wait_for

from rgbt_seg_ros.pipeline.inference_thread import InferenceThread, Mailbox

TIMEOUT = 20.0


class Gate:
    """Work that says when it has begun and waits to be let through; `done` lists the batches."""

    def __init__(self) -> None:
        self.done: list[list[int]] = []
        self.begun = threading.Semaphore(0)
        self.open = threading.Semaphore(0)

    def __call__(self, items: list[int]) -> None:
        self.begun.release()
        assert self.open.acquire(timeout=TIMEOUT)
        self.done.append(items)

    def wait_until_begun(self) -> None:
        assert self.begun.acquire(timeout=TIMEOUT)

    def let_through(self, count: int) -> None:
        self.open.release(count)


def busy(gate: Gate) -> tuple[InferenceThread[int], Mailbox[int]]:
    """A thread with one item under way that came by a mailbox of one."""
    thread = InferenceThread(gate)
    mailbox = thread.mailbox()
    assert mailbox.put(0) is None
    gate.wait_until_begun()
    return thread, mailbox


def test_a_newer_item_replaces_the_waiting_one() -> None:
    gate = Gate()
    thread, mailbox = busy(gate)
    assert [mailbox.put(item) for item in (1, 2, 3)] == [None, 1, 2]
    assert mailbox.unfinished == 2
    gate.let_through(2)
    wait_for(lambda: mailbox.unfinished == 0, "the end of the work")
    assert gate.done == [[0], [3]]
    thread.stop(TIMEOUT)


def test_a_full_queue_refuses_and_keeps_the_order() -> None:
    gate = Gate()
    thread = InferenceThread(gate)
    mailbox = thread.mailbox(capacity=3, supersede=False)
    mailbox.put(0)
    gate.wait_until_begun()
    assert [mailbox.put(item) for item in (1, 2, 3, 4)] == [None, None, None, 4]
    gate.let_through(4)
    wait_for(lambda: gate.done == [[0], [1], [2], [3]], "four items")
    thread.stop(TIMEOUT)


def test_what_waits_in_several_mailboxes_is_worked_on_together() -> None:
    gate = Gate()
    thread, first = busy(gate)
    second, third = thread.mailbox(capacity=5, supersede=False), thread.mailbox()
    for item in (10, 11, 12):
        second.put(item)
    first.put(1)
    gate.let_through(4)
    wait_for(lambda: len(gate.done) == 4, "four items")
    assert gate.done == [[0], [1, 10], [11], [12]]
    assert third.unfinished == 0
    thread.stop(TIMEOUT)


def test_a_full_mailbox_starves_no_other() -> None:
    gate = Gate()
    thread, flood = busy(gate)
    quiet = thread.mailbox()
    quiet.put(100)
    for item in range(1, 50):
        flood.put(item)
        if item % 10 == 0:
            gate.let_through(1)
            gate.wait_until_begun()
    gate.let_through(50)
    wait_for(lambda: flood.unfinished == 0, "the end of the flood")
    assert gate.done[1] == [10, 100]
    thread.stop(TIMEOUT)


def test_stop_finishes_what_is_under_way_and_close_returns_the_rest() -> None:
    gate = Gate()
    thread = InferenceThread(gate)
    mailbox = thread.mailbox(capacity=5, supersede=False)
    for item in range(4):
        mailbox.put(item)
    gate.wait_until_begun()
    gate.let_through(1)
    for _ in range(2):
        thread.stop(TIMEOUT)
        assert not thread.alive
    assert gate.done == [[0]]
    assert mailbox.close() == [1, 2, 3]
    assert mailbox.close() == []
    assert mailbox.put(9) == 9


def test_stop_does_not_wait_for_ever() -> None:
    gate = Gate()
    thread, _ = busy(gate)
    assert thread.busy_s > 0.0
    thread.stop(timeout=0.01)
    assert thread.alive
    gate.let_through(1)
    wait_for(lambda: not thread.alive, "the end of the thread")


def test_an_action_runs_between_two_items() -> None:
    gate = Gate()
    thread, mailbox = busy(gate)
    mailbox.put(1)
    thread.call(lambda: gate.done.append([-1]))
    assert gate.done == []
    gate.let_through(2)
    wait_for(lambda: mailbox.unfinished == 0, "the end of the work")
    assert gate.done == [[0], [-1], [1]]
    thread.stop(TIMEOUT)


def test_an_action_needs_no_item() -> None:
    thread = InferenceThread(Gate())
    ran = threading.Event()
    thread.call(ran.set)
    assert ran.wait(TIMEOUT)
    assert thread.busy_s == 0.0
    thread.stop(TIMEOUT)


def test_nothing_is_lost_uncounted_under_many_producers() -> None:
    done: list[int] = []
    lost: list[int] = []
    thread: InferenceThread[int] = InferenceThread(done.extend)
    mailboxes = [thread.mailbox(capacity=2) for _ in range(2)]

    def produce(first: int) -> None:
        mailbox = mailboxes[first % 2]
        for item in range(first * 1000, first * 1000 + 500):
            gone = mailbox.put(item)
            if gone is not None:
                lost.append(gone)

    producers = [threading.Thread(target=produce, args=(i,)) for i in range(4)]
    for producer in producers:
        producer.start()
    for producer in producers:
        producer.join(TIMEOUT)
    thread.stop(TIMEOUT)
    left = [item for mailbox in mailboxes for item in mailbox.close()]
    assert sorted(done + lost + left) == [1000 * i + k for i in range(4) for k in range(500)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("error", [SystemError("a bug"), SystemExit("a bug")])
def test_an_escaping_exception_ends_the_thread_visibly(error: BaseException) -> None:
    def work(items: list[int]) -> None:
        raise error

    thread = InferenceThread(work)
    assert thread.alive
    thread.mailbox().put(0)
    wait_for(lambda: not thread.alive, "the end of the thread")
    assert thread.failure == f"{type(error).__name__}: a bug"
