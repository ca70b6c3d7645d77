import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from tests.conftest import Logged
from tests.handler.conftest import RigOf
from tests.handler.fakes import (
    CALLED,
    CALLER,
    Diary,
    Events,
    Rig,
    turn,
)
from tests.handler.twilio_api import TOKEN, TwilioApi
from tests.recognisers.on_reactor import on_reactor, soon
from voicestt import events
from voicestt.call.line import TooMuchAudio
from voicestt.handler import Call, TwilioRefused
from voicestt.handler.service import Patience
from voicestt.handler.testing import SimulatedServer, simulated_call
from voicestt.twilio.rest import TwilioCalls

PATIENCE = 30.0


def told(diary: Diary, call_sid: str = "CA1") -> list[str]:
    """The lines that the handler of a call wrote."""
    return [entry[1] for entry in diary.entries if isinstance(entry, tuple) and entry[0] == call_sid]


def writer(diary: Diary, *, is_async: bool) -> type:
    """A handler's class that writes down whatever it is told, in either kind of methods."""
    words: dict[str, Callable[[Any], str]] = {
        "on_partial": lambda event: f"partial {event.text}",
        "on_final": lambda event: f"final {event.text}",
        "on_dtmf": lambda event: f"dtmf {event.digit}",
        "on_call_ended": lambda event: f"ended {event.reason}",
    }

    def method(say: Callable[[Any], str]) -> Callable[..., Any]:
        def plain(_self: object, call: Call, event: object = None) -> None:
            diary.write((call.call_sid, say(event)))

        async def coroutine(_self: object, call: Call, event: object = None) -> None:
            await asyncio.sleep(0)
            diary.write((call.call_sid, say(event)))

        return coroutine if is_async else plain

    methods = {name: method(say) for name, say in words.items()}
    return type("Writer", (), {"on_call_started": method(lambda _: "started"), **methods})


@pytest.mark.parametrize("is_async", [False, True])
def test_a_call_is_told_from_its_start_to_its_end_in_order(diary: Diary, is_async: bool) -> None:
    with simulated_call(writer(diary, is_async=is_async)) as call:
        call.dtmf("123")
        call.final("hello")
        call.utterance_end()  # there is no method for it
        call.end("the caller hung up")
    told_in_order = ["started", "dtmf 1", "dtmf 2", "dtmf 3", "final hello", "ended the caller hung up"]
    assert told(diary, call.call_sid) == told_in_order


def test_each_call_has_an_instance_of_its_own() -> None:
    class Counting:
        def __init__(self) -> None:
            self.digits = ""

        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            self.digits += event.digit
            call.say_text(self.digits)

    with SimulatedServer(Counting) as server:
        calls = [server.call() for _ in range(10)]
        for digit in "123":
            for call in calls:
                call.dtmf(digit)
        assert all(call.said == ["1", "12", "123"] for call in calls)


def test_coroutines_share_one_thread_and_functions_do_not_run_in_it_nor_in_the_reactors(diary: Diary) -> None:
    class Both:
        def __init__(self) -> None:
            diary.write(("made", threading.current_thread().name))

        async def on_final(self, call: Call, event: events.Final) -> None:
            diary.write(("async", threading.current_thread().name))

        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            diary.write(("plain", threading.current_thread().name))

    with simulated_call(Both) as call:
        call.final("hello")
        call.dtmf("1")
    names = dict(diary.entries)
    assert names["async"] == "handlers"
    assert names["made"].startswith("handler-")
    assert names["plain"].startswith("handler-")


@on_reactor
async def test_while_a_handler_is_busy_the_newest_partial_waits_and_a_final_takes_it_away(
    rig_of: RigOf, diary: Diary
) -> None:
    gate = threading.Event()

    class Slow(writer(diary, is_async=False)):  # type: ignore[misc]
        def on_call_started(self, call: Call) -> None:
            diary.write("begun")
            gate.wait(PATIENCE)

    rig, made = rig_of(Slow), Events()
    handled, _ = rig.begin(made)
    await diary.until_written("begun")
    for text in ("h", "he", "hel"):
        handled.tell(made.partial(text, 1))
    handled.tell(made.final("hello", 1))
    for text in ("y", "yo"):
        handled.tell(made.partial(text, 2))
    assert rig.handlers.counts.waiting == 2
    gate.set()
    handled.tell(made.ended())
    await rig.over()
    assert told(diary) == ["final hello", "partial yo", "ended the caller hung up"]


