import json

import pytest

from tests.config.test_credentials import KEY
from tests.conftest import Logged
from tests.server.fakes import settings_of
from voicestt.recognisers.google.api import ApiV2
from voicestt.recognisers.google.channels import GoogleTarget
from voicestt.recognisers.google.negotiation import FeatureNegotiation
from voicestt.recognisers.google.request import (
    RecognitionRequest,
    choice_of,
    choose_model,
    is_elsewhere,
    request_of,
    target_of,
)
from voicestt.recognisers.port import RecogniserError

V2_SETTINGS = {"GCP_STT_API": "v2", "GCP_PROJECT": "mine"}


def test_by_default_it_is_v1_at_google_s_own_host() -> None:
    settings = settings_of()
    assert request_of(settings) == RecognitionRequest("iw-IL", "default")
    assert target_of(settings) == GoogleTarget()


def test_v2_asks_for_a_project_s_recogniser_in_a_location() -> None:
    settings = settings_of(**V2_SETTINGS, GCP_STT_LOCATION="eu", GCP_STT_PUNCTUATION_FINAL="false")
    assert request_of(settings) == RecognitionRequest(
        "iw-IL", "chirp_3", punctuation_final=False, api=ApiV2("mine", "eu")
    )
    assert target_of(settings) == GoogleTarget("eu-speech.googleapis.com:443")


def test_the_global_location_is_at_google_s_own_host() -> None:
    assert target_of(settings_of(**V2_SETTINGS)) == GoogleTarget()


def test_an_endpoint_that_was_named_wins_over_the_location() -> None:
    settings = settings_of(**V2_SETTINGS, GCP_STT_LOCATION="eu", GCP_STT_ENDPOINT="h:1")
    assert target_of(settings) == GoogleTarget("h:1")


def test_v1_has_no_hosts_of_its_locations() -> None:
    assert target_of(settings_of(GCP_STT_LOCATION="eu")) == GoogleTarget()


def test_the_project_is_the_key_s_unless_another_is_named() -> None:
    key = json.dumps({**KEY, "project_id": "of-the-key"})
    by_key = settings_of(GCP_STT_API="v2", GOOGLE_APPLICATION_CREDENTIALS=key)
    assert request_of(by_key).api == ApiV2("of-the-key")
    assert request_of(settings_of(**V2_SETTINGS, GOOGLE_APPLICATION_CREDENTIALS=key)).api == ApiV2("mine")


def test_a_local_service_needs_no_project() -> None:
    local = settings_of(GCP_STT_API="v2", GCP_STT_INSECURE="true", GCP_STT_ENDPOINT="127.0.0.1:1")
    assert request_of(local).api == ApiV2("local")
    assert request_of(settings_of(GCP_STT_API="v2", STT_ENGINE="embedded")).api == ApiV2("local")


def test_the_choice_is_that_of_the_api() -> None:
    assert choice_of(settings_of()).model == "default"
    assert choice_of(settings_of(**V2_SETTINGS)).model == "chirp_3"


@pytest.mark.parametrize(
    ("more", "elsewhere"),
    [
        ({}, True),
        ({"GCP_STT_LOCATION": "us"}, False),
        ({"GCP_STT_LANGUAGE": "en-US"}, False),
        ({"GCP_STT_LANGUAGE": "en-US", "GCP_STT_MODEL": "chirp_2"}, True),
        ({"GCP_STT_ENDPOINT": "127.0.0.1:1"}, False),
        ({"STT_ENGINE": "embedded"}, False),
        ({"GCP_STT_API": "v1", "GCP_STT_MODEL": "chirp_3"}, False),
    ],
)
def test_a_model_that_the_global_location_does_not_have_is_known(more: dict[str, str], elsewhere: bool) -> None:
    assert is_elsewhere(settings_of(**{**V2_SETTINGS, **more})) is elsewhere


@pytest.mark.parametrize("asked", ["he-IL", "he", "iw", "iw-IL", "HE-il"])
def test_hebrew_is_sent_by_googles_own_code(asked: str) -> None:
    assert choose_model("default", asked).language == "iw-IL"


