import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ops.load.made import Call, CallOfTwo
from voicestt.ops.load import said
from voicestt.ops.load.accounts import BytesAccount
from voicestt.ops.load.figures import (
    Cost,
    Delays,
    LoadResult,
    Usage,
    delays,
    judge,
    missing_words,
    percentile,
)
from voicestt.ops.load.table import (
    cells,
    milliseconds,
    report,
)
from voicestt.ops.load.talking import SLOTS, Talked


def talked(count: int, frames: int = 500, start: float = 100.0) -> Talked:
    times = [start + tick * 0.001 for tick in range((frames + 1) * SLOTS)]
    return Talked([0] * count, times, 0.003)


def event(call: Any, kind: str, text: str, t: float) -> dict[str, Any]:
    return {"call": call.sids.call, "kind": kind, "text": text, "t": t}


def test_delays_are_those_behind_the_frame_that_fills_the_batch() -> None:
    call: Any = Call(5)
    first, final = 100 + said.first_partial_frame(0) * 0.02, 100 + said.final_frame(0) * 0.02
    second = 100 + said.first_partial_frame(1) * 0.02
    events = [
        event(call, "partial", "5", first + 0.05),
        event(call, "partial", "5 0", first + 0.25),
        event(call, "final", "5 0 three", final + 0.03),
        event(call, "partial", "6", second + 0.07),
        event(Call(9), "partial", "9", 0.0),
        event(call, "degraded", "", second + 0.08),
    ]
    found = delays([call], talked(1), events)
    assert (found.counted, found.strays) == (4, 1)
    assert found.partials == pytest.approx([0.05, 0.07])
    assert found.finals == pytest.approx([0.03])


def test_a_final_that_the_end_of_the_call_brings_counts_no_delay() -> None:
    call: Any = Call(5, 100)
    found = delays([call], talked(1, 100), [event(call, "final", "5 0", 102.0)])
    assert (found.finals, found.counted) == ([], 1)


def test_each_word_of_two_voices_is_looked_for_under_its_own_track() -> None:
    call: Any = CallOfTwo(5)
    said_by = {
        voice.track: " ".join(said.words_within(voice.number, 0, len(voice.audio))) for voice in call.voices
    }
    right = [event(call, "final", words, 109.0) | {"track": track} for track, words in said_by.items()]
    assert missing_words([call], right) == []
    assert delays([call], talked(1), right).strays == 0
    crossed = [{**each, "track": "caller"} for each in right]
    assert missing_words([call], crossed) == [
        "call 5: of the caller's 22 words the finals have 44",
        "call 5: of the callee's 22 words the finals have 0",
    ]
    assert delays([call], talked(1), crossed).strays == 1
    swapped = [right[0] | {"text": said_by["caller"].replace("three four", "four three")}, right[1]]
    assert missing_words([call], swapped) == ["call 5: of the caller's 22 words the finals have 22"]


def test_the_cost_of_a_track_is_told_where_calls_have_two() -> None:
    one = judge([Call(1)], talked(1), Cost(3.0, 1.0, 9), None, [BytesAccount()])  # type: ignore[list-item]
    two = judge([CallOfTwo(1)], talked(1), Cost(5.0, 1.0, 9), None, [BytesAccount()] * 2)  # type: ignore[list-item]
    assert "track-s" not in "".join(report([one]))
    lines = report([one, two])
    assert lines[0].endswith("CPU ms per track-s")
    assert [line.split()[-1] for line in lines[1:3]] == ["3.00", "2.50"]
    assert "Every word of every voice was told once, in order, under its own track." in lines


def test_cost_is_per_call_second_and_beyond_the_idle_server() -> None:
    usages = [Usage(0, 1.0, 90_000, 9), Usage(10, 2.0, 95_000, 11), Usage(20, 4.0, 100_000, 12)]
    cost = Cost.between(100, *usages)
    assert cost.cpu_ms == pytest.approx(2.0)
    assert (cost.rss_kb, cost.threads) == (100.0, 12)


def test_usage_is_this_process_own() -> None:
    import os

    used = Usage.of(os.getpid())
    assert used.rss_kb > 1_000
    assert used.threads >= 1
    assert used.cpu > 0


@given(st.lists(st.floats(0, 10), min_size=1), st.floats(0, 1))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9


def test_percentiles_of_few_values() -> None:
    assert percentile([1, 2, 3, 4], 0.5) == 2
    assert percentile([1, 2, 3, 4], 1.0) == 4
    assert math.isnan(percentile([], 0.5))
    assert milliseconds([], 0.5, 0.9) == "-/-"


def test_everything_that_went_wrong_is_a_fault() -> None:
    calls: list[Any] = [Call(0, 10), Call(1, 10)]
    calls[1].close_code = None
    accounts = [BytesAccount(lost=2, words="-2 bytes"), BytesAccount(doubled=4, words="+4 bytes")]
    figures = judge(calls, talked(2, 10), None, Delays(strays=3), accounts)
    assert figures.faults == (
        "call 1: closed with None",
        "call 0: -2 bytes",
        "call 1: +4 bytes",
        "3 results came in the wrong call",
    )
    assert figures.bytes == BytesAccount(2, 4, 0)
    assert figures.closed == 1
    lines = report([figures])
    assert lines[-4:] == [f"FAULT, 2 calls: {words}" for words in figures.faults]


def whole() -> LoadResult:
    heard = Delays([0.001, 0.002, 0.05], [0.01], 0, 4)
    return LoadResult(10, 10, 0.004, Cost(2.345, 101.4, 11), heard, BytesAccount(again=320))


def test_a_row_has_all_figures_and_a_dash_for_what_is_not_known() -> None:
    assert cells(whole()) == ("10", "2.35", "101", "11", "2/50/50", "10/10", "0", "0", "10 of 10", "4")
    assert cells(LoadResult(3, 3, 0.0)) == ("3", "-", "-", "-", "-", "-", "-", "-", "3 of 3", "0")


def test_the_last_line_says_what_happened() -> None:
    assert report([whole()])[-2:] == [
        "320 bytes were sent to a second stream too, when streams changed.",
        "Every byte of every call arrived once and in its place; every call was closed properly.",
    ]
    assert "only the server there knows" in report([LoadResult(3, 3, 0.0)])[-1]
    many = LoadResult(30, 0, 0.0, faults=tuple(f"call {number}: x" for number in range(30)))
    assert report([many])[-1] == "... and 10 more"


def test_the_numbers_of_the_table_stand_under_one_another() -> None:
    headings, row, *_ = report([LoadResult(3, 3, 0.0)])
    assert headings.startswith("calls  CPU ms per call-s  ")
    assert row.startswith("    3                  -  ")
