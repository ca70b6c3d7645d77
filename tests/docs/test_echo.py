from docs.echo import Echo
from tests.handler.conftest import RigOf
from tests.handler.fakes import Diary, Events, FakeLine, Rig, turn
from tests.recognisers.on_reactor import on_reactor
from voicestt.handler.handled_call import HandledCall
from voicestt.handler.loading import load_handler, misspelt

CLEAR = ("clear",)


def call_of(rig_of: RigOf) -> tuple[Rig, Events, HandledCall, FakeLine]:
    """A call that Echo answers; a text's audio is the text."""
    rig, made = rig_of(Echo, speak=lambda text: text.encode()), Events()
    handled, line = rig.begin(made)
    return rig, made, handled, line


def test_it_can_be_named_on_the_command_line() -> None:
    assert load_handler("docs.echo:Echo").__name__ == "Echo"
    assert misspelt(Echo) == []


@on_reactor
async def test_the_caller_hears_the_whole_turn_once(rig_of: RigOf, diary: Diary) -> None:
    rig, made, handled, line = call_of(rig_of)
    for event in (made.partial("hel"), made.final("hello", 1), made.final("you", 2), made.turn(2), made.turn(2)):
        handled.tell(event)
    await diary.until(lambda: bool(line.asked))
    handled.tell(made.ended())
    await rig.over()
    assert line.asked == [("say", b"hello you")]


@on_reactor
async def test_words_while_it_speaks_silence_it_and_words_while_it_does_not_do_nothing(
    rig_of: RigOf, diary: Diary
) -> None:
    rig, made, handled, line = call_of(rig_of)
    for event in (made.partial("hel"), made.final("hello", 1), made.turn(1)):
        handled.tell(event)
    await diary.until(lambda: ("say", b"hello") in line.asked)
    assert CLEAR not in line.asked
    handled.tell(made.partial("no", 2))
    await diary.until(lambda: CLEAR in line.asked)
    handled.tell(made.partial("no no", 2))
    handled.tell(made.ended())
    await rig.over()
    await turn()
    assert line.asked == [("say", b"hello"), CLEAR]


@on_reactor
async def test_a_final_silences_it_where_no_partial_came(rig_of: RigOf, diary: Diary) -> None:
    rig, made, handled, line = call_of(rig_of)
    line.seconds = 2.0  # a greeting is being played
    handled.tell(made.final("hello", 1))
    await diary.until(lambda: CLEAR in line.asked)
    handled.tell(made.ended())
    await rig.over()
