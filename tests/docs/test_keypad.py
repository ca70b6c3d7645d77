import pytest

from docs.examples.keypad import Keypad
from voicestt.handler.loading import load_handler, misspelt
from voicestt.handler.testing import simulated_call

MENU = "Press zero for the desk, or hash to end the call."
DESK = "+15005550002"


def test_it_can_be_named_on_the_command_line() -> None:
    assert load_handler("docs.examples.keypad:Keypad").__name__ == "Keypad"
    assert misspelt(Keypad) == []


def test_a_key_is_said_at_once() -> None:
    with simulated_call(Keypad) as call:
        call.advance(1.0)
        call.dtmf("7")
        call.listen()
        assert call.actions == [("say_text", MENU), ("clear",), ("say_text", "7")]
        assert [(heard.text, heard.is_whole) for heard in call.heard] == [(MENU, False), ("7", True)]


def test_the_hash_key_ends_the_call_after_the_goodbye() -> None:
    with simulated_call(Keypad) as call:
        call.dtmf("#")
        assert call.actions[-2:] == [("say_text", "Goodbye."), ("mark", "goodbye")]
        call.listen()
        assert call.actions[-1] == ("hang_up",)
        assert [(heard.text, heard.is_whole) for heard in call.heard] == [("Goodbye.", True)]
        assert call.is_over


def test_zero_hands_the_caller_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK", DESK)
    with simulated_call(Keypad) as call:
        call.dtmf("0")
        assert call.actions[-1] == ("transfer", DESK)
        assert call.is_over


@pytest.mark.parametrize("desk", ["", DESK])
def test_a_desk_that_cannot_be_reached_is_said(monkeypatch: pytest.MonkeyPatch, desk: str) -> None:
    monkeypatch.setenv("DESK", desk)
    with simulated_call(Keypad) as call:
        call.twilio_refuses = "Twilio answered 400"
        call.dtmf("0")
        assert call.said[-1] == "The desk cannot be reached."
        assert not call.is_over
