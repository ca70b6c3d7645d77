"""Events; a line that knows which thread it is used in; a diary for all threads; handlers in a test's time."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from zope.interface import implementer

from tests.recognisers.on_reactor import reactor, soon
from voicestt import events
from voicestt.audio.ledger import AudioTotals
from voicestt.call.facts import Track
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.handler.handled_call import HandledCall
from voicestt.handler.service import Handlers, Patience
from voicestt.handler.testing.scripted_events import ScriptedEvents
from voicestt.runtime.reactor import ReactorLike
from voicestt.twilio.rest import TwilioCalls

CALLER, CALLED = "+972501234567", "+972771234567"


class Events(ScriptedEvents):
    """One call's, numbered, with the numbers of its caller."""

    def started(self, *_arguments: Any, **_options: Any) -> events.CallStarted:
        return super().started(CALLER, CALLED, {"shop": "7"})

    def partial(self, text: str = "he", utterance: int = 1) -> events.Partial:
        return self.make(events.Partial, text=text, utterance=utterance)

    def final(self, text: str = "hello", utterance: int = 1) -> events.Final:
        return self.make(events.Final, text=text, utterance=utterance)

    def turn(self, utterance: int = 1) -> events.UtteranceEnd:
        return self.make(events.UtteranceEnd, utterance=utterance, end=1.0, silence=0.7)

    def key(self, digit: str = "1") -> events.Dtmf:
        return self.make(events.Dtmf, digit=digit)

    def ended(self) -> events.CallEnded:
        return self.make(events.CallEnded, reason="the caller hung up")


class Diary:
    """A diary of what happened, written in any thread, and read, and waited for, in the reactor's."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def write(self, entry: object) -> None:
        self.entries.append(entry)
        reactor.callFromThread(self.look)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until what was written, or done in the reactor's thread, makes it true."""
        fired: Deferred[None] = Deferred()
        self._waiting.append((condition, fired))
        self.look()
        await soon(fired)

    async def until_written(self, *entries: object) -> None:
        """Waits for all of them."""
        await self.until(lambda: all(entry in self.entries for entry in entries))

    def look(self) -> None:
        for waiting in list(self._waiting):
            condition, fired = waiting
            if condition():
                self._waiting.remove(waiting)
                fired.callback(None)


class FakeLine:
    """A Line that keeps what it is asked for, and may be touched in the thread only that made it."""

    def __init__(self, diary: Diary | None = None) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.texts: list[str | None] = []
        self.touched_elsewhere: list[str] = []
        self.marks: list[Callable[[bool], None]] = []
        self.open = True
        self.seconds = 0.0
        self.refuses: Exception | None = None
        self._diary = diary or Diary()
        self._thread = threading.get_ident()

    @property
    def is_open(self) -> bool:
        self._check("is_open")
        return self.open

    @property
    def waiting(self) -> float:
        self._check("waiting")
        return self.seconds

    @property
    def account(self) -> AudioTotals:
        self._check("account")
        return AudioTotals(received=len(self.asked))

    def say(self, audio: bytes, text: str | None = None) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.seconds += len(audio) / 8_000
        self.texts.append(text)
        self._ask("say", audio)

    def clear(self) -> None:
        self.seconds = 0.0
        self._ask("clear")
        self.reach(cleared=True)

    def mark(self, name: str, reached: Callable[[bool], None]) -> None:
        self.marks.append(reached)
        self._ask("mark", name)

    def recognise(self, options: RecognitionOptions, *, at_once: bool, track: Track = "caller") -> None:
        self._ask("recognise", options, at_once, *([] if track == "caller" else [track]))

    def end(self, reason: str) -> None:
        self._ask("end", reason)

    def reach(self, *, cleared: bool = False) -> None:
        """Every mark that was asked for."""
        marks, self.marks = self.marks, []
        for reached in marks:
            reached(cleared)

    def _ask(self, *what: Any) -> None:
        self._check(what[0])
        self.asked.append(what)
        self._diary.look()

    def _check(self, what: str) -> None:
        if threading.get_ident() != self._thread:
            self.touched_elsewhere.append(what)


@implementer(ReactorLike)
class ClockedReactor:
    """The reactor's threads and turns, and a test's time."""

    def __init__(self) -> None:
        self.clock = Clock()

    def seconds(self) -> float:
        return self.clock.seconds()

    def callFromThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:  # noqa: A002, N802
        reactor.callFromThread(callable, *args, **kwargs)

    def callLater(  # noqa: N802
        self,
        delay: float,
        callable: Callable[..., Any],  # noqa: A002
        *args: object,
        **kwargs: object,
    ) -> Any:
        return (self.clock if delay else reactor).callLater(delay, callable, *args, **kwargs)

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:  # noqa: N802
        return self.clock.getDelayedCalls()


class Rig:
    """Handlers of `factory`, in a test's time."""

    def __init__(
        self,
        factory: type,
        diary: Diary,
        *,
        queue: int = 1_000,
        overflow: str = "drop",
        threads: int = 8,
        speak: Callable[[str], bytes] | None = None,
        twilio: TwilioCalls | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.reactor = ClockedReactor()
        self.clock = self.reactor.clock
        self.diary = diary
        self.lines: list[FakeLine] = []
        self.handlers = Handlers(
            self.reactor,
            factory,
            queue=queue,
            overflow=overflow,
            threads=threads,
            speak=speak,
            twilio=twilio,
            patience=patience or Patience(),
        )
        self.handlers.start()
        self._stopped = False

    def begin(self, made: Events | None = None) -> tuple[HandledCall, FakeLine]:
        """A call that has begun."""
        line = FakeLine(self.diary)
        self.lines.append(line)
        return self.handlers.begin((made or Events()).started(), line), line

    async def over(self) -> None:
        """Waits until no call has a handler."""
        while self.handlers.counts.calls:
            await turn()

    async def stop(self, *, after: Sequence[float] = ()) -> None:
        """Stops them, while time goes on by `after`."""
        if self._stopped:
            return
        self._stopped = True
        stopping = Deferred.fromCoroutine(self.handlers.stop())
        for seconds in after:
            await turn()
            self.clock.advance(seconds)
        await soon(stopping)
        assert [line.touched_elsewhere for line in self.lines if line.touched_elsewhere] == []


def turn() -> Deferred[None]:
    """A few milliseconds of the reactor's."""
    waiting: Deferred[None] = Deferred()
    reactor.callLater(0.005, waiting.callback, None)
    return waiting


async def in_thread(function: Callable[[], Any]) -> Any:
    """The result of a function in a thread of its own."""
    done: Deferred[Any] = Deferred()

    def run() -> None:
        try:
            reactor.callFromThread(done.callback, function())
        except Exception as problem:  # noqa: BLE001
            reactor.callFromThread(done.errback, problem)

    threading.Thread(target=run, daemon=True).start()
    return await soon(done)
