"""Streams that Google ends by itself when nobody speaks: no failure, and the next words open another."""

from collections.abc import Iterator

import pytest

from tests.recognisers.simulated import SECOND, energy_voicing
from tests.recognisers.test_changes import LONG, speak_until_a_partial
from tests.recognisers.test_streaming import DEAF, SILENCE, WORDLESS, Conversation
from voicestt.audio import vad
from voicestt.recognisers.port import RecogniserError


@pytest.fixture(autouse=True, scope="module")
def _voicing() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vad, "webrtc_voicing", energy_voicing)
        yield


def end_by_itself(talk: Conversation) -> None:
    stream = talk.world.streams[-1]
    vars(stream)["ends_by_itself"] = True
    stream.end(None)


def test_after_a_final_the_next_words_open_another_stream() -> None:
    talk = Conversation(LONG)
    while not talk.heard.finals:
        talk.speak(400)
    end_by_itself(talk)
    talk.speak(5 * SECOND)
    assert len(talk.world.streams) > 1
    talk.hang_up()
    talk.check()
    assert "restarted" not in talk.heard.kinds


def test_silence_opens_none() -> None:
    talk = Conversation(LONG)
    talk.world.manner = WORDLESS
    talk.play(1.0, SILENCE)
    end_by_itself(talk)
    talk.play(5.0, SILENCE)
    assert len(talk.world.streams) == 1
    assert talk.ledger.kept < 2 * SECOND, "silence is let go of"
    assert talk.heard.kinds == []
    talk.hang_up()
    assert talk.heard.ends == [None]


def test_in_the_middle_of_words_it_is_a_failure_and_no_word_is_lost() -> None:
    talk = Conversation(LONG)
    speak_until_a_partial(talk)
    end_by_itself(talk)
    talk.speak(3 * SECOND)
    talk.hang_up()
    talk.check()
    assert "restarted" in talk.heard.kinds


def test_a_stream_that_was_not_asked_to_end_has_failed() -> None:
    talk = Conversation(LONG)
    talk.world.manner = DEAF
    talk.play(1.0, SILENCE)
    talk.world.streams[-1].end(None)
    assert talk.heard.kinds == ["restarted"]
    talk.fail(0, RecogniserError("UNAVAILABLE", "no route"))
    talk.abort()
