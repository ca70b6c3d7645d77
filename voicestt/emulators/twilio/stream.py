"""One media stream of a call: handshake, `connected` and `start`, status callbacks, and its end."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred, gatherResults

from voicestt.emulators.twilio import twilio_messages
from voicestt.emulators.twilio.call_values import CallOptions, ServerTarget, StreamLeg
from voicestt.emulators.twilio.media_socket import Closed, MediaSocket, SocketEvents, open_media_socket
from voicestt.emulators.twilio.problems import CallProblem, CallRefused
from voicestt.emulators.twilio.signatures import signed_headers
from voicestt.emulators.twilio.twilio_messages import Sids, StreamMessages
from voicestt.emulators.twilio.twiml import StreamNoun
from voicestt.emulators.twilio.webhooks import WebhookClient
from voicestt.runtime.reactor import FullReactor


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks of a call: `monotonic` in seconds, `unix_ns` for Twilio's timestamps."""

    monotonic: Callable[[], float] = time.monotonic
    unix_ns: Callable[[], int] = time.time_ns


@dataclass(frozen=True, slots=True)
class CallSetting:
    """The things that a call and its streams share."""

    reactor: FullReactor
    target: ServerTarget
    options: CallOptions
    clocks: Clocks
    webhooks: WebhookClient


class StreamWatcher(Protocol):
    """The call as its streams see it."""

    def heard(self, stream: "CallerStream", payload: bytes, is_binary: bool) -> None:
        """Take a message of the server."""

    def lost(self, stream: "CallerStream", problem: CallProblem) -> None:
        """Handle the end of a stream that the server closed, or whose connection broke."""

    def trouble(self, problem: CallProblem, *, is_expected: bool) -> None:
        """Note a problem that ends nothing; only a warning if it follows from another."""

    def answered(self, event: str, status: int) -> None:
        """Note the answer to a status callback."""


class CallerStream:
    """A stream from its handshake to its close; `sids` name it, `messages` number what it says."""

    def __init__(self, setting: CallSetting, noun: StreamNoun, sids: Sids, watcher: StreamWatcher) -> None:
        self._setting = setting
        self._noun = noun
        self._watcher = watcher
        self._events = SocketEvents(self._message, self._lost)
        self._statuses: list[Deferred[None]] = []
        self._is_left = False
        self._is_dropped = False
        self._closed = Closed(clean=False, code=None, reason=None)
        self._left_at: float | None = None
        self.sids = sids
        self.messages = StreamMessages(sids)
        self.socket: MediaSocket
        self.opened_at = 0.0
        self.sent: tuple[int, int] | None = None

    async def open(self) -> None:
        """Shake hands and say `connected` and `start`; raise `CallRefused`."""
        setting, url = self._setting, self._noun.url
        self.socket = socket = await open_media_socket(
            setting.reactor,
            setting.target.reached_at(url),
            urlsplit(url).netloc,
            signed_headers(setting.target.auth_token, url),
            self._events,
            setting.options.subprotocol,
        )
        socket.read(not setting.options.slow_reader)
        self._tell_status("stream-started")
        socket.say(twilio_messages.CONNECTED)
        socket.say(self.messages.start(self._noun.parameters, self._noun.tracks))
        self.opened_at = setting.clocks.monotonic()

    @property
    def is_up(self) -> bool:
        """True until the connection is lost."""
        return self.socket.is_up

    def say_frame(self, sounds: Mapping[str, bytes], begins: int, size: int, pause: float) -> Counter[str]:
        """Say `size` bytes of the call, from byte `begins` on, after a pause of so many seconds.

        `sounds` are the frames by their tracks: those that the stream carries are sent. Return the bytes of each.
        """
        self.messages.hold(pause)
        sent: Counter[str] = Counter()
        for track in self._noun.tracks:
            if track in sounds:
                self.socket.say(self.messages.media(sounds[track], track))
                sent[track] = len(sounds[track])
            else:
                self.messages.leave_out(size, track)
        self.sent = (self.sent[0] if self.sent else begins, begins + size)
        return sent

    def leave(self) -> None:
        """Say `stop` and close properly; do nothing where the server was first."""
        if not self.is_up:
            return
        self._note_leaving()
        if not self._setting.options.lose_stop:
            self.socket.say(self.messages.stop())
        self.socket.say_goodbye()
        self.socket.read(True)

    def drop(self) -> None:
        """Cut the connection without a goodbye."""
        if self.is_up:
            self._is_dropped = True
            self._note_leaving()
            self.socket.cut()

    async def finished(self) -> StreamLeg:
        """Wait until the socket is closed and all is reported; return what became of the stream."""
        await self._events.closed
        await gatherResults(self._statuses)
        left = self._left_at or self._setting.clocks.monotonic()
        return StreamLeg(
            self.sids.stream,
            self.opened_at,
            left,
            by_server=not self._is_left,
            sent=self.sent or (0, 0),
            close_code=self._closed.code,
            close_reason=self._closed.reason,
        )

    def _note_leaving(self) -> None:
        self._is_left = True
        self._left_at = self._setting.clocks.monotonic()

    def _message(self, payload: bytes, is_binary: bool) -> None:
        self._watcher.heard(self, payload, is_binary)

    def _lost(self, closed: Closed) -> None:
        self._closed = closed
        self._tell_status("stream-stopped")
        if not self._is_left:
            self._left_at = self._setting.clocks.monotonic()
            self._watcher.lost(self, _hung_up_on(closed))
        elif not self._is_dropped and not closed.clean:
            self._watcher.trouble(
                CallProblem(f"the WebSocket was not closed properly: {closed.reason}", 31924), is_expected=False
            )

    def _tell_status(self, event: str) -> None:
        if self._setting.options.status_callbacks and self._noun.status_callback is not None:
            self._statuses.append(Deferred.fromCoroutine(self._report_status(event)))

    async def _report_status(self, event: str) -> None:
        setting = self._setting
        try:
            status = await setting.webhooks.stream_status(self._noun, self.sids, event, setting.clocks.unix_ns())
            self._watcher.answered(event, status)
        except CallRefused as refused:
            # Nobody may be left to take the callback of a stream that broke.
            is_expected = self._left_at is not None and not self._is_left
            self._watcher.trouble(refused.problem, is_expected=is_expected)


def _hung_up_on(closed: Closed) -> CallProblem:
    if closed.code is None or not closed.clean:
        return CallProblem(f"the connection broke while the caller spoke: {closed.reason}", 31903)
    reason = f" ({closed.reason})" if closed.reason else ""
    return CallProblem(f"the server hung up while the caller spoke: close code {closed.code}{reason}", 31921)
