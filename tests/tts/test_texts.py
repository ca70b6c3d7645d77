import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.tts.fakes import Parrot
from voicestt.tts.port import SpeechError
from voicestt.tts.texts import (
    LARGEST_PIECE,
    LARGEST_TEXT,
    InPieces,
    cleaned,
    pieces,
)

ANY_TEXT = st.text(st.characters(exclude_categories=[]))  # halves of characters among them


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("", ""),
        (" \n\t ", ""),
        ("שלום  עולם", "שלום עולם"),
        ("one\r\n\r\n two\tthree ", "one\ntwo three"),
        ("a\x00b\x1b[31mc\x7f", "ab[31mc"),
        ("half \ud83d of one, \U0001f600 whole", "half of one, \U0001f600 whole"),
        ("\x01v9 a command of espeak's", "v9 a command of espeak's"),
    ],
)
def test_a_clean_text_has_words_and_single_spaces(text: str, clean: str) -> None:
    assert cleaned(text) == clean


@given(ANY_TEXT)
@example("\x85\u2028\x1c\x0b")
def test_whatever_the_text_a_clean_one_can_be_written_and_has_no_control_characters(text: str) -> None:
    clean = cleaned(text)
    clean.encode()
    assert {unicodedata.category(letter) for letter in clean.replace("\n", "")} & {"Cc", "Cs"} == set()
    assert cleaned(clean) == clean


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("One. Two three four. Five.", ["One.", "Two three four.", "Five."]),
        ("One two three four five six", ["One two three", "four five six"]),
        ('He said "No!" twice. Yes.', ['He said "No!"', "twice. Yes."]),
        ("a line\nanother line\nlast", ["a line", "another line", "last"]),
        ("版本三點五。你好。再見", ["版本三點五。", "你好。再見"]),
        ("3.14159 is pi 3.14159", ["3.14159 is pi", "3.14159"]),
        ("exactly sixteen!", ["exactly sixteen!"]),
        ("שלום לך. מה?", ["שלום לך.", "מה?"]),
    ],
)
def test_a_long_text_is_cut_after_sentences_or_else_between_words(text: str, cut: list[str]) -> None:
    largest = 18 if "版" in text else 16
    assert list(pieces(text, largest)) == cut


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10)


@given(st.lists(WORDS, max_size=60).map(lambda words: cleaned(" ".join(words))), st.integers(40, 200))
def test_no_word_is_lost_and_no_piece_is_too_large(text: str, largest: int) -> None:
    cut = list(pieces(text, largest))
    assert "".join("".join(cut).split()) == "".join(text.split())
    assert all(0 < len(piece.encode()) <= largest for piece in cut)


def test_what_cannot_be_cut_is_refused_in_words_that_do_not_repeat_it() -> None:
    with pytest.raises(SpeechError, match="cannot be cut") as refused:
        list(pieces("start " + "x" * 101, 100))
    assert "xx" not in str(refused.value)


def test_pieces_are_spoken_in_order_and_joined() -> None:
    parrot = Parrot()
    text = "The sentence that is said again. " * 400
    assert InPieces(parrot).speak(text).decode() == "".join(parrot.texts)
    assert [len(said) for said in parrot.texts] == [4_982, 4_982, 3_233]
    assert " ".join(parrot.texts) == text.strip()


@pytest.mark.parametrize("text", ["", "  ", "\n", "\x00\x01"])
def test_where_there_is_nothing_to_say_nobody_is_asked(text: str) -> None:
    parrot = Parrot()
    assert InPieces(parrot).speak(text) == b""
    assert parrot.texts == []


def test_a_text_of_ten_minutes_is_refused_before_anything_is_spoken() -> None:
    parrot = Parrot()
    with pytest.raises(SpeechError, match="more than ten minutes"):
        InPieces(parrot).speak("word " * (LARGEST_TEXT // 5 + 1))
    with pytest.raises(SpeechError, match="cannot be cut"):
        InPieces(parrot).speak("A sentence. " + "x" * (LARGEST_PIECE + 1))
    assert parrot.texts == []


@given(ANY_TEXT)
def test_no_text_crashes_it(text: str) -> None:
    assert InPieces(Parrot()).speak(text) == cleaned(text).encode() or "refuse" in text
