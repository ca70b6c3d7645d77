import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voicestt.audio import mulaw, vad
from voicestt.audio.ledger import Ledger

SECOND = mulaw.BYTES_PER_SECOND
SILENCE = mulaw.SILENCE * SECOND


def buzz(seconds: float) -> bytes:
    """A glottal buzz through two resonances, three syllables a second: enough of a voice for webrtcvad."""
    time = np.arange(int(seconds * SECOND)) / SECOND
    tones = range(120, 3_000, 120)
    loudness = [1 / (1 + ((tone - 700) / 150) ** 2) + 0.6 / (1 + ((tone - 1_200) / 200) ** 2) for tone in tones]
    wave = sum(much * np.sin(2 * np.pi * tone * time) for tone, much in zip(tones, loudness, strict=True))
    syllables = 0.6 - 0.4 * np.cos(2 * np.pi * 3 * time)
    samples = np.asarray(wave * syllables)
    return mulaw.encode((samples / np.abs(samples).max() * 14_000).astype(np.int16))


VOICE = buzz(1.0)


def test_silence_has_no_voice() -> None:
    assert vad.is_silent(SILENCE)
    assert vad.seconds_of_speech(SILENCE) == 0.0
    assert vad.silent_until(SILENCE) == SECOND - SECOND // 2


def test_a_voice_is_one() -> None:
    assert not vad.is_silent(VOICE)
    assert vad.seconds_of_speech(VOICE) > 0.6


def test_silence_ends_half_a_second_before_a_voice_that_may_begin_softly() -> None:
    until = vad.silent_until(SILENCE + SILENCE + VOICE)
    assert SECOND <= until <= 2 * SECOND - SECOND // 2 + SECOND // 5
    assert until % mulaw.BYTES_PER_FRAME == 0


def test_where_a_voice_begins_at_once_nothing_is_silent() -> None:
    assert vad.silent_until(VOICE + SILENCE) == 0
    assert vad.silent_until(SILENCE[:1_600] + VOICE) == 0


def test_less_than_a_frame_cannot_be_judged_and_is_no_voice() -> None:
    assert vad.is_silent(b"")
    assert vad.is_silent(VOICE[:159])
    assert vad.seconds_of_speech(VOICE[:159]) == 0.0
    assert vad.silent_until(b"") == 0
    assert vad.silent_until(VOICE[:159]) == 0


def test_the_alarm_asks_more_strictly_than_the_keeping() -> None:
    hiss = mulaw.encode(np.random.default_rng(1).normal(0, 1_000, SECOND).astype(np.int16))
    assert vad.silent_until(hiss) == 0, "it may be a voice, and is kept"
    assert vad.seconds_of_speech(hiss) < 0.3, "it is hardly one, and nothing to be alarmed about"


def test_a_voice_ends_where_its_last_frame_does() -> None:
    until = vad.VoiceEar(0).hear(SILENCE + VOICE + SILENCE)
    assert SECOND < until <= 2 * SECOND + SECOND // 10
    assert until % mulaw.BYTES_PER_FRAME == 0
    assert vad.VoiceEar(0).hear(SILENCE) == 0


@given(st.lists(st.integers(0, 6_000), max_size=30))
def test_an_ear_hears_the_same_however_the_audio_is_cut(cuts: list[int]) -> None:
    audio = SILENCE[: SECOND // 2] + VOICE[: SECOND // 4] + SILENCE[: SECOND // 2]
    ear, last, at = vad.VoiceEar(800), 0, 0
    for cut in [*cuts, len(audio)]:
        last = max(last, ear.hear(audio[at : at + cut]))
        at += cut
    whole = vad.VoiceEar(800).hear(audio)
    assert last == whole > 800


def test_judging_may_wait_once_the_detector_is_warm_and_for_five_seconds_at_most() -> None:
    ledger = Ledger(60 * SECOND)
    track = vad.VoiceTrack(ledger)
    may_wait = []
    for audio, is_asked in [(SILENCE, False), (b"", True), (VOICE * 4, False), (VOICE, False), (b"", True)]:
        ledger.receive(audio)
        if is_asked:
            track.seconds_of_speech(0, ledger.received)
        may_wait.append(track.may_wait)
    assert may_wait == [False, True, True, False, True]
    assert track.seconds_of_speech(0, ledger.received) > 3.0


def test_audio_that_is_settled_before_anybody_asks_is_not_judged() -> None:
    ledger = Ledger(60 * SECOND)
    track = vad.VoiceTrack(ledger)
    ledger.receive(VOICE * 3)
    ledger.cover(2 * SECOND)
    assert track.seconds_of_speech(0, 3 * SECOND) <= 1.0