@on_reactor
async def test_an_exception_of_a_method_is_logged_and_the_next_event_is_told(
    rig_of: RigOf, diary: Diary, logged: Logged
) -> None:
    class Failing(writer(diary, is_async=False)):  # type: ignore[misc]
        def on_call_started(self, call: Call) -> None:
            raise KeyError("plain")

        async def on_final(self, call: Call, event: events.Final) -> None:
            raise LookupError("async")

    rig, made = rig_of(Failing), Events()
    handled, _ = rig.begin(made)
    for event in (made.final("what the caller said"), made.key("1"), made.ended()):
        handled.tell(event)
    await rig.over()
    assert told(diary) == ["dtmf 1", "ended the caller hung up"]
    assert rig.handlers.counts.failed == 2
    assert logged.matching("The handler failed in on_final at event s1-000002")
    assert next(event for event in logged.events if event.get("event_id") == "s1-000002")["log_system"] == "CA1"
    failures = logged.flush(LookupError)
    assert len(failures) == 2
    for failure in failures:
        assert "test_service.py" in failure.frames[0][1]  # ours are not shown
    assert not [
        said for said in logged.lines if "what the caller said" in said or CALLER in said or CALLED in said
    ]


@pytest.mark.parametrize(
    "kind", [SystemExit, KeyboardInterrupt, StopIteration, asyncio.CancelledError, GeneratorExit]
)
@pytest.mark.parametrize("is_async", [False, True])
@on_reactor
async def test_nothing_that_can_be_raised_ends_the_loop(
    rig_of: RigOf, diary: Diary, logged: Logged, kind: type[BaseException], is_async: bool
) -> None:
    class Raising:
        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            raise kind

        async def on_partial(self, call: Call, event: events.Partial) -> None:
            raise kind

        async def on_final(self, call: Call, event: events.Final) -> None:
            diary.write("final")

    rig, made = rig_of(Raising), Events()
    handled, _ = rig.begin(made)
    handled.tell(made.partial() if is_async else made.key())
    handled.tell(made.final(utterance=0))
    await diary.until_written("final")
    assert rig.handlers.counts.failed == 1
    handled.tell(made.ended())
    await rig.over()
    assert len(logged.flush(kind, RuntimeError)) == 1


@on_reactor
async def test_a_handler_that_cannot_be_made_costs_its_call_nothing(rig_of: RigOf, logged: Logged) -> None:
    class Broken:
        def __init__(self) -> None:
            raise OSError("no database")

        def on_final(self, call: Call, event: events.Final) -> None: ...

    rig, made = rig_of(Broken, queue=10, overflow="hang_up"), Events()
    handled, line = rig.begin(made)
    await rig.over()
    for _ in range(100):
        handled.tell(made.final())
    handled.tell(made.ended())
    assert line.asked == []
    assert logged.matching("The handler could not be made; the call goes on without one.")
    assert len(logged.flush(OSError)) == 1


def test_a_coroutine_that_a_plain_function_returns_is_awaited(diary: Diary) -> None:
    class Wrapped:
        def on_dtmf(self, call: Call, event: events.Dtmf) -> Any:
            return self._later(event.digit)

        async def _later(self, digit: str) -> None:
            diary.write((digit, threading.current_thread().name))

    with simulated_call(Wrapped) as call:
        call.dtmf("7")
    assert diary.entries == [("7", "handlers")]


@on_reactor
async def test_a_task_of_a_handlers_own_that_fails_is_logged_and_ends_nothing(
    rig_of: RigOf, diary: Diary, logged: Logged
) -> None:
    class Tasks:
        async def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            self.task = asyncio.create_task(self._fail(ZeroDivisionError if event.digit == "1" else SystemExit))

        async def _fail(self, kind: type[BaseException]) -> None:
            raise kind

        async def on_final(self, call: Call, event: events.Final) -> None:
            del self.task
            diary.write("final")

    rig, made = rig_of(Tasks), Events()
    handled, _ = rig.begin(made)
    handled.tell(made.key("1"))
    handled.tell(made.key("2"))
    handled.tell(made.final())
    await diary.until_written("final")
    handled.tell(made.ended())
    await rig.over()
    await rig.stop()
    assert logged.matching("A task in the thread handlers raised SystemExit")
    assert logged.flush(ZeroDivisionError)
    logged.flush(SystemExit)


# -- too many events


