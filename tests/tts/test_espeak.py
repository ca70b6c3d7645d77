import gc
import os
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.fakes import settings_of
from voicestt.audio.vad import seconds_of_speech
from voicestt.tts.espeak import Espeak, espeak_of, voice_of
from voicestt.tts.port import SpeechError
from voicestt.tts.texts import InPieces

PROGRAM = shutil.which("espeak-ng") or ""


def setup_module() -> None:
    assert PROGRAM, "these tests speak: apt install espeak-ng"


def asked(**variables: str) -> Espeak:
    return espeak_of(settings_of(TTS_ENGINE="espeak-ng", **variables))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder that programs are looked for in."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def children() -> set[str]:
    """The processes that this one started and that are not forgotten."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread of another test, that has just ended
            found.update((task / "children").read_text().split())
    return found


def program(folder: Path, script: str) -> str:
    """An espeak-ng that is another program."""
    file = folder / "espeak-ng"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("he-IL", "שלום, מה שלומך היום?"),
        ("iw-IL", "שלום, מה שלומך היום?"),
        ("en-US", "Good morning, how are you today?"),
        ("en-AU", "Good morning, how are you today?"),
        ("fr-CA", "Bonjour, comment allez-vous?"),
        ("zh-CN", "你好，你今天好吗？"),
    ],
)
def test_it_speaks_languages_as_google_names_them(language: str, text: str) -> None:
    audio = asked(TTS_LANGUAGE=language).speak(text)
    assert 1.0 < len(audio) / 8_000 < 6.0
    assert seconds_of_speech(audio) > 0.5


def test_the_language_is_that_of_the_callers_if_no_other_is_set() -> None:
    text = "שלום"
    assert (
        asked().speak(text) == asked(TTS_LANGUAGE="he-IL").speak(text) != asked(TTS_LANGUAGE="en-US").speak(text)
    )


def test_a_voice_by_name_wins_over_the_language() -> None:
    other = asked(TTS_VOICE="en-us+f3", TTS_LANGUAGE="he-IL").speak("Hello")
    assert other not in (asked(TTS_LANGUAGE="en-US").speak("Hello"), b"")


@pytest.mark.parametrize("language", ["he", "he-IL", "HE-il", "iw", "iw-IL"])
def test_hebrew_has_one_name(language: str) -> None:
    assert voice_of(language).partition("-")[0] == "he"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"TTS_LANGUAGE": "fil-PH"},
            r"the language fil-PH \(Error: The specified espeak-ng voice does not exist\)",
        ),
        ({"TTS_VOICE": "nobody"}, "the voice nobody"),
        ({"TTS_VOICE": "-x"}, "the voice -x"),
        ({"TTS_VOICE": "variant"}, "the voice variant"),  # espeak-ng 1.51 crashes
    ],
)
def test_what_it_cannot_speak_with_is_refused_at_the_start_in_words(variables: dict[str, str], words: str) -> None:
    with pytest.raises(SpeechError, match=words) as refused:
        asked(**variables)
    assert "`espeak-ng --voices` lists what it has" in str(refused.value)


def test_where_it_is_not_installed_the_words_name_the_package(path: Path) -> None:
    with pytest.raises(SpeechError, match="apt install espeak-ng"):
        asked()


def test_a_program_that_cannot_be_started_is_refused_in_words(tmp_path: Path) -> None:
    no_program = tmp_path / "espeak-ng"
    no_program.write_bytes(b"\x00\x01")
    no_program.chmod(0o700)
    with pytest.raises(SpeechError, match="could not be started: Exec format error"):
        Espeak(str(no_program), "he").speak("שלום")


def test_the_text_is_on_no_command_line_and_our_secrets_are_in_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "secret")
    seen = tmp_path / "seen"
    script = f'(echo "$@"; /usr/bin/env; /usr/bin/tr a-z A-Z) > {seen}'
    Espeak(program(tmp_path, script), "he").speak("confidential")
    told = seen.read_text()
    assert told.endswith("CONFIDENTIAL")
    assert told.startswith("-v he ")
    assert "confidential" not in told
    assert "secret" not in told


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo confidential >&2; exit 3", "ended with exit code 3"),
        ("kill -SEGV $$", "was ended by signal 11"),
        ("exec sleep 100", "was ended by signal 9; it may take 0.3 s"),
    ],
)
def test_a_process_that_fails_or_hangs_is_an_error_that_does_not_repeat_the_text(
    tmp_path: Path, script: str, words: str
) -> None:
    began = time.monotonic()
    with pytest.raises(SpeechError, match=words) as refused:
        Espeak(program(tmp_path, script), "he", 0.3).speak("confidential")
    assert "confidential" not in str(refused.value)
    assert time.monotonic() - began < 30


def test_one_that_does_not_read_is_ended_too(tmp_path: Path) -> None:
    with pytest.raises(SpeechError, match="signal 9"):
        Espeak(program(tmp_path, "exec sleep 100"), "he", 0.3).speak("x" * 1_000_000)


def test_one_that_says_something_else_is_not_played(tmp_path: Path) -> None:
    with pytest.raises(SpeechError, match="what the engine answered is of no kind that can be read"):
        Espeak(program(tmp_path, "cat > /dev/null; echo Usage:"), "he").speak("שלום")


def test_one_that_never_stops_talking_is_ended(tmp_path: Path) -> None:
    with pytest.raises(SpeechError, match="more than ten minutes"):
        Espeak(program(tmp_path, "exec cat /dev/zero"), "he").speak("שלום")


def test_what_it_may_use_is_bounded(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    script = f"cat > /dev/null; (ulimit -t; ulimit -v; ulimit -c) > {seen}"
    Espeak(program(tmp_path, script), "he").speak("x")
    assert seen.read_text().split() == ["10", str(2**19), "0"]


def test_no_process_and_no_file_is_left_behind() -> None:
    espeak = asked()
    gc.collect()
    processes, files = children(), len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        espeak.speak("שלום")
    assert children() == processes
    assert len(os.listdir("/proc/self/fd")) <= files  # what other tests left open may be closed meanwhile


@pytest.mark.parametrize("text", [".", "…", "-", "\u200f"])
def test_what_has_no_sound_is_silence(text: str) -> None:
    assert seconds_of_speech(asked().speak(text)) == 0


def test_phonemes_and_marks_are_no_orders_to_it() -> None:
    espeak = asked(TTS_LANGUAGE="en-US")
    plain = espeak.speak("[ [h@l'oU]]")
    assert espeak.speak("[[h@l'oU]]") == plain
    assert len(espeak.speak('<break time="20s"/>')) < 8_000 * 10


@settings(max_examples=30)
@given(st.text(st.characters(exclude_categories=[]), max_size=40))
def test_no_text_crashes_it(text: str) -> None:
    InPieces(asked(TTS_LANGUAGE="en-US")).speak(text)


def test_a_long_text_is_spoken_whole() -> None:
    sentence = "The quick brown fox jumps over the lazy dog. "
    spoken = InPieces(asked(TTS_LANGUAGE="en-US"))
    once, often = len(spoken.speak(sentence)), len(spoken.speak(sentence * 150))
    assert 0.8 < often / (150 * once) < 1.2
