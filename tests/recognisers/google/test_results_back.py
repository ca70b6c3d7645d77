from collections.abc import Callable
from typing import Any

import pytest

from voicestt.recognisers.google.results_back import ResultsBack
from voicestt.recognisers.port import Result

PARTIAL, FINAL = Result("good", False), Result("good morning", True)


class Thread:
    """A session thread that notes what it is given, and how."""

    def __init__(self) -> None:
        self.noted: list[str] = []

    def hand_back(self, action: Callable[[], object]) -> None:
        self.noted.append("now")

    def hand_back_at_leisure(self, action: Callable[[], object]) -> None:
        self.noted.append("at leisure")


def handed(seconds: float, *given: tuple[float, list[Result]]) -> list[str]:
    thread: Any = Thread()
    back = ResultsBack(thread, seconds)
    for received, results in given:
        back.hand(results, received, lambda: None)
    return thread.noted  # type: ignore[no-any-return]


def test_only_a_partial_that_follows_another_sooner_than_they_are_told_waits() -> None:
    assert handed(0.18, (5.0, [PARTIAL]), (5.17, [PARTIAL]), (5.34, [PARTIAL]), (5.53, [PARTIAL])) == [
        *("now", "at leisure", "at leisure", "now")
    ]


@pytest.mark.parametrize("results", [[FINAL], [FINAL, PARTIAL]])
def test_a_final_and_the_first_partial_behind_it_do_not_wait(results: list[Result]) -> None:
    assert handed(0.18, (5.0, [PARTIAL]), (5.1, results), (5.2, [PARTIAL]), (5.3, [PARTIAL])) == [
        *("now", "now", "now", "at leisure")
    ]


def test_where_every_partial_is_told_none_waits() -> None:
    assert handed(0.0, (5.0, [PARTIAL]), (5.0, [PARTIAL])) == ["now", "now"]
