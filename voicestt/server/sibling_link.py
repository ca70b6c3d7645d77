"""The messages between the workers of one machine, as a fleet's link has them: by their supervisor, without Redis.

So live events of all workers reach whoever listens at one of them, in the same way as those of a fleet. There is
nobody here who runs scripts: what needs Redis itself does not go by this link.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, fail

from voicestt.fleet.port import Action, Argument, FleetAway, LuaScript, Taker
from voicestt.runtime.clock import Clock

MESSAGE: Final = "message"
"""The kind of news by which messages are relayed."""


class SiblingRelay(Protocol):
    """The way to all siblings."""

    def relay(self, kind: str, news: dict[str, Any]) -> None:
        """Tell all siblings that run now."""
        ...


class SiblingLink:
    """A `voicestt.fleet.port.FleetLink` between siblings, through `relay`; `instance` names this worker.

    It is up as long as there is a supervisor, whose end ends the worker too.
    """

    is_up = True

    def __init__(self, clock: Clock, relay: SiblingRelay, instance: str) -> None:
        self.instance = instance
        self._clock = clock
        self._relay = relay
        self._takers: dict[str, list[Taker]] = {}

    def run(
        self, _script: LuaScript, _keys: Sequence[str], _arguments: Sequence[Argument] = ()
    ) -> "Deferred[Any]":
        """Fail: siblings have no Redis in common."""
        return fail(FleetAway("there is no fleet"))

    def publish(self, channel: str, message: bytes) -> None:
        """Send a message to all siblings."""
        self._relay.relay(MESSAGE, {"channel": channel, "data": b64encode(message).decode()})

    def subscribe(self, channel: str, take: Taker, ready: Action = lambda: None) -> None:
        """Call `take` with each message of `channel`; `ready` is called in the reactor's next turn."""
        self._takers.setdefault(channel, []).append(take)
        self._clock.callLater(0, ready)

    def unsubscribe(self, channel: str, take: Taker) -> None:
        """Stop calling `take`."""
        takers = self._takers.get(channel, [])
        if take in takers:
            takers.remove(take)

    def watch(self, changed: Action) -> None:
        """Ignore it: nothing changes."""

    def forget(self, changed: Action) -> None:
        """Ignore it."""

    def relayed(self, news: Mapping[str, Any]) -> None:
        """Take a message of a sibling's."""
        for take in list(self._takers.get(news["channel"], ())):
            take(b64decode(news["data"]))
