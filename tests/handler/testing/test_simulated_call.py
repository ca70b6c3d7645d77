import asyncio
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Logged
from voicestt import events
from voicestt.handler import (
    BadNumber,
    Call,
    SpeechError,
    TooMuchAudio,
    TwilioRefused,
)
from voicestt.handler.loading import BadHandler
from voicestt.handler.testing import (
    CallIsOver,
    HandlerFailed,
    HandlerHangs,
    Heard,
    SimulatedCall,
    SimulatedServer,
    simulated_call,
)

SECOND = bytes(8_000)


class PlainEcho:
    def on_final(self, call: Call, event: events.Final) -> None:
        call.say_text(event.text)


class AsyncEcho:
    async def on_final(self, call: Call, event: events.Final) -> None:
        call.say_text(event.text)


both = pytest.mark.parametrize("handler", [PlainEcho, AsyncEcho])


# -- what goes in


@both
def test_the_handlers_speech_is_known_after_each_event(handler: type) -> None:
    with simulated_call(handler) as call:
        call.caller_says("hello")
        assert call.said == ["hello"]
        assert call.actions == [("say_text", "hello")]


class Listener:
    """Keeps what it is told, by plain functions and coroutines in turn."""

    told: list[tuple[str, Any]]

    async def on_call_started(self, call: Call) -> None:
        self.told.append(("started", (call.call_sid, call.caller, call.called, call.parameters)))

    def _keep(self, _call: Call, event: events.Event) -> None:
        self.told.append((events.type_of(event), event))

    async def _keep_too(self, call: Call, event: events.Event) -> None:
        await asyncio.sleep(0)
        self._keep(call, event)

    on_partial = on_utterance_end = on_mark = on_recovered = on_resumed = on_call_ended = _keep
    on_final = on_dtmf = on_degraded = on_interrupted = on_unrecognised = _keep_too


def listener() -> type[Listener]:
    """A class of its own for each test."""
    return type("Listening", (Listener,), {"told": []})


def test_every_event_is_told_at_once_numbered_as_in_the_server() -> None:
    handler = listener()
    with simulated_call(handler, caller="+15005550001", called=None, parameters={"shop": "7"}) as call:
        call.partial("hel", stability=0.5)
        call.final("hello", confidence=0.9)
        call.advance(1.0)
        call.utterance_end()
        call.partial("you")
        call.dtmf("1#")
        call.degraded()
        call.recovered()
        call.interrupted()
        call.resumed()
        call.unrecognised(seconds=2.0)
        call.end("the socket was lost")
    kinds = [kind for kind, _ in handler.told]
    words = ["started", "partial", "final", "utterance_end", "partial", "dtmf", "dtmf"]
    assert kinds == [*words, "degraded", "recovered", "interrupted", "resumed", "unrecognised", "call_ended"]
    (_, started), *rest = handler.told
    assert started == (call.call_sid, "+15005550001", None, {"shop": "7"})
    assert [event.sequence for _, event in rest] == list(range(2, 14))
    partial, final, turn, later = (event for _, event in rest[:4])
    assert (partial.utterance, final.utterance, turn.utterance, later.utterance) == (1, 1, 1, 2)
    assert (partial.stability, final.confidence, turn.end) == (0.5, 0.9, pytest.approx(0.3))
    assert rest[-1][1].reason == "the socket was lost"
    assert [events.type_of(events.decode(events.encode(event))) for _, event in rest] == kinds[1:]


def test_unknown_keys_are_refused() -> None:
    with simulated_call(listener()) as call:
        for wrong in ("", "x", "1 2"):
            with pytest.raises(ValueError, match="keys"):
                call.dtmf(wrong)


def test_a_call_ends_once_and_with_the_test_if_not_before() -> None:
    handler = listener()
    seen: list[bool] = []
    with simulated_call(handler) as call:
        seen.append(call.is_over)
    seen.append(call.is_over)
    assert seen == [False, True]
    assert [kind for kind, _ in handler.told] == ["started", "call_ended"]
    call.end()
    assert len(handler.told) == 2
    with pytest.raises(CallIsOver, match="stop"):
        call.final("too late")
    with pytest.raises(CallIsOver, match="the simulated server has stopped"):
        call.advance(1.0)


# -- what comes out


