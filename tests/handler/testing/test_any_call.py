import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.conftest import Logged
from voicestt import events
from voicestt.handler import Call
from voicestt.handler.testing import HandlerFailed, SimulatedCall, simulated_call

SECOND = bytes(8_000)


def _fail(_call: Call) -> object:
    raise LookupError


REPLIES: dict[str, Callable[[Call], Any]] = {
    "say": lambda call: call.say(SECOND),
    "say a text": lambda call: call.say_text("hello"),
    "clear": lambda call: call.clear(),
    "wait for a mark": lambda call: call.mark("m"),
    "wait": lambda _: 5.0,
    "hang up": lambda call: call.hang_up(),
    "transfer": lambda call: call.transfer("+15005550002"),
    "raise": _fail,
}

MOVES: dict[str, Callable[[SimulatedCall, str], object]] = {
    "partial": lambda call, name: call.partial(name),
    "final": lambda call, name: call.final(name),
    "turn": lambda call, _: call.utterance_end(),
    "key": lambda call, _: call.dtmf("1"),
    "degraded": lambda call, _: call.degraded(),
    "some time": lambda call, _: call.advance(2.5),
    "listen": lambda call, _: call.listen(),
    "end": lambda call, _: call.end(),
}


def moody(replies: list[str], kept: list[events.Event], *, is_async: bool) -> type:
    """A handler that does the next of `replies` at each event, in coroutines or in plain functions."""

    def reply(call: Call, event: events.Event) -> Any:
        kept.append(event)
        return REPLIES[replies[len(kept) % len(replies)]](call)

    async def coroutine(_self: object, call: Call, event: events.Event) -> None:
        answer = reply(call, event)
        if isinstance(answer, float):
            await asyncio.sleep(answer)
        elif answer is not None:
            await answer

    def plain(_self: object, call: Call, event: events.Event) -> None:
        answer = reply(call, event)
        if hasattr(answer, "result"):
            answer.result(20)

    names = ["on_partial", "on_final", "on_utterance_end", "on_dtmf", "on_degraded", "on_call_ended"]
    return type("Moody", (), dict.fromkeys(names, coroutine if is_async else plain))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(sorted(MOVES)), max_size=15),
    st.lists(st.sampled_from(sorted(REPLIES)), min_size=1, max_size=6),
    st.booleans(),
)
@example(moves=["degraded"] * 3, replies=["raise", "wait"], is_async=True)
@example(moves=["final"] * 15, replies=["wait"], is_async=True)
def test_no_call_hangs_and_no_final_is_missed_whatever_happens_and_whatever_the_handler_does(
    logged: Logged, moves: list[str], replies: list[str], is_async: bool
) -> None:
    kept: list[events.Event] = []
    finals: list[str] = []
    with suppress(HandlerFailed), simulated_call(moody(replies, kept, is_async=is_async)) as call:
        for number, move in enumerate(moves):
            if call.is_over:
                break
            finals += [str(number)] if move == "final" else []
            with suppress(HandlerFailed):
                MOVES[move](call, str(number))
    assert [event.text for event in kept if isinstance(event, events.Final)] == finals
    assert [type(event) is events.CallEnded for event in kept] == [False] * (len(kept) - 1) + [True]
    logged.flush(LookupError)
