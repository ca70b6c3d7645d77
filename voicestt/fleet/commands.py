"""The thread that sends the fleet's commands to Redis: all that waits goes in one round trip.

It connects by itself, again and again, with pauses that grow. While it is not connected nothing waits for it: what
was handed over meanwhile fails. A command that failed is not sent again, because nobody knows whether it was done.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any, Final

from twisted.logger import Logger

from voicestt.config.redis_address import RedisAddress
from voicestt.fleet.port import Argument, FleetAway, FleetRefused, LuaScript, fleet_key
from voicestt.runtime.backoff import Backoff, Chance
from voicestt.runtime.redis_servers import Servers, redis_failures, words_of

HUB: Final = fleet_key("hub")
"""The key whose server passes messages on."""

MOST_WAITING: Final = 20_000
MOST_AT_ONCE: Final = 500
IDLE_SECONDS: Final = 5.0
PAUSES: Final = Backoff(first=0.2, longest=3.0, jitter=0.5)

Answered = Callable[[Any], object]


@dataclass(slots=True, eq=False)
class Command:
    """A script to run, or (without one) a message to send to the channel `keys[0]`.

    `answered` is called in this thread, with the reply or a `FleetAway`.
    """

    script: LuaScript | None
    keys: Sequence[str]
    arguments: Sequence[Argument]
    answered: Answered

    @property
    def home(self) -> str:
        """The key whose server takes it."""
        return HUB if self.script is None else self.keys[0]

    def parts(self, prefix: str, *, with_text: bool) -> tuple[Argument, ...]:
        """Return the command as Redis takes it; a script by its hash, or `with_text`. Channels get the prefix."""
        if self.script is None:
            return ("PUBLISH", prefix + self.keys[0], *self.arguments)
        what = ("EVAL", self.script.text) if with_text else ("EVALSHA", self.script.sha)
        return (*what, len(self.keys), *self.keys, *self.arguments)


class CommandThread:
    """Runs commands on `servers`, from `start` to `stop`; what it calls is called in its own thread.

    `changed` is told of the connection: "" when it stands, words when it is gone. `measured` is told the seconds
    and the number of commands of each round trip.
    """

    _log = Logger()

    def __init__(
        self,
        address: RedisAddress,
        servers: Servers,
        changed: Callable[[str], object],
        measured: Callable[[float, int], object] = lambda _seconds, _count: None,
        chance: Chance = random.random,
    ) -> None:
        self._address = address
        self._servers = servers
        self._changed = changed
        self._measured = measured
        self._chance = chance
        self._waiting: deque[Command] = deque()
        self._work = Condition()
        self._is_stopping = False
        self._is_up = False
        self._failures = 0
        self._prefix = ""
        self._known: set[tuple[Any, str]] = set()
        self._thread = Thread(target=self._run, name="fleet", daemon=True)
        self.ended: Callable[[], object] = lambda: None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread when what waits is done."""
        with self._work:
            self._is_stopping = True
            self._work.notify()

    def hand(self, command: Command) -> bool:
        """Take a command, from any thread; False where too many wait."""
        with self._work:
            if len(self._waiting) >= MOST_WAITING or self._is_stopping:
                return False
            self._waiting.append(command)
            self._work.notify()
        return True

    def _run(self) -> None:
        while (batch := self._batch()) is not None:
            self._do(batch)
        self._servers.close()
        self.ended()

    def _batch(self) -> list[Command] | None:
        """Wait for commands, connected; [] when none came for a while, None at the end."""
        while not self._is_up:
            self._connect()
            if not self._is_up and not self._rest(PAUSES.pause(self._failures - 1, self._chance)):
                return None
        with self._work:
            self._work.wait_for(lambda: self._is_stopping or self._waiting, IDLE_SECONDS)
            if self._is_stopping and not self._waiting:
                return None
            return [self._waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(self._waiting)))]

    def _rest(self, seconds: float) -> bool:
        """Fail whatever comes for so long; False at the end."""
        give_up = time.monotonic() + seconds
        away = FleetAway("Redis does not answer")
        with self._work:
            while (left := give_up - time.monotonic()) > 0:
                _fail(self._waiting, away)
                self._waiting.clear()
                if self._is_stopping:
                    return False
                self._work.wait(left)
        return True

    # -- the connection

    def _connect(self) -> None:
        try:
            server = self._servers.of(HUB)
            server.ping()
            self._prefix = channel_prefix(server)
        except Exception as problem:  # noqa: BLE001 - the same
            self._failures += 1
            self._servers.drop_connections()
            self._changed(words_of(problem, self._address))
        else:
            self._is_up, self._failures = True, 0
            self._known.clear()
            self._changed("")

    def _lost(self, problem: Exception) -> FleetAway:
        """Drop the connections after a failure; what comes next begins with a new one, without a pause."""
        self._is_up = False
        self._servers.drop_connections()
        return FleetAway(words_of(problem, self._address))

    # -- the commands

    def _do(self, batch: Sequence[Command]) -> None:
        began = time.monotonic()
        try:
            for server, commands in self._by_server(batch):
                self._do_some(server, commands)
        except redis_failures() as problem:
            _fail(batch, self._lost(problem))
        except Exception:  # noqa: BLE001 - without this thread all who ask would wait for ever
            self._log.failure("A mistake in the fleet's commands: some are lost, others go on.")
            _fail(batch, self._lost(FleetAway("a mistake in its commands; the log says which")))
        else:
            self._measured(time.monotonic() - began, len(batch))

    def _by_server(self, batch: Sequence[Command]) -> Iterable[tuple[Any, Sequence[Command]]]:
        if not batch:
            return [(self._servers.of(HUB), ())]
        found: dict[Any, list[Command]] = {}
        for command in batch:
            found.setdefault(self._servers.of(command.home), []).append(command)
        return found.items()

    def _do_some(self, server: Any, commands: Sequence[Command]) -> None:
        from redis.exceptions import NoScriptError  # noqa: PLC0415 - an extra

        if not commands:
            server.ping()
            return
        replies = self._round_trip(server, commands, with_text=False)
        missing = [number for number, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if missing:
            again = self._round_trip(server, [commands[number] for number in missing], with_text=True)
            for number, reply in zip(missing, again, strict=True):
                replies[number] = reply
        for command, reply in zip(commands, replies, strict=True):
            command.answered(self._outcome(reply))
            command.answered = _ignore

    def _round_trip(self, server: Any, commands: Sequence[Command], *, with_text: bool) -> list[Any]:
        pipeline = server.pipeline(transaction=False)
        for command in commands:
            is_new = command.script is not None and (server, command.script.sha) not in self._known
            pipeline.execute_command(*command.parts(self._prefix, with_text=with_text or is_new))
            if command.script is not None:
                self._known.add((server, command.script.sha))
        replies: list[Any] = pipeline.execute(raise_on_error=False)
        return replies

    def _outcome(self, reply: Any) -> Any:
        """Return the reply, or what it means where it is an error; one about the server is a failure of all."""
        from redis.exceptions import ResponseError  # noqa: PLC0415 - an extra

        if not isinstance(reply, Exception):
            return reply
        if type(reply) is ResponseError:
            return FleetRefused(words_of(reply, self._address))
        # READONLY, LOADING, OOM, CLUSTERDOWN, MOVED: the server takes nothing, or is another one by now.
        raise reply


def channel_prefix(server: Any) -> str:
    """Return what comes before a channel's name: channels are the same in all of a server's databases."""
    number = server.connection_pool.connection_kwargs.get("db") or 0
    return f"{fleet_key(str(number))}:"


def _fail(commands: Iterable[Command], failure: FleetAway) -> None:
    for command in commands:
        command.answered(failure)


def _ignore(_reply: Any) -> None:
    """Ignore it: the command was answered before."""
