"""The port of the fleet's link: scripts that Redis runs, and messages between processes.

1. Nothing here blocks, and everything happens in the reactor's thread; what blocks hides behind the port.
2. Nothing is queued for a Redis that is away, and nothing is tried again: `run` fails at once, `publish` drops.
   Whoever needs it says it again when the link is back (`watch`, and the `ready` of `subscribe`).
3. No call waits for Redis: who asks in a call's name goes on without the answer.
4. A failure's outcome is not known: Redis may have done it.

Every key has a time to live, so that a fleet that is gone leaves nothing behind but its flag.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, fail

PREFIX: Final = "voicestt:"
SHARED: Final = "fleet"

Argument = str | bytes | int
Taker = Callable[[bytes], object]
Action = Callable[[], object]


class FleetAway(Exception):
    """Redis does not answer, is too slow, or takes nothing now; the text says why, without secrets."""


class FleetRefused(FleetAway):
    """Redis has answered this one script with an error; others go on."""


@dataclass(frozen=True, slots=True)
class LuaScript:
    """A script in Lua, which Redis runs as a whole."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", sha1(self.text.encode(), usedforsecurity=False).hexdigest())


def fleet_key(*parts: str, tag: str = SHARED) -> str:
    """Return the name of a key; keys with the same `tag` are on one server of a Redis Cluster."""
    return f"{PREFIX}{{{tag}}}:{':'.join(parts)}"


class FleetLink(Protocol):
    """The link of this process to the others, through Redis."""

    @property
    def instance(self) -> str:
        """The name of this process in the fleet, another one at each start; "" where there is no fleet."""
        ...

    @property
    def is_up(self) -> bool:
        """True while Redis answers."""
        ...

    def run(self, script: LuaScript, keys: Sequence[str], arguments: Sequence[Argument] = ()) -> "Deferred[Any]":
        """Run `script` on the server that keeps the first of `keys`; all that is handed over is done in order.

        Fires with the reply (bytes, int, list or None); fails with `FleetAway`, at once while Redis is away.
        """
        ...

    def publish(self, channel: str, message: bytes) -> None:
        """Send a message to all that subscribe to `channel` now; it is dropped while Redis is away."""
        ...

    def subscribe(self, channel: str, take: Taker, ready: Action = lambda: None) -> None:
        """Call `take` with each message of `channel`, in order.

        `ready` is called whenever the subscription stands: what came before may have been missed.
        """
        ...

    def unsubscribe(self, channel: str, take: Taker) -> None:
        """Stop calling `take`."""
        ...

    def watch(self, changed: Action) -> None:
        """Call `changed` after `is_up` has changed."""
        ...

    def forget(self, changed: Action) -> None:
        """Stop calling `changed`."""
        ...


class NoFleet:
    """A FleetLink of a process that is alone."""

    instance = ""
    is_up = False

    def run(
        self, _script: LuaScript, _keys: Sequence[str], _arguments: Sequence[Argument] = ()
    ) -> "Deferred[Any]":
        """Fail: there is nobody to ask."""
        return fail(FleetAway("there is no fleet"))

    def publish(self, channel: str, message: bytes) -> None:
        """Drop it: nobody listens."""

    def subscribe(self, channel: str, take: Taker, ready: Action = lambda: None) -> None:
        """Ignore it: nothing will come."""

    def unsubscribe(self, channel: str, take: Taker) -> None:
        """Ignore it."""

    def watch(self, changed: Action) -> None:
        """Ignore it: nothing changes."""

    def forget(self, changed: Action) -> None:
        """Ignore it."""
