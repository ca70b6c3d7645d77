import sys
from pathlib import Path

import pytest

from tests.server.fakes import settings_of
from tests.tts.speaking import Service, serving, wav
from voicestt.audio.vad import seconds_of_speech
from voicestt.tts.engines import synthesiser_of
from voicestt.tts.port import SpeechError, Synthesiser


def of(**variables: str) -> Synthesiser:
    made = synthesiser_of(settings_of(**variables))
    assert made is not None
    return made


@pytest.mark.parametrize("variables", [{}, {"TTS_ENGINE": "off"}])
def test_nobody_speaks_where_nothing_was_asked_for(variables: dict[str, str]) -> None:
    assert synthesiser_of(settings_of(**variables)) is None


def test_espeak_speaks_hebrew() -> None:
    audio = of(TTS_ENGINE="espeak-ng").speak("\tשלום!\x00 מה שלומך היום?\n")
    assert seconds_of_speech(audio) > 0.5


def test_google_speaks_a_long_text_in_pieces_and_a_text_that_it_knows_at_once() -> None:
    service = Service(lambda _request, _context: wav(b"\x01\x02"))
    with serving(service) as port:
        local = {"GCP_TTS_ENDPOINT": f"127.0.0.1:{port}", "GCP_STT_INSECURE": "true", "STT_ENGINE": "embedded"}
        google = of(TTS_ENGINE="google", **local)
        text = "שלום וברוך הבא. " * 400
        assert [google.speak(text) for _ in range(3)] == [b"\x01\x02" * 3] * 3
        assert google.speak(" \x00\n") == b""
    assert [len(request.input.text.encode()) <= 5_000 for request in service.requests] == [True] * 3


@pytest.mark.parametrize(("engine", "words"), [("google", "pip install"), ("espeak-ng", "apt install espeak-ng")])
def test_what_is_missing_is_told_at_the_start(
    engine: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "google.cloud.texttospeech_v1", None)
    with pytest.raises(SpeechError, match=words):
        of(TTS_ENGINE=engine)
