"""A local service that says a test module's SCRIPT, and Google's own clients of both versions there."""

from collections.abc import Iterator

import pytest
from google.cloud import speech_v1, speech_v2

from tests.emulators.google.official import client_v1, client_v2
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import LocalGoogle


@pytest.fixture(scope="module")
def scripted(request: pytest.FixtureRequest) -> Iterator[LocalGoogle]:
    with LocalGoogle(ScriptEngine(request.module.SCRIPT)) as service:
        yield service


@pytest.fixture(scope="module")
def first(scripted: LocalGoogle) -> Iterator[speech_v1.SpeechClient]:
    with client_v1(scripted.target) as client:
        yield client


@pytest.fixture(scope="module")
def second(scripted: LocalGoogle) -> Iterator[speech_v2.SpeechClient]:
    with client_v2(scripted.target) as client:
        yield client
