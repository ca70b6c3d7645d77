"""First readings of an utterance and what is shown of them; the figures are Whisper's of real recordings."""

import pytest

from voicestt.audio.endpointing import Endpointer
from voicestt.recognisers.whisper.engine.decoder import DecodeJob, WhisperModel
from voicestt.recognisers.whisper.engine.first_words import BeginningText, FirstWords, WordReading
from voicestt.recognisers.whisper.engine.voicing import voicing
from voicestt.recognisers.whisper.engine.weights import TINY_EN, read

BYTES_PER_MS = 16
BATCH = 150 * BYTES_PER_MS  # 150 ms, as they come from the telephone


def reading(*words: tuple[str, float], no_speech: float = 0.2) -> BeginningText:
    return BeginningText(tuple(WordReading(text, probability) for text, probability in words), no_speech)


THANK_YOU = reading(("Thank", 0.07), ("you.", 0.9), no_speech=0.5)


def test_an_unlikely_first_word_is_not_shown() -> None:
    assert FirstWords().shown(THANK_YOU, 0.55) == ""


def test_the_likely_words_before_the_first_unlikely_one_are_shown() -> None:
    heard = reading(("the", 0.5), ("comment", 0.08), ("is", 0.9))
    assert FirstWords().shown(heard, 0.55) == "the"


def test_a_word_that_was_read_before_in_the_same_place_needs_less() -> None:
    first_words = FirstWords()
    assert first_words.shown(reading(("Dash.", 0.2)), 0.55) == ""
    assert first_words.shown(reading(("dash", 0.2), ("it", 0.2)), 0.7) == "dash"


def test_only_the_reading_before_counts() -> None:
    first_words = FirstWords()
    for word in ("Dash", "Dad", "Dash"):
        assert first_words.shown(reading((word, 0.2)), 0.55) == ""


def test_an_invention_may_be_repeated_and_is_still_unlikely() -> None:
    first_words = FirstWords()
    assert [first_words.shown(THANK_YOU, seconds) for seconds in (0.5, 0.65, 0.8)] == ["", "", ""]


def test_what_is_hardly_speech_is_not_shown_however_likely_its_words() -> None:
    assert FirstWords().shown(reading(("you", 0.9), no_speech=0.8), 3.0) == ""


def test_a_reading_of_enough_speech_is_shown_whole() -> None:
    assert FirstWords().shown(reading(("שלום", 0.1), ("לך", 0.05)), 1.5) == "שלום לך"


@pytest.mark.parametrize("heard", [reading(), reading((".", 1.0)), reading(("...", 1.0), ("-", 1.0))])
def test_marks_alone_are_no_words(heard: BeginningText) -> None:
    assert FirstWords().shown(heard, 0.5) == ""
    assert FirstWords().shown(heard, 2.0) == ""


@pytest.fixture(scope="module")
def model() -> WhisperModel:
    return WhisperModel(read(TINY_EN))


def first_shown(model: WhisperModel, pcm: bytes) -> tuple[str, str]:
    """Return the first reading in which Whisper makes any word, and the first that is shown."""
    endpointer, first_words, first_read = Endpointer(voicing()), FirstWords(), ""
    for at in range(0, len(pcm), BATCH):
        endpointer.write(pcm[at : at + BATCH])
        start = endpointer.speaking_since
        if start is None:
            continue
        speech_end = endpointer.last_voiced - start
        spoken = DecodeJob(pcm[2 * start : 2 * endpointer.position], speech_end, "en")
        first_read = first_read or model.quick(spoken).text
        if shown := first_words.shown(model.beginning(spoken), speech_end / 8_000):
            return first_read, shown
    return first_read, ""


def is_wrong(heard: str, said: str) -> bool:
    """Tell whether the first word of a reading was not said."""
    first = heard.replace("Mr.", "mister").split()[0]
    return first.casefold().rstrip(".") not in said.split()


def test_first_partials_of_real_recordings_are_seldom_inventions(
    model: WhisperModel, austen: dict[str, bytes]
) -> None:
    leads = [bytes(8_000 + BYTES_PER_MS * ms) for ms in (0, 75)]  # so batches end at other places of a word
    clips = [(said, lead + pcm) for said, pcm in austen.items() for lead in leads]
    first = [(said, *first_shown(model, pcm)) for said, pcm in clips]
    read_wrong = [heard for said, heard, _ in first if is_wrong(heard, said)]
    shown_wrong = [shown for said, _, shown in first if is_wrong(shown, said)]
    assert len(shown_wrong) < len(read_wrong), (read_wrong, shown_wrong)
    assert not any("Thank" in shown for *_, shown in first)
