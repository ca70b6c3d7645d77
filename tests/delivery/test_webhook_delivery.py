"""The deliverer and the webhook together, on real sockets and real time."""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from twisted.internet.defer import Deferred

from tests.conftest import Logged
from tests.delivery.fakes import HOOK, MemoryOutbox
from tests.delivery.receiver import (
    Receiver,
    never,
    receiving,
    status,
)
from tests.recognisers.on_reactor import on_reactor, reactor, soon
from voicestt.delivery.deliverer import Deliverer
from voicestt.delivery.webhook import AT_ONCE, Webhook
from voicestt.events import event_id

KEY = b"0123456789abcdef0123456789abcdef"
CALLS = 20


@asynccontextmanager
async def delivering(url: str, outbox: MemoryOutbox, answer_seconds: float = 15.0) -> AsyncIterator[Deliverer]:
    webhook = Webhook(reactor, url, [KEY], answer_seconds=answer_seconds)
    deliverer = Deliverer(reactor, outbox, HOOK, webhook, patience=3600.0)
    deliverer.start()
    try:
        yield deliverer
    finally:
        await soon(Deferred.fromCoroutine(deliverer.stop()))


async def until(condition: Callable[[], object]) -> None:
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < 30
        pause: Deferred[None] = Deferred()
        reactor.callLater(0.01, pause.callback, None)
        await pause


def write(outbox: MemoryOutbox, deliverer: Deliverer, count: int = 10) -> None:
    for _ in range(count):
        for call in range(CALLS):
            outbox.write(f"call{call}")
    deliverer.wake()


def first_arrivals(*receivers: Receiver) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for each in [name for receiver in receivers for name in receiver.ids]:
        session = each.rpartition("-")[0]
        if each not in found[session]:
            found[session].append(each)
    return found


def expected(count: int) -> dict[str, list[str]]:
    return {f"call{call}": [event_id(f"call{call}", each + 1) for each in range(count)] for call in range(CALLS)}


@on_reactor
async def test_a_receiver_that_goes_down_and_comes_back_gets_everything_in_order(logged: Logged) -> None:
    outbox = MemoryOutbox(time.time)
    async with receiving() as first, delivering(first.url, outbox) as deliverer:
        write(outbox, deliverer)
        await until(lambda: len(first.posts) > 50)
        await first.stop()
        write(outbox, deliverer)
        await until(lambda: logged.matching("is down: no connection: ConnectionRefusedError"))
        assert deliverer.figures.is_down
        async with receiving(port=first.port) as second:
            await until(lambda: not outbox.left())
            assert first_arrivals(first, second) == expected(20)
    assert len(logged.matching("works again")) == 1
    assert not logged.matching("secret")


@on_reactor
async def test_a_receiver_that_breaks_at_times_gets_everything_in_order() -> None:
    outbox = MemoryOutbox(time.time)
    async with receiving() as receiver, delivering(receiver.url, outbox, 0.3) as deliverer:
        answers = [status(500), never, status(503), status(404), status(429)]

        def answer(request: object) -> object:
            is_bad = answers and len(receiver.posts) % 30 == 0
            return (answers.pop() if is_bad else status(204))(request)

        receiver.answer = answer
        write(outbox, deliverer)
        await until(lambda: not outbox.left())
        assert answers == []
        assert first_arrivals(receiver) == expected(10)
        assert deliverer.figures.delivered == CALLS * 10
        assert len(receiver.posts) - CALLS * 10 == deliverer.figures.failed_attempts


@on_reactor
async def test_stopping_with_a_mute_receiver_takes_two_seconds_at_most() -> None:
    outbox = MemoryOutbox(time.time)
    async with receiving() as receiver:
        receiver.answer = never
        async with delivering(receiver.url, outbox) as deliverer:
            write(outbox, deliverer, 1)
            await until(lambda: len(receiver.posts) == min(CALLS, AT_ONCE))
            start = time.monotonic()
        assert time.monotonic() - start < 5
    assert len(outbox.left()) == CALLS
