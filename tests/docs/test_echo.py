from docs.examples.echo import Echo
from voicestt.handler.loading import load_handler, misspelt
from voicestt.handler.testing import Heard, simulated_call


def test_it_can_be_named_on_the_command_line() -> None:
    assert load_handler("docs.examples.echo:Echo").__name__ == "Echo"
    assert misspelt(Echo) == []


def test_the_caller_hears_the_whole_turn_once() -> None:
    with simulated_call(Echo) as call:
        call.partial("hel")
        call.final("hello")
        call.final("you")
        call.utterance_end()
        call.utterance_end()
        call.listen()
        assert [heard.text for heard in call.heard] == ["hello you"]
    assert call.actions == [("say_text", "hello you")]


def test_words_while_it_speaks_silence_it_and_words_while_it_does_not_do_nothing() -> None:
    with simulated_call(Echo) as call:
        call.caller_says("hello and good morning")
        assert call.actions == [("say_text", "hello and good morning")]
        call.advance(0.5)
        call.partial("no")
        assert call.actions == [("say_text", "hello and good morning"), ("clear",)]
        call.partial("no no")
    assert call.actions == [("say_text", "hello and good morning"), ("clear",)]
    assert call.heard == [Heard("hello and good morning", 0.5, is_whole=False)]


def test_a_final_silences_it_where_no_partial_came() -> None:
    with simulated_call(Echo, greeting=bytes(16_000)) as call:
        call.final("hello")
        assert call.actions == [("clear",)]
