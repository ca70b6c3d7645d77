import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.ops.demo.made import (
    AUDIO,
    EVENTS,
    STREAM,
    placed,
)
from voicestt.emulators.twilio.problems import CallProblem
from voicestt.ops.demo.judgement import (
    RecordedEvent,
    RecordedStream,
    all_problems,
    judge,
    partial_gaps,
    percentile,
    read_events,
    read_streams,
    total_errors,
)
from voicestt.ops.demo.word_errors import WordErrors


def test_a_good_call_has_its_words_delays_and_bytes() -> None:
    judged = judge(placed(), EVENTS, [STREAM])
    assert judged.heard == "Go forward. 10 meters"
    assert judged.errors == WordErrors(0, 4)
    assert (judged.partials, judged.finals, judged.received) == (3, 2, len(AUDIO))
    assert judged.first_partial == pytest.approx(0.2)
    assert judged.last_final == pytest.approx(1.5)
    assert judged.gaps == pytest.approx((0.2,))
    assert judged.problems == []


def test_mulaw_may_have_been_received_as_it_is() -> None:
    stream = RecordedStream(len(AUDIO), hashlib.sha256(AUDIO).hexdigest())
    assert judge(placed(), EVENTS, [stream]).received == len(AUDIO)


def test_a_call_of_which_nothing_came_has_every_problem() -> None:
    assert judge(placed(CallProblem("it rained", 31903)), [], [RecordedStream(0, "other")]).problems == [
        "goforward: it rained (Twilio's error 31903)",
        "goforward: no partial came",
        "goforward: no final came",
        "goforward: the recogniser did not receive exactly the 160 bytes sent",
    ]


def test_partials_closer_than_the_debounce_are_a_problem() -> None:
    hasty = [replace(EVENTS[0], at=10.7), replace(EVENTS[0], at=10.8), EVENTS[-1]]
    (problem,) = judge(placed(), hasty, [STREAM]).problems
    assert problem == "goforward: two partials came within 100 ms, under the debounce"
    exact = [replace(EVENTS[0], at=10.7), replace(EVENTS[0], at=10.879), EVENTS[-1]]
    assert judge(placed(), exact, [STREAM]).problems == []


def test_gaps_are_within_an_utterance() -> None:
    kinds = [(False, 0.0), (False, 0.2), (True, 0.3), (False, 1.0), (False, 1.5)]
    assert partial_gaps(RecordedEvent("CA1", final, "x", at) for final, at in kinds) == (0.2, 0.5)


def test_words_are_counted_over_all_calls_whose_words_are_known() -> None:
    unknown = judge(placed(text=None), EVENTS, [STREAM])
    wrong = judge(placed(text="something else entirely was said by them"), EVENTS, [STREAM])
    assert unknown.errors is None
    assert total_errors([unknown, wrong]) == WordErrors(7, 7)
    assert all_problems([unknown]) == []
    assert all_problems([unknown, wrong]) == ["100% of all words were wrong; 25% is the limit"]


def test_percentiles_are_values_that_occurred() -> None:
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile([3, 1, 2], 0.95) == 3
    assert percentile([3, 1, 2], 1.0) == 3
    assert percentile([], 0.5) is None


def test_events_are_read_from_what_the_server_writes(tmp_path: Path) -> None:
    lines: list[dict[str, object]] = [
        {"call": "CA1", "kind": "partial", "text": "go", "t": 1.5, "at": 2.0},
        {"call": "CA1", "kind": "started"},
        {"call": "CA1", "kind": "final", "text": "שלום", "t": 1.6, "at": 2.1},
    ]
    path = tmp_path / "events.jsonl"
    unfinished = '{"call": "CA1", "ki'
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + unfinished, "utf-8")
    assert read_events(path) == [
        RecordedEvent("CA1", is_final=False, text="go", at=1.5),
        RecordedEvent("CA1", is_final=True, text="שלום", at=1.6),
    ]


def test_streams_are_read_from_what_the_google_service_writes(tmp_path: Path) -> None:
    path = tmp_path / "streams.jsonl"
    assert read_streams(path) == []
    path.write_text('{"audio_bytes": 320, "sha256": "ab", "how": "OK"}\n')
    assert read_streams(path) == [RecordedStream(320, "ab")]
