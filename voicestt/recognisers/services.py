"""The recognition services - Google's streams, Google's requests, Whisper: their health, and who is asked.

A request for one utterance is repeated until a service answers or all have refused it.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from voicestt.audio import mulaw
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.recognisers.health import Answer, CircuitBreaker
from voicestt.recognisers.port import Recogniser, RecogniserError, Result
from voicestt.recognisers.probe import Probe
from voicestt.recognisers.single_shot import Recognise
from voicestt.recognisers.tuning import RecogniseWith
from voicestt.runtime.backoff import Backoff, Chance
from voicestt.runtime.clock import Clock, Timer

PREFERENCE_SECONDS: Final = 8.0  # so long the better words of the first service are waited for
AT_ONCE: Final = 32  # requests that are asked again at once: an outage leaves many
_ATTEMPTS: Final = 4
_BACKOFF: Final = Backoff(first=0.25, longest=1.0)
_QUOTA_BACKOFF: Final = 2.0
_SILENCE: Final = mulaw.SILENCE * (mulaw.BYTES_PER_SECOND // 5)
_PROBE_PATIENCE: Final = 5.0
_WHISPER_PROBE_SECONDS: Final = 10.0

_Ask = Callable[[], "Deferred[Result | None]"]


@dataclass(frozen=True, slots=True)
class Service:
    """A service that recognises utterances, and its health; `recognise_with` takes a call's own options."""

    recognise: Recognise
    health: CircuitBreaker
    recognise_with: RecogniseWith | None = None

    def ask(self, audio: bytes, options: RecognitionOptions | None) -> "Deferred[Result | None]":
        """Ask for one utterance, with `options` if there are any and the service can take them."""
        if options is None or self.recognise_with is None:
            return self.recognise(audio)
        return self.recognise_with(audio, options)


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

    def __init__(
        self,
        clock: Clock,
        google: GoogleService,
        whisper: Recognise,
        google_with: RecogniseWith | None = None,
        whisper_with: RecogniseWith | None = None,
        *,
        jitter: Chance = random.random,
    ) -> None:
        self._with_options, self._whisper_with = google_with, whisper_with
        self._clock = clock
        self._google = google
        self._whisper = whisper
        remake = google.remake_channels
        breaker = partial(CircuitBreaker, clock=clock, jitter=jitter)
        self.streaming = breaker("Google's streaming", send_probe=self._probe_streaming, remake=remake)
        self.requests = breaker("Google's recognize", send_probe=self._probe_requests)
        self.whisper = breaker("Whisper", send_probe=self._probe_whisper, probe_seconds=_WHISPER_PROBE_SECONDS)
        self.streaming.watch(self._streaming_changed)
        self.requests.watch(self._requests_changed)

    @property
    def services(self) -> tuple[Service, ...]:
        """The services that recognise single utterances, in order of preference."""
        by_google, by_whisper = self._google.recognise, self._whisper
        return (
            Service(by_google, self.requests, self._with_options),
            Service(by_whisper, self.whisper, self._whisper_with),
        )

    @property
    def by_label(self) -> Mapping[str, CircuitBreaker]:
        """The circuit breakers by their labels in metrics."""
        return {"google_streaming": self.streaming, "google_requests": self.requests, "whisper": self.whisper}

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

        request = recognise(_SILENCE)
        request.addTimeout(_PROBE_PATIENCE, self._clock)  # type: ignore[arg-type]  # it needs callLater only
        request.addCallbacks(lambda _: answer(True), failed)


class _PreferredIsBack(Exception):
    """A service that is preferred to the asked one answers again."""


