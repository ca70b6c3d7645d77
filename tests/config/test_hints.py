"""Hints: as they are written, as a recogniser gets them, and Google's limits in words."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.config.hints import (
    BadHints,
    Hint,
    HintClass,
    make_classes,
    make_hints,
    plain,
    read_hints_file,
)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("שָׁלוֹם", "שלום"),
        ("צ׳יפס", "צ'יפס"),
        ("צה״ל", 'צה"ל'),
        ("בֵּית־סֵפֶר", "בית ספר"),
        ("\u200fביטוח\u200e  Shure ", "ביטוח Shure"),
        ("cafe\u0301", "café"),
        ("ג'ירפה של Google", "ג'ירפה של Google"),
        ("$MONEY שקלים", "$MONEY שקלים"),
    ],
)
def test_a_phrase_is_sent_as_a_recogniser_writes_it(written: str, sent: str) -> None:
    assert plain(written) == sent


@given(st.text())
def test_what_is_plain_stays_as_it_is(text: str) -> None:
    assert plain(plain(text)) == plain(text)


def test_hints_may_be_phrases_pairs_and_tables_and_the_higher_boost_wins() -> None:
    hints = make_hints(["שלום", ("Shure", 12), {"phrase": "שָׁלוֹם", "boost": 3}])
    assert hints.phrases == (Hint("שלום", 3.0), Hint("Shure", 12.0))


def test_classes_go_with_the_phrases_that_use_them() -> None:
    classes = make_classes({"dishes": ["חוּמוּס", "פלאפל"], "drinks": ["מים"]})
    hints = make_hints(["אני רוצה ${dishes}", "$MONEY", "תודה"], classes)
    assert hints.classes == (HintClass("dishes", ("חומוס", "פלאפל")),)
    assert hints.words == ("תודה", "חומוס", "פלאפל"), "for a recogniser that knows no classes"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["x" * 101], "has 101 letters, and Google takes 100 in a phrase"),
        ([("x", 21)], "no number from 0 to 20"),
        ([("x", True)], "no number from 0 to 20"),
        ([" \u200f"], "no phrase with letters"),
        ([7], "no phrase with letters"),
        ([{"phrase": "x", "bost": 1}], "a hint has no 'bost'"),
        (["from ${dishes"], "has a ${ without a }"),
        (["${nobody}"], "there is no such class"),
        ([f"name {number}" for number in range(7_000)], "there are 7000 phrases.* Google takes 5000 in a request"),
        ([f"{number:05}" + "x" * 90 for number in range(1_500)], "142500 letters together, and Google takes 1000"),
    ],
)  # fmt: skip
def test_what_google_does_not_take_is_refused_in_words(given: list[object], words: str) -> None:
    with pytest.raises(BadHints, match=words.replace("$", r"\$")):
        make_hints(given)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(BadHints) as bad:
        make_hints(["x" * 101, ("y", -1), "${z}"])
    assert len(bad.value.problems) == 3


@pytest.mark.parametrize("classes", [{"Dishes": ["x"]}, {"dishes": []}, {"dishes": "x"}, {"dishes": ["x", 3]}])
def test_a_class_is_a_list_of_words_under_a_plain_name(classes: dict[str, object]) -> None:
    with pytest.raises(BadHints):
        make_classes(classes)


def test_a_file_has_a_phrase_in_each_line(tmp_path: Path) -> None:
    file = tmp_path / "hints.txt"
    file.write_text("\ufeff# names\nשׁוּר | 15\n\nShure SM7B\n$MONEY|2.5\n", "utf-8")
    assert make_hints(read_hints_file(str(file))).phrases == (
        Hint("שור", 15.0),
        Hint("Shure SM7B"),
        Hint("$MONEY", 2.5),
    )


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadHints, match="nowhere is not there"):
        read_hints_file(str(tmp_path / "nowhere"))
    with pytest.raises(BadHints, match="is no text in UTF-8 that can be read"):
        read_hints_file(str(tmp_path))
    (tmp_path / "bad").write_text("x | much\n")
    with pytest.raises(BadHints, match=r"line 1: what follows the \| is no number"):
        read_hints_file(str(tmp_path / "bad"))


def test_each_line_of_a_file_that_is_wrong_is_said_at_once_with_its_number(tmp_path: Path) -> None:
    file = tmp_path / "hints.txt"
    file.write_text(f"Shure | 25\nNeumann\nRode | nan\nAKG |\n| 5\n{'x' * 101}\n", "utf-8")
    with pytest.raises(BadHints) as bad:
        read_hints_file(str(file))
    lines = [problem.removeprefix(f"{file} line ")[0] for problem in bad.value.problems]
    assert lines == ["1", "3", "4", "5", "6"]


def test_of_thousands_of_problems_the_first_are_said_and_how_many_more_there_are() -> None:
    with pytest.raises(BadHints) as bad:
        make_hints(["x" * 101] * 3_000)
    assert len(bad.value.problems) == 21
    assert bad.value.problems[-1] == "and 2980 more like these"
