"""Google Speech-to-Text: streams as coroutines on a session thread, and single requests beside them.

Raw protobuf messages on the hot path: google-cloud-speech's own wrappers cost ten times as much for each response.
The library's retries are not used: a retried stream would begin in the middle of the audio.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from itertools import cycle
from typing import Any

import google.auth.exceptions
import grpc
from twisted.internet.defer import Deferred

from voicestt.audio import mulaw
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.recognisers.google.channels import ChannelPool, GoogleTarget
from voicestt.recognisers.google.negotiation import FeatureNegotiation
from voicestt.recognisers.google.request import RecognitionRequest
from voicestt.recognisers.google.responses import error_of, error_of_ended, error_of_key
from voicestt.recognisers.google.results_back import ResultsBack
from voicestt.recognisers.google.single_requests import ask
from voicestt.recognisers.port import RecogniserError, Result, ResultListener
from voicestt.runtime.loop_thread import SessionThread
from voicestt.runtime.metrics import Stamps

STREAM_SECONDS = 320.0  # Google ends a stream after 305 s itself: this is for a server that does not
LARGEST_BATCH = 12_800  # bytes of mu-law: Google takes 25,600 of LINEAR16 in one message
_WORDS_OF_CORE = "Internal error from Core"


class _Line:
    """A session thread and its channels."""

    def __init__(self, thread: SessionThread, target: GoogleTarget) -> None:
        self.thread = thread
        self.channels = ChannelPool(target)
        thread.at_end(self.channels.close)


class GoogleRecogniser:
    """Google's recogniser over some session threads: a Recogniser of streams, and single requests.

    `request_for` makes the request of a call's own options. Partials are told every `partial_seconds`. `features`
    has the server's request, without what Google has refused; `open_streams` is the number of streams that have
    begun and not ended.
    """

    def __init__(
        self,
        threads: Sequence[SessionThread],
        target: GoogleTarget,
        request: RecognitionRequest,
        request_for: Callable[[RecognitionOptions], RecognitionRequest] | None = None,
        partial_seconds: float = 0.0,
    ) -> None:
        self._all_lines = [_Line(thread, target) for thread in threads]
        self._lines = cycle(self._all_lines)
        self._request = request
        self._request_for = request_for
        self.partial_seconds = partial_seconds
        self.features = FeatureNegotiation(request)
        self.open_streams = 0

    def open(self, listener: ResultListener) -> "GoogleSession":
        """Open a stream; the call starts with the first audio, because Google ends one that is silent for 10 s."""
        return GoogleSession(listener, next(self._lines), self, self._request)

    def open_with(self, listener: ResultListener, options: RecognitionOptions) -> "GoogleSession":
        """Open a stream with a call's own options."""
        return GoogleSession(listener, next(self._lines), self, self._request_of(options))

    def recognise(self, audio: bytes, options: RecognitionOptions | None = None) -> "Deferred[Result | None]":
        """Recognise one utterance (mu-law, up to 60 s) by one request; None if nothing was understood.

        Fails with RecogniserError.
        """
        answer: Deferred[Result | None] = Deferred()
        line = next(self._lines)
        request = self._request if options is None else self._request_of(options)
        line.thread.do(lambda: line.thread.spawn(_recognise(line, self, request, audio, answer)))
        return answer

    def _request_of(self, options: RecognitionOptions) -> RecognitionRequest:
        return self._request if self._request_for is None else self._request_for(options)

    def remake_channels(self) -> None:
        """Open new connections from here on: the present ones may be dead."""
        for line in self._all_lines:
            line.thread.do(line.channels.distrust_all)


class GoogleSession:
    """The reactor's side of a stream."""

    def __init__(
        self, listener: ResultListener, line: _Line, owner: GoogleRecogniser, request: RecognitionRequest
    ) -> None:
        self._listener: ResultListener | None = listener
        self._owner = owner
        self._thread = line.thread
        self._stream = _GrpcStream(line, owner, self, request)
        self.ends_by_itself = request.extras.ends_streams
        self._written = 0
        self._open = False

    @property
    def backlog(self) -> int:
        """Bytes that gRPC has not taken yet, because Google reads too slowly or not at all."""
        return self._written - self._stream.sent

    def write(self, audio: bytes) -> None:
        """Hand a batch to the session thread."""
        arrived = time.monotonic()
        self._written += len(audio)
        stream = self._stream
        self._ensure_open()
        self._thread.do(lambda: stream.write(audio, arrived))

    def finish(self) -> None:
        """Half-close the stream: Google finalises what is pending."""
        self._thread.do(self._stream.finish)  # before it is opened: without audio nothing needs to be
        self._ensure_open()

    def abort(self) -> None:
        """Cancel the stream."""
        self._listener = None
        self._thread.do(self._stream.cancel)

    def heard(self, results: Sequence[Result]) -> None:
        """Pass results on to the listener; called by the session thread's hand-back."""
        for result in results:
            if self._listener is not None:
                self._listener.heard(result)

    def ended(self, error: RecogniserError | None) -> None:
        """Tell the listener the end; called by the session thread's hand-back."""
        self._owner.open_streams -= 1
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.ended(error)

    def _ensure_open(self) -> None:
        if not self._open:
            self._open = True
            self._owner.open_streams += 1
            stream = self._stream
            self._thread.do(lambda: self._thread.spawn(stream.run()))


