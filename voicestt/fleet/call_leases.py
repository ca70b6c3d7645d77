"""The leases of this process's live streams: one for each call, in the whole fleet.

Whoever has a call's live stream renews its lease; a stream that began later takes it over, and the process of the
older one is told, or finds it out when it renews. So two are live at once for no longer than a lease, among
processes that reach Redis. Nobody waits for Redis for longer than `WAIT_SECONDS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from voicestt.fleet import call_scripts as scripts
from voicestt.fleet.call_scripts import Claim, claim_of, key_of
from voicestt.fleet.port import FleetAway, FleetLink
from voicestt.runtime.clock import Clock, Timer

WAIT_SECONDS: Final = 0.2
RENEW_SECONDS: Final = 5.0


@dataclass(slots=True)
class DirectoryCounts:
    """The counters of the registry of calls.

    Of the streams that came here, `claimed` ones had the fleet's answer in time and `unanswered` ones went on
    without; `displaced` ones ended because their call had a later stream, and `held` ones are live now.
    """

    claimed: int = 0
    unanswered: int = 0
    displaced: int = 0
    held: int = 0


@dataclass(slots=True)
class _Held:
    call_sid: str
    began_at: float
    order: str = ""


class CallLeases:
    """The leases. `displaced` is called for a stream of this process that has to end, with its CallSid and name;
    `tell` sends another process the name of its stream that was replaced.
    """

    _log = Logger()

    def __init__(
        self,
        clock: Clock,
        link: FleetLink,
        displaced: Callable[[str, str], object],
        tell: Callable[[str, str, str], object],
    ) -> None:
        self.counts = DirectoryCounts()
        self._clock = clock
        self._link = link
        self._displaced = displaced
        self._tell = tell
        self._numbers = count(1)
        self._held: dict[str, _Held] = {}
        self._timer = Timer(clock)
        self._has_said = False

    def start(self) -> None:
        """Begin to renew leases."""
        self._timer.set(RENEW_SECONDS, self._renew_in_time)

    def stop(self) -> None:
        """Let go of what is still held."""
        self._timer.cancel()
        for name in list(self._held):
            self.release(name)

    def has(self, call_sid: str) -> bool:
        """Return True if a live stream of the call is here."""
        return any(held.call_sid == call_sid for held in self._held.values())

    def claim(
        self, call_sid: str, account_sid: str, *, must_be_known: bool
    ) -> "tuple[str, Deferred[Claim | None]]":
        """Claim the call for a stream that has come; return the stream's name, and what the fleet says of it.

        None: Redis has not answered in time; the stream goes on, and its claim is repeated. The name is for
        `release`, which is due when the stream ends.
        """
        name = f"{self._link.instance}/{next(self._numbers)}"
        held = self._held[name] = _Held(call_sid, self._clock.seconds())
        self.counts.held = len(self._held)
        waited: Deferred[Claim | None] = Deferred()
        timer = Timer(self._clock)
        timer.set(WAIT_SECONDS, lambda: waited.callback(None))
        asked = self._ask(name, held, account_sid, comes=True, must_be_known=must_be_known)
        asked.addCallback(lambda claim: self._answered(name, claim, waited, timer))
        return name, waited.addCallback(self._counted)

    def release(self, name: str) -> None:
        """Give the call up: its stream has ended."""
        held = self._let_go(name)
        if held is not None:
            released = self._link.run(scripts.RELEASE, [key_of(held.call_sid)], (name, scripts.KEPT_MS))
            released.addErrback(let_it_be)

    def renew(self) -> None:
        """Renew all leases, and make known what is not yet."""
        if self._link.is_up:
            for name, held in list(self._held.items()):
                self._ask(name, held).addCallback(partial(self._renewed, name))

    def displace(self, name: str) -> None:
        """End a stream of this process, if it is still here: its call has a later one."""
        held = self._let_go(name)
        if held is not None:
            self.counts.displaced += 1
            self._displaced(held.call_sid, name)

    def _renew_in_time(self) -> None:
        self._timer.set(RENEW_SECONDS, self._renew_in_time)
        self.renew()

    def _ask(
        self, name: str, held: _Held, account_sid: str = "", *, comes: bool = False, must_be_known: bool = False
    ) -> "Deferred[Claim | None]":
        age = max(0, round((self._clock.seconds() - held.began_at) * 1000))
        lease = round(scripts.LEASE_SECONDS * 1000)
        arguments = (name, self._link.instance, held.order, age, lease, scripts.KEPT_MS)
        more = (int(comes), int(must_be_known), account_sid)
        asked = self._link.run(scripts.CLAIM, [key_of(held.call_sid)], (*arguments, *more))
        return asked.addCallback(claim_of).addCallbacks(partial(self._placed, name, held), self._unheard)

    def _placed(self, name: str, held: _Held, claim: Claim) -> Claim:
        if claim.verdict == "ok":
            held.order = str(claim.order)
            if claim.replaced_owner:
                self._tell(claim.replaced_owner, held.call_sid, claim.replaced)
            if name not in self._held:  # it ended while Redis was asked
                self._held[name] = held
                self.release(name)
        return claim

    def _unheard(self, failure: Failure) -> None:
        if failure.check(FleetAway) is None:
            self._log.failure(
                "The fleet's answer was not understood: is it of another version? Calls go on.", failure
            )

    def _answered(self, name: str, claim: Claim | None, waited: "Deferred[Claim | None]", timer: Timer) -> None:
        """Give the answer to who waits for it; where nobody waits any more, act on it.

        A call that is not known is not ended for that: whoever announced it may not have reached Redis.
        """
        if not waited.called:
            timer.cancel()
            if claim is not None and claim.verdict != "ok":
                self._let_go(name)
            waited.callback(claim)
        elif claim is not None and claim.verdict not in {"ok", "unknown"}:
            self.displace(name)

    def _counted(self, claim: Claim | None) -> Claim | None:
        if claim is None:
            self.counts.unanswered += 1
            self._say_unanswered()
        else:
            self.counts.claimed += 1
            self._has_said = False
        return claim

    def _say_unanswered(self) -> None:
        if not self._has_said:
            self._has_said = True
            self._log.warn(
                "⚠️ Redis did not say within {ms} ms what the fleet knows of a call: it goes on with what this "
                "process knows. If another one answered its webhook, its numbers are missing, and "
                "REQUIRE_KNOWN_CALL is not checked. Further ones are counted (/healthz). What to do: see what the "
                "log says of Redis.",
                ms=round(WAIT_SECONDS * 1000),
            )

    def _renewed(self, name: str, claim: Claim | None) -> None:
        if claim is not None and claim.verdict != "ok":
            self.displace(name)

    def _let_go(self, name: str) -> _Held | None:
        held = self._held.pop(name, None)
        self.counts.held = len(self._held)
        return held


def let_it_be(failure: Failure) -> Any:
    """Pass over what Redis did not do: the link says that it is away."""
    failure.trap(FleetAway)
