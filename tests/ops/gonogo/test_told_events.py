from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt import events
from voicestt.ops.gonogo.told_events import (
    are_over,
    fault_in,
    fault_in_privacy,
    figure_of,
    finals_in,
    keeps_texts,
)

CALLER = "+15555550100"


def made(kind: type[events.Event], sequence: int, session: str = "s1", **values: Any) -> events.Event:
    return kind(
        id=events.event_id(session, sequence),
        session=session,
        sequence=sequence,
        timestamp="2026-11-23T08:00:00.000000Z",
        call_sid="CA1",
        stream_sid="MZ1",
        **values,
    )


CALL = [
    made(events.CallStarted, 1, account_sid="AC1", caller=CALLER, called=None),
    made(events.Partial, 2, utterance=1, text="on"),
    made(events.Final, 3, utterance=1, text="one"),
    made(events.UtteranceEnd, 4, utterance=1, end=1.0, silence=0.7),
    made(events.Final, 5, utterance=2, text="two"),
    made(events.CallEnded, 6, reason="the caller hung up", finals=2),
]


def payloads(*told: events.Event) -> list[bytes]:
    return [events.encode(event) for event in told]


def test_a_whole_call_has_no_fault() -> None:
    told = payloads(*CALL)
    assert fault_in(told) == ""
    assert finals_in(told) == ["one", "two"]
    assert figure_of(told) == "6 events, 2 finals"
    assert (are_over(told), are_over(told[:-1]), are_over([])) == (True, False, False)


def test_a_call_in_which_nobody_spoke_has_none_either() -> None:
    silent = payloads(CALL[0], made(events.CallEnded, 2, reason="the caller hung up"))
    assert (fault_in(silent), figure_of(silent)) == ("", "2 events, 0 finals")


@given(st.data())
def test_whatever_is_missing_repeated_or_misplaced_is_found(data: st.DataObject) -> None:
    told = payloads(*CALL)
    at = data.draw(st.integers(0, len(told) - 1))
    match data.draw(st.sampled_from(["missing", "repeated", "misplaced"])):
        case "missing":
            del told[at]
        case "repeated":
            told.insert(data.draw(st.integers(0, len(told))), told[at])
        case _:
            to = data.draw(st.integers(0, len(told) - 1).filter(lambda place: place != at))
            told[at], told[to] = told[to], told[at]
    assert fault_in(told)


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ([], "there are none"),
        ([CALL[0], made(events.CallEnded, 2, "s2", reason="x")], "of several sessions"),
        ([msgspec.structs.replace(CALL[0], id="s1-000007"), *CALL[1:]], "their ids do not fit"),
        ([made(events.Partial, 1, utterance=1, text="x")], "the first is partial"),
        (CALL[:3], "call_ended is missing: the last is final"),
        ([CALL[0], made(events.CallStarted, 2, account_sid="AC1"), made(events.CallEnded, 3, reason="")], "twice"),
        ([CALL[0], made(events.CallEnded, 2, reason="", finals=1)], "call_ended counts 1 finals, and there are 0"),
    ],
)
def test_each_fault_is_said(told: list[events.Event], fault: str) -> None:
    assert fault in fault_in(payloads(*told))


@given(st.binary(max_size=60) | st.sampled_from([b'{"type":"final"}', b'{"type":"nonsense"}', b"[]"]))
def test_what_is_no_event_is_a_fault(junk: bytes) -> None:
    assert fault_in([*payloads(*CALL[:5]), junk]).startswith("one is no event of version 1")


def test_what_is_to_be_kept_out_of_the_journal_is_looked_for() -> None:
    told = payloads(*CALL)
    silent = payloads(CALL[0], CALL[-1])
    assert [bool(fault_in_privacy(told, word)) for word in ("none", "numbers", "texts", "all")] == [
        False,
        True,
        True,
        True,
    ]
    assert fault_in_privacy(silent, "texts") == ""
    assert CALLER not in fault_in_privacy(told, "all")
    assert [keeps_texts(word) for word in ("none", "numbers", "texts", "all")] == [True, True, False, False]
