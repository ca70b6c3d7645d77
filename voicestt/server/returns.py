"""Answers of the webhook: to new calls, and to those that come back after their stream was lost or moved."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from voicestt.journal.former import FormerStream
from voicestt.runtime.escaping import escaped
from voicestt.server.busy import CallAnswer
from voicestt.server.calls import Calls, is_hang_up
from voicestt.server.former_streams import FormerLookup
from voicestt.twilio import twiml
from voicestt.twilio.returning import (
    MOST,
    WITHIN_SECONDS,
    Return,
    first_return,
    read_return,
)

SOON_SECONDS: Final = 1
LATER_SECONDS: Final = 5
MOST_WAITS: Final = 10
"""So often a call is told to ask again, before this process takes it although it stops: nobody else does."""

_LONGEST_SID: Final = 64


class Returns:
    """The webhook's answers. `reconnects` is TWIML_RECONNECT; `former` finds a call's former stream.

    `seconds_left` is how long this process will still be there, once it takes no new calls.
    """

    _log = Logger()

    def __init__(
        self,
        public_host: str,
        calls: Calls,
        busy: CallAnswer,
        *,
        reconnects: bool = False,
        former: FormerLookup | None = None,
        seconds_left: Callable[[], float] = lambda: 0.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._host = public_host.lower()
        self._calls = calls
        self._busy = busy
        self._reconnects = reconnects
        self._former = former
        self._seconds_left = seconds_left
        self._now = now
        self._waits: Counter[str] = Counter()

    @property
    def first(self) -> CallAnswer:
        """The answer to a new call: byte for byte the same for every call, unless it may come back."""
        return self._connect(first_return(self._now()), comes_back=False)

    @staticmethod
    def read(uri: bytes) -> Return | None:
        """Read from the webhook's address how the call comes back; None for a new call."""
        query = uri.partition(b"?")[2]
        return read_return(query.decode("ascii", "replace")) if query else None

    def answer(self, returns: Return, call_sid: str) -> "Deferred[CallAnswer]":
        """Answer a call that comes back: it is live, so it is taken even where new ones are not."""
        if self._calls.was_hung_up(call_sid):
            return succeed(self._hang_up(call_sid))
        if self._calls.is_draining and not self._waits_in_vain(call_sid):
            return succeed(self._later(returns))
        if returns.is_one_too_many:
            return succeed(self._give_up(call_sid))
        elsewhere = self._calls.was_hung_up_elsewhere(call_sid)
        return elsewhere.addCallback(lambda was: self._take_unless_hung_up(returns, call_sid, was_hung_up=was))

    def _take_unless_hung_up(
        self, returns: Return, call_sid: str, *, was_hung_up: bool
    ) -> "CallAnswer | Deferred[CallAnswer]":
        if was_hung_up:
            return self._hang_up(call_sid)
        if self._former is None:
            return self._take(returns, call_sid, None)
        return self._former.now(call_sid).addCallback(lambda found: self._take(returns, call_sid, found))

    def _take(self, returns: Return, call_sid: str, former: FormerStream | None) -> CallAnswer:
        if former is not None and is_hang_up(former.reason):
            return self._hang_up(call_sid)
        self._calls.admission.comes(call_sid)
        return self._connect(returns.next(self._now()), comes_back=True)

    def _connect(self, following: Return, *, comes_back: bool) -> CallAnswer:
        document = twiml.connect_stream(self._host, following.query if self._reconnects else "")
        return _twiml(document, connects=True, comes_back=comes_back)

    def _waits_in_vain(self, call_sid: str) -> bool:
        """Count the request; True if that is enough, and this process is still there for a while."""
        self._waits[call_sid] += 1
        is_enough = self._waits[call_sid] > MOST_WAITS and self._seconds_left() > LATER_SECONDS
        if is_enough:
            self._log.warn(
                "⚠️ The call has asked {count} times, and no other process has answered: it goes on here for now. "
                "What to do: start another process behind PUBLIC_HOST, and see whether the balancer asks /readyz.",
                count=self._waits[call_sid],
                log_system=_shown(call_sid),
            )
        return is_enough

    def _later(self, returns: Return) -> CallAnswer:
        """Send the call elsewhere: to where a balancer sends it soon, or to this process's successor."""
        seconds = SOON_SECONDS if self._seconds_left() > SOON_SECONDS else LATER_SECONDS
        return _twiml(twiml.ask_later(self._host, seconds, returns.query))

    def _hang_up(self, call_sid: str) -> CallAnswer:
        self._log.info("The call was hung up here and came back: it ends.", log_system=_shown(call_sid))
        return _twiml(twiml.HANG_UP)

    def _give_up(self, call_sid: str) -> CallAnswer:
        self._log.error(
            "The call came back more than {most} times within {minutes:g} minutes: its streams break at once. It "
            "gets what BUSY says. What to do: see why in the lines of this call, and Twilio's error log.",
            most=MOST,
            minutes=WITHIN_SECONDS / 60,
            log_system=_shown(call_sid),
        )
        return self._busy


def _twiml(document: bytes, *, connects: bool = False, comes_back: bool = False) -> CallAnswer:
    return CallAnswer(200, twiml.CONTENT_TYPE, document, connects, comes_back)


def _shown(call_sid: str) -> str:
    return escaped(call_sid, _LONGEST_SID) or "not known"
