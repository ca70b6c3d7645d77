import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.conftest import Logged
from voicestt.journal.former import FormerStream
from voicestt.journal.problems import JournalClosed
from voicestt.server.former_streams import LEFT_FREE, SECONDS, FormerLookup

LIVE = FormerStream("s1", has_ended=False, utterances=2)
ENDED = FormerStream("s1", reason="moved", utterances=3, memory="1")


class Journal:
    """Gives its answers one after the other; the last one again and again. None: it never answers."""

    def __init__(self, *answers: FormerStream | str | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def former(self, _call_sid: str) -> FormerStream | None:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == "never":
            await Deferred[None]()
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, FormerStream) else None


def found_in(journal: Journal, clock: Clock, seconds: float = 0.0) -> list[FormerStream | None]:
    """Return what is found within so many seconds, and check that nothing is left."""
    told: list[FormerStream | None] = []
    FormerLookup(clock, journal).at_its_end("CA1").addCallback(told.append)
    for _ in range(round(seconds * 100)):
        clock.advance(0.01)
    return told


def test_a_stream_that_has_ended_is_told_at_once() -> None:
    assert found_in(Journal(ENDED), Clock()) == [ENDED]


def test_a_call_that_was_never_there_is_told_at_once() -> None:
    assert found_in(Journal("none"), Clock()) == [None]


def test_its_last_words_are_waited_for() -> None:
    clock, journal = Clock(), Journal(LIVE, LIVE, ENDED)
    assert found_in(journal, clock, 0.17) == [ENDED]
    assert journal.asked == 3
    assert clock.getDelayedCalls() == []


def test_of_a_stream_that_does_not_end_numbers_are_left_free_for_its_last_words() -> None:
    clock = Clock()
    assert found_in(Journal(LIVE), clock, SECONDS) == [
        FormerStream("s1", has_ended=False, utterances=2 + LEFT_FREE)
    ]
    assert clock.getDelayedCalls() == []


def test_it_is_not_asked_for_often() -> None:
    journal = Journal(LIVE)
    found_in(journal, Clock(), SECONDS)
    assert journal.asked <= 6


@pytest.mark.parametrize(
    ("answer", "why"), [("never", "did not answer within 1 s"), (JournalClosed("closed"), "JournalClosed")]
)
def test_a_journal_that_does_not_say_costs_a_call_its_past_only(
    answer: str | Exception, why: str, logged: Logged
) -> None:
    clock = Clock()
    assert found_in(Journal(answer), clock, SECONDS) == [None]
    assert logged.matching(why) != []
    assert clock.getDelayedCalls() == []


def test_a_journal_that_stops_answering_has_said_enough(logged: Logged) -> None:
    clock = Clock()
    assert found_in(Journal(LIVE, "never"), clock, SECONDS) == [
        FormerStream("s1", has_ended=False, utterances=2 + LEFT_FREE)
    ]
    assert logged.matching("did not answer") != []
