"""One StreamingRecognize call: one task reads, another answers and ends the call with a status.

The engine's results come from any thread; a queue brings them to the service's loop, in order.
"""

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any

import grpc

from voicestt.emulators.google.answers import ResponseBuilder
from voicestt.emulators.google.client_config import AcceptedConfig
from voicestt.emulators.google.decoding import AudioDecoder
from voicestt.emulators.google.faults import (
    Due,
    Fault,
    Method,
    What,
    When,
)
from voicestt.emulators.google.limits import MessageKind, Refusal, StreamRules
from voicestt.emulators.google.recording import CallRecorder
from voicestt.emulators.google.result_queue import ResultQueue
from voicestt.emulators.google.shared import Shared, engine_failed, set_status
from voicestt.emulators.google.speech_activity import (
    SpeechActivity,
    SpeechEvent,
    SpeechEventKind,
    SpeechIsOver,
)
from voicestt.emulators.google.versions import ServiceVersion
from voicestt.recognisers.whisper.engine.port import EngineResult, EngineStream


class StreamingCall:
    """One StreamingRecognize call, carried from start to end by `run`."""

    method = Method.STREAMING

    def __init__(
        self,
        shared: Shared,
        api: ServiceVersion,
        context: Any,
        recorder: CallRecorder,
        faults: tuple[Fault, ...] = (),
    ) -> None:
        self._shared, self._api, self._context, self._recorder = shared, api, context, recorder
        self._due = Due()
        self._faults = faults
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._rules = StreamRules(api.limits(shared.limits), api.wording)
        self._wake = asyncio.Event()
        self._results = ResultQueue(self._loop, self._wake.set)
        self._request_id = secrets.randbits(62)
        self._answers = ResponseBuilder(api, "", request_id=self._request_id)
        self._config: AcceptedConfig | None = None
        self._decoder: AudioDecoder | None = None
        self._stream: EngineStream | None = None
        self._activity = SpeechActivity()
        self._refusal: Refusal | None = None
        self._in_band: Fault | None = None
        self._utterance_over = self._is_closed = False
        self._is_silenced = False
        self._reader: asyncio.Task[None] | None = None
        self._watcher: asyncio.TimerHandle | None = None
        self._timers: list[asyncio.TimerHandle] = []

    async def run(self) -> None:
        """Carry the call to its end and set its status; cancelled when the client goes."""
        try:
            self._begin()
            await self._answer()
            self._recorder.note(how="OK")
        except Refusal as refusal:
            self._recorder.note(how=set_status(self._context, refusal))
        except asyncio.CancelledError:
            self._recorder.note(how="cancelled by the client")
            raise
        finally:
            self._leave()

    def refuse(self, refusal: Refusal) -> None:
        """End the call with this status, after the results so far; on the loop."""
        self._refusal = self._refusal or refusal
        self._wake.set()

    def suffer(self, faults: tuple[Fault, ...]) -> None:
        """Add faults to those that the call has, and apply those that are due."""
        self._due.add(faults)
        self._results.delay = self._due.delay / self._shared.scale
        for slow in (fault for fault in faults if fault.what is What.SLOW):
            self._recorder.struck(str(slow))
        self._set_timers()
        self._strike(When.START)
        self._strike(When.AUDIO, self._rules.audio_seconds)

    # -- time --

    def _begin(self) -> None:
        self._watch()
        self.suffer(self._faults)
        if not self._is_silenced and self._refusal is None:
            self._reader = self._loop.create_task(self._read())

    def _leave(self) -> None:
        self._stop_reading()
        for timer in self._timers:
            timer.cancel()
        if self._stream is not None:
            self._stream.abort()

    def _stop_reading(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _now(self) -> float:
        """Return the time of the service's clock: seconds since the call began."""
        return (self._loop.time() - self._began) * self._shared.scale

    def _watch(self) -> None:
        """Check the rules at their deadline: one timer for each call, not for each message."""
        try:
            self._rules.check(self._now())
        except Refusal as refusal:
            self.refuse(refusal)
            return
        wait = max(0.0, self._rules.deadline - self._now()) / self._shared.scale
        self._watcher = self._loop.call_later(wait, self._watch)

    # -- faults --

    def _set_timers(self) -> None:
        for fault in self._due.timed():
            self._timers.append(self._loop.call_later(fault.seconds / self._shared.scale, self._suffer, fault))

    def _strike(self, when: When, reached: float = 0.0) -> None:
        for fault in self._due.at(when, reached):
            self._suffer(fault)

    def _suffer(self, fault: Fault) -> None:
        self._recorder.struck(str(fault))
        if fault.what is What.ERROR:
            self._is_silenced |= fault.when is When.FIRST_RESPONSE
            self.refuse(Refusal(fault.code, fault.details))
        elif fault.what is What.IN_BAND:
            self._in_band = fault
            self._wake.set()
        elif fault.what is What.HANG:
            self._is_silenced = True
            self._stop_reading()
        else:
            self._shared.connection(self._context.peer(), fault.what)

    # -- what comes --

    async def _read(self) -> None:
        try:
            while (message := await self._context.read()) is not grpc.aio.EOF:
                self._take(message)
            self._half_close()
        except SpeechIsOver:
            self._finish()
        except Refusal as refusal:
            self.refuse(refusal)
        except Exception as error:  # noqa: BLE001 - an engine may fail in any way; the client is told
            self.refuse(engine_failed(error))

    def _take(self, message: Any) -> None:
        kind = self._api.kind(message)
        if kind is MessageKind.AUDIO:
            self._audio(self._api.audio(message))
        else:
            self._rules.message(kind, 0, 0.0, self._now())
            self._configure(message)

    def _configure(self, message: Any) -> None:
        self._recorder.note(config=str(message))
        config = self._config = self._api.streaming_config(message)
        self._recorder.note(language=config.language, model=config.model, encoding=config.format.encoding)
        self._decoder = AudioDecoder(config.format)
        self._answers = ResponseBuilder(self._api, config.language, config.features, self._request_id)
        self._activity = SpeechActivity(config.activity)
        self._stream = self._shared.engine.open(config.request(), self._results)

    def _audio(self, audio: bytes) -> None:
        self._recorder.audio(audio)
        pcm = self._decoder.feed(audio) if self._decoder else b""
        seconds = self._decoder.format.seconds(len(audio)) if self._decoder else 0.0
        self._rules.message(MessageKind.AUDIO, len(audio), seconds, self._now())
        self._hear(pcm)
        self._strike(When.AUDIO, self._rules.audio_seconds)

    def _hear(self, pcm: bytes) -> None:
        for part in self._activity.split(pcm):
            if isinstance(part, SpeechEvent):
                self._results.heard(part)
                if part.kind is SpeechEventKind.SPEECH_ACTIVITY_TIMEOUT:
                    raise SpeechIsOver
            elif self._stream and part:
                self._stream.write(part)

    def _half_close(self) -> None:
        self._recorder.note(half_closed=True)
        self._rules.half_close()
        self._strike(When.HALF_CLOSE)
        self._finish()

    def _finish(self) -> None:
        if self._stream and self._decoder and self._refusal is None and not self._is_silenced:
            rest = self._decoder.finish()
            self._recorder.note(encoding=self._decoder.format.encoding, rate=self._decoder.format.rate)
            if rest:
                self._stream.write(rest)
            for event in self._activity.finish():
                self._results.heard(event)
            self._stream.finish()

    # -- what goes --

    async def _answer(self) -> None:
        is_over = False
        while not is_over:
            await self._wake.wait()
            self._wake.clear()
            is_over = self._is_over()  # before the last responses are taken, or some come after them
            await self._send(self._responses())
        if self._refusal:
            raise self._refusal
        if self._results.error:
            raise engine_failed(self._results.error)

    def _is_over(self) -> bool:
        is_said = self._results.is_over or self._is_closed or self._in_band is not None
        return self._refusal is not None or (is_said and not self._is_silenced)

    async def _send(self, responses: list[Any]) -> None:
        for response in responses:
            self._strike(When.FIRST_RESPONSE)
            if self._is_silenced:
                return
            await self._context.write(response)
            self._recorder.response()

    def _responses(self) -> list[Any]:
        if self._is_silenced:
            return []
        heard = [each for one in self._results.take() for each in self._wanted(one)]
        responses = self._answers.say(heard)
        if self._in_band:
            return [*responses, self._api.in_band_error(self._in_band.code, self._in_band.details)]
        if (self._results.is_over or self._is_closed) and not self._refusal:
            return self._answers.billed(responses, self._rules.audio_seconds)
        return responses

    def _wanted(self, heard: EngineResult | SpeechEvent) -> Iterator[EngineResult | SpeechEvent]:
        """Yield what of a result or event is told, with the end of a single utterance before its final."""
        if self._config is None or self._utterance_over:
            return
        if isinstance(heard, EngineResult) and heard.is_final:
            self._recorder.final(heard.text)
            if self._config.single_utterance:
                self._utterance_over = True
                self._is_closed = self._config.closes_itself
                self._wake.set()
                yield SpeechEvent(SpeechEventKind.END_OF_SINGLE_UTTERANCE, heard.end)
        if isinstance(heard, SpeechEvent) or heard.is_final or self._config.interim_results:
            yield heard
