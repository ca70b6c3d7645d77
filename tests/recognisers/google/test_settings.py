import json

import pytest

from tests.config.test_credentials import KEY
from tests.server.fakes import settings_of
from voicestt.recognisers.google.channels import GoogleTarget
from voicestt.recognisers.google.config import RecognitionRequest
from voicestt.recognisers.google.settings import (
    asked_of,
    choice_of,
    is_elsewhere,
    target_of,
)
from voicestt.recognisers.google.v2 import ApiV2

V2_SETTINGS = {"GCP_STT_API": "v2", "GCP_PROJECT": "mine"}


def test_by_default_it_is_v1_at_google_s_own_host() -> None:
    settings = settings_of()
    assert asked_of(settings) == RecognitionRequest("iw-IL", "default")
    assert target_of(settings) == GoogleTarget()


def test_v2_asks_for_a_project_s_recogniser_in_a_location() -> None:
    settings = settings_of(**V2_SETTINGS, GCP_STT_LOCATION="eu", GCP_STT_PUNCTUATION_FINAL="false")
    assert asked_of(settings) == RecognitionRequest(
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
    assert asked_of(by_key).api == ApiV2("of-the-key")
    assert asked_of(settings_of(**V2_SETTINGS, GOOGLE_APPLICATION_CREDENTIALS=key)).api == ApiV2("mine")


def test_a_local_service_needs_no_project() -> None:
    local = settings_of(GCP_STT_API="v2", GCP_STT_INSECURE="true", GCP_STT_ENDPOINT="127.0.0.1:1")
    assert asked_of(local).api == ApiV2("local")
    assert asked_of(settings_of(GCP_STT_API="v2", STT_ENGINE="embedded")).api == ApiV2("local")


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
