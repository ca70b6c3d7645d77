"""The audio of a recorded call, for the page's player: any part of it, read in a thread while it is sent."""

import re
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer, IReactorFromThreads
from twisted.python.failure import Failure
from twisted.web.http import BAD_REQUEST, NOT_FOUND, PARTIAL_CONTENT, REQUESTED_RANGE_NOT_SATISFIABLE, Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from voicestt.page.visit import Endpoint, PageError, Visit
from voicestt.recording.joining import FORMS, Form, JoinedAudio
from voicestt.recording.library import RecordingLibrary
from voicestt.recording.store import StoreFailed
from voicestt.recording.wav import BadRecording
from voicestt.runtime.thread_pool import DaemonThreadPool
from voicestt.server.http_answers import headers_of

THREADS: Final = 4
CHUNK_BYTES: Final = 1 << 16
_UNAVAILABLE: Final = 503
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")

Value = TypeVar("Value")
InThread = Callable[[Callable[[], Value]], "Deferred[Value]"]


class RecordingApi:
    """Answers with recordings of `library`, which is not there before the server's start."""

    def __init__(self, reactor: IReactorFromThreads, library: Callable[[], RecordingLibrary | None]) -> None:
        self._reactor = reactor
        self._library = library
        self._threads = DaemonThreadPool(THREADS, "recordings' readers")

    @property
    def endpoints(self) -> list[Endpoint]:
        """The endpoint."""
        return [Endpoint("GET", "/api/calls/<session>/audio", self._audio, for_viewers=False)]

    def stop(self) -> None:
        """Begin to read nothing more."""
        self._threads.stop()

    async def _audio(self, visit: Visit, session: str) -> "AudioAnswer":
        """Return the audio of a media stream as a WAV file, in mu-law or as `format=pcm16`, or a range of it."""
        form = visit.query.get("format") or FORMS[0]
        if form not in FORMS:
            raise PageError(BAD_REQUEST, f"`format` is one of: {', '.join(FORMS)}.")
        audio = await self._opened(session, cast(Form, form))
        try:
            first, last = asked_range(headers_of(visit.request)("range"), audio.size)
        except PageError:
            self._close(audio)
            raise
        return AudioAnswer(audio, first, last, self._in_thread, self._close)

    async def _opened(self, session: str, form: Form) -> JoinedAudio:
        library = self._library()
        if library is None:
            raise PageError(_UNAVAILABLE, "The server is starting.")
        try:
            audio = await self._in_thread(partial(library.open_session, session, form), _close_unwanted)
        except (OSError, StoreFailed, BadRecording) as problem:
            why = problem.strerror if isinstance(problem, OSError) else str(problem)
            raise PageError(_UNAVAILABLE, f"The recording cannot be read: {why}.") from None
        if audio is None:
            raise PageError(NOT_FOUND, "This call has no recording, or it is kept no more.")
        return audio

    def _in_thread(
        self, function: Callable[[], Value], unwanted: Callable[[Value], object] = lambda _value: None
    ) -> "Deferred[Value]":
        """Run `function` in a thread; the result comes in the reactor's, or is `unwanted` after a cancel."""
        result: Deferred[Value] = Deferred()
        future = self._threads.run(function)

        def done() -> None:
            problem = CancelledError() if future.cancelled() else future.exception()
            if problem is not None:
                result.errback(Failure(problem))
            elif result.called:
                unwanted(future.result())
            else:
                result.callback(future.result())

        future.add_done_callback(lambda _: self._reactor.callFromThread(done))
        return result

    def _close(self, audio: JoinedAudio) -> None:
        self._threads.run(audio.close)


def _close_unwanted(audio: JoinedAudio | None) -> None:
    if audio is not None:
        audio.close()


def asked_range(header: str | None, size: int) -> tuple[int, int]:
    """Return the first byte that is asked for and the one behind the last: all, where no one range is asked for.

    Source: RFC 9110, section 14: what is not understood is ignored.

    Raises:
        PageError: 416, where nothing of it is there.
    """
    match = _RANGE.fullmatch((header or "").replace(" ", ""))
    if match is None or match[0] == "bytes=-" or (match[1] and match[2] and int(match[2]) < int(match[1])):
        return 0, size
    if match[1]:
        first, last = int(match[1]), int(match[2]) + 1 if match[2] else size
    else:
        first, last = max(0, size - int(match[2])), size
    if first >= size:
        raise PageError(
            REQUESTED_RANGE_NOT_SATISFIABLE,
            "The recording is shorter than that.",
            {"content-range": f"bytes */{size}"},
        )
    return first, min(last, size)


@implementer(IPushProducer)
class AudioAnswer(Resource):
    """The answer with bytes `first` to before `last` of `audio`, as the other end takes them."""

    isLeaf = True  # noqa: N815 - Twisted's

    def __init__(
        self,
        audio: JoinedAudio,
        first: int,
        last: int,
        in_thread: "InThread[bytes]",
        close: Callable[[JoinedAudio], object],
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._audio = audio
        self._at = self._first = first
        self._last = last
        self._in_thread = in_thread
        self._close = close
        self._request: Request | None = None
        self._is_paused = self._is_reading = False

    def render(self, request: Request) -> int:
        """Begin to answer."""
        size = self._audio.size
        is_part = self._last - self._first < size
        request.setResponseCode(PARTIAL_CONTENT if is_part else 200)
        headers = {
            "content-type": "audio/wav",
            "accept-ranges": "bytes",
            "content-length": str(self._last - self._first),
            "content-disposition": 'inline; filename="call.wav"',
        }
        if is_part:
            headers["content-range"] = f"bytes {self._first}-{self._last - 1}/{size}"
        for name, value in headers.items():
            request.setHeader(name.encode(), value.encode())
        self._request = request
        request.notifyFinish().addErrback(lambda _lost: self._end())
        request.registerProducer(self, True)
        self.resumeProducing()
        return NOT_DONE_YET

    def pauseProducing(self) -> None:  # noqa: N802
        """Read no more for now: the other end does not take it."""
        self._is_paused = True

    def resumeProducing(self) -> None:  # noqa: N802
        """Read on."""
        self._is_paused = False
        self._read()

    def stopProducing(self) -> None:  # noqa: N802
        """Read no more: the connection is gone."""
        self._end()

    def _read(self) -> None:
        if self._request is None or self._is_reading or self._is_paused:
            return
        self._is_reading = True
        length = min(CHUNK_BYTES, self._last - self._at)
        asked = self._in_thread(partial(self._audio.read, self._at, length))
        asked.addCallbacks(self._send, lambda _failure: self._break_off())

    def _send(self, chunk: bytes) -> None:
        self._is_reading = False
        request = self._request
        if request is None:
            self._close(self._audio)
            return
        self._at += len(chunk)
        request.write(chunk)
        if self._at >= self._last:
            self._end()
            request.unregisterProducer()
            request.finish()
        elif chunk:
            self._read()
        else:
            self._break_off()

    def _break_off(self) -> None:
        """Cut the connection: the recording ended too early, as it was deleted, or its store is away."""
        self._is_reading = False
        request = self._request
        self._end()
        if request is not None and request.channel is not None:
            request.channel.forceAbortClient()

    def _end(self) -> None:
        if self._request is not None:
            self._request = None
            if not self._is_reading:
                self._close(self._audio)
