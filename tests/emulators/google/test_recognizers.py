"""v2's recognizers by name: what is kept, and what a request makes of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core.exceptions import AlreadyExists, InvalidArgument, MethodNotImplemented, NotFound
from google.cloud import speech_v2
from google.cloud.speech_v2.types import cloud_speech
from google.protobuf.field_mask_pb2 import FieldMask

from tests.emulators.google.official import client_v2, config_v2, recognise_v2, stream_v2
from tests.emulators.google.sounds import tone
from voicestt.emulators.google import script
from voicestt.emulators.google.limits import Code, Refusal
from voicestt.emulators.google.recognizers import LARGEST_RECOGNIZER, Recognizers
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import LocalGoogle

SCRIPT = script.parse('{"utterances": [{"text": "one two", "start": 0.5, "end": 1.5, "others": ["won too"]}]}')
AUDIO = tone(440, 16_000, 2.0).tobytes()
PARENT = "projects/p/locations/eu"
MINE = f"{PARENT}/recognizers/mine"
Config = cloud_speech.RecognitionConfig.pb()


@pytest.fixture
def client() -> Iterator[speech_v2.SpeechClient]:
    with LocalGoogle(ScriptEngine(SCRIPT)) as service, client_v2(service.target) as speech:
        yield speech


def created(client: speech_v2.SpeechClient, identifier: str = "mine", **settings: Any) -> Any:
    features = speech_v2.RecognitionFeatures(max_alternatives=2)
    recognizer = speech_v2.Recognizer(default_recognition_config=config_v2(16_000, features=features))
    request = speech_v2.CreateRecognizerRequest(
        parent=PARENT, recognizer_id=identifier, recognizer=recognizer, **settings
    )
    return client.create_recognizer(request=request).result()


def test_a_recognizer_is_created_found_listed_used_and_deleted(client: speech_v2.SpeechClient) -> None:
    assert created(client).name == MINE
    assert client.get_recognizer(name=MINE).state == speech_v2.Recognizer.State.ACTIVE
    created(client, "other")
    names = [each.name for each in client.list_recognizers(parent=PARENT)]
    assert names == [MINE, f"{PARENT}/recognizers/other"]
    heard = recognise_v2(client, AUDIO, speech_v2.RecognitionConfig(), MINE)
    assert [each.transcript for each in heard.results[0].alternatives] == ["one two", "won too"]
    streamed = stream_v2(client, [AUDIO[:25_600], AUDIO[25_600:50_000]], speech_v2.RecognitionConfig(), MINE)
    assert streamed[-1].results[-1].alternatives[0].transcript == "one two"
    assert client.delete_recognizer(name=MINE).result().name == MINE
    with pytest.raises(NotFound, match="Requested entity was not found"):
        recognise_v2(client, AUDIO, recognizer=MINE)


def test_what_cannot_be_kept_is_refused(client: speech_v2.SpeechClient) -> None:
    created(client)
    with pytest.raises(AlreadyExists):
        created(client)
    with pytest.raises(InvalidArgument):
        created(client, "Not A Name")
    assert created(client, "tried", validate_only=True).name
    for call in (client.get_recognizer, client.delete_recognizer):
        with pytest.raises(NotFound):
            call(name=f"{PARENT}/recognizers/tried")
    missing = speech_v2.DeleteRecognizerRequest(name=f"{PARENT}/recognizers/tried", allow_missing=True)
    assert client.delete_recognizer(request=missing).result().name
    with pytest.raises(InvalidArgument):
        client.list_recognizers(parent="mine")
    with pytest.raises(MethodNotImplemented, match="changes no recognizer"):
        client.update_recognizer(recognizer=speech_v2.Recognizer(name=MINE))
    with pytest.raises(MethodNotImplemented, match="keeps no phrase sets"):
        client.list_phrase_sets(parent=PARENT)


def kept() -> Recognizers:
    recognizers = Recognizers(most=1)
    default = Config(model="long", language_codes=["en-US", "fr-FR"], features={"max_alternatives": 3})
    recognizers.create(PARENT, "mine", cloud_speech.Recognizer.pb()(default_recognition_config=default))
    return recognizers


def test_a_request_overrides_the_fields_that_it_sets() -> None:
    asked = Config(
        language_codes=["de-DE"], features={"profanity_filter": True}, auto_decoding_config={}, model="short"
    )
    assert kept().config_of(MINE, asked, FieldMask()) == Config(
        model="short",
        language_codes=["de-DE"],
        features={"max_alternatives": 3, "profanity_filter": True},
        auto_decoding_config={},
    )


def test_a_mask_says_which_fields_a_request_overrides() -> None:
    asked = Config(language_codes=["de-DE"], model="short")
    masked = kept().config_of(MINE, asked, FieldMask(paths=["language_codes"]))
    assert (masked.model, list(masked.language_codes)) == ("long", ["de-DE"])
    assert kept().config_of(MINE, asked, FieldMask(paths=["*"])) == asked
    empty = MINE.replace("mine", "_")
    assert kept().config_of(empty, asked, FieldMask(paths=["model"])) == Config(model="short")
    with pytest.raises(Refusal, match="Invalid config_mask"):
        kept().config_of(MINE, asked, FieldMask(paths=["nonsense"]))


def test_model_and_languages_may_be_where_they_once_were() -> None:
    recognizers = Recognizers()
    recognizers.create(PARENT, "old", cloud_speech.Recognizer.pb()(model="long", language_codes=["en-US"]))
    config = recognizers.config_of(MINE.replace("mine", "old"), Config(), FieldMask())
    assert config == Config(model="long", language_codes=["en-US"])


def test_there_is_room_for_so_many_and_so_much() -> None:
    for recognizers, size in ((kept(), 1), (Recognizers(), LARGEST_RECOGNIZER)):
        with pytest.raises(Refusal) as refused:
            recognizers.create(PARENT, "next", cloud_speech.Recognizer.pb()(display_name="x" * size))
        assert refused.value.code is Code.RESOURCE_EXHAUSTED


def test_pages_are_of_one_location() -> None:
    recognizers = Recognizers()
    for name in ("a", "b", "c"):
        recognizers.create(PARENT, name, cloud_speech.Recognizer.pb()())
    recognizers.create("projects/p/locations/us", "d", cloud_speech.Recognizer.pb()())
    page, token = recognizers.page(PARENT, 2, "")
    assert ([each.name[-1] for each in page], token) == (["a", "b"], "2")
    page, token = recognizers.page(PARENT, 2, token)
    assert ([each.name[-1] for each in page], token) == (["c"], "")
