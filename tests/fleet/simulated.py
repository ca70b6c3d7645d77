"""A fleet in simulated time: the real registry and its real scripts, on a real Redis whose clock is the test's.

Commands, replies and messages take as long as the test says; a link is cut, a process killed, Redis loses all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis import Redis
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from voicestt.fleet.call_directory import CallDirectory
from voicestt.fleet.call_scripts import NOW, Claim
from voicestt.fleet.port import Action, Argument, FleetAway, LuaScript, Taker

STEP = 0.1
_TIME_KEY = "simulated:now"
_SIMULATED_NOW = f"local now = tonumber(redis.call('GET', '{_TIME_KEY}')) "


class SimulatedRedis:
    """A real Redis, whose scripts read `clock` instead of its own."""

    def __init__(self, client: Redis, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self.links: list[SimulatedLink] = []
        self.client = client
        client.flushall()

    def run(self, script: LuaScript, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        assert script.text.startswith(NOW)
        both = self._client.pipeline(transaction=False)
        both.set(_TIME_KEY, 1_800_000_000_000 + round(self._clock.seconds() * 1000))
        both.eval(_SIMULATED_NOW + script.text.removeprefix(NOW), len(keys), *keys, *arguments)
        return both.execute()[1]

    def lose_all(self) -> None:
        self._client.flushall()

    def spread(self, channel: str, message: bytes) -> None:
        for link in self.links:
            link.hear(channel, message)


class SimulatedLink:
    """A FleetLink; `delay` gives the seconds that the next command, reply or message takes, None if it is lost."""

    def __init__(self, clock: Clock, redis: SimulatedRedis, instance: str, delay: Callable[[], float]) -> None:
        self.instance = instance
        self.is_up = True
        self.loses_messages = False
        self._clock = clock
        self._redis = redis
        self._delay = delay
        self._takers: dict[str, list[tuple[Taker, Action]]] = {}
        self._watchers: list[Action] = []
        self._last = {"out": 0.0, "in": 0.0, "heard": 0.0}
        self._under_way: set[Deferred[Any]] = set()
        redis.links.append(self)

    def run(self, script: LuaScript, keys: Sequence[str], arguments: Sequence[Argument] = ()) -> "Deferred[Any]":
        if not self.is_up:
            return fail(FleetAway("it is cut"))
        done: Deferred[Any] = Deferred()
        self._under_way.add(done)

        def reply(answer: Any) -> None:
            if done in self._under_way:
                self._under_way.discard(done)
                done.callback(answer)

        def execute() -> None:
            # One that is on its way when the link is cut may arrive all the same.
            if done in self._under_way or self._delay() > STEP:
                answer = self._redis.run(script, keys, arguments)
                self._later("in", lambda: reply(answer))

        self._later("out", execute)
        return done

    def publish(self, channel: str, message: bytes) -> None:
        if self.is_up and not self.loses_messages:
            self._later("out", lambda: self._redis.spread(channel, message))

    def subscribe(self, channel: str, take: Taker, ready: Action = lambda: None) -> None:
        self._takers.setdefault(channel, []).append((take, ready))
        self._later("heard", ready)

    def unsubscribe(self, channel: str, take: Taker) -> None:
        self._takers.pop(channel, None)

    def watch(self, changed: Action) -> None:
        self._watchers.append(changed)

    def forget(self, changed: Action) -> None:
        self._watchers.remove(changed)

    def hear(self, channel: str, message: bytes) -> None:
        if self.is_up and channel in self._takers:
            self._later("heard", lambda: self._take(channel, message))

    def cut(self) -> None:
        under_way, self._under_way = self._under_way, set()
        self._turn(is_up=False)
        for done in under_way:
            done.errback(FleetAway("it was cut"))

    def heal(self) -> None:
        self._turn(is_up=True)
        for takers in list(self._takers.values()):
            for _, ready in takers:
                ready()

    def _take(self, channel: str, message: bytes) -> None:
        if self.is_up:
            for take, _ in list(self._takers.get(channel, ())):
                take(message)

    def _turn(self, *, is_up: bool) -> None:
        if self.is_up is not is_up:
            self.is_up = is_up
            for changed in list(self._watchers):
                changed()

    def _later(self, way: str, action: Action) -> None:
        """In order on each way, whatever the delays are."""
        now = self._clock.seconds()
        self._last[way] = due = max(self._last[way], now + self._delay())
        self._clock.callLater(due - now, action)


class Shifted:
    """A process's own clock, which shows another time than everybody's."""

    def __init__(self, clock: Clock, shift: float) -> None:
        self._clock = clock
        self._shift = shift

    def seconds(self) -> float:
        return self._clock.seconds() + self._shift

    def callLater(self, delay: float, callable: Callable[[], object], /) -> Any:  # noqa: N802, A002
        return self._clock.callLater(delay, callable)


@dataclass(eq=False, slots=True)
class SimulatedStream:
    """A media stream; `began` by everybody's clock."""

    call_sid: str
    began: float
    name: str = ""
    claims: list[Claim | None] = field(default_factory=list)
    is_live: bool = True


class SimulatedProcess:
    """A process with the real registry; `statuses` are those of its calls that others told it of."""

    def __init__(
        self, clock: Clock, redis: SimulatedRedis, instance: str, delay: Callable[[], float], shift: float = 0.0
    ) -> None:
        self.clock = clock
        self.link = SimulatedLink(clock, redis, instance, delay)
        self.streams: list[SimulatedStream] = []
        self.statuses: list[tuple[str, str]] = []
        self.directory = CallDirectory(
            Shifted(clock, shift),
            self.link,
            self._displaced,
            lambda call_sid, status: self.statuses.append((call_sid, status)),
        )
        self.directory.start()

    def open(self, call_sid: str, *, must_be_known: bool = False) -> SimulatedStream:
        """A stream comes; it is refused as the server would do."""
        stream = SimulatedStream(call_sid, self.clock.seconds())
        self.streams.append(stream)
        stream.name, claimed = self.directory.claim(call_sid, "AC1", must_be_known=must_be_known)

        def answered(claim: Claim | None) -> None:
            stream.claims.append(claim)
            if claim is not None and claim.verdict != "ok":
                stream.is_live = False

        claimed.addCallback(answered)
        return stream

    def close(self, stream: SimulatedStream) -> None:
        stream.is_live = False
        self.directory.release(stream.name)

    def kill(self) -> None:
        """Nobody says goodbye."""
        self.link.cut()
        self.directory.stop()
        for stream in self.streams:
            stream.is_live = False

    @property
    def live(self) -> list[SimulatedStream]:
        return [stream for stream in self.streams if stream.is_live]

    def _displaced(self, _call_sid: str, name: str) -> None:
        for stream in self.streams:
            if stream.name == name:
                stream.is_live = False


def let_pass(clock: Clock, seconds: float) -> None:
    """Advance in steps, so that everybody sees the time at which things happen."""
    clock.pump([STEP] * round(seconds / STEP))