def test_all_that_a_handler_asks_for_is_written_down_in_order() -> None:
    class Busy:
        async def on_call_started(self, call: Call) -> None:
            call.say(SECOND)
            call.say(bytes(32_000), rate=16_000)
            call.say_text("hello")
            call.mark("m")
            call.clear()

        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            call.transfer("+15005550002")

        async def on_call_ended(self, call: Call, event: events.CallEnded) -> None:
            call.say_text("nobody hears this")

    with simulated_call(Busy) as call:
        assert call.actions == [("say", 1.0), ("say", 1.0), ("say_text", "hello"), ("mark", "m"), ("clear",)]
        assert call.audio[0] == SECOND
        assert len(call.audio[1]) == pytest.approx(8_000, abs=8)
        call.dtmf("0")
        assert call.actions[-1] == ("transfer", "+15005550002")
        assert call.ended is not None
        assert call.ended.reason == "stop"
    assert call.said == ["hello"]


def test_heard_audio_takes_its_time_and_stops_when_it_is_cleared() -> None:
    class Interrupted:
        async def on_call_started(self, call: Call) -> None:
            call.say(SECOND)
            call.say_text("x" * 50)  # three seconds
            call.say_text("never begun")

        async def on_partial(self, call: Call, event: events.Partial) -> None:
            assert call.is_speaking
            call.clear()

    with simulated_call(Interrupted) as call:
        assert call.heard == []
        call.advance(0.25)
        assert call.heard == [Heard("", 0.25, is_whole=False)]
        call.advance(1.25)
        assert call.heard == [Heard("", 1.0, is_whole=True), Heard("x" * 50, 0.5, is_whole=False)]
        call.partial("wait")
        call.advance(100)
        assert call.heard == [Heard("", 1.0, is_whole=True), Heard("x" * 50, 0.5, is_whole=False)]


@pytest.mark.parametrize("is_async", [False, True])
def test_marks_are_reached_when_all_was_played_or_as_cleared(is_async: bool) -> None:
    class Marking(listener()):  # type: ignore[misc]
        async def on_final(self, call: Call, event: events.Final) -> None:
            call.say(SECOND)
            self.told.append(("outcome", await call.mark("m")))

        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            call.say(SECOND)
            self.told.append(("outcome", call.mark("m").result(10)))

    def play(call: SimulatedCall) -> None:
        if is_async:
            call.final("hello")
        else:
            call.dtmf("1")

    with simulated_call(Marking) as call:
        play(call)
        call.advance(0.9)
        assert [kind for kind, _ in Marking.told] == ["started"]
        call.listen()
        assert Marking.told[1] == ("outcome", "played")
        assert (Marking.told[2][1].name, Marking.told[2][1].cleared) == ("m", False)
        play(call)
    assert ("outcome", "cleared") in Marking.told
    assert Marking.told[-1][0] == "call_ended"


def test_a_mark_that_was_cleared_is_reached_at_once_and_once() -> None:
    class Marking(listener()):  # type: ignore[misc]
        async def on_call_started(self, call: Call) -> None:
            call.say(SECOND)
            call.mark("m")

        async def on_partial(self, call: Call, event: events.Partial) -> None:
            call.clear()

    with simulated_call(Marking) as call:
        call.advance(0.95)  # it is at Twilio
        call.partial("wait")
        assert [(event.name, event.cleared) for _, event in Marking.told] == [("m", True)]
        call.listen()
        call.advance(10)
        assert len(Marking.told) == 1