class _GrpcStream:
    """The session thread's side of a stream."""

    def __init__(
        self, line: _Line, owner: GoogleRecogniser, session: GoogleSession, request: RecognitionRequest
    ) -> None:
        self._line = line
        self._owner = owner
        self._request = owner.features.fit(request)
        self._session = session
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._hand_offs: list[float] = []
        self._hand_off = 0.0
        self._finished = False
        self._cancelled = False
        self._more = asyncio.Event()
        self._call: Any = None
        self._channel: grpc.aio.Channel | None = None
        self._began = time.monotonic()
        self._status: RecogniserError | None = None
        self._back = ResultsBack(line.thread, owner.partial_seconds)
        self.sent = 0  # read by the reactor's thread, written by this one only

    def write(self, audio: bytes, arrived: float) -> None:
        parts = (audio[at : at + LARGEST_BATCH] for at in range(0, len(audio), LARGEST_BATCH))
        self._waiting.extend((part, arrived) for part in parts)
        self._more.set()

    def finish(self) -> None:
        self._finished = True
        self._more.set()

    def cancel(self) -> None:
        self._cancelled = True
        self.finish()
        if self._call is not None:
            self._call.cancel()
        if self._channel is not None:
            self._line.channels.given_up(self._channel, self._began)

    async def run(self) -> None:
        """Run the stream from its opening to its end, and tell the session how it ended."""
        error: RecogniserError | None = RecogniserError("UNKNOWN", "a mistake of this server's, see the log")
        try:
            await self._converse()
            error = None
        except grpc.RpcError as problem:
            error = self._owner.features.consider(self._servers_own(error_of(problem)), self._request)
        except RecogniserError as problem:
            error = self._owner.features.consider(problem.with_traceback(None), self._request)
        except google.auth.exceptions.GoogleAuthError as problem:
            error = error_of_key(problem)
        except asyncio.CancelledError:
            error = RecogniserError("CANCELLED", "the stream was cancelled here")
        finally:
            self._let_go()
            self._line.thread.hand_back(lambda: self._session.ended(error))

    def _let_go(self) -> None:
        self._waiting.clear()
        # An error inside a response does not end the call by itself; and whatever still knows the call (an error's
        # traceback does too) would keep its connection open until the garbage is collected.
        self.finish()
        call, self._call, self._channel = self._call, None, None
        if call is not None:
            call.cancel()

    async def _converse(self) -> None:
        if self._cancelled or (self._finished and not self._waiting):
            return
        async with self._line.channels.lease() as channel:
            self._channel = channel
            self._began = time.monotonic()
            api = self._request.api
            method: Any = channel.stream_stream(api.stream_method, response_deserializer=api.response)
            self._call = method(self._requests(), timeout=STREAM_SECONDS, metadata=api.metadata)
            self._call.add_done_callback(self._keep_status)
            # Closed by hand: one that is left in the middle, by an error inside a response, keeps its call alive.
            async with aclosing(aiter(self._call)) as responses:
                async for response in responses:
                    received = time.monotonic()
                    self._line.channels.heard(channel)
                    stamps = Stamps(received, self._hand_off, tuple(self._hand_offs))
                    self._pass_on(self._request.results_of(response, stamps), received)
            self._line.channels.heard(channel)

    def _keep_status(self, call: Any) -> None:
        self._status = error_of_ended(call)

    def _servers_own(self, error: RecogniserError) -> RecogniserError:
        # A write that fails after the server has ended the stream overwrites the server's status with this one:
        # https://github.com/grpc/grpc/issues/36066. The status was right when the call was first done.
        return self._status if self._status is not None and error.details == _WORDS_OF_CORE else error

    def _pass_on(self, results: Sequence[Result], received: float) -> None:
        if results:
            self._hand_offs.clear()
            self._back.hand(results, received, lambda: self._session.heard(results))

    async def _requests(self) -> AsyncIterator[bytes]:
        api = self._request.api
        yield self._request.opening()
        while True:
            while self._waiting:
                audio, arrived = self._waiting.popleft()
                message = api.audio(mulaw.decode(audio))
                self._hand_off = time.monotonic() - arrived
                self._hand_offs.append(self._hand_off)
                yield message
                self.sent += len(audio)
            if self._finished:
                return
            self._more.clear()
            await self._more.wait()


async def _recognise(
    line: _Line,
    owner: GoogleRecogniser,
    request: RecognitionRequest,
    audio: bytes,
    answer: "Deferred[Result | None]",
) -> None:
    outcome: Result | RecogniserError | None = RecogniserError("CANCELLED", "the request was cancelled here")
    try:
        outcome = await ask(line.channels, owner.features, request, audio)
    except RecogniserError as problem:
        outcome = problem
    except google.auth.exceptions.GoogleAuthError as problem:
        outcome = error_of_key(problem)
    finally:
        settled = outcome
        line.thread.hand_back(lambda: _settle(answer, settled))


def _settle(answer: "Deferred[Result | None]", outcome: Result | RecogniserError | None) -> None:
    if isinstance(outcome, RecogniserError):
        answer.errback(outcome)
    else:
        answer.callback(outcome)
