from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tts.fakes import Parrot
from voicestt.tts.port import SpeechError
from voicestt.tts.remembering import Remembering


def test_what_was_said_before_is_not_asked_for_again() -> None:
    parrot = Parrot()
    remembering = Remembering(parrot)
    assert [remembering.speak("hello") for _ in range(3)] == [b"hello"] * 3
    assert parrot.texts == ["hello"]


def test_what_was_said_longest_ago_is_forgotten_first() -> None:
    parrot = Parrot()
    remembering = Remembering(parrot, most_bytes=50)  # ten letters and their ten bytes
    for text in ("aaaaa", "bbbbb", "aaaaa", "ccccc", "aaaaa", "bbbbb"):
        remembering.speak(text)
    assert parrot.texts == ["aaaaa", "bbbbb", "ccccc", "bbbbb"]


def test_what_is_larger_than_all_that_is_kept_forgets_nothing() -> None:
    parrot = Parrot()
    remembering = Remembering(parrot, most_bytes=50)
    for text in ("short", "x" * 11, "x" * 11, "short"):
        assert remembering.speak(text) == text.encode()
    assert parrot.texts == ["short", "x" * 11, "x" * 11]


def test_a_refusal_is_not_remembered() -> None:
    parrot = Parrot()
    remembering = Remembering(parrot)
    for _ in range(2):
        with pytest.raises(SpeechError):
            remembering.speak("refuse")
    assert parrot.texts == ["refuse", "refuse"]


def test_who_says_something_else_does_not_wait() -> None:
    both_are_asked = Barrier(2)

    class Meeting:
        def speak(self, text: str) -> bytes:
            both_are_asked.wait(20)
            return text.encode()

    remembering = Remembering(Meeting())
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(remembering.speak, ["one", "other"])) == [b"one", b"other"]


@given(st.lists(st.text("abc", max_size=3), max_size=200))
def test_threads_get_what_they_asked_for_and_the_bound_holds(texts: list[str]) -> None:
    remembering = Remembering(Parrot(), most_bytes=60)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(remembering.speak, texts)) == [text.encode() for text in texts]
    kept = remembering._spoken
    assert sum(len(audio) + 4 * len(text) for text, audio in kept.items()) == remembering._bytes <= 60