@on_reactor
async def test_beyond_the_bound_events_are_dropped_and_counted_but_no_final(
    rig_of: RigOf, diary: Diary, logged: Logged
) -> None:
    gate = threading.Event()

    class Slow(writer(diary, is_async=False)):  # type: ignore[misc]
        def on_call_started(self, call: Call) -> None:
            diary.write("begun")
            gate.wait(PATIENCE)

    rig, made = rig_of(Slow, queue=10), Events()
    handled, line = rig.begin(made)
    await diary.until_written("begun")
    for number in range(15):
        handled.tell(made.key(str(number % 10)))
    for number in range(3):
        handled.tell(made.final(str(number)))
    handled.tell(made.ended())
    assert rig.handlers.counts.dropped == 5
    gate.set()
    await rig.over()
    kept = [f"dtmf {number}" for number in range(10)] + [f"final {number}" for number in range(3)]
    assert told(diary) == [*kept, "ended the caller hung up"]
    assert len(logged.matching("The handler is too slow for the call: 10 events wait.")) == 1
    assert logged.matching("5 events were dropped, no final among them")
    assert line.asked == []


@on_reactor
async def test_events_without_a_method_are_not_queued(rig_of: RigOf, diary: Diary) -> None:
    gate = threading.Event()

    class Slow:
        def on_call_started(self, call: Call) -> None:
            diary.write("begun")
            gate.wait(PATIENCE)

    rig, made = rig_of(Slow, queue=10), Events()
    handled, _ = rig.begin(made)
    await diary.until_written("begun")
    for _ in range(100):
        handled.tell(made.key())
    assert (rig.handlers.counts.waiting, rig.handlers.counts.dropped) == (0, 0)
    gate.set()
    handled.tell(made.ended())
    await rig.over()


@on_reactor
async def test_or_the_call_is_ended_once_and_its_end_told(rig_of: RigOf, diary: Diary, logged: Logged) -> None:
    gate = threading.Event()

    class Slow(writer(diary, is_async=False)):  # type: ignore[misc]
        def on_call_started(self, call: Call) -> None:
            diary.write("begun")
            gate.wait(PATIENCE)

    rig, made = rig_of(Slow, queue=10, overflow="hang_up"), Events()
    handled, line = rig.begin(made)
    await diary.until_written("begun")
    for number in range(12):
        handled.tell(made.final(str(number)))
    assert line.asked == [("end", "its handler is too slow")]
    assert rig.handlers.counts.hung_up == 1
    handled.tell(made.ended())
    gate.set()
    await rig.over()
    assert told(diary) == [*(f"final {number}" for number in range(12)), "ended the caller hung up"]
    assert len(logged.matching("too slow for the call, which is ended")) == 1


@settings(max_examples=20)
@given(
    st.lists(st.sampled_from(["partial", "final", "key", "pause"]), max_size=30),
    st.integers(10, 12),
    st.booleans(),
)
@on_reactor
async def test_in_every_schedule_finals_are_told_in_order_and_the_end_is_last(
    moves: list[str], queue: int, is_async: bool
) -> None:
    diary = Diary()
    rig, made = Rig(writer(diary, is_async=is_async), diary, queue=queue), Events()
    handled, _ = rig.begin(made)
    for number, move in enumerate(moves):
        match move:
            case "partial":
                handled.tell(made.partial(str(number)))
            case "final":
                handled.tell(made.final(str(number)))
            case "key":
                handled.tell(made.key(str(number)))
            case _:
                await turn()
    handled.tell(made.ended())
    await rig.over()
    await rig.stop()
    heard = told(diary)
    assert (heard[0], heard[-1]) == ("started", "ended the caller hung up")
    numbers = [int(said.split()[1]) for said in heard[1:-1]]
    assert numbers == sorted(numbers)
    finals = [str(number) for number, move in enumerate(moves) if move == "final"]
    assert [said.split()[1] for said in heard if said.startswith("final")] == finals


# -- handlers that do not return