def test_no_reactor_is_installed() -> None:
    code = (
        "import sys\nfrom voicestt.handler.testing import simulated_call\nfrom docs.examples.echo import Echo\n"
        "with simulated_call(Echo) as call:\n    call.caller_says('hello')\n"
        "print(call.said, 'twisted.internet.reactor' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True)
    assert result.stdout == "['hello'] False\n"


def test_handlers_that_hang_up_end_the_call_after_what_they_wait_for() -> None:
    class Leaving:
        async def on_final(self, call: Call, event: events.Final) -> None:
            call.say_text("goodbye")
            await call.mark("end")
            await call.hang_up()

        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            call.say_text("goodbye")
            call.mark("end").result(10)
            call.hang_up().result(10)

    plays: list[Callable[[SimulatedCall], None]] = [lambda call: call.final("bye"), lambda call: call.dtmf("#")]
    for play in plays:
        with simulated_call(Leaving) as call:
            play(call)
            seen = [call.is_over]
            call.listen()
            seen.append(call.is_over)
            assert seen == [False, True]
            assert [heard.text for heard in call.heard] == ["goodbye"]
            assert call.actions[-1] == ("hang_up",)


def test_twilio_can_refuse() -> None:
    class Transferring(listener()):  # type: ignore[misc]
        async def on_final(self, call: Call, event: events.Final) -> None:
            try:
                await call.transfer("+15005550002")
            except TwilioRefused as problem:
                self.told.append(("refused", str(problem)))

        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            self.told.append(("outcome", call.hang_up().result(10)))

    with simulated_call(Transferring) as call:
        call.twilio_refuses = "Twilio answered 400"
        call.final("the desk, please")
        assert not call.is_over
        call.dtmf("#")
        assert call.ended is not None
        assert call.ended.reason == "the application hung up"
    assert Transferring.told[1:3] == [("refused", "Twilio answered 400"), ("outcome", "stream closed")]


def test_requests_that_the_server_refuses_are_refused_and_not_recorded() -> None:
    problems: list[type] = []

    class Wrong:
        async def on_final(self, call: Call, event: events.Final) -> None:
            def too_much() -> None:
                call.say(SECOND * 400)
                call.say(SECOND * 400)

            wrongs: list[Callable[[], object]] = [
                lambda: call.transfer("nobody"),
                lambda: call.say(SECOND * 600 + b"-"),
                too_much,
            ]
            for wrong in wrongs:
                try:
                    wrong()
                except ValueError as problem:
                    problems.append(type(problem))

    with simulated_call(Wrong) as call:
        call.final("hello")
        assert call.actions == [("say", 400.0)]
    assert problems[0] is BadNumber
    assert problems[2] is TooMuchAudio


def test_texts_are_spoken_by_whatever_the_test_wants() -> None:
    def speak(text: str) -> bytes:
        if text == "no":
            raise SpeechError("no such voice")
        return SECOND

    class Speaking:
        async def on_final(self, call: Call, event: events.Final) -> None:
            try:
                await call.say_text(event.text)
            except SpeechError as problem:
                call.mark(str(problem))

    with simulated_call(Speaking, speak=speak) as call:
        call.final("yes")
        call.final("no")
        call.listen()
        assert call.heard == [Heard("yes", 1.0, is_whole=True)]
        assert call.actions[-1] == ("mark", "no such voice")
    with simulated_call(Speaking, speak=None) as call:
        call.final("yes")
        assert call.said == []
        assert "TTS_ENGINE is off" in str(call.actions)


# -- time


def test_sleep_and_timeouts_of_a_handler_take_no_real_time() -> None:
    class Patient:
        async def on_call_started(self, call: Call) -> None:
            self.task = asyncio.create_task(self._remind(call))

        async def _remind(self, call: Call) -> None:
            while True:
                await asyncio.sleep(30)
                call.say_text("Are you there?")

        async def on_final(self, call: Call, event: events.Final) -> None:
            try:
                async with asyncio.timeout(3_600):
                    await asyncio.Event().wait()
            except TimeoutError:
                call.say_text("an hour")

        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            call.say(SECOND * 20)
            try:
                call.mark("m").result(5)
            except TimeoutError:
                call.say_text("too long")

        async def on_call_ended(self, call: Call, event: events.CallEnded) -> None:
            self.task.cancel()
            await asyncio.sleep(50)

    with simulated_call(Patient) as call:
        call.advance(29.9)
        assert call.said == []
        call.advance(0.2)
        assert call.said == ["Are you there?"]
        call.dtmf("1")
        call.advance(4.9)
        assert call.said == ["Are you there?"]
        call.advance(0.2)
        assert call.said == ["Are you there?", "too long"]
        call.final("hello")
        call.advance(3_601)
        assert call.said[-1] in {"an hour", "Are you there?"}
        assert "an hour" in call.said
        assert call.said.count("Are you there?") == 121


def test_work_in_other_threads_is_waited_for() -> None:
    class Threaded:
        async def on_final(self, call: Call, event: events.Final) -> None:
            call.say_text(await asyncio.to_thread(self._answer, event.text))

        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            call.say_text(self._answer(event.digit))

        def _answer(self, text: str) -> str:
            threading.Event().wait(0.05)  # a model, say
            return text.upper()

    with simulated_call(Threaded) as call:
        call.final("hello")
        call.dtmf("A")
        assert call.said == ["HELLO", "A"]


def test_a_test_can_wait_for_a_thread_of_the_handlers_own() -> None:
    class Own:
        def on_final(self, call: Call, event: events.Final) -> None:
            threading.Timer(0.05, call.say_text, ["later"]).start()

    with simulated_call(Own) as call:
        call.final("hello")
        call.until(lambda: call.said == ["later"])
        with pytest.raises(AssertionError, match="has not come within"):
            call.until(lambda: call.said == [], seconds=0.05)


# -- what goes wrong


@pytest.mark.parametrize("is_async", [False, True])
def test_an_exception_of_the_handler_fails_the_test_with_its_traceback(is_async: bool, logged: Logged) -> None:
    class Failing:
        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            raise LookupError("no such key")

        async def on_final(self, call: Call, event: events.Final) -> None:
            raise LookupError("no such key")

    with simulated_call(Failing) as call:
        with pytest.raises(HandlerFailed, match=r"failed in on_.*\nLookupError: no such key") as failed:
            call.final("hello") if is_async else call.dtmf("1")
        cause = failed.value.__cause__
        assert isinstance(cause, LookupError)
        (frame,) = traceback.extract_tb(cause.__traceback__)
        assert (frame.filename, frame.line) == (__file__, 'raise LookupError("no such key")')
    assert len(logged.flush(LookupError)) == 1


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit])
def test_nothing_that_a_handler_raises_ends_the_tests(kind: type[BaseException], logged: Logged) -> None:
    class Raising:
        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            raise kind

        async def on_final(self, call: Call, event: events.Final) -> None:
            raise kind

    with simulated_call(Raising) as call:
        with pytest.raises(HandlerFailed):
            call.final("hello")
        with pytest.raises(HandlerFailed):
            call.dtmf("1")
    logged.flush(kind)


