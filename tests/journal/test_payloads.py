import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.journal.made import (
    CALLED,
    CALLER,
    REDIS,
    Call,
    Journals,
    payloads,
)
from tests.recognisers.on_reactor import on_reactor
from voicestt.events import (
    Dtmf,
    Event,
    Mark,
    Word,
    decode,
    encode,
)
from voicestt.journal.payloads import (
    StoredPayloads,
    clean,
    clean_text,
    looks_like_a_number,
    payload_of,
    redaction,
)

_any_text = st.text(st.characters(exclude_categories=()))  # surrogates, too


@given(_any_text, _any_text, _any_text)
def test_whatever_text_an_event_has_it_is_json(words: str, key: str, value: str) -> None:
    call = Call()
    final = decode(payload_of(call.final(words)))
    decode(payload_of(call.started(parameters={key: [value, {"x": value}]})))
    if words.isascii():
        assert encode(final) == payload_of(final)


@given(st.text())
def test_good_texts_are_as_they_were(words: str) -> None:
    event = Call().final(words)
    assert payload_of(event) == encode(event)


@given(_any_text)
def test_a_clean_name_is_short_and_every_database_takes_it(name: str) -> None:
    cleaned = clean(name)
    cleaned.encode()
    assert "\0" not in cleaned
    assert len(cleaned) <= 256
    if name == clean_text(name) and len(name) <= 256:
        assert cleaned == name


def test_the_whole_is_kept_until_all_have_it() -> None:
    whole = StoredPayloads()
    whole.keep(1, b"whole", ["webhook", "redis"])
    whole.done("webhook", [1, 2])
    assert whole.get(1, "less") == b"whole"
    whole.done("redis", [1])
    assert whole.get(1, "less") == b"less"


def test_without_anybody_who_wants_it_it_is_not_kept() -> None:
    whole = StoredPayloads()
    whole.keep(1, b"whole", [])
    assert whole.get(1, "less") == b"less"


def test_of_too_many_the_oldest_go() -> None:
    whole = StoredPayloads(most=2)
    for number in (1, 2, 3):
        whole.keep(number, b"whole", ["webhook"])
    assert [whole.get(number, "") for number in (1, 2, 3)] == [b"", b"whole", b"whole"]


WORDS = [Word(text="secret", start=0.5, end=1.0)]


def events(call: Call) -> list[Event]:
    base = call.started(parameters={"agent": "sales", "phone": "050-123 4567", "deep": {"to": [CALLER, "x"]}})
    return [
        base,
        call.partial("secr"),
        call.final("secret", words=WORDS, start=0.5, end=1.0),
        Dtmf(**call.next(), digit="7"),
        Mark(**call.next(), name="said"),
        call.ended(),
    ]


def after(words: str) -> list[dict[str, Any]]:
    return [json.loads(encode(redaction(words)(event))) for event in events(Call())]


def test_none_leaves_everything() -> None:
    made = events(Call())
    assert [redaction("none")(event) for event in made] == made


def test_numbers_are_kept_out_wherever_they_are() -> None:
    started, _partial, final, dtmf, *_ = after("numbers")
    assert (started["from"], started["to"]) == (None, None)
    assert started["parameters"] == {"agent": "sales", "phone": None, "deep": {"to": [None, "x"]}}
    assert started["account_sid"] == "AC1"
    assert (final["text"], dtmf["digit"]) == ("secret", "7")


def test_texts_are_kept_out_and_keys_are_texts() -> None:
    started, partial, final, dtmf, mark, ended = after("texts")
    assert started["from"] == CALLER
    assert (partial["text"], final["text"], final["words"], dtmf["digit"]) == ("", "", [], "")
    assert (final["start"], final["end"], mark["name"], ended["reason"]) == (0.5, 1.0, "said", "stop")


def test_all_keeps_both_out() -> None:
    everything = json.dumps(after("all"))
    for word in ("secr", CALLER, CALLED, "4567"):
        assert word not in everything


@pytest.mark.parametrize(
    "value",
    [
        *("+972501234567", "0501234567", "050-1234567", "(050) 123.4567", "tel:+972501234567"),
        *(" +1 555 010 0000 ", "sip:+972501234567@pbx.example.com", "whatsapp:+14155238886", 972501234567),
    ],
)
def test_phone_numbers_look_like_it(value: object) -> None:
    assert looks_like_a_number(value)


@pytest.mark.parametrize(
    "value",
    [
        *("", "sales", "12345", "1234567890123456", "order 1234567 of today", "CA0123456789abcdef", "he-IL"),
        *("1.5", None, True, 1.5, b"+972501234567", "a@b.example"),
    ],
)
def test_other_values_do_not(value: object) -> None:
    assert not looks_like_a_number(value)


@given(st.from_regex(r"\+?[0-9]{7,15}", fullmatch=True))
def test_whatever_can_be_dialled_looks_like_a_number(number: str) -> None:
    assert looks_like_a_number(number)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text() | st.binary(), st.lists))
def test_no_value_is_too_strange(value: object) -> None:
    looks_like_a_number(value)
    redaction("all")(Call().started(parameters={"x": value}))


@on_reactor
async def test_what_is_kept_out_of_the_database_is_delivered_by_this_process_only(journals: Journals) -> None:
    first, call = await journals.open(REDIS, redact="all"), Call()
    made = events(call)
    whole = [encode(event) for event in made]
    redacted = [encode(redaction("all")(event)) for event in made]
    assert payloads(await first.write(*made)) == whole
    assert payloads([each.record for each in await first.pending(REDIS)]) == whole
    assert payloads((await first.journal.since(0, 100)).records) == whole
    rows = journals.do("SELECT payload FROM voicestt_events ORDER BY number")
    assert [row.payload.encode() for row in rows] == redacted
    (session,) = journals.do("SELECT caller, called, account_sid FROM voicestt_sessions")
    assert tuple(session) == (None, None, "AC1")
    await first.journal.close()
    second = await journals.open(REDIS, redact="all")
    assert payloads([each.record for each in await second.adopted(6, REDIS)]) == redacted


@on_reactor
async def test_what_was_delivered_is_forgotten(journals: Journals) -> None:
    opened, call = await journals.open(REDIS, redact="texts"), Call()
    records = await opened.write(call.started(), call.final("secret"))
    await opened.journal.delivered("redis", [record.number for record in records])
    assert b"secret" not in b"".join(payloads((await opened.journal.since(0, 9)).records))