@on_reactor
async def test_a_sleeping_handler_holds_up_no_other(rig_of: RigOf, diary: Diary) -> None:
    gate = threading.Event()

    class Mixed(writer(diary, is_async=True)):  # type: ignore[misc]
        def on_call_started(self, call: Call) -> None:
            if call.call_sid == "CA1":
                gate.wait(PATIENCE)

    rig = rig_of(Mixed)
    slow, quick = Events("CA1"), Events("CA2")
    handled_slow, _ = rig.begin(slow)
    handled_quick, _ = rig.begin(quick)
    handled_slow.tell(slow.final("slow"))
    handled_quick.tell(quick.final("quick"))
    await diary.until_written(("CA2", "final quick"))
    assert told(diary, "CA1") == []
    gate.set()
    await diary.until_written(("CA1", "final slow"))
    for made, handled in ((slow, handled_slow), (quick, handled_quick)):
        handled.tell(made.ended())
    await rig.over()


def stuck(diary: Diary, gate: threading.Event) -> type:
    """A handler that never returns from a partial, and from a key only when `gate` opens."""

    class Stuck(writer(diary, is_async=True)):  # type: ignore[misc]
        async def on_partial(self, call: Call, event: events.Partial) -> None:
            diary.write("begun")
            await asyncio.Event().wait()

        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            diary.write("begun")
            gate.wait(PATIENCE)

    return Stuck


@pytest.mark.parametrize("is_async", [False, True])
@on_reactor
async def test_one_that_has_not_returned_a_minute_after_the_call_is_given_up(
    rig_of: RigOf, diary: Diary, logged: Logged, is_async: bool
) -> None:
    gate = threading.Event()

    rig, made = rig_of(stuck(diary, gate), threads=1), Events()
    handled, _ = rig.begin(made)
    handled.tell(made.partial() if is_async else made.key())
    await diary.until_written("begun")
    rig.clock.pump([1.0] * 200)  # in a live call it may take its time
    handled.tell(made.final(utterance=0))
    handled.tell(made.ended())
    rig.clock.pump([1.0] * 59)
    assert rig.handlers.counts.calls == 1
    rig.clock.pump([1.0] * 2)
    assert (rig.handlers.counts.calls, rig.handlers.counts.stuck) == (0, 1)
    method = "on_partial" if is_async else "on_dtmf"
    assert logged.matching(f"has not returned from {method} for 60 s after the call's end. It is given up, and 2 ")
    other = Events("CA2")  # with one thread only, which is lost where it is a plain function
    again, _ = rig.begin(other)
    again.tell(other.final("hello"))
    again.tell(other.ended())
    await rig.over()
    assert told(diary, "CA2") == ["started", "final hello", "ended the caller hung up"]
    gate.set()


@on_reactor
async def test_one_that_swallows_its_cancellation_is_told_nothing_more(
    rig_of: RigOf, diary: Diary, logged: Logged
) -> None:
    class Stubborn(writer(diary, is_async=True)):  # type: ignore[misc]
        async def on_partial(self, call: Call, event: events.Partial) -> None:
            diary.write("begun")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                diary.write("cancelled")

    rig, made = rig_of(Stubborn), Events()
    handled, _ = rig.begin(made)
    handled.tell(made.partial())
    await diary.until_written("begun")
    handled.tell(made.ended())
    rig.clock.pump([1.0] * 61)
    await diary.until_written("cancelled")
    await rig.stop()
    assert told(diary) == ["started"]
    assert logged.matching("It is given up, and 1 events are not told.")


@on_reactor
async def test_an_async_method_that_blocks_is_named_with_its_line_once_a_minute(
    rig_of: RigOf, diary: Diary, logged: Logged
) -> None:
    gate = threading.Event()

    class Blocking:
        async def on_final(self, call: Call, event: events.Final) -> None:
            diary.write("begun")
            gate.wait(PATIENCE)

    rig, made = rig_of(Blocking), Events()
    handled, _ = rig.begin(made)
    await turn()
    handled.tell(made.final())
    await diary.until_written("begun")
    for _ in range(10):
        rig.clock.advance(1.0)
        await turn()
    (line,) = logged.matching("has blocked for more than a second")
    assert "test_service.py:" in line
    assert "(on_final)" in line
    assert rig.handlers.counts.stalls == 1
    for _ in range(55):
        rig.clock.advance(1.0)
    assert len(logged.matching("has blocked for more than a second")) == 2
    gate.set()
    handled.tell(made.ended())
    await rig.over()


@on_reactor
async def test_a_loop_that_answers_is_not_complained_of(rig_of: RigOf, diary: Diary, logged: Logged) -> None:
    rig = rig_of(writer(diary, is_async=True))
    for _ in range(10):
        rig.clock.advance(1.0)
        for _ in range(200):
            await turn()
            if not rig.handlers._stalls._is_awaited:
                break
    assert rig.handlers.counts.stalls == 0
    assert not logged.matching("has blocked")


