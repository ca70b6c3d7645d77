"""The fleet's registry of calls, joined to this process's: what other processes know of a call is found here."""

from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from voicestt.fleet.call_directory import CallDirectory
from voicestt.fleet.call_leases import DirectoryCounts
from voicestt.fleet.call_scripts import Claim
from voicestt.fleet.port import FleetLink
from voicestt.server.call_registry import CallRegistry
from voicestt.server.live_call import LiveCall
from voicestt.server.starts import Refused
from voicestt.twilio.media_stream import StartDetails

REPLACED: Final = "the call has a later stream"
"""The reason of the end of a stream whose call has another one by now, here or in another process."""

_WHY_REFUSED: Final = {
    "unknown": "no webhook in the fleet announced this CallSid in the last five minutes (REQUIRE_KNOWN_CALL=true)",
    "account": "a webhook announced this CallSid for another account (REQUIRE_KNOWN_CALL=true)",
    "used": (
        "a socket in the fleet has used this CallSid's announcement already, and no webhook has announced it "
        "again (REQUIRE_KNOWN_CALL=true)"
    ),
    "live": "this CallSid has a live stream in the fleet already (REQUIRE_KNOWN_CALL=true)",
    "hung up": "the call was hung up, and came back",
    "newer": "this CallSid has a later stream in the fleet already",
}


class FleetCallRegistry(CallRegistry):
    """A CallRegistry that tells the fleet what the webhooks here say, and hears what those elsewhere do."""

    def __init__(self, clock: IReactorTime, link: FleetLink) -> None:
        super().__init__(clock)
        self.streams = FleetStreams(clock, link, self)

    def announce(
        self,
        call_sid: str,
        caller: str | None,
        called: str | None,
        account_sid: str | None = None,
        *,
        comes_back: bool = False,
    ) -> None:
        """Note an announcement, and tell it to the fleet."""
        super().announce(call_sid, caller, called, account_sid, comes_back=comes_back)
        self.streams.directory.announce(call_sid, caller, called, account_sid, comes_back=comes_back)

    def note_hang_up(self, call_sid: str) -> None:
        """Note that this server hung up, and tell it to the fleet."""
        super().note_hang_up(call_sid)
        self.streams.directory.note_hang_up(call_sid)

    def note_status(self, call_sid: str, status: str) -> None:
        """Note a status, and tell it to the process that has the call."""
        super().note_status(call_sid, status)
        self.streams.directory.note_status(call_sid, status)


class FleetStreams:
    """The live streams of this process, as the fleet knows them."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, link: FleetLink, registry: CallRegistry) -> None:
        self.directory = CallDirectory(clock, link, self._replaced, self._reported)
        self._registry = registry
        self._names: dict[LiveCall, str] = {}
        self._calls: dict[str, LiveCall] = {}
        self._claims: dict[LiveCall, Claim | None] = {}

    @property
    def counts(self) -> DirectoryCounts:
        """The counters."""
        return self.directory.counts

    def comes(self, call: LiveCall, details: StartDetails, *, must_be_known: bool) -> "Deferred[None]":
        """Claim the call for its stream; fires when the registry here knows what the fleet does, or in time."""
        name, claimed = self.directory.claim(details.call_sid, details.account_sid, must_be_known=must_be_known)
        self._names[call], self._calls[name] = name, call
        return claimed.addCallback(lambda claim: self._learn(call, details.call_sid, claim))

    def check(self, call: LiveCall) -> bool:
        """Return True if the fleet has agreed to the call's stream; False if it was not asked or has not answered.

        Raises:
            Refused: if it has refused it.
        """
        claim = self._claims.get(call)
        if claim is not None and claim.verdict != "ok":
            raise Refused(_WHY_REFUSED.get(claim.verdict, claim.verdict))
        return claim is not None

    def over(self, call: LiveCall) -> None:
        """Give the call up: its stream has ended."""
        self._claims.pop(call, None)
        name = self._names.pop(call, None)
        if name is not None:
            self._calls.pop(name, None)
            self.directory.release(name)

    def _learn(self, call: LiveCall, call_sid: str, claim: Claim | None) -> None:
        if call in self._names and claim is not None:
            self._claims[call] = claim
            if claim.verdict == "ok":
                self._registry.learn(call_sid, claim)

    def _replaced(self, call_sid: str, name: str) -> None:
        call = self._calls.get(name)
        if call is not None and not call.has_finished:  # it may be waiting for its last words
            self._log.warn(
                "⚠️ The stream ends here, because a later one of the same call has come in the fleet. That is so "
                "where a call was moved or redirected before its old stream had ended. If it happens otherwise, "
                "somebody replays a handshake: REQUIRE_KNOWN_CALL=true refuses the second.",
                log_system=call_sid,
            )
            call.end(REPLACED)

    def _reported(self, call_sid: str, status: str) -> None:
        CallRegistry.note_status(self._registry, call_sid, status)


def registry_of(clock: IReactorTime, link: FleetLink) -> tuple[CallRegistry, FleetStreams | None]:
    """Make a server's registry of calls, and what joins it to the fleet; None where there is none."""
    if not link.instance:
        return CallRegistry(clock), None
    registry = FleetCallRegistry(clock, link)
    return registry, registry.streams
