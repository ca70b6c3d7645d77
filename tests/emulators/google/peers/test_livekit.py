"""LiveKit's plugin for Google's speech to text, unchanged: it asks v1 or v2, by the model."""

from pathlib import Path

import pytest

from tests.emulators.google.peers.rig import (
    FIVE_MINUTES,
    HEBREW,
    LIVEKIT,
    SAID,
    TELEPHONE,
    TIMES,
    TWO_SPURTS,
    WIDEBAND,
    Heard,
    Job,
    grows,
    wait_for_streams,
)
from voicestt.emulators.google.service import LocalGoogle

FIRST_TRY = "as one begins"
LIVEKITS = (
    Job(FIRST_TRY, WIDEBAND),
    Job("v1 on the telephone", options={"sample_rate": TELEPHONE, "min_confidence_threshold": 0.0}),
    Job(
        "v2 in a region",
        options={
            "sample_rate": TELEPHONE,
            "model": "chirp_2",
            "location": "us-central1",
            "min_confidence_threshold": 0.0,
        },
    ),
    Job(
        "v2 on the telephone",
        options={
            "sample_rate": TELEPHONE,
            "model": "telephony",
            "min_confidence_threshold": 0.0,
            "enable_word_confidence": True,
            "keywords": [["loaves", 10.0]],
        },
    ),
    Job(
        "v2 with all of the newest",
        WIDEBAND,
        options={
            "model": "chirp_3",
            "location": "us",
            "speech_start_timeout": 30.0,
            "speech_end_timeout": 30.0,
            "endpointing_sensitivity": "ENDPOINTING_SENSITIVITY_SHORT",
            "keywords": [["loaves", 10.0]],
        },
    ),
    Job("a recording", WIDEBAND, stream=False),
    Job("a recording for v2", stream=False, options={"model": "telephony"}),
    Job("activity", WIDEBAND, options={"enable_voice_activity_events": True}),
    Job(
        "in Hebrew", options={"sample_rate": TELEPHONE, "model": "chirp_3", "location": "us", "languages": "iw-IL"}
    ),
    Job(
        "on and on",
        rounds=(2, 1, 2),
        leap=FIVE_MINUTES,
        options={"sample_rate": TELEPHONE, "model": "phone_call"},
    ),
)


@pytest.fixture(scope="module")
def livekit(google: LocalGoogle, folder: Path) -> Heard:
    return LIVEKIT.do(google, folder, LIVEKITS)


@pytest.mark.parametrize("job", [job.name for job in LIVEKITS[:5]])
def test_livekit_hears_what_is_said(livekit: Heard, job: str) -> None:
    assert livekit.texts(job) == SAID


@pytest.mark.parametrize("job", [FIRST_TRY, "v1 on the telephone", "v2 on the telephone"])
def test_livekit_is_told_when_words_were_said(livekit: Heard, job: str) -> None:
    assert livekit.texts(job, "times") == TIMES


@pytest.mark.parametrize("job", ["a recording", "a recording for v2"])
def test_livekit_has_a_recording_recognised(livekit: Heard, job: str) -> None:
    assert livekit.texts(job) == [" ".join(SAID)]


@pytest.mark.parametrize("job", [job.name for job in LIVEKITS if "min_confidence_threshold" in job.options])
def test_livekit_hears_partials_where_it_is_told_to_trust_them(livekit: Heard, job: str) -> None:
    assert grows(livekit.texts(job, "partial"))


def test_livekit_is_told_of_speech(livekit: Heard) -> None:
    assert livekit.order("activity", *TWO_SPURTS) == TWO_SPURTS


def test_livekit_hears_hebrew(livekit: Heard) -> None:
    assert livekit.texts("in Hebrew") == HEBREW


def test_livekit_goes_on_in_another_stream_at_its_own_limit(livekit: Heard, google: LocalGoogle) -> None:
    finals = livekit.texts("on and on")
    assert finals[:3] == [*SAID, SAID[0]]
    assert finals[3:5] == SAID
    wait_for_streams(google, "phone_call", 2)