@on_reactor
async def test_calls_that_ended_behind_a_loop_that_never_answers_are_given_up(
    rig_of: RigOf, diary: Diary, logged: Logged
) -> None:
    gate = threading.Event()

    class Blocking(writer(diary, is_async=True)):  # type: ignore[misc]
        async def on_call_started(self, call: Call) -> None:
            diary.write("begun")
            gate.wait(PATIENCE)

    rig = rig_of(Blocking)
    rig.begin(Events("CA1"))
    await diary.until_written("begun")
    other = Events("CA2")
    handled, _ = rig.begin(other)
    handled.tell(other.ended())
    rig.clock.pump([1.0] * 65)
    assert (rig.handlers.counts.calls, rig.handlers.counts.stuck) == (1, 1)
    assert logged.matching("has not returned from the loop")
    gate.set()
    await rig.stop()


# -- stopping


@on_reactor
async def test_stopping_tells_what_waits_and_ends_every_thread(rig_of: RigOf, diary: Diary) -> None:
    before = set(threading.enumerate())
    rig, made = rig_of(writer(diary, is_async=False)), Events()
    handled, _ = rig.begin(made)
    for number in range(50):
        handled.tell(made.final(str(number)))
    handled.tell(made.ended())
    await rig.stop()
    assert told(diary)[-2:] == ["final 49", "ended the caller hung up"]
    assert rig.handlers.counts.calls == 0
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
    assert set(threading.enumerate()) <= before


@on_reactor
async def test_stopping_a_call_that_never_ended_tells_what_waits_and_waits_for_nothing(
    rig_of: RigOf, diary: Diary, logged: Logged
) -> None:
    rig, made = rig_of(writer(diary, is_async=True)), Events()
    handled, _ = rig.begin(made)
    handled.tell(made.final("last"))
    await rig.stop()
    assert told(diary) == ["started", "final last"]
    assert not logged.matching("did not return")
    late, _ = rig.begin(Events("CA2"))
    late.tell(Events("CA2").ended())
    assert rig.handlers.counts.calls == 0


@pytest.mark.parametrize("is_async", [False, True])
@on_reactor
async def test_stopping_waits_five_seconds_for_busy_handlers_and_counts_the_lost_events(
    rig_of: RigOf, diary: Diary, logged: Logged, is_async: bool
) -> None:
    gate = threading.Event()

    rig, made = rig_of(stuck(diary, gate)), Events()
    handled, _ = rig.begin(made)
    handled.tell(made.partial() if is_async else made.key())
    await diary.until_written("begun")
    handled.tell(made.final(utterance=0))
    handled.tell(made.ended())
    await rig.stop(after=[4.9, 0.1])
    assert logged.matching("The handlers of 1 calls did not return within 5 s of the server's stop; 2 events")
    gate.set()


@on_reactor
async def test_stopping_leaves_behind_a_loop_that_is_blocked(rig_of: RigOf, diary: Diary, logged: Logged) -> None:
    gate = threading.Event()

    class Blocking:
        async def on_call_started(self, call: Call) -> None:
            diary.write("begun")
            gate.wait(PATIENCE)

    rig = rig_of(Blocking, patience=Patience(stop=1.0))
    rig.begin()
    await diary.until_written("begun")
    await rig.stop(after=[1.0, 2.0, 2.0])
    assert logged.matching("A handler blocks its thread, which is left behind.")
    gate.set()


@on_reactor
async def test_handlers_that_were_never_started_can_be_stopped(diary: Diary) -> None:
    from tests.handler.fakes import ClockedReactor
    from voicestt.handler.service import Handlers

    handlers = Handlers(ClockedReactor(), writer(diary, is_async=True), queue=10, overflow="drop", threads=1)
    await soon(Deferred.fromCoroutine(handlers.stop()))


def test_a_class_without_a_file_is_taken(diary: Diary) -> None:
    methods = {"on_call_started": lambda _self, call: diary.write(call.call_sid)}
    with simulated_call(type("Hello", (), {"__module__": "builtins", **methods})) as call:
        assert diary.entries == [call.call_sid]


@on_reactor
async def test_the_start_logs_the_handlers_methods_and_the_misspelt_ones(rig_of: RigOf, logged: Logged) -> None:
    class Hello:
        def on_final(self, call: Call, event: events.Final) -> None: ...
        def on_finale(self, call: Call, event: events.Final) -> None: ...

    rig_of(Hello)
    assert logged.matching("Hello; it has on_final.")
    assert logged.matching("The handler's on_finale is never called: there is no such event. There are: on_call")


