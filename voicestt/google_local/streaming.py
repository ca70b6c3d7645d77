"""One StreamingRecognize call: reads on one task, answers on another, and ends with a status."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc

from voicestt.google_local.answers import Answers, billed, end_of_utterance
from voicestt.google_local.asked import Asked, v1_streaming
from voicestt.google_local.audio import Decoder
from voicestt.google_local.engine import Engine, EngineStream, Heard
from voicestt.google_local.limits import Code, Kind, Limits, Refusal, StreamRules
from voicestt.google_local.recording import Tape

STATUS = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Rules:
    """What all calls of a service share. `scale`: the service's clock runs so many times as fast as the wall's."""

    engine: Engine
    limits: Limits
    scale: float = 1.0


def set_status(context: Any, refusal: Refusal) -> str:
    """Tells the client how the call ends; gives the same for the record."""
    context.set_code(STATUS[refusal.code])
    context.set_details(refusal.words)
    return f"{refusal.code.name}: {refusal.words}"


class Outbox:
    """An `EngineListener`: what an engine says, from whatever thread, brought to the loop in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        self._loop = loop
        self._thread = threading.get_ident()
        self._wake = wake
        self._heard: list[Heard] = []
        self.is_over = False
        self.error: Exception | None = None

    def heard(self, heard: Heard) -> None:
        """A partial or a final."""
        self._on_loop(self._heard.append, heard)

    def ended(self, error: Exception | None) -> None:
        """Everything was said."""
        self._on_loop(self._over, error)

    def take(self) -> list[Heard]:
        """What was said since the last time."""
        heard, self._heard = self._heard, []
        return heard

    def _over(self, error: Exception | None) -> None:
        self.is_over = True
        self.error = error

    def _on_loop(self, function: Callable[[Any], None], argument: Any) -> None:
        if threading.get_ident() == self._thread:
            self._now(function, argument)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._now, function, argument)

    def _now(self, function: Callable[[Any], None], argument: Any) -> None:
        function(argument)
        self._wake()


class StreamingCall:
    """The state of one call; `run` is its whole life."""

    def __init__(self, shared: Rules, context: Any, tape: Tape) -> None:
        self._shared = shared
        self._context = context
        self._tape = tape
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._rules = StreamRules(shared.limits)
        self._wake = asyncio.Event()
        self._outbox = Outbox(self._loop, self._wake.set)
        self._answers = Answers("")
        self._asked: Asked | None = None
        self._decoder: Decoder | None = None
        self._stream: EngineStream | None = None
        self._refusal: Refusal | None = None
        self._utterance_over = False
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Carries the call to its end and sets its status; cancelled when the client goes."""
        reader = self._loop.create_task(self._read())
        self._watch()
        try:
            await self._answer()
            self._tape.note(how="OK")
        except Refusal as refusal:
            self._tape.note(how=set_status(self._context, refusal))
        except asyncio.CancelledError:
            self._tape.note(how="cancelled by the client")
            raise
        finally:
            self._leave(reader)

    def _leave(self, reader: "asyncio.Task[None]") -> None:
        reader.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._stream is not None:
            self._stream.abort()

    def _now(self) -> float:
        """The service's clock: seconds since the call began."""
        return (self._loop.time() - self._began) * self._shared.scale

    def _watch(self) -> None:
        """Looks at the clock when the rules want it looked at: one timer a call, not one a message."""
        try:
            self._rules.check(self._now())
        except Refusal as refusal:
            self.refuse(refusal)
            return
        wait = max(0.0, self._rules.deadline - self._now()) / self._shared.scale
        self._timer = self._loop.call_later(wait, self._watch)

    def refuse(self, refusal: Refusal) -> None:
        """Ends the call with this status, after what was heard; on the loop."""
        self._refusal = self._refusal or refusal
        self._wake.set()

    async def _read(self) -> None:
        try:
            while (message := await self._context.read()) is not grpc.aio.EOF:
                self._take(message)
            self._half_close()
        except Refusal as refusal:
            self.refuse(refusal)
        except Exception as error:  # noqa: BLE001 - an engine may fail in any way; the client is told
            self.refuse(engine_failed(error))

    def _take(self, message: Any) -> None:
        which = message.WhichOneof("streaming_request")
        if which == "audio_content":
            self._audio(message.audio_content)
        else:
            kind = Kind.CONFIG if which == "streaming_config" else Kind.NOTHING
            self._rules.message(kind, 0, 0.0, self._now())
            self._configure(message.streaming_config)

    def _configure(self, config: Any) -> None:
        self._tape.note(config=str(config))
        asked = self._asked = v1_streaming(config)
        self._tape.note(language=asked.language, model=asked.model, encoding=asked.encoding)
        self._decoder = Decoder(asked.encoding)
        self._answers = Answers(asked.language)
        self._stream = self._shared.engine.open(asked.request(), self._outbox)

    def _audio(self, audio: bytes) -> None:
        seconds = self._asked.seconds(len(audio)) if self._asked else 0.0
        kind = Kind.AUDIO if audio else Kind.NOTHING
        self._tape.audio(audio)
        self._rules.message(kind, len(audio), seconds, self._now())
        if self._decoder and self._stream:
            self._stream.write(self._decoder.feed(audio))

    def _half_close(self) -> None:
        self._tape.note(half_closed=True)
        self._rules.half_close()
        if self._stream:
            self._stream.finish()

    async def _answer(self) -> None:
        is_over = False
        while not is_over:
            await self._wake.wait()
            self._wake.clear()
            is_over = self._is_over()  # before the last responses are taken, or some come after them
            for response in self._responses():
                await self._context.write(response)
                self._tape.response()
        if self._refusal:
            raise self._refusal
        if self._outbox.error:
            raise engine_failed(self._outbox.error)

    def _is_over(self) -> bool:
        return self._refusal is not None or self._outbox.is_over

    def _responses(self) -> list[Any]:
        responses: list[Any] = self._answers.say(self._wanted(self._outbox.take()))
        if self._utterance_over and responses:
            responses.insert(len(responses) - 1, end_of_utterance())
        if self._outbox.is_over and not self._refusal:
            return billed(responses, self._rules.audio_seconds)
        return responses

    def _wanted(self, heard: list[Heard]) -> list[Heard]:
        return [one for one in heard if self._is_wanted(one)]

    def _is_wanted(self, heard: Heard) -> bool:
        if self._asked is None or self._utterance_over:
            return False
        if heard.is_final:
            self._tape.final(heard.text)
            self._utterance_over = self._asked.single_utterance
            return True
        return self._asked.interim_results


def engine_failed(error: Exception) -> Refusal:
    """How a client is told that the recogniser failed."""
    return Refusal(Code.INTERNAL, f"The recogniser behind google-local failed: {type(error).__name__}: {error}")
