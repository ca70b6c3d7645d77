import threading

import pytest
from twisted.internet.defer import CancelledError

from tests.recognisers.on_reactor import on_reactor, reactor, soon
from voicestt.delivery.worker import WorkerThread


@on_reactor
async def test_what_it_is_given_is_done_in_order_in_one_thread_of_its_own() -> None:
    worker = WorkerThread(reactor, "test")
    worker.start()
    threads = [await soon(worker.do(threading.current_thread)) for _ in range(3)]
    assert {thread.name for thread in threads} == {"test"}
    await soon(worker.stop())
    threads[0].join(5)
    assert not threads[0].is_alive()


@on_reactor
async def test_what_is_raised_is_raised_where_it_is_waited_for_and_the_next_is_done() -> None:
    worker = WorkerThread(reactor, "test")
    worker.start()

    def fail() -> None:
        raise KeyError("a")

    failing, next_one = worker.do(fail), worker.do(lambda: 7)
    with pytest.raises(KeyError):
        await soon(failing)
    assert await soon(next_one) == 7
    await soon(worker.stop())


@on_reactor
async def test_work_that_nobody_waits_for_any_more_is_done_all_the_same() -> None:
    worker = WorkerThread(reactor, "test")
    worker.start()
    going = threading.Event()
    waiting = worker.do(lambda: going.wait(10))
    waiting.cancel()
    with pytest.raises(CancelledError):
        await waiting
    going.set()
    assert await soon(worker.do(lambda: 7)) == 7
    await soon(worker.stop())


@on_reactor
async def test_one_that_was_not_started_is_stopped_at_once() -> None:
    await soon(WorkerThread(reactor, "test").stop())
