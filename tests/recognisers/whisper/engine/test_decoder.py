import pytest

from voicestt.recognisers.whisper.engine import load
from voicestt.recognisers.whisper.engine.decoder import UnknownLanguage, without_repeat
from voicestt.recognisers.whisper.engine.whisper_engine import WhisperEngine


@pytest.mark.parametrize(
    ("heard", "kept"),
    [
        ("He was not ill. He was not ill.", "He was not ill."),
        ("he was not an ill disposed young man, He was not", "he was not an ill disposed young man,"),
        ("five five", "five five"),
        ("no no no no", "no no no no"),
        ("one two three four", "one two three four"),
        ("", ""),
    ],
)
def test_a_tail_that_repeats_the_head_is_cut(heard: str, kept: str) -> None:
    assert " ".join(without_repeat(heard.split())) == kept


def test_a_language_that_whisper_does_not_know_is_refused(engine: WhisperEngine) -> None:
    multilingual = load(warn=lambda _: None)
    with pytest.raises(UnknownLanguage, match="whisper-base does not know the language 'tlh'"):
        multilingual.preload(["tlh"])
    multilingual.close()
