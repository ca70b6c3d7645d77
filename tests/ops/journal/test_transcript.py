import pytest

from tests.ops.journal.made import (
    Call,
    Desk,
    refused,
    run,
    run_json,
)
from voicestt.events import Dtmf, Unrecognised, Word


@pytest.fixture
def call(desk: Desk) -> Call:
    call = Call("CA0001")
    words = [Word(text="שלום", start=1.0, end=1.5), Word(text="לך", start=1.5, end=2.0)]
    desk.write(
        call.started(),
        call.partial(),
        call.final("שלום לך", start=1.0, end=2.0, words=words, confidence=0.9, recogniser="google-streaming"),
        Dtmf(**{**call.next(), "timestamp": "2026-11-23T07:00:04Z"}, digit="5"),
        Unrecognised(**{**call.next(), "timestamp": "2026-11-23T07:01:00Z"}, why="Google was away", seconds=2.5),
        call.final("a --> b <i>\n& {x}", timestamp="2026-11-23T07:01:10Z"),
        call.ended(duration=75.0),
    )
    return call


@pytest.mark.usefixtures("call")
def test_it_reads_as_text() -> None:
    assert run("transcript", "CA0001").splitlines() == [
        "Call CA0001, 2026-11-23 07:00:00Z, 1:15 long, ended: stop",
        "[0:01] שלום לך",
        "[0:04] (key 5)",
        "[1:00] (2.5 s could not be recognised: Google was away)",
        "[1:08] a --> b <i> & {x}",
    ]


def test_a_call_that_was_moved_reads_as_one(desk: Desk) -> None:
    one = Call("CA1")
    two = Call("CA1")
    desk.write(one.started(), one.final("hello", start=1.0, end=2.0), one.ended("moved", duration=3.0))
    later = "2026-11-23T07:01:00Z"
    desk.write(two.started(continues=one.session, timestamp=later), two.final("and on", start=0.5, end=1.0))
    assert run("transcript", "CA1").splitlines() == [
        "Call CA1, 2026-11-23 07:00:00Z, 0:03 long, ended: moved",
        "[0:01] hello",
        "[1:00] (goes on with another stream: moved; still going on)",
        "[1:00] and on",
    ]
    assert [stream["continues"] for stream in run_json("transcript", "CA1")["streams"]] == [None, one.session]


@pytest.mark.usefixtures("call")
def test_it_reads_as_subrip() -> None:
    assert run("transcript", "CA0001", "--format", "srt") == (
        "1\n00:00:01,000 --> 00:00:02,000\nשלום לך\n\n2\n00:01:08,867 --> 00:01:10,000\na → b <i> & {x}\n"
    )


@pytest.mark.usefixtures("call")
def test_it_reads_as_webvtt() -> None:
    assert run("transcript", "CA0001", "--format", "vtt") == (
        "WEBVTT\n\n1\n00:00:01.000 --> 00:00:02.000\nשלום לך\n\n"
        "2\n00:01:08.867 --> 00:01:10.000\na → b &lt;i&gt; &amp; {x}\n"
    )


def test_it_reads_as_json(call: Call) -> None:
    told = run_json("transcript", "CA0001")
    (stream,) = told["streams"]
    lines = stream.pop("lines")
    assert told["call_sid"] == "CA0001"
    assert stream == {
        "session": call.session,
        "continues": None,
        "stream_sid": "MZ1",
        "started_at": "2026-11-23T07:00:00.000Z",
        "ended_at": "2026-11-23T07:00:00.000Z",
        "duration": 75.0,
        "reason": "stop",
        "recovered": False,
    }
    assert [line["type"] for line in lines] == ["final", "dtmf", "unrecognised", "final"]
    assert [line["estimated"] for line in lines] == [False, True, True, True]
    assert lines[0]["words"] == [
        {"text": "שלום", "start": 1.0, "end": 1.5},
        {"text": "לך", "start": 1.5, "end": 2.0},
    ]
    assert (lines[0]["confidence"], lines[0]["recogniser"]) == (0.9, "google-streaming")
    assert lines[1]["digit"] == "5"
    assert lines[3]["text"] == "a --> b <i>\n& {x}"


def test_the_beginning_of_its_name_is_enough_if_only_one_begins_so(desk: Desk, call: Call) -> None:
    assert run("transcript", "CA00").startswith(f"Call {call.call_sid},")
    other = Call("CA0002")
    desk.write(other.started())
    assert refused("transcript", "CA00") == (
        "Error: Several calls begin so. Which one is it?\n  CA0001\n  CA0002\n"
    )
    assert run("transcript", "CA0002").startswith("Call CA0002, 2026-11-23 07:00:00Z, still going on")
    longer = Call("CA00020")
    desk.write(longer.started())
    assert run("transcript", "CA0002").startswith("Call CA0002,")


@pytest.mark.usefixtures("call")
@pytest.mark.parametrize("name", ["CA9", "ca0001", "CA0_01", "CA%", "A0001"])
def test_a_call_that_is_not_there(name: str) -> None:
    assert f"The journal has no call {name!r}" in refused("transcript", name)


def test_all_streams_of_a_call_are_shown_one_after_the_other(desk: Desk, call: Call) -> None:
    again = Call("CA0001")
    desk.write(
        again.started(timestamp="2026-11-23T07:10:00Z"),
        again.final("again", start=1.0, end=2.0, timestamp="2026-11-23T07:10:02Z"),
    )
    assert run("transcript", "CA0001").count("Call CA0001, ") == 2
    assert "\n3\n00:10:01,000 --> 00:10:02,000\nagain\n" in run("transcript", "CA0001", "--format", "srt")
    assert [stream["session"] for stream in run_json("transcript", "CA0001")["streams"]] == [
        call.session,
        again.session,
    ]


def test_a_transcript_says_which_texts_were_not_kept(desk: Desk) -> None:
    call = Call()
    desk.write(call.started(), call.final("", start=1.0, end=2.0), Dtmf(**call.next(), digit=""))
    lines = run("transcript", "CA1").splitlines()
    assert lines[1:] == ["[0:01] (not kept: JOURNAL_REDACT)", "[0:00] (a key, not kept: JOURNAL_REDACT)"]
    assert "\n(not kept: JOURNAL_REDACT)\n" in run("transcript", "CA1", "--format", "vtt")


def test_a_call_without_words(desk: Desk) -> None:
    call = Call()
    desk.write(call.started())
    assert run("transcript", "CA1", "--format", "srt") == "\n"
    assert run("transcript", "CA1", "--format", "vtt") == "WEBVTT\n"
    assert run_json("transcript", "CA1")["streams"][0]["lines"] == []


@pytest.mark.usefixtures("call")
def test_an_unknown_format_is_refused() -> None:
    assert "'doc' is not one of" in refused("transcript", "CA0001", "--format", "doc")


@pytest.mark.parametrize("form", ["text", "srt", "vtt", "json"])
def test_a_terminal_is_not_moved_by_what_was_said_and_hebrew_is_untouched(desk: Desk, form: str) -> None:
    call = Call("CA0009")
    desk.write(call.started(), call.final("\x1b[2Jשלום\u202e לך\x9b31m\u2066"), call.ended(duration=1.0))
    printed = run("transcript", "CA0009", "--format", form)
    assert "שלום" in printed
    assert not set("\x1b\x9b\u202e\u2066") & set(printed)
