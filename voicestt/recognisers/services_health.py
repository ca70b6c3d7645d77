"""Health of all recognition services: Google's streams, Google's requests, and Whisper."""

from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from voicestt.audio import mulaw
from voicestt.recognisers.health import Answer, CircuitBreaker
from voicestt.recognisers.persistent import Service
from voicestt.recognisers.port import Recogniser, RecogniserError, Result
from voicestt.recognisers.probe import Probe
from voicestt.recognisers.single_shot import Recognise
from voicestt.runtime.clock import Clock

_SILENCE = mulaw.SILENCE * (mulaw.BYTES_PER_SECOND // 5)
_PATIENCE = 5.0
_WHISPER_PROBE_SECONDS = 10.0


class GoogleService(Recogniser, Protocol):
    """Google, by streams and by requests."""

    def recognise(self, audio: bytes) -> "Deferred[Result | None]":
        """Recognise one utterance by one request."""
        ...

    def remake_channels(self) -> None:
        """Open new connections from here on."""
        ...


class ServicesHealth:
    """A circuit breaker for each way of recognition: streams, requests, Whisper.

    Streams and requests go to the same service: when one way fails, the other is not used until a probe has shown
    that it works. So an outage of both costs no call a time-out, and where one way works it is known at once.
    """

    def __init__(self, clock: Clock, google: GoogleService, whisper: Recognise) -> None:
        self._clock = clock
        self._google = google
        self._whisper = whisper
        remake = google.remake_channels
        self.streaming = CircuitBreaker("Google's streaming", clock, self._probe_streaming, remake=remake)
        self.requests = CircuitBreaker("Google's recognize", clock, self._probe_requests)
        self.whisper = CircuitBreaker("Whisper", clock, self._probe_whisper, probe_seconds=_WHISPER_PROBE_SECONDS)
        self.streaming.watch(self._streaming_changed)
        self.requests.watch(self._requests_changed)

    @property
    def services(self) -> tuple[Service, ...]:
        """The services that recognise single utterances, in order of preference."""
        return Service(self._google.recognise, self.requests), Service(self._whisper, self.whisper)

    def stop(self) -> None:
        """End every wait and probe."""
        for breaker in (self.streaming, self.requests, self.whisper):
            breaker.stop()

    def _streaming_changed(self) -> None:
        if self.streaming.is_open:
            self.requests.doubt(self.streaming.reason)

    def _requests_changed(self) -> None:
        if self.streaming.is_open and not self.requests.is_open:
            self.streaming.ask_now()

    def _probe_streaming(self, answer: Answer) -> None:
        Probe(self._clock, self._google).ask(answer)

    def _probe_requests(self, answer: Answer) -> None:
        self._probe(self._google.recognise, answer)

    def _probe_whisper(self, answer: Answer) -> None:
        self._probe(self._whisper, answer)

    def _probe(self, recognise: Recognise, answer: Answer) -> None:
        def failed(failure: Failure) -> None:
            # Refused, by a service that is there: what comes of it is each request's to find out.
            is_there = isinstance(failure.value, RecogniserError) and failure.value.is_fatal
            answer(is_there)

        asked = recognise(_SILENCE)
        asked.addTimeout(_PATIENCE, self._clock)  # type: ignore[arg-type]  # it needs callLater only
        asked.addCallbacks(lambda _: answer(True), failed)