class Persistent:
    """A Recognise over services in their order of preference.

    An utterance that a working service fails to recognise is asked for `_ATTEMPTS` times, then the next service is
    asked; RESOURCE_EXHAUSTED is asked again as long as it takes. A service whose breaker is open is not asked, and
    a request under way when it opens is left. A later service is asked when those before it have been away for
    PREFERENCE_SECONDS, or have refused the utterance; it is left as soon as one that was away is back. While none
    can be asked, the utterance waits. It fails with RecogniserError when every service has refused it for good;
    cancelling the Deferred ends the wait.
    """

    def __init__(self, clock: Clock, services: Sequence[Service]) -> None:
        self._clock = clock
        self._services = services
        self._again = DeferredSemaphore(AT_ONCE)

    def __call__(self, audio: bytes, options: RecognitionOptions | None = None) -> "Deferred[Result | None]":
        """Recognise one utterance in mu-law, with a call's own options if it has any."""
        return Deferred.fromCoroutine(self._ask(audio, options))

    async def _ask(self, audio: bytes, options: RecognitionOptions | None) -> Result | None:
        refusals: list[RecogniserError] = []
        left = list(self._services)
        is_again = False
        while left:
            is_again = is_again or left[0].health.is_open
            service = await self._first_that_works(left)
            try:
                before = [each.health for each in left[: left.index(service)]]
                ask = partial(_unless_health_changes, service, before, audio, options)
                return await self._ask_one(service, ask, is_again=is_again)
            except _PreferredIsBack:
                pass
            except RecogniserError as error:
                if not service.health.is_open:
                    left.remove(service)
                    refusals.append(error)
            is_again = True
        raise _as_one(refusals)

    async def _ask_one(self, service: Service, ask: _Ask, *, is_again: bool) -> Result | None:
        """Ask one service until it answers, refuses for good, or its breaker opens."""
        attempts = 0
        while True:
            try:
                return await (self._in_turn if is_again else self._once)(service, ask)
            except RecogniserError as error:
                is_quota = error.status == "RESOURCE_EXHAUSTED"
                attempts += not is_quota
                if error.is_fatal or attempts >= _ATTEMPTS or service.health.is_open:
                    raise
            is_again = True
            pause = _QUOTA_BACKOFF if is_quota else _BACKOFF.pause(attempts - 1)
            await deferLater(self._clock, pause)  # type: ignore[arg-type]  # it needs callLater only
            if service.health.is_open:
                raise RecogniserError("UNAVAILABLE", service.health.reason)

    async def _in_turn(self, service: Service, ask: _Ask) -> Result | None:
        await self._again.acquire()
        try:
            return await self._once(service, ask)
        finally:
            self._again.release()

    async def _once(self, service: Service, ask: _Ask) -> Result | None:
        began = self._clock.seconds()
        try:
            result = await ask()
        except RecogniserError as error:
            service.health.failed(error, began)
            raise
        service.health.succeeded(began)
        return result

    async def _first_that_works(self, services: Sequence[Service]) -> Service:
        while (service := _to_be_asked(services)) is None:
            await self._until_that_may_change(services)
        return service

    def _until_that_may_change(self, services: Sequence[Service]) -> "Deferred[None]":
        """Return a Deferred that fires when a breaker has closed or the first service was away long enough."""
        changed: Deferred[None] = Deferred(lambda _: end())
        wait = max(0.0, PREFERENCE_SECONDS - services[0].health.open_for)
        timer = Timer(self._clock)

        def look() -> None:
            if not changed.called and _to_be_asked(services) is not None:
                end()
                changed.callback(None)

        def end() -> None:
            timer.cancel()
            for service in services:
                service.health.forget(look)

        for service in services:
            service.health.watch(look)
        if wait:
            timer.set(wait, look)
        return changed


def _unless_health_changes(
    service: Service, before: Sequence[CircuitBreaker], audio: bytes, options: RecognitionOptions | None
) -> "Deferred[Result | None]":
    """Return the service's answer; fail with UNAVAILABLE as soon as its breaker opens.

    Fail with _PreferredIsBack as soon as a breaker of `before` closes: a later service may be slow, and have many
    utterances to do.
    """
    request = service.ask(audio, options)
    answer: Deferred[Result | None] = Deferred(lambda _: leave())

    def leave() -> None:
        forget()
        request.cancel()

    def forget() -> None:
        for health in (service.health, *before):
            health.forget(look)

    def look() -> None:
        if (why := _why_it_is_left(service, before)) is not None and not answer.called:
            answer.errback(why)
            leave()

    def pass_on(outcome: object) -> None:
        forget()
        if not answer.called:
            answer.callback(outcome)  # type: ignore[arg-type]  # a Failure is passed on as one

    for health in (service.health, *before):
        health.watch(look)
    request.addBoth(pass_on)
    return answer


def _why_it_is_left(service: Service, before: Sequence[CircuitBreaker]) -> Exception | None:
    if not all(health.is_open for health in before):
        return _PreferredIsBack()
    return RecogniserError("UNAVAILABLE", service.health.reason) if service.health.is_open else None


def _to_be_asked(services: Sequence[Service]) -> Service | None:
    for service in services:
        if not service.health.is_open:
            return service
        if service.health.open_for < PREFERENCE_SECONDS:
            return None
    return None


def _as_one(refusals: Sequence[RecogniserError]) -> RecogniserError:
    first, *others = refusals
    message = "; and then ".join([first.details, *map(str, others)])
    return RecogniserError(first.status, message)
