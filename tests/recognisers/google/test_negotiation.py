import pytest

from tests.conftest import Logged
from voicestt.recognisers.google.config import RecognitionRequest
from voicestt.recognisers.google.negotiation import FeatureNegotiation
from voicestt.recognisers.google.v2 import ApiV2
from voicestt.recognisers.port import RecogniserError

ASKED = RecognitionRequest("iw-IL", "chirp_3", api=ApiV2("mine"))
OF_A_MODEL = "Invalid recognition 'config': Incorrect model specified."
UNSUPPORTED = "Config contains unsupported fields."


def refusal(words: str, status: str = "INVALID_ARGUMENT") -> RecogniserError:
    return RecogniserError(status, words)


@pytest.mark.parametrize(
    "words",
    [
        UNSUPPORTED,
        "Recognizer does not support feature: word_level_timestamps",
        "Word time offsets are not supported by the model chirp_3.",
        "enable_word_time_offsets is not allowed",
        "Timestamps are not supported for this language",
    ],
)
def test_word_times_that_are_refused_are_given_up_and_the_model_is_kept(words: str, logged: Logged) -> None:
    wishes = FeatureNegotiation(ASKED)
    error = wishes.consider(refusal(words), ASKED)
    assert (error.status, error.is_fatal) == ("ABORTED", False)
    assert (wishes.asked.word_times, wishes.asked.model) == (False, "chirp_3")
    (line,) = logged.matching("does not give the times of words with the model chirp_3 and iw-IL")
    assert words in line


def test_it_is_said_once_however_many_calls_were_refused(logged: Logged) -> None:
    wishes = FeatureNegotiation(ASKED)
    for _ in range(3):
        assert not wishes.consider(refusal(UNSUPPORTED), ASKED).is_fatal
    assert len(logged.matching("the times of words")) == 1


def test_where_word_times_were_not_asked_for_the_refusal_is_of_something_else() -> None:
    wishes = FeatureNegotiation(ASKED)
    wishes.consider(refusal(UNSUPPORTED), ASKED)
    again = refusal(UNSUPPORTED)
    assert wishes.consider(again, wishes.asked) is again
    assert again.is_fatal


def test_a_model_may_be_refused_after_word_times_were(logged: Logged) -> None:
    wishes = FeatureNegotiation(ASKED)
    wishes.consider(refusal(UNSUPPORTED), ASKED)
    assert not wishes.consider(refusal(OF_A_MODEL), wishes.asked).is_fatal
    assert (wishes.asked.word_times, wishes.asked.model) == (False, "long")
    assert len(logged.matching("GCP_STT_MODEL=chirp_3")) == 1


def test_one_who_asked_before_others_were_refused_gives_nothing_back() -> None:
    wishes = FeatureNegotiation(ASKED)
    wishes.consider(refusal(OF_A_MODEL), ASKED)
    wishes.consider(refusal(UNSUPPORTED), ASKED)
    assert (wishes.asked.word_times, wishes.asked.model) == (False, "long")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("UNAVAILABLE", UNSUPPORTED),
        ("INVALID_ARGUMENT", "Invalid recognition 'config': bad language code."),
        ("OUT_OF_RANGE", "Exceeded maximum allowed stream duration of 305 seconds."),
    ],
)
def test_other_errors_are_what_they_are(status: str, words: str) -> None:
    wishes, error = FeatureNegotiation(ASKED), refusal(words, status)
    assert wishes.consider(error, ASKED) is error
    assert wishes.asked is ASKED
