import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.cloud.texttospeech_v1 import AudioEncoding, SynthesizeSpeechRequest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.config.test_credentials import KEY
from tests.server.fakes import settings_of
from tests.tts.speaking import (
    Service,
    serving,
    spoken_by,
    wav,
)
from voicestt.audio.vad import seconds_of_speech
from voicestt.tts.espeak import espeak_of
from voicestt.tts.google import GoogleSynthesiser, SynthesisRequest, google_of
from voicestt.tts.port import SpeechError
from voicestt.tts.texts import InPieces

TONE = bytes(range(256)) * 40


class Rig:
    """Google over a real connection to a service of ours, which answers with a tone unless told otherwise."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.service = Service(lambda _request, _context: wav(TONE))
        self.port = stack.enter_context(serving(self.service))

    def google(self, *, seconds: float = 10.0, **variables: str) -> GoogleSynthesiser:
        return google_of(settings_of(**self.environment, **variables), seconds)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "TTS_ENGINE": "google",
            "GCP_TTS_ENDPOINT": f"127.0.0.1:{self.port}",
            "GCP_STT_INSECURE": "true",
            "STT_ENGINE": "embedded",
        }

    def refuse(self, status: grpc.StatusCode, details: str, times: int = 100) -> None:
        left = iter(range(times))

        def answer(_request: SynthesizeSpeechRequest, context: Any) -> bytes:
            if next(left, None) is not None:
                context.abort(status, details)
            return TONE

        self.service.answer = answer


@pytest.fixture
def rig() -> Iterator[Rig]:
    with ExitStack() as stack:
        yield Rig(stack)


def test_what_is_asked_for_is_mu_law_of_a_telephone_line_in_the_language(rig: Rig) -> None:
    rig.google(TTS_VOICE="he-IL-Wavenet-A").speak("שלום")
    (request,) = rig.service.requests
    assert request.input.text == "שלום"
    assert (request.voice.language_code, request.voice.name) == ("he-IL", "he-IL-Wavenet-A")
    audio = request.audio_config
    assert (audio.audio_encoding, audio.sample_rate_hertz) == (AudioEncoding.MULAW, 8_000)


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({}, "he-IL"),
        ({"GCP_STT_LANGUAGE": "iw-IL"}, "he-IL"),
        ({"TTS_LANGUAGE": "iw"}, "he"),
        ({"TTS_LANGUAGE": "en-GB", "GCP_STT_LANGUAGE": "he-IL"}, "en-GB"),
    ],
)
def test_the_language_is_one_that_google_speaks(rig: Rig, variables: dict[str, str], language: str) -> None:
    google_of(settings_of(**rig.environment, **variables)).speak("1")
    assert rig.service.requests[0].voice.language_code == language
    assert rig.service.requests[0].voice.name == ""


@pytest.mark.parametrize(
    "answered",
    [wav(TONE), TONE, wav(TONE, size=0x7FFFF000), wav(TONE, size=0xFFFFFFFF), wav(TONE) + b"LIST\x04\0\0\0info"],
    ids=["with a header", "without one", "of a pipe", "of a stream", "with more behind"],
)
def test_no_header_reaches_the_caller(rig: Rig, answered: bytes) -> None:
    rig.service.answer = lambda _request, _context: answered
    assert rig.google().speak("1") == TONE


def test_audio_of_another_rate_is_made_a_telephone_lines(rig: Rig) -> None:
    pcm = struct.pack("<24000h", *([0, 8_000, 0, -8_000] * 6_000))
    rig.service.answer = lambda _request, _context: wav(pcm, kind=1, rate=24_000, bits=16)
    assert len(rig.google().speak("1")) == 8_000


@pytest.mark.parametrize("answered", [wav(b"", kind=85), b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt \x40\0\0\0\1"])
def test_audio_of_an_unknown_kind_is_refused_and_not_played(rig: Rig, answered: bytes) -> None:
    rig.service.answer = lambda _request, _context: answered
    with pytest.raises(SpeechError):
        rig.google().speak("1")


def test_no_audio_is_silence(rig: Rig) -> None:
    rig.service.answer = lambda _request, _context: b""
    assert rig.google().speak("…") == b""


def test_a_long_answer_comes_whole(rig: Rig) -> None:
    rig.service.answer = lambda _request, _context: wav(TONE * 1_000)
    assert len(rig.google().speak("1")) > 10_000_000


def test_a_real_voice_is_heard(rig: Rig) -> None:
    rig.service.answer = spoken_by(espeak_of(settings_of()))
    assert seconds_of_speech(rig.google().speak("שלום, מה שלומך היום?")) > 0.5


REFUSALS = [
    (grpc.StatusCode.PERMISSION_DENIED, "Cloud Text-to-Speech API has not been used in project 1", "API enabled"),
    (grpc.StatusCode.UNAUTHENTICATED, "Request had invalid credentials", "GOOGLE_APPLICATION_CREDENTIALS"),
    (grpc.StatusCode.INVALID_ARGUMENT, "Voice 'he-IL-Nobody' does not exist. Is it misspelled?", "TTS_VOICE"),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, "Quota exceeded", "RESOURCE_EXHAUSTED: Quota exceeded."),
    (grpc.StatusCode.INTERNAL, "", "INTERNAL: it does not say why."),
]


@pytest.mark.parametrize(("status", "details", "hint"), REFUSALS)
def test_a_refusal_is_told_in_google_s_words_and_asked_once(
    rig: Rig, status: grpc.StatusCode, details: str, hint: str
) -> None:
    rig.refuse(status, details)
    with pytest.raises(SpeechError) as refused:
        rig.google().speak("שלום")
    words = str(refused.value)
    assert words.startswith(f"Google Text-to-Speech refused: {status.name}: {details.rstrip('.')}")
    assert hint in words
    assert len(rig.service.requests) == 1


@pytest.mark.parametrize("end", ['" is too long.', ""])
def test_what_google_quotes_of_the_text_is_not_told(rig: Rig, end: str) -> None:
    text = "my number is 050-123"
    details = f'This request contains sentences that are too long. Sentence starting with: "{text}{end}'
    rig.refuse(grpc.StatusCode.INVALID_ARGUMENT, details)
    with pytest.raises(SpeechError, match="sentences that are too long") as refused:
        rig.google().speak(text)
    assert "050" not in str(refused.value)


def test_where_google_is_not_there_it_is_asked_once_more(rig: Rig) -> None:
    rig.refuse(grpc.StatusCode.UNAVAILABLE, "try again", times=1)
    assert rig.google().speak("1") == TONE
    assert len(rig.service.requests) == 2
    rig.refuse(grpc.StatusCode.UNAVAILABLE, "try again")
    with pytest.raises(SpeechError, match="UNAVAILABLE: try again"):
        rig.google().speak("1")
    assert len(rig.service.requests) == 4


def test_a_connection_that_broke_is_made_again() -> None:
    service = Service(lambda _request, _context: TONE)
    with ExitStack() as stack:
        rig = Rig(stack)
        google = rig.google()
        google.speak("1")
    with serving(service, rig.port):
        assert google.speak("1") == TONE


def test_where_nobody_listens_it_says_so_soon() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        google = GoogleSynthesiser(SynthesisRequest("he-IL"), lambda: grpc.insecure_channel(address), seconds=1.0)
        began = time.monotonic()
        with pytest.raises(SpeechError, match="UNAVAILABLE"):
            google.speak("1")
        assert time.monotonic() - began < 30


def test_one_that_does_not_answer_is_not_waited_for(rig: Rig) -> None:
    enough = threading.Event()

    def answer(_request: SynthesizeSpeechRequest, _context: Any) -> bytes:
        enough.wait(30)
        return TONE

    rig.service.answer = answer
    try:
        with pytest.raises(SpeechError, match=r"did not answer within 0\.3 s"):
            rig.google(seconds=0.3).speak("1")
    finally:
        enough.set()
    assert len(rig.service.requests) == 1


def test_threads_share_a_connection(rig: Rig) -> None:
    opened: list[grpc.Channel] = []

    def open_channel() -> grpc.Channel:
        opened.append(grpc.insecure_channel(f"127.0.0.1:{rig.port}"))
        return opened[-1]

    google = GoogleSynthesiser(SynthesisRequest("he-IL"), open_channel)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(google.speak, [str(number) for number in range(50)])) == {TONE}
    assert len(opened) == 1


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=[]), max_size=40), answer=st.binary(max_size=60))
def test_no_text_and_no_answer_crashes_it(rig: Rig, text: str, answer: bytes) -> None:
    rig.service.answer = lambda _request, _context: answer
    spoken = InPieces(rig.google())
    try:
        assert spoken.speak(text) in (answer, b"")
    except SpeechError:
        assert answer.startswith(b"RIFF")


# Where it is, and by which key


def test_without_the_library_the_words_say_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.texttospeech_v1", None)
    with pytest.raises(SpeechError, match=r"pip install '\.\[google-tts\]'"):
        google_of(settings_of())


def test_a_key_that_cannot_be_loaded_is_refused_at_the_start_and_not_told() -> None:
    with pytest.raises(SpeechError, match="GOOGLE_APPLICATION_CREDENTIALS is a service_account key") as refused:
        google_of(settings_of(GOOGLE_APPLICATION_CREDENTIALS=json.dumps({**KEY, "private_key": "c2VjcmV0"})))
    assert "c2VjcmV0" not in str(refused.value)


@pytest.mark.parametrize(
    "variables",
    [{}, {"GCP_TTS_ENDPOINT": "192.0.2.1:1"}, {"GCP_TTS_ENDPOINT": "eu-texttospeech.googleapis.com:443"}],
)
def test_only_a_service_on_this_machine_is_spoken_to_without_a_key(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    google = google_of(settings_of(GCP_STT_INSECURE="true", STT_ENGINE="embedded", **variables))
    with pytest.raises(SpeechError, match="needs a key, and this machine has none"):
        google.speak("1")


def test_over_tls_a_plaintext_service_is_not_spoken_to(rig: Rig, good_key: dict[str, str]) -> None:
    variables = {**rig.environment, "GCP_STT_INSECURE": "false"}
    google = google_of(settings_of(GOOGLE_APPLICATION_CREDENTIALS=json.dumps(good_key), **variables), 1.0)
    with pytest.raises(SpeechError):
        google.speak("1")
    assert rig.service.requests == []


@pytest.mark.parametrize("name", ["localhost", "[::1]", "127.0.0.2"])
def test_loopback_has_several_names(name: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        variables = {"GCP_TTS_ENDPOINT": f"{name}:{port}", "GCP_STT_INSECURE": "true", "STT_ENGINE": "embedded"}
        google = google_of(settings_of(**variables), 0.5)
        with pytest.raises(SpeechError, match="Google Text-to-Speech"):
            google.speak("1")
