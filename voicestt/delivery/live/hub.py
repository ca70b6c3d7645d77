"""The hub of live events, for pages and tools that have the token: `GET /events` and `GET /ws/live`.

A listener that is slow waits for itself: what it has no room for is kept up to a bound, then it is sent away, and
may come again and go on after the last event that it has. One that takes nothing of what waits for it for a minute
is sent away as well, also while it is told of the past: it would hold a place that others want. Everything here is
in the reactor's thread.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from secrets import compare_digest
from typing import Final

from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from voicestt.delivery.live.call_numbers import CallNumbers
from voicestt.delivery.live.filter import LARGEST_NUMBER, EventFilter
from voicestt.delivery.live.replay import HeldBack, Replay
from voicestt.delivery.live.subscriber import (
    EXPIRED,
    NO_HISTORY,
    STOPPING,
    TOO_SLOW,
    Counters,
    Farewell,
    Subscriber,
    SubscriberConnection,
)
from voicestt.delivery.live.tokens import ScopedTokens
from voicestt.journal.port import Filter, History, Page, Record
from voicestt.runtime.clock import Timer
from voicestt.runtime.idle import Idle

MOST_LISTENERS: Final = 100
KEEP_ALIVE_SECONDS: Final = 15.0
STUCK_SECONDS: Final = 60.0
_FAREWELL_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 0.1
_WRITING_SECONDS: Final = 0.05


def _at_once() -> "Deferred[None]":
    return succeed(None)


class EventHub:
    """Publishes events to all listeners.

    `history` is the journal's, None where there is none; without a `token` nobody may listen. `tokens` are those
    for one call or number, None without a token.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, history: History | None, token: str | None) -> None:
        self._clock = clock
        self._history = history
        self._token = token
        self.tokens = None if token is None else ScopedTokens(token)
        self.numbers = CallNumbers()
        self._takers: dict[Subscriber, Callable[[Sequence[Record]], None]] = {}
        self._of_fleet: dict[Subscriber, EventFilter] = {}
        self._replays: dict[Subscriber, Replay] = {}
        self._watchers: list[Callable[[Sequence[Record]], None]] = []
        self._closing: set[Subscriber] = set()
        self._expiries: dict[Subscriber, Timer] = {}
        self._all_gone = Idle(lambda: not self._closing)
        self._journal_turn = DeferredLock()
        self._pulse = LoopingCall(self._keep_alive)
        self._pulse.clock = clock
        self._counters = Counters()
        self.is_stopping = False
        self.wants_changed: Callable[[], object] = lambda: None
        self.before_replay: Callable[[], Awaitable[object]] = _at_once

    @property
    def clock(self) -> IReactorTime:
        """The clock of the hub."""
        return self._clock

    @property
    def has_token(self) -> bool:
        """True if a token is set, so that anybody may listen."""
        return self._token is not None

    @property
    def is_full(self) -> bool:
        """True if no other listener may join now."""
        return len(self._takers) >= MOST_LISTENERS

    @property
    def counters(self) -> Mapping[str, int]:
        """The figures for the health check.

        `listeners` now, events `sent`, and listeners `disconnected` because they were too slow.
        """
        return asdict(self._counters)

    def opens_to(self, brought: str | None) -> bool:
        """Return True if `brought` is the token."""
        return self._token is not None and is_same(self._token, brought)

    @property
    def wanted(self) -> Collection[Filter]:
        """The filters of those who listen to other processes too."""
        return {asked.filter for asked in self._of_fleet.values()}

    def publish(self, records: Sequence[Record], to_fleet: Sequence[Record] | None = None) -> None:
        """Publish records that were just written into the journal, in this order.

        `to_fleet` are the same for those who listen to other processes too, where they have another cursor.
        """
        self.numbers.note(records)
        for watch in self._watchers:
            watch(records)
        for subscriber, take in list(self._takers.items()):
            take(to_fleet if to_fleet is not None and subscriber in self._of_fleet else records)

    def publish_foreign(self, records: Sequence[Record]) -> None:
        """Publish records of another process, to those who listen to these too."""
        self.numbers.note(records)
        for subscriber in list(self._of_fleet):
            self._takers[subscriber](records)

    def catch_up(self, after: int, had: Collection[int]) -> None:
        """Give who listens to other processes what these wrote since `after`; they have those numbered `had`."""
        for subscriber in list(self._of_fleet):
            replay = self._replays.get(subscriber)
            if replay is not None and not replay.is_there:
                replay.go_further()
            else:
                self._replay(subscriber, self._of_fleet[subscriber], after, had)

    async def last_number(self) -> int | None:
        """Return the last settled number of the journal; None if it cannot be read."""
        if self._history is None:
            return None
        ask = partial(self._history.since, LARGEST_NUMBER, 1)
        try:
            page = await self._journal_turn.run(lambda: Deferred.fromCoroutine(ask()))
        except Exception:  # noqa: BLE001 - the journal itself says why
            return None
        return page.through

    def watch(self, watcher: Callable[[Sequence[Record]], None]) -> None:
        """Tell `watcher` of all records that are published from now on, before the listeners."""
        self._watchers.append(watcher)

    def join(self, connection: SubscriberConnection, asked: EventFilter) -> Subscriber:
        """Add a listener at `connection`; call `leave` when its connection is lost."""
        subscriber = Subscriber(connection, self._wants(asked), self._counters, self._drop)
        self._takers[subscriber] = subscriber.offer
        if asked.of_fleet:
            self._of_fleet[subscriber] = asked
        self._count()
        if asked.seconds is not None:
            expiry = self._expiries[subscriber] = Timer(self._clock)
            expiry.set(max(0.0, asked.seconds), lambda: self._send_away(subscriber, EXPIRED))
        connection.attach(subscriber)
        if asked.after is not None:
            wait = self.before_replay if asked.of_fleet else _at_once
            self._replay(subscriber, asked, asked.after, wait=wait)
        return subscriber

    def _replay(
        self,
        subscriber: Subscriber,
        asked: EventFilter,
        after: int,
        had: Collection[int] = (),
        wait: Callable[[], Awaitable[object]] = _at_once,
    ) -> None:
        if self._history is not None:
            replay = self._replays[subscriber] = Replay(subscriber, after, had, of_fleet=asked.of_fleet)
            self._takers[subscriber] = replay.published
            Deferred.fromCoroutine(self._catch_up(subscriber, replay, self._history, asked, wait))

    def _wants(self, asked: EventFilter) -> Callable[[Record], bool]:
        number = asked.number
        if number is None:
            return asked.wants
        return lambda record: asked.wants(record) and self.numbers.has(record.call_sid, number)

    def leave(self, subscriber: Subscriber) -> None:
        """Remove a listener whose connection is lost."""
        self._forget(subscriber)
        subscriber.gone()
        self._closing.discard(subscriber)
        self._all_gone.look()

    async def stop(self) -> None:
        """Disconnect all listeners; return when they are gone, and after two seconds in any case."""
        self.is_stopping = True
        for subscriber in list(self._takers):
            self._send_away(subscriber, STOPPING)
        await self._all_gone.wait().addTimeout(_FAREWELL_SECONDS, self._clock, lambda _result, _seconds: None)
        # The last bytes of those whose connections know no farewell are written in the reactor's next turn.
        await deferLater(self._clock, _WRITING_SECONDS)

    async def _catch_up(
        self,
        subscriber: Subscriber,
        replay: Replay,
        history: History,
        asked: EventFilter,
        wait: Callable[[], Awaitable[object]],
    ) -> None:
        # One at a time: the journal's thread has better things to do than to read for a hundred listeners.
        def read(number: int, limit: int) -> Deferred[Page]:
            ask = partial(history.since, number, limit, asked.filter)
            page = self._journal_turn.run(lambda: Deferred.fromCoroutine(ask()))
            return page if asked.number is None else page.addCallback(self._learn, asked.number)

        try:
            await wait()
            await replay.run(read, lambda: deferLater(self._clock, _PAUSE_SECONDS))
        except HeldBack:
            self._refuse_for_now(
                subscriber,
                "another process has begun to write into it and does not come to an end. If it was killed, or its "
                "machine is gone, PostgreSQL notices within a minute",
            )
        except Exception as problem:  # noqa: BLE001 - of a database there are many kinds, whose words hold what was said
            self._refuse_for_now(
                subscriber, f"{type(problem).__name__}. What to do: see what the journal itself says of it"
            )

    def _refuse_for_now(self, subscriber: Subscriber, why: str) -> None:
        if subscriber.is_open:
            self._log.warn(
                "The journal could not be read for a listener, who was sent away and may come again: {why}.",
                why=why,
            )
            self._send_away(subscriber, NO_HISTORY)

    def _learn(self, page: Page, number: str) -> Page:
        self.numbers.learn(page.records, number)
        return page

    def _drop(self, subscriber: Subscriber) -> None:
        self._counters.disconnected += 1
        self._log.warn(
            "A listener of the live events was sent away: it reads more slowly than calls are made. The calls and "
            "the other listeners are untouched, and it may come again and go on where it was."
        )
        self._send_away(subscriber, TOO_SLOW)

    def _drop_stuck(self, subscriber: Subscriber) -> None:
        self._counters.disconnected += 1
        self._log.warn(
            "A listener of the live events was sent away: it has read nothing for a minute, and held a place. It "
            "may come again and go on where it was."
        )
        self._send_away(subscriber, TOO_SLOW)

    def _send_away(self, subscriber: Subscriber, farewell: Farewell) -> None:
        self._forget(subscriber)
        self._closing.add(subscriber)
        subscriber.close(farewell)

    def _forget(self, subscriber: Subscriber) -> None:
        self._takers.pop(subscriber, None)
        self._of_fleet.pop(subscriber, None)
        self._replays.pop(subscriber, None)
        expiry = self._expiries.pop(subscriber, None)
        if expiry is not None:
            expiry.cancel()
        self._count()

    def _count(self) -> None:
        self._counters.listeners = len(self._takers)
        self.wants_changed()
        if self._takers and not self._pulse.running:
            self._pulse.start(KEEP_ALIVE_SECONDS, now=False)
        elif not self._takers and self._pulse.running:
            self._pulse.stop()

    def _keep_alive(self) -> None:
        now = self._clock.seconds()
        for subscriber in list(self._takers):
            if subscriber.stuck_for(now) >= STUCK_SECONDS:
                self._drop_stuck(subscriber)
            else:
                subscriber.keep_alive()


def is_same(token: str, brought: str | None) -> bool:
    """Return True if `brought` is `token`, compared in constant time."""
    return brought is not None and compare_digest(token.encode(), brought.encode("utf-8", "surrogatepass"))
