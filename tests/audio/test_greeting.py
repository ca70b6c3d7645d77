import io
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]

from voicestt.audio.chime import chime
from voicestt.audio.greeting import BadGreeting, greeting_of

HALF_A_SECOND = b"\x01" * 4_000


def spoken(text: str) -> bytes:
    """Ten milliseconds for each letter."""
    return b"\x05" * 80 * len(text)


def wav(seconds: float, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.full(round(seconds * rate), 0.2), rate, format="WAV")
    return file.getvalue()


@pytest.mark.parametrize("word", ["default", "Default"])
def test_the_default_is_the_chime_and_needs_nothing(word: str) -> None:
    assert greeting_of(word, 800, None) == chime()


@pytest.mark.parametrize("word", ["off", "OFF"])
def test_off_is_silence(word: str) -> None:
    assert greeting_of(word, 800, None) == b""


@pytest.mark.parametrize("name", ["hello.ulaw", "hello"])
def test_a_file_is_played(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(HALF_A_SECOND if name.endswith("ulaw") else wav(0.5))
    greeting = greeting_of(str(path), 800, None)
    assert len(greeting) == 4_000
    assert (greeting == HALF_A_SECOND) is name.endswith("ulaw")


def test_a_file_that_is_there_is_no_text_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good morning").write_bytes(wav(0.3))
    assert len(greeting_of("good morning", 800, spoken)) == 2_400


def test_a_text_is_spoken_once() -> None:
    texts: list[str] = []

    def speak(text: str) -> bytes:
        texts.append(text)
        return HALF_A_SECOND

    assert greeting_of("שלום, במה אפשר לעזור?", 800, speak) == HALF_A_SECOND
    assert texts == ["שלום, במה אפשר לעזור?"]


def test_a_text_longer_than_a_file_s_name_is_a_text() -> None:
    assert greeting_of("a" * 5_000, 60_000, spoken) == spoken("a" * 5_000)


def test_a_text_that_nobody_can_speak_is_refused() -> None:
    with pytest.raises(BadGreeting, match="is a text, and nothing here speaks: set TTS_ENGINE"):
        greeting_of("good morning", 800, None)


@pytest.mark.parametrize("name", ["gone.wav", "gone.ULAW", "./gone", "../gone", "/nowhere/gone"])
def test_a_file_that_is_not_there_is_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadGreeting, match=r"gone.*, which cannot be read: No such file"):
        greeting_of(name, 800, spoken)


@pytest.mark.parametrize("name", ["", "pipe"])
def test_what_is_no_file_is_not_read(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadGreeting, match="which is no file"):
        greeting_of(str(tmp_path / name), 800, None)


def test_a_file_without_sound_that_is_understood_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.wav"
    path.write_bytes(b"hello")
    with pytest.raises(BadGreeting, match=r"names the file .*notes\.wav, which is of no kind that can be read"):
        greeting_of(str(path), 800, None)
    path.write_bytes(wav(0))
    with pytest.raises(BadGreeting, match="has no sound: the file is empty"):
        greeting_of(str(path), 800, None)


def test_a_text_without_sound_is_refused() -> None:
    with pytest.raises(BadGreeting, match=r"the text, spoken, is empty\. For no greeting set GREETING=off"):
        greeting_of("...", 800, lambda _text: b"")


def test_a_small_file_that_holds_hours_is_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "hours.flac"
    soundfile.write(path, np.zeros(3_600 * 8_000, np.int16), 8_000)
    tracemalloc.start()
    try:
        with pytest.raises(BadGreeting, match=r"lasts 3,600,000 ms, and GREETING_MAX_MS allows 800\. Make it"):
            greeting_of(str(path), 800, None)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_file_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.ulaw"
    with path.open("wb") as file:
        file.truncate(5_000_000_000)
    with pytest.raises(BadGreeting, match="has more than 100,000,000 bytes: no greeting is as long"):
        greeting_of(str(path), 800, None)


def test_what_is_too_long_is_refused_with_both_figures_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    path.write_bytes(wav(1.45))
    too_long = r"lasts 1,450 ms, and GREETING_MAX_MS allows 800\. Make it shorter, or set GREETING_MAX_MS=1450"
    with pytest.raises(BadGreeting, match="is too long: the file " + too_long):
        greeting_of(str(path), 800, None)
    with pytest.raises(BadGreeting, match="is too long: the text, spoken, " + too_long):
        greeting_of("a" * 145, 800, spoken)
    with pytest.raises(BadGreeting, match="is too long: the chime lasts 640 ms"):
        greeting_of("default", 500, None)
    assert greeting_of("a" * 80, 800, spoken) == spoken("a" * 80)