def test_a_constructor_that_raises_a_failing_end_and_a_failing_task_are_failures(logged: Logged) -> None:
    class Unmade:
        def __init__(self) -> None:
            raise OSError("no database")

        def on_final(self, call: Call, event: events.Final) -> None: ...

    class FailingAtTheEnd:
        async def on_call_ended(self, call: Call, event: events.CallEnded) -> None:
            raise OSError("no database")

    class FailingTask:
        async def on_call_started(self, call: Call) -> None:
            self.task = asyncio.create_task(self._fail())

        async def _fail(self) -> None:
            raise OSError("no database")

    for handler in (Unmade, FailingAtTheEnd, FailingTask):
        with pytest.raises(HandlerFailed, match="no database"), simulated_call(handler):
            pass
    assert len(logged.flush(OSError)) == 3


def test_a_failure_at_the_end_keeps_no_call_from_the_rest_of_its_events(logged: Logged) -> None:
    class Slow(listener()):  # type: ignore[misc]
        async def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            await asyncio.sleep(5)
            self.told.append(("key", event.digit))
            if event.digit == "1":
                raise OSError("no database")

    server = SimulatedServer(Slow)
    for keys in ("123", "1"):
        server.call().dtmf(keys)
    with pytest.raises(HandlerFailed, match="no database"):
        server.close()
    assert sorted(value for kind, value in Slow.told if kind == "key") == ["1", "1", "2", "3"]
    assert [kind for kind, _ in Slow.told].count("call_ended") == 2
    assert len(logged.flush(OSError)) == 2


def test_a_caller_does_not_listen_for_ever() -> None:
    class Music:
        async def on_call_started(self, call: Call) -> None:
            self.play(call)

        async def on_mark(self, call: Call, event: events.Mark) -> None:
            self.play(call)

        def play(self, call: Call) -> None:
            call.say(SECOND * 60)
            call.mark("again")

    with simulated_call(Music) as call, pytest.raises(AssertionError, match="after ten minutes"):
        call.listen()


def test_the_tests_own_failure_is_not_hidden_by_the_handlers(logged: Logged) -> None:
    class FailingAtTheEnd:
        async def on_call_ended(self, call: Call, event: events.CallEnded) -> None:
            raise OSError("no database")

    with pytest.raises(ZeroDivisionError), simulated_call(FailingAtTheEnd):
        raise ZeroDivisionError
    logged.flush(OSError)


