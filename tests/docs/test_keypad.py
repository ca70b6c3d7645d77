from xml.etree import ElementTree as ET

import pytest

from docs.keypad import Keypad
from tests.handler.conftest import RigOf
from tests.handler.fakes import Diary, Events, FakeLine, Rig, turn
from tests.handler.twilio_api import TOKEN, TwilioApi
from tests.recognisers.on_reactor import on_reactor
from voicestt.handler.handled_call import HandledCall
from voicestt.handler.loading import load_handler, misspelt
from voicestt.handler.twilio_rest import TwilioCalls

DESK = "+972509999999"


def call_of(rig_of: RigOf, api: TwilioApi) -> tuple[Rig, Events, HandledCall, FakeLine]:
    """A call that Keypad answers; a text's audio is the text."""
    rig = rig_of(Keypad, speak=lambda text: text.encode(), twilio=TwilioCalls(TOKEN, api.url))
    made = Events()
    handled, line = rig.begin(made)
    return rig, made, handled, line


def test_it_can_be_named_on_the_command_line() -> None:
    assert load_handler("docs.keypad:Keypad").__name__ == "Keypad"
    assert misspelt(Keypad) == []


@on_reactor
async def test_a_key_is_said_at_once(rig_of: RigOf, diary: Diary, twilio_api: TwilioApi) -> None:
    rig, made, handled, line = call_of(rig_of, twilio_api)
    await diary.until(lambda: bool(line.asked))
    handled.tell(made.key("7"))
    await diary.until(lambda: line.asked[-1] == ("say", b"7"))
    assert line.asked[-2] == ("clear",)
    handled.tell(made.ended())
    await rig.over()


@on_reactor
async def test_the_hash_key_ends_the_call_after_the_goodbye(
    rig_of: RigOf, diary: Diary, twilio_api: TwilioApi
) -> None:
    rig, made, handled, line = call_of(rig_of, twilio_api)
    handled.tell(made.key("#"))
    await diary.until(lambda: bool(line.marks))
    assert line.asked[-2:] == [("say", b"Goodbye."), ("mark", "goodbye")]
    assert twilio_api.asked == []
    line.reach()
    handled.tell(made.ended())
    await rig.over()
    while not twilio_api.asked:
        await turn()
    assert [asked.form for asked in twilio_api.asked] == [{"Status": "completed"}]


@on_reactor
async def test_zero_hands_the_caller_on(
    rig_of: RigOf, diary: Diary, twilio_api: TwilioApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK", DESK)
    rig, made, handled, _ = call_of(rig_of, twilio_api)
    handled.tell(made.key("0"))
    handled.tell(made.ended())
    await rig.over()
    (asked,) = twilio_api.asked
    assert ET.fromstring(asked.form["Twiml"]).findtext("./Dial/Number") == DESK


@pytest.mark.parametrize("desk", ["", DESK])
@on_reactor
async def test_a_desk_that_cannot_be_reached_is_said(
    rig_of: RigOf, diary: Diary, twilio_api: TwilioApi, monkeypatch: pytest.MonkeyPatch, desk: str
) -> None:
    monkeypatch.setenv("DESK", desk)
    twilio_api.status, twilio_api.code = 400, 13224
    rig, made, handled, line = call_of(rig_of, twilio_api)
    handled.tell(made.key("0"))
    await diary.until(lambda: ("say", b"The desk cannot be reached.") in line.asked)
    handled.tell(made.ended())
    await rig.over()
