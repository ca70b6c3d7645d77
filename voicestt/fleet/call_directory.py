"""The fleet's registry of calls, as one process has it: what it tells the others of calls, and asks them.

What could not be told is told again when Redis is back: announcements, hang-ups, and the live streams. Everything
is in the reactor's thread, and numbers never reach a log.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from voicestt.fleet import call_scripts as scripts
from voicestt.fleet.call_leases import WAIT_SECONDS, CallLeases, DirectoryCounts, let_it_be
from voicestt.fleet.call_scripts import Announcement, Claim, key_of
from voicestt.fleet.port import FleetLink
from voicestt.runtime.clock import Clock, Timer

AGAIN_SECONDS: Final = 30.0
"""So long an announcement is told again after Redis was away, which may have forgotten it; a socket comes soon."""

_MOST: Final = 10_000
_MOST_STATUSES: Final = 2_000  # characters
_LONGEST_SID: Final = 64


@dataclass(slots=True)
class _News:
    """Something about a call that the fleet is told; an `announcement`, or that it was hung up."""

    call_sid: str
    made_at: float
    announcement: Announcement | None
    is_told: bool = False


class _Mail(msgspec.Struct, omit_defaults=True):
    """A message to the process that has a call's live stream."""

    call: str
    displaced: str = ""
    status: str = ""


class CallDirectory:
    """The registry's part in this process.

    `displaced` is called when a live stream of this process has to end, with its CallSid and its name; `reported`
    when another process was told a status of a call that is live here.
    """

    _log = Logger()

    def __init__(
        self,
        clock: Clock,
        link: FleetLink,
        displaced: Callable[[str, str], object],
        reported: Callable[[str, str], object],
    ) -> None:
        self._clock = clock
        self._link = link
        self._reported = reported
        self._leases = CallLeases(clock, link, displaced, self._replaced)
        self._numbers = count(1)
        self._news: OrderedDict[str, _News] = OrderedDict()
        self._is_running = False

    @property
    def counts(self) -> DirectoryCounts:
        """The counters."""
        return self._leases.counts

    def start(self) -> None:
        """Begin to renew leases, and to listen to other processes."""
        self._is_running = True
        self._link.subscribe(_channel(self._link.instance), self._take)
        self._link.watch(self._link_changed)
        self._leases.start()

    def stop(self) -> None:
        """Let go of what is still held."""
        if self._is_running:
            self._is_running = False
            self._link.unsubscribe(_channel(self._link.instance), self._take)
            self._link.forget(self._link_changed)
            self._leases.stop()

    def announce(
        self, call_sid: str, caller: str | None, called: str | None, account_sid: str | None, *, comes_back: bool
    ) -> None:
        """Tell the fleet that a webhook announced the call."""
        name = f"{self._link.instance}/{next(self._numbers)}"
        made = Announcement(name, account_sid or "", caller or "", called or "", comes_back)
        self._tell(name, call_sid, made)

    def note_hang_up(self, call_sid: str) -> None:
        """Tell the fleet that this server hung up: the call is taken nowhere when it comes back."""
        self._tell(call_sid, call_sid, None)

    def note_status(self, call_sid: str, status: str) -> None:
        """Tell a status to the process that has the call; without one it waits for the call's stream."""
        if self._link.is_up and _is_sid(call_sid) and not self._leases.has(call_sid):
            arguments = (status, scripts.KEPT_MS, _MOST_STATUSES)
            asked = self._link.run(scripts.STATUS, [key_of(call_sid)], arguments)
            asked.addCallbacks(lambda owner: self._forward(call_sid, status, owner), let_it_be)

    def was_hung_up(self, call_sid: str) -> "Deferred[bool]":
        """Find out whether another process hung up on the call; False if Redis does not say so in time."""
        if not self._link.is_up or not _is_sid(call_sid):
            return succeed(False)
        waited: Deferred[bool] = Deferred()
        timer = Timer(self._clock)

        def give(was_hung_up: object) -> None:
            if not waited.called:
                timer.cancel()
                waited.callback(bool(was_hung_up))

        timer.set(WAIT_SECONDS, lambda: give(False))
        self._link.run(scripts.WAS_HUNG_UP, [key_of(call_sid)]).addErrback(let_it_be).addCallback(give)
        return waited

    def claim(
        self, call_sid: str, account_sid: str, *, must_be_known: bool
    ) -> "tuple[str, Deferred[Claim | None]]":
        """Claim the call for a stream that has come (`CallLeases.claim`)."""
        return self._leases.claim(call_sid, account_sid, must_be_known=must_be_known)

    def release(self, name: str) -> None:
        """Give the call up: its stream has ended."""
        self._leases.release(name)

    def _tell(self, about: str, call_sid: str, announcement: Announcement | None) -> None:
        if self._link.instance and _is_sid(call_sid):
            self._forget_old()
            news = self._news[about] = _News(call_sid, self._clock.seconds(), announcement)
            self._send(news)

    def _send(self, news: _News) -> None:
        made = news.announcement
        if made is None:
            script, arguments = scripts.HANG_UP, scripts.hang_up_arguments()
        else:
            script, arguments = scripts.ANNOUNCE, scripts.announce_arguments(made, self._age(news))
        self._link.run(script, [key_of(news.call_sid)], arguments).addCallbacks(
            lambda _: setattr(news, "is_told", True), let_it_be
        )

    def _age(self, news: _News) -> float:
        return self._clock.seconds() - news.made_at

    def _forget_old(self) -> None:
        while self._news:
            oldest = next(iter(self._news.values()))
            if len(self._news) < _MOST and self._age(oldest) <= self._kept(oldest):
                return
            self._news.popitem(last=False)

    def _kept(self, news: _News) -> float:
        return AGAIN_SECONDS if news.is_told else scripts.KEPT_MS / 1000

    def _link_changed(self) -> None:
        """Catch up when Redis is back: say what it has not heard, and what it may have forgotten."""
        if self._link.is_up:
            for news in self._news.values():
                if self._age(news) <= self._kept(news):
                    self._send(news)
            self._leases.renew()

    def _take(self, message: bytes) -> None:
        try:
            mail = msgspec.json.decode(message, type=_Mail)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._log.warn(
                "A message of another process about a call was not understood, and ignored: is it of another "
                "version? The call goes on."
            )
            return
        if mail.displaced:
            self._leases.displace(mail.displaced)
        if mail.status:
            self._reported(mail.call, mail.status)

    def _forward(self, call_sid: str, status: str, owner: Any) -> None:
        if owner:
            self._send_mail(bytes(owner).decode("utf-8", "replace"), _Mail(call_sid, status=status))

    def _replaced(self, owner: str, call_sid: str, name: str) -> None:
        self._send_mail(owner, _Mail(call_sid, displaced=name))

    def _send_mail(self, owner: str, mail: _Mail) -> None:
        message = msgspec.json.encode(mail)
        if owner == self._link.instance:
            self._take(message)
        else:
            self._link.publish(_channel(owner), message)


def _channel(instance: str) -> str:
    return f"calls:{instance}"


def _is_sid(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_SID and text.isascii() and text.isprintable() and " " not in text
