import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.audio import mulaw
from voicestt.emulators.twilio.call_values import (
    CallOptions,
    CallReport,
    ServerTarget,
    Speech,
)
from voicestt.emulators.twilio.problems import CallProblem

VOICE = b"\x00\x80" * 400


@pytest.mark.parametrize(
    ("target", "url", "wanted"),
    [
        (ServerTarget("http://127.0.0.1:5000"), "wss://a.example/ws/x", "ws://127.0.0.1:5000/ws/x"),
        (ServerTarget("https://b.example"), "wss://a.example/ws/x", "wss://b.example/ws/x"),
        (ServerTarget("http://h:1/hook"), "https://a.example/status?x=1", "http://h:1/status?x=1"),
        (ServerTarget("http://h:1"), "wss://a.example/ws?secret=1", "ws://h:1/ws"),
        (ServerTarget("http://h:1"), "wss://a.example", "ws://h:1/"),
    ],
)
def test_public_urls_are_reached_at_the_target(target: ServerTarget, url: str, wanted: str) -> None:
    assert target.reached_at(url) == wanted


def test_the_webhook_is_signed_over_its_public_name() -> None:
    assert ServerTarget("http://h:1", "a.example").public_url == "https://a.example/webhook/incoming_call"
    assert ServerTarget("http://h:1/", "a.example").public_url == "https://a.example/webhook/incoming_call"
    assert ServerTarget("http://h:1/voice", "a.example:8443").public_url == "https://a.example:8443/voice"
    assert ServerTarget("http://h:1").public_url == "http://h:1/webhook/incoming_call"


def test_the_secret_is_not_shown() -> None:
    assert "hush" not in repr(ServerTarget("http://h:1", "a.example", "hush"))


def test_speech_is_the_clip_between_silences_in_whole_frames() -> None:
    speech = Speech.of(VOICE[:790], CallOptions(silence=0.1, leading_silence=0.04))
    assert speech.audio == mulaw.SILENCE * 320 + VOICE[:790] + mulaw.SILENCE * 10 + mulaw.SILENCE * 800
    assert speech.frames == len(speech.audio) // 160 == 12
    assert (speech.voice_begins, speech.voice_ends) == (320, 320 + 640)


@given(st.binary(max_size=2000), st.floats(0, 0.2), st.floats(0, 0.2))
def test_frames_joined_are_the_audio(clip: bytes, before: float, after: float) -> None:
    speech = Speech.of(clip, CallOptions(silence=after, leading_silence=before))
    assert b"".join(speech.frame(number) for number in range(speech.frames)) == speech.audio
    assert clip in speech.audio


def test_a_report_is_good_when_there_was_no_problem() -> None:
    assert CallReport("CA1", "MZ1").ok
    assert not CallReport("CA1", "MZ1", problems=(CallProblem("it rained"),)).ok
