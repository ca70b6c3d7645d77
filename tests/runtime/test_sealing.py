from hypothesis import given
from hypothesis import strategies as st

from voicestt.runtime.sealing import LONGEST, Seal


def test_what_is_sealed_is_opened_by_the_same_secret_and_purpose_until_its_time() -> None:
    time = [100.0]
    seal = Seal("a secret", "a purpose", lambda: time[0])
    text = seal.seal({"call": "CA1"}, 160.0)
    assert Seal("a secret", "a purpose", lambda: time[0]).open(text) == {"call": "CA1", "until": 160.0}
    assert "CA1" not in text
    assert Seal("another secret", "a purpose").open(text) is None
    assert Seal("a secret", "another purpose").open(text) is None
    time[0] = 160.0
    assert seal.open(text) is None


def test_a_tag_is_of_its_text_and_key() -> None:
    seal = Seal("a secret", "a purpose")
    assert seal.tag("x") == Seal("a secret", "a purpose").tag("x") != seal.tag("y")
    assert seal.tag("x") != Seal("a secret", "another purpose").tag("x")


@given(st.text(), st.integers(0, 200), st.characters())
def test_whatever_was_not_sealed_or_was_changed_is_not_opened(text: str, place: int, other: str) -> None:
    seal = Seal("a secret", "a purpose")
    assert seal.open(text) is None
    assert seal.open("A" * (LONGEST + 1)) is None
    whole = seal.seal({"x": 1}, 1e12)
    changed = whole[: place % len(whole)] + other + whole[place % len(whole) + 1 :]
    assert changed == whole or seal.open(changed) is None
