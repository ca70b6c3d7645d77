"""A simulated call shows what the real reactor, in real time, does with the same handler and events."""

from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from docs.examples.echo import Echo
from docs.examples.keypad import Keypad
from tests.handler.fakes import Diary, Events, Rig
from tests.recognisers.on_reactor import on_reactor
from voicestt import events
from voicestt.events import Event
from voicestt.handler import Call
from voicestt.handler.testing import Action, simulated_call

MOVES = ["partial", "final", "turn", "key"]


def told_by(diary: Diary) -> type:
    """Echo in coroutines and Keypad in plain functions, which write down what they have done."""

    class Both(Echo, Keypad):
        def on_call_started(self, call: Call) -> None:
            super().on_call_started(call)
            diary.write(("started", call.is_speaking))

        async def on_partial(self, call: Call, event: events.Partial) -> None:
            await super().on_partial(call, event)
            diary.write((event.sequence, event.text, call.is_speaking))

        async def on_final(self, call: Call, event: events.Final) -> None:
            await super().on_final(call, event)
            diary.write((event.sequence, event.text, call.is_speaking))

        async def on_utterance_end(self, call: Call, event: events.UtteranceEnd) -> None:
            await super().on_utterance_end(call, event)
            diary.write((event.sequence, "", call.is_speaking))

        def on_dtmf(self, call: Call, event: events.Dtmf) -> None:
            super().on_dtmf(call, event)
            diary.write((event.sequence, event.digit, call.is_speaking))

    return Both


def play_simulated(moves: list[str], diary: Diary) -> list[list[Action]]:
    """The requests of a simulated call's handler after its start, and after each event."""
    with simulated_call(told_by(diary)) as call:
        asked = [list(call.actions)]
        for move in moves:
            match move:
                case "partial":
                    call.partial("he")
                case "final":
                    call.final("hello")
                case "turn":
                    call.utterance_end()
                case _:
                    call.dtmf("1")
            asked.append(list(call.actions))
    return asked


async def play_really(moves: list[str], diary: Diary, asked: list[list[Action]]) -> list[tuple[Any, ...]]:
    """The same handler's requests on the reactor, where a text's audio is the text; waits until it `asked`."""
    rig, made = Rig(told_by(diary), diary, speak=lambda text: text.encode()), Events()
    makers: dict[str, Callable[[], Event]] = {"partial": made.partial, "final": made.final, "key": made.key}
    handled, line = rig.begin(made)

    def has_done(told: int) -> bool:
        return len(diary.entries) > told and len(line.asked) >= len(asked[told])

    for told, move in enumerate(moves):
        await diary.until(partial(has_done, told))
        handled.tell(made.turn() if move == "turn" else makers[move]())
    await diary.until(partial(has_done, len(moves)))
    handled.tell(made.ended())
    await rig.over()
    await rig.stop()
    return [("say_text", what[1].decode()) if what[0] == "say" else what for what in line.asked]


@settings(max_examples=15)
@given(st.lists(st.sampled_from(MOVES), max_size=8))
@on_reactor
async def test_the_same_events_make_the_same_handler_do_the_same(moves: list[str]) -> None:
    simulated, real = Diary(), Diary()
    asked = play_simulated(moves, simulated)
    assert await play_really(moves, real, asked) == asked[-1]
    assert simulated.entries == real.entries
