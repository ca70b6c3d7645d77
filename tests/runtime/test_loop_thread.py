import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from tests.conftest import Logged
from tests.handler.fakes import Diary
from tests.recognisers.on_reactor import on_reactor, reactor, soon
from voicestt.runtime.loop_thread import LoopThread

COMPLAINT = "In a task: {message}"


class Counting:
    """A reactor that counts how often its end of a turn is asked for."""

    def __init__(self) -> None:
        self.wakes = 0
        self.callFromThread = reactor.callFromThread

    def callLater(self, delay: float, action: Callable[[], object]) -> object:  # noqa: N802
        self.wakes += 1
        return reactor.callLater(delay, action)


@on_reactor
async def test_what_is_handed_over_in_one_turn_is_one_wake_up_and_keeps_its_order(diary: Diary) -> None:
    counting: Any = Counting()
    loop = LoopThread(counting, "loop", COMPLAINT)
    loop.start()
    for number in range(100):
        loop.do(partial(diary.write, number))
    assert counting.wakes == 1
    await diary.until_written(99)
    assert diary.entries == list(range(100))
    await soon(loop.stop())


@on_reactor
async def test_a_hand_over_that_fails_keeps_nothing_from_the_others(diary: Diary, logged: Logged) -> None:
    loop = LoopThread(reactor, "loop", COMPLAINT)
    loop.start()
    loop.do(lambda: 1 / 0)
    loop.do(lambda: diary.write("after"))
    await diary.until_written("after")
    assert len(logged.flush(ZeroDivisionError)) == 1
    await soon(loop.stop())


@on_reactor
async def test_stopping_cancels_what_runs_and_ends_the_thread(diary: Diary) -> None:
    loop = LoopThread(reactor, "loop", COMPLAINT)
    loop.start()

    async def run_for_ever() -> None:
        diary.write(threading.current_thread())
        try:
            await asyncio.Event().wait()
        finally:
            diary.write("cancelled")

    loop.do(lambda: loop.spawn(run_for_ever(), "CA1"))
    await diary.until(lambda: bool(diary.entries))
    await soon(loop.stop())
    thread, last = diary.entries
    thread.join(30)
    assert (last, thread.is_alive(), loop.frame()) == ("cancelled", False, None)
    loop.do(lambda: diary.write("too late"))
    done: Deferred[None] = Deferred()
    reactor.callLater(0, reactor.callLater, 0, done.callback, None)
    await done
    assert diary.entries[-1] == "cancelled"
