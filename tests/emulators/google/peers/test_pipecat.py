"""Pipecat's GoogleSTTService in a pipeline, unchanged."""

from pathlib import Path

import pytest

from tests.emulators.google.peers.rig import (
    FIVE_MINUTES,
    HEBREW,
    PIPECAT,
    SAID,
    TELEPHONE,
    WIDEBAND,
    Heard,
    Job,
    google_that_fails,
    grows,
    wait_for_streams,
)
from voicestt.emulators.google.service import LocalGoogle

FIRST_TRY = "as one begins"
PIPECATS = (
    Job(FIRST_TRY, WIDEBAND),
    Job("on the telephone", options={"sample_rate": TELEPHONE}, settings={"model": "telephony"}),
    Job("in a region", options={"location": "us-central1"}, settings={"model": "chirp_2"}),
    Job(
        "with everything",
        settings={
            "languages": ["en-GB"],
            "model": "latest_long",
            "enable_word_time_offsets": True,
            "enable_word_confidence": True,
            "enable_voice_activity_events": True,
            "profanity_filter": True,
            "adaptation": {"phrase_sets": [{"phrases": [{"value": "loaves", "boost": 10}]}]},
        },
    ),
    Job("in Hebrew", options={"location": "us"}, settings={"model": "chirp_3", "languages": ["he-IL"]}),
    Job("on and on", rounds=(2, 2, 2), leap=FIVE_MINUTES, settings={"model": "long"}),
)


@pytest.fixture(scope="module")
def pipecat(google: LocalGoogle, folder: Path) -> Heard:
    return PIPECAT.do(google, folder, PIPECATS)


@pytest.mark.parametrize("job", [job.name for job in PIPECATS[:4]])
def test_pipecat_hears_what_is_said(pipecat: Heard, job: str) -> None:
    assert pipecat.texts(job) == SAID
    assert grows(pipecat.texts(job, "partial"))


def test_pipecat_hears_hebrew(pipecat: Heard) -> None:
    assert pipecat.texts("in Hebrew") == HEBREW


def test_pipecat_goes_on_in_another_stream_at_its_own_limit(pipecat: Heard, google: LocalGoogle) -> None:
    assert pipecat.texts("on and on") == SAID * 3
    wait_for_streams(google, "long", 3)


def test_pipecat_goes_on_after_a_stream_that_google_ends(folder: Path) -> None:
    with google_that_fails(folder) as google:
        heard = PIPECAT.do(google, folder, [Job(FIRST_TRY, rounds=(3, 2))])
    assert heard.texts(FIRST_TRY, errors=1) == SAID * 2
