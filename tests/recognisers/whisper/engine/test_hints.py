"""Hints as a prompt: a name is heard, as it is written, only with its hint, in a real recording by telephone."""

from pathlib import Path

import numpy as np

from tests.recognisers.google.rows import BASE, V1
from tests.recognisers.on_reactor import Sessions, WaitingEar, on_reactor
from voicestt.audio import mulaw
from voicestt.config.settings import Settings
from voicestt.emulators.google.service import LocalGoogle
from voicestt.recognisers.google.channels import GoogleTarget
from voicestt.recognisers.google.client import GoogleRecogniser
from voicestt.recognisers.google.request import request_of
from voicestt.recognisers.whisper.engine.port import Request, prompt_of
from voicestt.recognisers.whisper.engine.whisper_engine import WhisperEngine

NAME = "Jon Dachwood"  # the recording says "mister john dashwood"


def clip_in(austen: dict[str, bytes]) -> bytes:
    return next(pcm for said, pcm in austen.items() if "dashwood" in said)


def test_a_recording_has_the_name_only_with_its_hint(engine: WhisperEngine, austen: dict[str, bytes]) -> None:
    pcm = clip_in(austen)
    (without,) = engine.recognise(Request("en-US"), pcm)
    (with_hint,) = engine.recognise(Request("en-US", hints=(NAME,)), pcm)
    assert "John Dashwood" in without.text
    assert NAME in with_hint.text
    assert with_hint.text.replace(NAME, "John Dashwood") == without.text, "all else is heard as before"


@on_reactor
async def test_from_the_settings_to_the_final_of_a_stream(
    engine: WhisperEngine, austen: dict[str, bytes], sessions: Sessions, tmp_path: Path
) -> None:
    (tmp_path / "hints.txt").write_text(f"{NAME} | 15\n$MONEY\n", "utf-8")
    plaintext = {"GCP_STT_ENDPOINT": "127.0.0.1:1", "GCP_STT_INSECURE": "true"}
    settings = Settings.from_environment(BASE | V1 | plaintext | {"STT_HINTS_FILE": str(tmp_path / "hints.txt")})
    audio = mulaw.encode(np.frombuffer(clip_in(austen), "<i2"))
    with LocalGoogle(engine) as service:
        google = GoogleRecogniser(
            sessions.threads, GoogleTarget(service.target, insecure=True), request_of(settings)
        )
        ear = WaitingEar()
        session = google.open(ear)
        for at in range(0, len(audio), 1_200):
            session.write(audio[at : at + 1_200])
        session.finish()
        assert await ear.end() is None
    assert NAME in " ".join(ear.finals)


def test_a_prompt_has_as_many_of_the_hints_as_whisper_listens_to() -> None:
    assert prompt_of(()) == ""
    assert prompt_of(("שור", "Shure")) == "שור, Shure."
    many = prompt_of([f"name number {number}" for number in range(1_000)])
    assert 500 < len(many) <= 601
    assert many.startswith("name number 0, name number 1, ")
