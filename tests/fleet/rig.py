"""Links to a real Redis, which a test starts, stops and waits for."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.recognisers.on_reactor import PATIENCE, reactor, soon
from voicestt.config.redis_address import redis_address
from voicestt.fleet.link import ANSWER_SECONDS, RedisLink


async def until(condition: Callable[[], object], what: str) -> None:
    """Returns when it is so."""
    give_up = reactor.seconds() + PATIENCE
    while not condition():
        assert reactor.seconds() < give_up, what
        await deferLater(reactor, 0.01)


@asynccontextmanager
async def linked(
    url: str, *, wait: bool = True, answer_seconds: float = ANSWER_SECONDS
) -> AsyncIterator[RedisLink]:
    link = RedisLink(reactor, redis_address(url), answer_seconds=answer_seconds)
    link.start()
    try:
        if wait:
            await until(lambda: link.is_up, "the link is up")
        yield link
    finally:
        await soon(Deferred.fromCoroutine(link.stop()))
