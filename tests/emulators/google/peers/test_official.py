"""Google's own clients for Python and Node, unchanged, v1 and v2."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.google.peers.rig import (
    HEBREW,
    NODE,
    PYTHON,
    SAID,
    TELEPHONE,
    TWO_SPURTS,
    WIDEBAND,
    Heard,
    Job,
    grows,
)
from voicestt.emulators.google.service import LocalGoogle

V1, V2 = {"language_code": "en-US"}, {"language_codes": ["en-US"]}
INTERIM, ACTIVITY = {"interim_results": True}, {"enable_voice_activity_events": True}


def v1(name: str, rate: int = TELEPHONE, streaming: dict[str, Any] = INTERIM, **asked: Any) -> Job:
    return Job(f"v1 {name}", rate, "v1", bool(streaming), options={**V1, **asked}, streaming=streaming)


def v2(name: str, rate: int = TELEPHONE, streaming: dict[str, Any] = INTERIM, **asked: Any) -> Job:
    return Job(f"v2 {name}", rate, "v2", bool(streaming), options={**V2, **asked}, streaming=streaming)


OFFICIAL = (
    v1("stream", model="phone_call"),
    v2("stream", model="latest_long"),
    v1("recording", streaming={}, model="latest_long"),
    v2("recording", streaming={}, model="long"),
    replace(v1("recording as an operation", WIDEBAND, streaming={}), is_long=True),
    replace(v2("stream of a region", model="chirp_2"), location="us-central1"),
    v1("stream of 16 kHz", WIDEBAND),
    v2("stream of 16 kHz", WIDEBAND, model="telephony"),
    v1("recording of 16 kHz", WIDEBAND, streaming={}),
    v2("recording of 16 kHz", WIDEBAND, streaming={}, model="latest_long"),
    v1("stream in Hebrew", language_code="he-IL"),
    replace(v2("stream in Hebrew", model="chirp_3", language_codes=["iw-IL"]), location="us"),
    v1("activity", streaming=ACTIVITY),
    v2("activity", streaming=ACTIVITY, model="telephony"),
)
HEARD = [job.name for job in OFFICIAL if "activity" not in job.name and "Hebrew" not in job.name]


def camel(asked: dict[str, Any]) -> dict[str, Any]:
    """The fields as Node's client spells them."""

    def spelt(name: str) -> str:
        first, *others = name.split("_")
        return first + "".join(map(str.capitalize, others))

    return {spelt(name): value for name, value in asked.items()}


@pytest.fixture(scope="module", params=["python", "node"])
def official(request: pytest.FixtureRequest, google: LocalGoogle, folder: Path) -> Heard:
    if request.param == "python":
        return PYTHON.do(google, folder, OFFICIAL)
    spelt = [replace(each, options=camel(each.options), streaming=camel(each.streaming)) for each in OFFICIAL]
    return NODE.do(google, folder, spelt)


@pytest.mark.parametrize("job", HEARD)
def test_googles_own_client_hears_what_is_said(official: Heard, job: str) -> None:
    assert official.texts(job) == SAID


@pytest.mark.parametrize("job", [job for job in HEARD if "stream" in job])
def test_googles_own_client_hears_partials(official: Heard, job: str) -> None:
    assert grows(official.texts(job, "partial"))


@pytest.mark.parametrize("job", ["v1 stream in Hebrew", "v2 stream in Hebrew"])
def test_googles_own_client_hears_hebrew(official: Heard, job: str) -> None:
    assert official.texts(job) == HEBREW


@pytest.mark.parametrize("job", ["v1 activity", "v2 activity"])
def test_googles_own_client_is_told_of_speech(official: Heard, job: str) -> None:
    assert official.order(job, *TWO_SPURTS) == TWO_SPURTS
