"""Finals that the log shows are in the journal, also when the server is killed while fifty callers speak."""

import json
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pysubs2 import SSAFile

from tests.end_to_end.chatter import SAID, chatting
from tests.end_to_end.rig import (
    Server,
    google_process,
    running_again,
    running_server,
    until,
)
from tests.postgres import empty_database

CALLS = 50
FINALS = 200
FORMS = ("text", "json", "srt", "vtt")
RECOVERED = "the server was killed"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    return empty_database(request.param, tmp_path)


@pytest.fixture
def killed(url: str, tmp_path: Path) -> Iterator[Server]:
    """A server that was killed while all spoke."""
    settings = {"JOURNAL_URL": url, "GREETING": "off"}
    with (
        google_process(tmp_path, SAID) as services,
        running_server(tmp_path, services.google_port, **settings) as server,
    ):
        with chatting(server, range(CALLS)):
            until(lambda: len(server.finals_shown) >= FINALS, f"{FINALS} finals")
            server.kill()
        yield server


def finals_in_journal(server: Server) -> dict[str, list[str]]:
    """The finals of each call, in order."""
    texts: dict[str, list[str]] = defaultdict(list)
    for event in server.journal():
        if event["type"] == "final":
            texts[event["call_sid"]].append(event["text"])
    return texts


def listed(server: Server) -> dict[str, dict[str, Any]]:
    """The row that `voicestt calls` has of each call."""
    return {call["call_sid"]: call for call in json.loads(server.asked("calls", "--json", "--limit", "1000"))}


def times_of(subtitles: SSAFile) -> list[tuple[int, int]]:
    """When each line begins and ends, in milliseconds."""
    return [(line.start, line.end) for line in subtitles]


def test_a_server_killed_during_fifty_calls_has_lost_no_final_that_it_showed(killed: Server) -> None:
    shown = killed.finals_shown
    written = finals_in_journal(killed)
    assert len({call for call, _ in shown}) == CALLS
    assert [final for final in shown if final[1] not in written[final[0]]] == []

    with running_again(killed) as again:
        assert killed.saying("Call ended:") == again.saying("Call ended:") == []
        calls, kept = listed(again), finals_in_journal(again)
        assert len(calls) == CALLS
        assert {(call["reason"], call["recovered"]) for call in calls.values()} == {(RECOVERED, True)}
        assert None not in {call["ended_at"] for call in calls.values()}
        assert {name: call["finals"] for name, call in calls.items()} == {
            name: len(texts) for name, texts in kept.items()
        }
        assert len([event for event in again.journal() if event["type"] == "call_ended"]) == CALLS
        assert all(kept[name][: len(texts)] == texts for name, texts in written.items())
        check_transcripts(again, *max(kept.items(), key=lambda each: len(each[1])))
        assert "Traceback" not in killed.output + again.output


def check_transcripts(server: Server, call: str, texts: list[str]) -> None:
    """Check the transcript of one call in every form."""
    with ThreadPoolExecutor() as pool:
        plain, *others = pool.map(lambda form: server.asked("transcript", call, "--format", form), FORMS)
    told = dict(zip(FORMS[1:], others, strict=True))
    head, *lines = plain.splitlines()
    assert call in head
    assert RECOVERED in head
    assert [line.partition("] ")[2] for line in lines] == texts

    (stream,) = json.loads(told["json"])["streams"]
    assert stream["recovered"]
    assert [line["text"] for line in stream["lines"]] == texts
    assert [word["text"] for line in stream["lines"] for word in line["words"]] == " ".join(texts).split()
    times = [(round(line["start"] * 1000), round(line["end"] * 1000)) for line in stream["lines"]]
    assert times == sorted(times)

    for form in ("srt", "vtt"):
        subtitles = SSAFile.from_string(told[form], form)
        assert [line.text for line in subtitles] == texts
        assert times_of(subtitles) == times
