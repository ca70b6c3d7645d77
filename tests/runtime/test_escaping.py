import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.runtime.escaping import escaped, escaped_in_json


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("שלום לך, מה נשמע?", "שלום לך, מה נשמע?"),
        ("שָׁלוֹם 😀 e\u0301", "שָׁלוֹם 😀 e\u0301"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("one\ntwo\r\u2028three\x9b31m", "one\\x0atwo\\x0d\\u2028three\\x9b31m"),
    ],
)
def test_letters_are_printed_and_what_moves_them_is_escaped(text: str, printed: str) -> None:
    assert escaped(text) == printed


def test_what_is_too_long_is_cut() -> None:
    assert escaped("x" * 1_000, 10) == "x" * 10 + "…"


@given(st.text())
def test_nothing_is_left_that_a_terminal_would_obey(text: str) -> None:
    printed = escaped(text)
    assert not any(unicodedata.category(each) in {"Cc", "Cs", "Zl", "Zp"} for each in printed)
    assert not any(unicodedata.bidirectional(each) in {"LRE", "RLE", "LRO", "RLO", "PDF"} for each in printed)
    printed.encode()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_json_document_means_the_same(text: str) -> None:
    document = escaped_in_json(json.dumps({"text": text}, ensure_ascii=False, indent=2))
    assert json.loads(document) == {"text": text}
    assert escaped(document.replace("\n", "")) == document.replace("\n", "")