# -- what a call can do


@pytest.mark.parametrize("is_async", [False, True])
@on_reactor
async def test_a_handler_says_marks_and_clears_in_order_and_only_in_the_reactors_thread(
    rig_of: RigOf, diary: Diary, is_async: bool
) -> None:
    class Talking:
        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            call.say(b"old")
            call.clear()
            call.say(b"plain")
            said = call.say_text("hello").result(PATIENCE)
            diary.write((said, call.mark("m").result(PATIENCE)))

        async def on_final(self, call: Call, event: events.Final) -> None:
            call.say(b"old")
            call.clear()
            call.say(b"plain")
            said = await call.say_text("hello")
            diary.write((said, await call.mark("m")))

    rig, made = rig_of(Talking, speak=lambda text: text.encode()), Events()
    handled, line = rig.begin(made)
    handled.tell(made.final() if is_async else made.key())
    await diary.until(lambda: ("mark", "m") in line.asked)
    assert line.asked[-3:] == [("say", b"plain"), ("say", b"hello"), ("mark", "m")]
    assert ("clear",) in line.asked
    line.reach()
    await diary.until_written(("said", "played"))
    handled.tell(made.ended())
    await rig.over()


def test_texts_are_made_in_threads_of_their_own() -> None:
    names: list[str] = []

    class Talking:
        async def on_call_started(self, call: Call) -> None:
            await call.say_text("hello")

    def speak(text: str) -> bytes:
        names.append(threading.current_thread().name)
        return text.encode()

    with simulated_call(Talking, speak=speak) as call:
        call.listen()
        assert [heard.text for heard in call.heard] == ["hello"]
    assert [name.split("-")[0] for name in names] == ["speech"]


@on_reactor
async def test_a_call_that_ends_answers_whoever_still_waits(rig_of: RigOf, diary: Diary) -> None:
    gate = threading.Event()

    class Waiting:
        async def on_call_started(self, call: Call) -> None:
            diary.write("begun")
            diary.write((await call.say_text("hello"), await call.mark("m")))

        def on_call_ended(self, call: Call, event: events.CallEnded) -> None:
            call.say(b"nobody hears this")
            diary.write(("after", call.mark("m").result(PATIENCE), call.waiting, call.is_speaking))

    def speak(text: str) -> bytes:
        gate.wait(PATIENCE)
        return b""

    rig, made = rig_of(Waiting, speak=speak), Events()
    handled, line = rig.begin(made)
    await diary.until_written("begun")
    line.open = False
    handled.tell(made.ended())
    await rig.over()
    gate.set()
    assert diary.entries == ["begun", ("cleared", "cleared"), ("after", "cleared", 0.0, False)]
    assert line.asked == []


@on_reactor
async def test_a_call_knows_itself_its_account_and_what_waits(rig_of: RigOf, diary: Diary) -> None:
    class Asking:
        async def on_final(self, call: Call, event: events.Final) -> None:
            diary.write((call.call_sid, call.stream_sid, call.account_sid, call.session))
            diary.write((call.caller, call.called, call.parameters))
            diary.write((call.account.received, call.waiting, call.is_speaking))
            diary.write(repr(call))

    rig, made = rig_of(Asking), Events()
    handled, line = rig.begin(made)
    line.say(bytes(16_000))
    handled.tell(made.final())
    handled.tell(made.ended())
    await rig.over()
    assert diary.entries == [
        ("CA1", "MZ1", "AC1", "s1"),
        (CALLER, CALLED, {"shop": "7"}),
        (1, 0.0, False),
        "<Call CA1>",
    ]


@pytest.mark.parametrize("is_async", [False, True])
@on_reactor
async def test_a_handler_hangs_up_and_hands_on_by_twilios_api(
    rig_of: RigOf, diary: Diary, twilio_api: TwilioApi, is_async: bool
) -> None:
    class Leaving:
        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            call.transfer("+972501234567").result(PATIENCE)
            diary.write(call.hang_up().result(PATIENCE))

        async def on_final(self, call: Call, event: events.Final) -> None:
            await call.transfer("+972501234567")
            diary.write(await call.hang_up())

    rig, made = rig_of(Leaving, twilio=TwilioCalls(TOKEN, twilio_api.url)), Events()
    handled, line = rig.begin(made)
    handled.tell(made.final() if is_async else made.key())
    await diary.until_written("hung up")
    assert [sorted(asked.form) for asked in twilio_api.asked] == [["Twiml"], ["Status"]]
    assert line.asked == []
    handled.tell(made.ended())
    await rig.over()


