import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicestt.page.masking import has_number, masked, masked_number, masked_payload, masked_text


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+972501234567", "…4567"),
        ("sip:+972501234567@example.com", "…4567"),
        ("client:bob", "…"),
        ("1234", "…"),
        ("", "…"),
        ("anonymous", "…"),
    ],
)
def test_a_phone_number_is_its_last_four_digits(number: str, shown: str) -> None:
    assert masked({"number": number, "from": number, "to": None}) == {"number": shown, "from": shown, "to": None}
    assert masked_number(number) == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("המספר שלי 050-1234567 תודה", "המספר שלי •••-••••••• תודה"),
        ("ל0501234567", "ל••••••••••"),
        ("050 123 45 67", "••• ••• •• ••"),
        ("(050) 123.4567", "(•••) •••.••••"),
        ("+972 50 1234567", "+••• •• •••••••"),
        ("٠٥٠١٢٣٤٥٦٧", "••••••••••"),
        ("בשנת 1984 היו 12 אנשים", "בשנת 1984 היו 12 אנשים"),
        ("00:00:01.000 --> 00:00:02.500", "00:00:01.000 --> 00:00:02.500"),
        ("00:01:02,250 --> 00:01:04,000", "00:01:02,250 --> 00:01:04,000"),
        ("2026-11-29 18:48:32.123456", "2026-11-29 18:48:32.123456"),
        ("2026-11-29T18:48:32.123Z", "2026-11-29T18:48:32.123Z"),
        ("tel:0501234567", "tel:••••••••••"),
    ],
)
def test_a_long_number_in_a_text_is_dots_and_times_stay(said: str, shown: str) -> None:
    assert masked_text(said) == shown
    assert has_number(said) == (said != shown)


def test_what_an_application_gave_a_call_is_masked_wherever_it_stands() -> None:
    custom = {
        "phone": 972501234567,
        "+972501234567": {"list": ["050-1234567", 17, True, None, 1.5]},
        "name": "Dan",
    }
    hidden = {"phone": "•", "+••••••••••••": {"list": ["•••-•••••••", 17, True, None, 1.5]}, "name": "Dan"}
    assert masked({"parameters": custom, "custom": custom}) == {"parameters": hidden, "custom": hidden}


def test_ids_and_times_stay() -> None:
    event = {
        "id": "0123456789abcdef-000001",
        "session": "0123456789abcdef",
        "call_sid": "CA0123456789",
        "timestamp": "2026-11-23T07:00:00.000000Z",
        "version": 1,
        "start": 12345.678,
    }
    assert masked(event) == event


def test_the_words_of_a_text_with_a_number_have_no_digits() -> None:
    words = [{"text": "050", "start": 0.1}, {"text": "1234567", "start": 0.5}, {"word": "שלום"}]
    event = masked({"type": "final", "text": "050 1234567 שלום", "words": words})
    assert [word.get("text", word.get("word")) for word in event["words"]] == ["•••", "•••••••", "שלום"]
    harmless = {"text": "20 שקל", "words": [{"text": "20"}, {"text": "שקל"}]}
    assert masked(harmless) == harmless


def test_pressed_keys_are_never_shown() -> None:
    assert masked({"type": "dtmf", "digit": "5"}) == {"type": "dtmf", "digit": "•"}
    assert masked({"who": "keys", "text": "17#"})["text"] == "••#"
    assert masked({"marks": [{"kind": "dtmf", "at": "x", "text": "5"}]})["marks"][0]["text"] == "•"


NUMBERS = st.from_regex(r"\+?[1-9][0-9]{6,14}", fullmatch=True)
PLACES = st.sampled_from(["from", "text", "why", "parameters", "list", "deep", "said"])


@given(NUMBERS, PLACES, st.text(st.characters(blacklist_categories=["Cs", "Nd"]), max_size=5))
def test_no_number_comes_through_wherever_it_stands(number: str, place: str, around: str) -> None:
    said = f"{around} {number} {around}"
    event = {
        "from": number,
        "text": said,
        "why": said,
        "parameters": {"x": number, number: int(number)},
        "list": [said, {"name": said}],
        "deep": {"parameters": {"a": [{"b": [number]}]}},
        "said": {"text": said, "words": [{"text": number}]},
    }
    shown = masked_payload(json.dumps({place: event[place]}).encode()).decode()
    digits = re.findall(r"\d", re.sub(r"\\u[0-9a-f]{4}", "", shown))
    assert len(digits) <= 4


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["words", "text", "from"]), inner),
)


@settings(max_examples=40)
@given(VALUES)
def test_no_value_is_an_error(value: object) -> None:
    json.dumps(masked(value))


def test_an_object_under_a_name_that_ids_have_is_masked_too() -> None:
    shown = masked({"call": {"number": "+972501234567", "session": "12345678"}, "event": ["050-1234567"]})
    assert shown == {"call": {"number": "…4567", "session": "12345678"}, "event": ["•••-•••••••"]}
