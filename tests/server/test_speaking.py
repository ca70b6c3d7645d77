"""Speech to a caller over real sockets, read by a simulated caller."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock, deferLater

from tests.conftest import Logged
from tests.emulators.twilio.answering import with_reactor
from tests.server.fakes import TOKEN
from tests.server.in_memory import (
    HOST,
    MEDIA_URL,
    Server,
    start,
)
from voicestt.audio.chime import chime
from voicestt.call.facts import (
    CallObserver,
    CallStarted,
    Event,
    MarkReached,
    SaidToCaller,
)
from voicestt.call.line import Line
from voicestt.emulators.twilio.call_values import CallOptions, CallReport, ServerTarget
from voicestt.emulators.twilio.caller import place_call
from voicestt.emulators.twilio.media_socket import MediaSocket, SocketEvents, open_media_socket
from voicestt.emulators.twilio.server_messages import AudioToPlay, parse_server_message
from voicestt.emulators.twilio.signatures import signed_headers

SILENT_CLIP = b"\xff" * 160
SPEECH = bytes(range(1, 251)) * 320  # ten seconds


@asynccontextmanager
async def on_a_socket(server: Server, send_buffer: int | None = None) -> AsyncIterator[str]:
    """The server, listening; its URL."""
    site: Any = server.site
    port: Any = reactor.listenTCP(0, site, interface="127.0.0.1")
    if send_buffer is not None:
        port.socket.setsockopt(SOL_SOCKET, SO_SNDBUF, send_buffer)
    try:
        yield f"http://127.0.0.1:{port.getHost().port}"
    finally:
        await maybeDeferred(port.stopListening)
        for session in server.recogniser.sessions:
            session.end()


def real_time(greeting: bytes, observer_of: Callable[[Line, str], CallObserver] | None = None) -> Server:
    clock: Any = reactor
    return Server(clock, greeting, observer_of)


async def call(url: str, seconds: float) -> CallReport:
    return await place_call(
        cast("Any", reactor),
        ServerTarget(url, HOST, TOKEN),
        SILENT_CLIP,
        CallOptions(silence=seconds, status_callbacks=False),
    )


class Application:
    """Does something with the line of each call when it begins."""

    def __init__(self, do: Callable[[Line], None]) -> None:
        self._do = do
        self.marks: list[tuple[str, bool]] = []
        self.said: list[SaidToCaller] = []

    def of(self, line: Line, _session: str) -> CallObserver:
        return _Told(self, line)

    def tell(self, line: Line, event: Event) -> None:
        if isinstance(event, CallStarted):
            self._do(line)
        elif isinstance(event, MarkReached):
            self.marks.append((event.name, event.cleared))
        elif isinstance(event, SaidToCaller):
            self.said.append(event)


class _Told:
    def __init__(self, application: Application, line: Line) -> None:
        self._application = application
        self._line = line

    def tell(self, event: Event) -> None:
        self._application.tell(self._line, event)


@with_reactor
async def test_the_greeting_is_heard_whole_and_its_first_frame_within_100_ms() -> None:
    server = real_time(chime())
    waits = []
    async with on_a_socket(server) as url:
        for _ in range(3):
            report = await call(url, 1.2)
            assert report.ok, report.problems
            assert report.received_audio == chime()
            assert chime() in report.heard_audio
            assert report.first_heard_at is not None
            assert report.first_frame_at is not None
            waits.append(report.first_heard_at - report.first_frame_at)
    assert min(waits) < 0.1
    assert max(waits) < 2


@with_reactor
async def test_speech_is_heard_without_a_gap_and_its_mark_comes_back() -> None:
    def speak(line: Line) -> None:
        line.say(SPEECH[:8_000], "a second of speech")
        line.mark("done", lambda _cleared: None)

    application = Application(speak)
    server = real_time(b"", application.of)
    async with on_a_socket(server) as url:
        report = await call(url, 2.0)
    assert report.ok, report.problems
    assert SPEECH[:8_000] in report.heard_audio
    assert application.marks == [("done", False)]
    ((text, seconds, cleared),) = [(said.text, said.seconds, said.cleared) for said in application.said]
    assert (text, seconds, cleared) == ("a second of speech", 1.0, False)
    assert 0.5 < application.said[0].end < 1.8


@with_reactor
async def test_a_clear_silences_the_line_though_sockets_rest() -> None:
    cleared_at: list[float] = []

    def speak(line: Line) -> None:
        line.say(SPEECH)
        line.mark("never", lambda _cleared: None)
        reactor.callLater(0.7, stop, line)

    def stop(line: Line) -> None:
        line.clear()
        cleared_at.append(line.waiting)
        line.say(b"\x01" * 800)
        line.mark("after", lambda _cleared: None)

    application = Application(speak)
    server = real_time(b"", application.of)
    async with on_a_socket(server) as url:
        report = await call(url, 2.0)
    assert report.ok, report.problems
    assert cleared_at == [0.0]
    assert [(said.seconds, said.cleared) for said in application.said] == [(10.0, True), (0.1, False)]
    assert len(report.cleared_at) == 1
    assert report.first_frame_at is not None
    silent_from = round((report.cleared_at[0] - report.first_frame_at) * 8_000)
    afterwards = report.heard_audio[silent_from + 1 :]
    assert set(afterwards) == {0xFF, 0x01}
    assert afterwards.count(b"\x01") >= 799
    assert len(report.received_audio) < 16_000, "the rest was never sent"
    assert application.marks == [("never", True), ("after", False)]


class Reader:
    """A caller's socket that reads when it is told to; `audio` is what came."""

    def __init__(self) -> None:
        self.audio = bytearray()
        self.lost = False

    async def join(self, url: str) -> MediaSocket:
        headers = signed_headers(TOKEN, MEDIA_URL)
        events = SocketEvents(self._message, self._close)
        return await open_media_socket(
            reactor, url.replace("http:", "ws:") + "/ws/twilio-media", HOST, headers, events
        )

    def _message(self, payload: bytes, _is_binary: bool) -> None:
        message = parse_server_message(payload.decode(), "MZ1")
        assert isinstance(message, AudioToPlay)
        self.audio += message.mulaw

    def _close(self, _closed: object) -> None:
        self.lost = True


def a_turn() -> Deferred[None]:
    return deferLater(reactor, 0.0, lambda: None)


@with_reactor
async def test_a_caller_who_reads_nothing_makes_what_is_said_wait_here(
    autobahn_clock: Clock, logged: Logged
) -> None:
    lines: list[Line] = []
    application = Application(lines.append)
    server = Server(autobahn_clock, b"", application.of)
    said = SPEECH * 30
    reader = Reader()
    async with on_a_socket(server, send_buffer=4_096) as url:
        socket = await reader.join(url)
        socket.read(False)
        socket.say_bytes(start())
        while not lines:
            await a_turn()
        lines[0].say(said)
        for _ in range(3_100):  # longer than it all lasts
            autobahn_clock.advance(0.1)
            await a_turn()
        assert lines[0].waiting > 30, "the kernel's buffers are a few seconds, or minutes: the rest is ours"
        assert len(logged.matching("Twilio does not take what is said")) == 1
        socket.read(True)
        while lines[0].waiting or len(reader.audio) < len(said):
            autobahn_clock.advance(0.1)
            await a_turn()
        assert bytes(reader.audio) == said
        assert not reader.lost
        socket.cut()
        while lines[0].is_open:
            await a_turn()
