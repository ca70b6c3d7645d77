from hypothesis import given
from hypothesis import strategies as st

from tests.journal.made import Call
from voicestt.events import decode, encode
from voicestt.journal.payloads import (
    StoredPayloads,
    clean,
    clean_text,
    payload_of,
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
