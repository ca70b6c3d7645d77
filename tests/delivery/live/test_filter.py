from contextlib import suppress
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.server.listening import record
from voicestt.delivery.live.filter import (
    LARGEST_NUMBER,
    BadQuestion,
    EventFilter,
    asked_of,
)
from voicestt.events import TYPES

ALL = frozenset(TYPES)


@pytest.mark.parametrize(
    ("query", "last_id", "asked"),
    [
        ("", None, EventFilter()),
        ("", "", EventFilter()),
        ("access_token=x&_=1700000000", None, EventFilter()),
        ("call=CA1", None, EventFilter(calls=frozenset({"CA1"}))),
        ("call=CA1&call=CA2", None, EventFilter(calls=frozenset({"CA1", "CA2"}))),
        ("types=final,call_ended", None, EventFilter(types=frozenset({"final", "call_ended"}))),
        ("types=final&types=+dtmf+,", None, EventFilter(types=frozenset({"final", "dtmf"}))),
        ("partials=false", None, EventFilter(types=ALL - {"partial"})),
        ("partials=true", None, EventFilter()),
        ("partials=0&types=partial,final", None, EventFilter(types=frozenset({"final"}))),
        ("after=0", None, EventFilter(after=0)),
        ("after=12", None, EventFilter(after=12)),
        ("after=12", "15", EventFilter(after=15)),
        (f"after={LARGEST_NUMBER}", None, EventFilter(after=LARGEST_NUMBER)),
    ],
)
def test_what_is_asked_for(query: str, last_id: str | None, asked: EventFilter) -> None:
    assert asked_of(query, last_id) == asked


@pytest.mark.parametrize(
    ("query", "last_id", "words"),
    [
        ("types=", None, "`types` has something else than: call_started, partial"),
        ("types=final,word", None, "`types`"),
        ("partials=perhaps", None, "`partials` is neither true nor false."),
        ("partials=", None, "`partials`"),
        ("call=", None, "`call` is no CallSid."),
        ("call=" + "x" * 65, None, "`call`"),
        ("call=a%20b", None, "`call`"),
        ("after=", None, "`after` is not the number of an event."),
        ("after=-1", None, "`after`"),
        ("after=1.5", None, "`after`"),
        ("after=%D9%A1", None, "`after`"),
        (f"after={LARGEST_NUMBER + 1}", None, "`after`"),
        ("", "S1-000001", "The header Last-Event-ID is not the number of an event."),
        ("&".join(["x=1"] * 300), None, "more than 200 parameters"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_words(query: str, last_id: str | None, words: str) -> None:
    with pytest.raises(BadQuestion, match=words):
        asked_of(query, last_id)


def test_which_events_are_wanted() -> None:
    asked = asked_of("call=CA1&call=CA2&partials=false")
    assert asked.wants(record(1, "final", "CA1"))
    assert asked.wants(record(1, "dtmf", "CA2"))
    assert not asked.wants(record(1, "partial", "CA1"))
    assert not asked.wants(record(1, "final", "CA3"))
    assert asked_of("").wants(record(1, "partial", "CA3"))


NAMES = st.sampled_from(["call", "types", "partials", "after", "access_token", "x"]) | st.text(max_size=5)
PAIRS = st.lists(st.tuples(NAMES, st.text(max_size=10)), max_size=5).map(urlencode)


@given(PAIRS | st.text(max_size=30) | st.binary(max_size=20).map(quote), st.none() | st.text(max_size=10))
def test_no_query_and_no_header_is_an_error_of_ours(query: str, last_id: str | None) -> None:
    with suppress(BadQuestion):
        asked = asked_of(query, last_id)
        assert asked.types <= ALL
        assert asked.after is None or 0 <= asked.after <= LARGEST_NUMBER