@on_reactor
async def test_a_refused_transfer_is_raised_and_a_refused_hang_up_closes_the_stream(
    rig_of: RigOf, diary: Diary, twilio_api: TwilioApi, logged: Logged
) -> None:
    class Leaving:
        async def on_final(self, call: Call, event: events.Final) -> None:
            try:
                await call.transfer("+972501234567")
            except TwilioRefused as problem:
                diary.write(str(problem))
            diary.write(await call.hang_up())

    twilio_api.status, twilio_api.code = 401, 20003
    rig, made = rig_of(Leaving, twilio=TwilioCalls(TOKEN, twilio_api.url)), Events()
    handled, line = rig.begin(made)
    handled.tell(made.final())
    await diary.until_written("stream closed")
    assert "TWILIO_AUTH_TOKEN is not that" in diary.entries[0]
    assert line.asked == [("end", "the application hung up")]
    assert logged.matching("The call was not handed on, and goes on here: Twilio answered 401")
    assert logged.matching("its stream is closed instead: Twilio answered 401")
    assert not [said for said in logged.lines if "+97250" in said or TOKEN in said]
    handled.tell(made.ended())
    await rig.over()


@on_reactor
async def test_without_an_auth_token_the_missing_setting_is_named(
    rig_of: RigOf, diary: Diary, logged: Logged
) -> None:
    class Leaving:
        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            try:
                call.transfer("sip:desk@example.com").result(PATIENCE)
            except TwilioRefused as problem:
                diary.write(str(problem))
            diary.write(call.hang_up().result(PATIENCE))

    rig, made = rig_of(Leaving), Events()
    handled, line = rig.begin(made)
    handled.tell(made.key())
    await diary.until_written("stream closed")
    assert diary.entries[0] == "TWILIO_AUTH_TOKEN is not set, without which Twilio cannot be asked"
    assert line.asked == [("end", "the application hung up")]
    handled.tell(made.ended())
    await rig.over()


def test_too_much_audio_is_raised_in_the_handler() -> None:
    class Talking:
        async def on_final(self, call: Call, event: events.Final) -> None:
            call.say(bytes(8_000 * 599))
            try:
                call.say(bytes(16_000))
            except TooMuchAudio as problem:
                call.mark(str(problem))

    with simulated_call(Talking) as call:
        call.final("hello")
        assert call.actions[0] == ("say", 599.0)
        assert "600 s" in str(call.actions[1])


# -- many


@on_reactor
async def test_a_hundred_calls_cost_the_reactor_little_and_lose_nothing(rig_of: RigOf, diary: Diary) -> None:
    rig = rig_of(writer(diary, is_async=True))
    made = [Events(f"CA{number}") for number in range(100)]
    calls = [(events_of, rig.begin(events_of)[0]) for events_of in made]
    for round_ in range(20):
        for events_of, handled in calls:
            handled.tell(events_of.final(str(round_)))
        await turn()
    for events_of, handled in calls:
        handled.tell(events_of.ended())
    await rig.over()
    expected = ["started", *(f"final {number}" for number in range(20)), "ended the caller hung up"]
    assert all(told(diary, events_of.call_sid) == expected for events_of in made)


@on_reactor
async def test_nothing_of_a_call_outlives_it(rig_of: RigOf, diary: Diary) -> None:
    import gc
    import weakref

    seen: list[weakref.ref[Any]] = []

    class Weak:
        def __init__(self) -> None:
            seen.append(weakref.ref(self))

        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            call.say(b"audio")
            seen.append(weakref.ref(call))

        async def on_final(self, call: Call, event: events.Final) -> None:
            call.mark("m")

    rig, made = rig_of(Weak), Events()
    handled, line = rig.begin(made)
    for event in (made.key(), made.final(), made.ended()):
        handled.tell(event)
    seen.append(weakref.ref(line))
    rig.lines.clear()
    await rig.over()
    del handled, line
    for _ in range(100):
        await turn()
        gc.collect()
        if not [reference for reference in seen if reference() is not None]:
            break
    assert [reference() for reference in seen] == [None] * 3
