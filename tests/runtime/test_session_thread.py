import asyncio
import threading
from collections.abc import Callable
from functools import partial

from twisted.internet.defer import Deferred

from tests.conftest import Logged
from tests.recognisers.on_reactor import Sessions, on_reactor, soon


@on_reactor
async def test_actions_cross_in_both_directions_in_order(sessions: Sessions) -> None:
    crossed: Deferred[None] = Deferred()
    there, back = list[tuple[int, int]](), list[tuple[int, int]]()

    def go(number: int) -> None:
        there.append((number, threading.get_ident()))
        sessions.thread.hand_back(lambda: come_back(number))

    def come_back(number: int) -> None:
        back.append((number, threading.get_ident()))
        if number == 999:
            crossed.callback(None)

    for number in range(1_000):
        sessions.thread.do(partial(go, number))
    await soon(crossed)
    here = threading.get_ident()
    assert back == [(number, here) for number in range(1_000)]
    assert [number for number, _ in there] == list(range(1_000))
    assert here not in {ident for _, ident in there}


@on_reactor
async def test_what_is_handed_back_at_leisure_comes_soon_and_before_what_is_handed_back_after_it(
    sessions: Sessions,
) -> None:
    back: list[str] = []
    alone: Deferred[None] = Deferred()
    sessions.thread.do(lambda: sessions.thread.hand_back_at_leisure(lambda: alone.callback(None)))
    await soon(alone)

    crossed: Deferred[None] = Deferred()

    def go() -> None:
        sessions.thread.hand_back_at_leisure(lambda: back.append("first"))
        sessions.thread.hand_back_at_leisure(lambda: back.append("second"))
        sessions.thread.hand_back(lambda: back.append("third"))
        sessions.thread.hand_back(lambda: crossed.callback(None))

    sessions.thread.do(go)
    await soon(crossed)
    assert back == ["first", "second", "third"]


@on_reactor
async def test_what_is_handed_back_at_leisure_at_the_end_is_not_lost(sessions: Sessions) -> None:
    back: list[str] = []
    sessions.thread.do(lambda: sessions.thread.hand_back_at_leisure(lambda: back.append("last")))
    await soon(sessions.thread.stop())
    assert back == ["last"]


@on_reactor
async def test_many_coroutines_run_in_one_thread(sessions: Sessions) -> None:
    thread = sessions.thread
    all_met: Deferred[None] = Deferred()
    idents: list[int] = []
    everybody = asyncio.Event()

    async def meet() -> None:
        idents.append(threading.get_ident())
        if len(idents) == 50:
            everybody.set()
            thread.hand_back(lambda: all_met.callback(None))
        await everybody.wait()

    for _ in range(50):
        thread.do(lambda: thread.spawn(meet()))
    await soon(all_met)
    assert len(idents) == 50
    assert len(set(idents)) == 1


@on_reactor
async def test_stopping_cancels_what_runs_then_closes_and_gives_the_thread_back(
    start_sessions: Callable[[int], Sessions],
) -> None:
    before = set(threading.enumerate())
    sessions = start_sessions(1)
    thread = sessions.thread
    told: list[str] = []
    started: Deferred[None] = Deferred()

    async def run_for_ever() -> None:
        thread.hand_back(lambda: started.callback(None))
        try:
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    async def close() -> None:
        told.append("closed")

    thread.do(lambda: thread.at_end(close))
    thread.do(lambda: thread.spawn(run_for_ever()))
    await soon(started)
    assert set(threading.enumerate()) - before != set()
    await sessions.stop()
    assert told == ["cancelled", "closed"]
    for ending in set(threading.enumerate()) - before:
        ending.join(30)
    assert set(threading.enumerate()) - before == set()


@on_reactor
async def test_what_a_cancelled_coroutine_hands_back_still_arrives(sessions: Sessions) -> None:
    thread = sessions.thread
    told: list[str] = []
    started: Deferred[None] = Deferred()

    async def say_goodbye() -> None:
        thread.hand_back(lambda: started.callback(None))
        try:
            await asyncio.sleep(3_600)
        finally:
            thread.hand_back(lambda: told.append("goodbye"))

    thread.do(lambda: thread.spawn(say_goodbye()))
    await soon(started)
    await sessions.stop()
    assert told == ["goodbye"]


@on_reactor
async def test_a_thread_that_dies_says_so_and_can_still_be_stopped(sessions: Sessions, logged: Logged) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    sessions.thread.do(lambda: sessions.thread.at_end(fail))
    await sessions.stop()
    assert logged.matching("The thread sessions did not end in order.") != []
    assert len(logged.flush(ZeroDivisionError)) == 1
