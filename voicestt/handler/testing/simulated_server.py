"""The server without its sockets: handlers run as in production, and a test plays calls to them."""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

from twisted.internet.defer import Deferred

from voicestt.audio import mulaw
from voicestt.events import CallStarted
from voicestt.handler.call import Call, Snapshot
from voicestt.handler.leaving import CallHandover
from voicestt.handler.loading import check_handler
from voicestt.handler.memory import CallMemory
from voicestt.handler.service import HandlerParts, Handlers
from voicestt.handler.speaking import Speaking
from voicestt.handler.testing.ear import SpokenText
from voicestt.handler.testing.problems import HandlerHangs
from voicestt.handler.testing.scripted_events import ScriptedEvents
from voicestt.handler.testing.simulated_call import SimulatedCall
from voicestt.handler.testing.stage import Stage
from voicestt.tts.texts import InPieces
from voicestt.twilio.rest import TwilioRefused

CALLER: Final = "+15005550006"
CALLED: Final = "+15005550009"
SECONDS_PER_LETTER: Final = 0.06

AFTERWARDS_SECONDS: Final = 3_600.0
"""So long after their end may calls' handlers be at what they have not been told yet, if each method returns."""


class _Reader:
    """A Synthesiser that gives silence, in proportion to the text's length."""

    def speak(self, text: str) -> bytes:
        return mulaw.SILENCE * round(len(text) * SECONDS_PER_LETTER * mulaw.BYTES_PER_SECOND)


pretend_to_speak: Callable[[str], bytes] = InPieces(_Reader()).speak
"""Silence, 60 ms for each letter; what the server's engines refuse is refused in the same words."""


class SimulatedServer:
    """Runs the handlers of several calls, each an instance of `handler`, on one loop and in threads, as the server
    does. It is a context manager: its end ends the calls that are live, and any failure fails the test.

    `speak` gives a text's audio as mu-law, or raises SpeechError; None is TTS_ENGINE=off. `queue`, `overflow` and
    `threads` are HANDLER_QUEUE, HANDLER_OVERFLOW and HANDLER_THREADS. `greeting` is mu-law that each caller hears
    at once. `patience` are real seconds: a handler that computes or blocks for longer at one event hangs.

    Raises:
        voicestt.handler.loading.BadHandler: (a ValueError) for a class that the server refuses.
    """

    def __init__(
        self,
        handler: type,
        *,
        speak: Callable[[str], bytes] | None = pretend_to_speak,
        queue: int = 1_000,
        overflow: str = "drop",
        threads: int = 64,
        greeting: bytes = b"",
        patience: float = 10.0,
    ) -> None:
        check_handler(handler, handler.__qualname__)
        self._stage = Stage(patience)
        self._calls: dict[str, SimulatedCall] = {}
        self._greeting, self._is_closed = greeting, False
        self._handlers = Handlers(
            self._stage.reactor,
            handler,
            queue=queue,
            overflow=overflow,
            threads=threads,
            speak=None if speak is None else _with_text(speak),
            twilio=_SimulatedTwilio(self._calls),
            parts=HandlerParts(self._stage.make_loop, self._stage.make_threads, self._call_for_handler),
        )
        self._handlers.start()

    def call(
        self,
        *,
        caller: str | None = CALLER,
        called: str | None = CALLED,
        parameters: Mapping[str, Any] | None = None,
        call_sid: str | None = None,
        continues: str | None = None,
        memory: Any = None,
        utterances: int = 0,
    ) -> SimulatedCall:
        """Begin a call and tell its handler.

        `caller` and `called` are what the webhook said, None where there was none; `parameters` are the TwiML's.
        `continues` is the session of a former stream, after which the call came here from another process, with
        the `memory` of its handler there and so many `utterances`.
        """
        number = len(self._calls) + 1
        script = ScriptedEvents(
            call_sid or f"CA{number:032}", stream_sid=f"MZ{number:032}", session=f"session{number}"
        )
        if script.call_sid in self._calls:
            raise ValueError(f"there was a call {script.call_sid} before")
        started = script.started(caller, called, parameters, continues=continues)
        greeting = self._greeting if continues is None else b""
        call = SimulatedCall(self._stage, script, started, self._handlers.begin, greeting, memory, utterances)
        self._calls[script.call_sid] = call
        call.begin()
        return call

    def advance(self, seconds: float) -> None:
        """Let `seconds` of the test's time pass, for all calls."""
        self._stage.advance(seconds)

    def close(self) -> None:
        """End the calls that are live, wait for their handlers, and stop.

        Raises:
            HandlerFailed: if a handler raised something that was not raised yet.
            HandlerHangs: if one has not returned a minute of the test's time after its call's end.
        """
        if self._is_closed:
            return
        try:
            self._end_calls()
        finally:
            self._stop()
        self._stage.raise_failure()
        if self._handlers.counts.stuck:
            raise HandlerHangs(next(said for said in self._stage.warnings if "has not returned" in said))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._stop()

    def _end_calls(self) -> None:
        for call in self._calls.values():
            call.leave("stop")
        # An exception of one handler must keep neither it nor the others from the rest of their events.
        self._stage.advance(AFTERWARDS_SECONDS, to=lambda: not self._handlers.counts.calls, raises=False)

    def _stop(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._stage.run_out(Deferred.fromCoroutine(self._handlers.stop()))
        if self._stage.tasks > len(self._calls):
            gc.collect()  # a task that failed and that nobody awaited says so when it is collected
        self._stage.leave()

    def _call_for_handler(
        self,
        started: CallStarted,
        speaking: Speaking,
        leaving: CallHandover,
        seen: Snapshot,
        memory: CallMemory,
    ) -> Call:
        return self._calls[started.call_sid].call_for_handler(started, speaking, leaving, seen, memory)


@contextmanager
def simulated_call(
    handler: type,
    *,
    caller: str | None = CALLER,
    called: str | None = CALLED,
    parameters: Mapping[str, Any] | None = None,
    continues: str | None = None,
    memory: Any = None,
    **server: Any,
) -> Iterator[SimulatedCall]:
    """Play one call that `handler` answers, to the end of the `with`; `server` are `SimulatedServer`'s options."""
    with SimulatedServer(handler, **server) as simulated:
        yield simulated.call(
            caller=caller, called=called, parameters=parameters, continues=continues, memory=memory
        )


class _SimulatedTwilio:
    """Stand-in for Twilio's REST API: obeys at once, or refuses with the call's `twilio_refuses`."""

    def __init__(self, calls: Mapping[str, SimulatedCall]) -> None:
        self._calls = calls

    def prepare(self) -> None:
        """Do nothing: no request is slow here."""

    def hang_up(self, _account_sid: str, call_sid: str) -> None:
        self._leave(call_sid)

    def transfer(self, _account_sid: str, call_sid: str, _twiml: str) -> None:
        self._leave(call_sid)

    def _leave(self, call_sid: str) -> None:
        call = self._calls[call_sid]
        if call.twilio_refuses is not None:
            raise TwilioRefused(call.twilio_refuses)
        call.leave("stop")


def _with_text(speak: Callable[[str], bytes]) -> Callable[[str], bytes]:
    return lambda text: SpokenText(speak(text), text)