def test_a_handler_that_never_comes_to_rest_hangs_and_it_is_said_where() -> None:
    gate = threading.Event()

    class Stuck:
        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            gate.wait()  # plain

        async def on_final(self, call: Call, event: events.Final) -> None:
            gate.wait()  # async

        async def on_partial(self, call: Call, event: events.Partial) -> None:
            while not gate.is_set():  # noqa: ASYNC110 - a mistake, as it is made
                await asyncio.sleep(0)

    plays: dict[str, Any] = {
        "# plain": lambda call: call.dtmf("1"),
        "# async": lambda call: call.final("hello"),
        "does not come to rest": lambda call: call.partial("hello"),
    }
    for where, play in plays.items():
        with pytest.raises(HandlerHangs, match=where), simulated_call(Stuck, patience=0.2) as call:
            play(call)
    gate.set()


def test_a_handler_that_does_not_return_after_the_call_hangs() -> None:
    class Waiting:
        async def on_final(self, call: Call, event: events.Final) -> None:
            await asyncio.Event().wait()

    words = "has not returned from on_final for 60 s after the call's end"
    with pytest.raises(HandlerHangs, match=words), simulated_call(Waiting) as call:
        call.final("hello")


def test_a_class_that_the_server_refuses_is_refused() -> None:
    class Nothing:
        pass

    class Arguments:
        def __init__(self, model: object) -> None: ...
        def on_final(self, call: Call, event: events.Final) -> None: ...

    for wrong, words in ((Nothing, "it has none of the methods"), (Arguments, "without arguments")):
        with pytest.raises(BadHandler, match=words):
            SimulatedServer(wrong)


# -- several


def test_calls_of_one_server_share_what_handlers_share() -> None:
    class Counting:
        calls = 0

        async def on_call_started(self, call: Call) -> None:
            Counting.calls += 1
            self.number = Counting.calls

        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            call.say_text(f"{self.number}: {event.digit}")

    with SimulatedServer(Counting) as server:
        one, two = server.call(), server.call(call_sid="CA2")
        one.dtmf("1")
        two.dtmf("2")
        assert (one.said, two.said) == (["1: 1"], ["2: 2"])
        server.advance(1.0)
        assert len(one.heard) == len(two.heard) == 1
        one.end()
        assert (one.is_over, two.is_over) == (True, False)
        with pytest.raises(ValueError, match="CA2"):
            server.call(call_sid="CA2")
    server.close()
    assert two.is_over


def test_no_thread_is_left_behind() -> None:
    before = set(threading.enumerate())
    with simulated_call(PlainEcho) as call:
        call.caller_says("hello")
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    assert set(threading.enumerate()) <= before


class Remembers:
    """Counts the caller's words, and goes on where another process was."""

    def on_call_started(self, call: Call) -> None:
        if call.continues is None:
            call.say_text("hello")
            call.memory = {"finals": 0}

    def on_final(self, call: Call, event: events.Final) -> None:
        call.memory = {"finals": call.memory["finals"] + 1, "utterance": event.utterance}


def test_what_a_handler_remembers_is_seen() -> None:
    with simulated_call(Remembers) as call:
        assert call.said == ["hello"]
        call.final("one")
        assert call.memory == {"finals": 1, "utterance": 1}


def test_a_call_goes_on_from_another_process() -> None:
    with SimulatedServer(Remembers) as server:
        call = server.call(continues="s1", memory={"finals": 3}, utterances=3)
        assert call.said == []
        call.final("four")
        assert call.memory == {"finals": 4, "utterance": 4}


def test_a_handler_is_told_what_the_caller_heard_of_what_it_said() -> None:
    heard: list[tuple[str | None, float, bool]] = []
    kinds: list[str] = []

    class Narrator:
        def on_final(self, call: Call, event: events.Final) -> None:
            call.clear()
            call.say_text(event.text)
            call.say(SECOND)

        def on_said(self, call: Call, event: events.Said) -> None:
            heard.append((event.text, round(event.end - event.start, 2), event.cleared))

        def on_incident(self, call: Call, event: events.CallIncident) -> None:
            kinds.append(event.incident)

    with simulated_call(Narrator) as call:
        call.final("one")
        call.advance(0.1)
        call.final("two")
        call.listen()
        call.incident("held", seconds=3.0)
    assert [(text, cleared) for text, _, cleared in heard] == [("one", True), ("two", False), (None, False)]
    assert heard[0][1] == pytest.approx(0.1, abs=0.05)
    assert heard[2][1] == pytest.approx(1.0, abs=0.01)
    assert kinds == ["held"]