@pytest.mark.parametrize("model", ["phone_call", "latest_long", "latest_short", "telephony", "video"])
def test_a_model_that_google_refuses_with_hebrew_becomes_default(model: str) -> None:
    choice = choose_model(model, "he-IL")
    assert (choice.language, choice.model, choice.wanted_model, choice.changed) == (
        "iw-IL",
        "default",
        model,
        True,
    )


@pytest.mark.parametrize("model", ["default", "command_and_search"])
def test_a_model_that_google_has_for_hebrew_stays(model: str) -> None:
    choice = choose_model(model, "he-IL")
    assert (choice.model, choice.changed) == (model, False)


@pytest.mark.parametrize("language", ["en-US", "de-DE", "ar-IL", "cmn-Hans-CN"])
def test_other_languages_are_left_alone(language: str) -> None:
    choice = choose_model("phone_call", language)
    assert (choice.language, choice.model, choice.changed) == (language, "phone_call", False)


@pytest.mark.parametrize("model", ["phone_call", "telephony", "long", "default", "chirp_2", "chirp_3"])
def test_v2_has_one_model_for_hebrew(model: str) -> None:
    choice = choose_model(model, "he-IL", "v2")
    assert (choice.language, choice.model, choice.changed) == ("iw-IL", "chirp_3", model != "chirp_3")


@pytest.mark.parametrize(
    ("model", "used"),
    [
        ("phone_call", "telephony"),
        ("default", "long"),
        ("telephony", "telephony"),
        ("chirp_3", "chirp_3"),
        ("mine", "mine"),
    ],
)
def test_v2_has_other_names_for_what_v1_calls_otherwise(model: str, used: str) -> None:
    choice = choose_model(model, "en-US", "v2")
    assert (choice.language, choice.model, choice.changed) == ("en-US", used, model != used)


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
    features = FeatureNegotiation(ASKED)
    error = features.consider(refusal(words), ASKED)
    assert (error.status, error.is_fatal) == ("ABORTED", False)
    assert (features.request.word_times, features.request.model) == (False, "chirp_3")
    (line,) = logged.matching("does not give the times of words with the model chirp_3 and iw-IL")
    assert words in line


def test_it_is_said_once_however_many_calls_were_refused(logged: Logged) -> None:
    features = FeatureNegotiation(ASKED)
    for _ in range(3):
        assert not features.consider(refusal(UNSUPPORTED), ASKED).is_fatal
    assert len(logged.matching("the times of words")) == 1


def test_where_word_times_were_not_asked_for_the_refusal_is_of_something_else() -> None:
    features = FeatureNegotiation(ASKED)
    features.consider(refusal(UNSUPPORTED), ASKED)
    again = refusal(UNSUPPORTED)
    assert features.consider(again, features.request) is again
    assert again.is_fatal


def test_a_model_may_be_refused_after_word_times_were(logged: Logged) -> None:
    features = FeatureNegotiation(ASKED)
    features.consider(refusal(UNSUPPORTED), ASKED)
    assert not features.consider(refusal(OF_A_MODEL), features.request).is_fatal
    assert (features.request.word_times, features.request.model) == (False, "long")
    assert len(logged.matching("GCP_STT_MODEL=chirp_3")) == 1


def test_one_who_asked_before_others_were_refused_gives_nothing_back() -> None:
    features = FeatureNegotiation(ASKED)
    features.consider(refusal(OF_A_MODEL), ASKED)
    features.consider(refusal(UNSUPPORTED), ASKED)
    assert (features.request.word_times, features.request.model) == (False, "long")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("UNAVAILABLE", UNSUPPORTED),
        ("INVALID_ARGUMENT", "Invalid recognition 'config': bad language code."),
        ("OUT_OF_RANGE", "Exceeded maximum allowed stream duration of 305 seconds."),
    ],
)
def test_other_errors_are_what_they_are(status: str, words: str) -> None:
    features, error = FeatureNegotiation(ASKED), refusal(words, status)
    assert features.consider(error, ASKED) is error
    assert features.request is ASKED
