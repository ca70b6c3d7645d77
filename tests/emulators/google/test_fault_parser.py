import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.emulators.google import fault_parser
from voicestt.emulators.google.fault_parser import BadFaults, FaultFile
from voicestt.emulators.google.faults import (
    Fault,
    FaultRule,
    Faults,
    Method,
    What,
    When,
    Which,
)
from voicestt.emulators.google.limits import Code

SECONDS = st.integers(0, 10_000).map(lambda tenths: tenths / 10)
MOMENTS = st.one_of(
    st.tuples(st.sampled_from([When.START, When.FIRST_RESPONSE, When.HALF_CLOSE]), st.just(0.0)),
    st.tuples(st.sampled_from([When.SECONDS, When.AUDIO]), SECONDS),
)
WORDS = st.text(st.characters(codec="utf-8", exclude_characters='"\n'))


@st.composite
def some_faults(draw: st.DrawFn) -> Fault:
    what = draw(st.sampled_from(What))
    if what is What.SLOW:
        return Fault(what, delay=draw(SECONDS))
    when, seconds = draw(MOMENTS)
    if what in {What.ERROR, What.IN_BAND}:
        return Fault(what, when, seconds, draw(st.sampled_from([code for code in Code if code])), draw(WORDS))
    return Fault(what, when, seconds)


@st.composite
def lines(draw: st.DrawFn) -> FaultRule:
    which = draw(st.sampled_from(Which))
    number = st.integers(1, 10**6)
    return FaultRule(
        which,
        draw(some_faults()),
        draw(st.sampled_from(Method)),
        count=draw(number) if which is Which.NEXT else 1,
        numbers=tuple(draw(st.lists(st.tuples(number, number), min_size=1))) if which is Which.STREAMS else (),
    )


@given(st.lists(lines()))
def test_what_is_written_is_read(written: list[FaultRule]) -> None:
    assert fault_parser.parse("\n".join(map(str, written))) == tuple(written)


@given(st.text() | st.text('alnext 123streams:cuthang,-error UNAVAILABLEafter .s#"\n'))
def test_anything_else_is_refused_and_nothing_worse(text: str) -> None:
    with contextlib.suppress(fault_parser.BadFaults):
        assert all(isinstance(line, FaultRule) for line in fault_parser.parse(text))


def test_it_may_be_written_as_a_person_does() -> None:
    text = """
    # trouble
    next: error UNAVAILABLE
    next 2 streaming: error INTERNAL "what: ever #1" after 5 s   # twice
    streams 3, 5-7: hang on half-close
    stream 4 : cut after 2.5s of audio
    all recognize: credentials
    all: slow 0.3 s
    running: freeze
    """
    read = fault_parser.parse(text)
    assert [str(line.fault) for line in read[1:4]] == [
        'error INTERNAL "what: ever #1" after 5 s',
        "hang on half-close",
        "cut after 2.5 s of audio",
    ]
    assert read[0].fault.details == "The service is currently unavailable."
    assert read[1].count == 2
    assert read[2].numbers == ((3, 3), (5, 7))
    assert read[4].method is Method.RECOGNIZE
    assert read[4].fault.code is Code.UNAUTHENTICATED
    assert read[4].fault.details.startswith("Request had invalid authentication credentials.")
    assert (read[5].fault.delay, read[6].which) == (0.3, Which.RUNNING)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\nnext error", "line 2: 'next error' has no colon"),
        ("somebody: hang", "'somebody' names no calls"),
        ("streams 1--2: hang", "are no stream numbers"),
        ("next: explode", "'explode' is no fault"),
        ("next: error OK", "'OK' is no status code"),
        ("next: error TEAPOT", "there are CANCELLED, UNKNOWN"),
        ("next: error UNAVAILABLE sometimes", "is no fault"),
        ("next: hang after s", "is no fault"),
    ],
)
def test_what_is_wrong_is_said(text: str, words: str) -> None:
    with pytest.raises(fault_parser.BadFaults) as caught:
        fault_parser.parse(text)
    assert words in str(caught.value)


def count(faults: Faults) -> int:
    return len(faults.of_new_call(1, Method.STREAMING))


def write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)


def test_the_file_is_read_when_it_changes(tmp_path: Path) -> None:
    path, faults, complaints = tmp_path / "faults", Faults(), list[str]()
    file = FaultFile(path, faults, complaints.append)
    assert not file.refresh()
    write(path, "all: hang")
    assert file.refresh()
    assert not file.refresh()
    assert count(faults) == 1
    write(path, "all: nonsense")
    assert not file.refresh()
    assert not file.refresh()
    assert count(faults) == 1
    assert len(complaints) == 1
    assert "line 1: 'nonsense' is no fault" in complaints[0]
    path.unlink()
    assert file.refresh()
    assert count(faults) == 0


def test_a_bad_file_is_no_start(tmp_path: Path) -> None:
    path = tmp_path / "faults"
    path.write_text("all: nonsense")
    with pytest.raises(BadFaults):
        FaultFile(path, Faults(), print)
