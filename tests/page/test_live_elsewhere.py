from typing import Any

from tests.journal.made import CALLER, Call
from tests.journal.test_writing import Desk
from tests.ops.journal.conftest import desk
from voicestt.page.live_elsewhere import Elsewhere, live_elsewhere

__all__ = ["desk"]  # a fixture


def seen(desk: Desk, *own: str) -> Elsewhere:
    with desk.database.reading() as connection:
        return live_elsewhere(connection, own)


def captions(elsewhere: Elsewhere) -> list[tuple[Any, ...]]:
    return [(each["text"], each["final"]) for card in elsewhere.cards for each in card.captions.values()]


def test_the_live_calls_of_other_processes_are_read_from_the_journal(desk: Desk) -> None:
    live, over = Call("CA1"), Call("CA2")
    desk.write(
        live.started(), live.final("שלום"), live.partial("מה"), over.started(), over.final("no"), over.ended()
    )
    found = seen(desk)
    (card,) = found.cards
    assert (card.session, card.number, card.mode) == (live.session, CALLER, "streaming")
    assert captions(found) == [("שלום", True), ("מה", False)]
    assert found.through == 6
    assert seen(desk, live.session).cards == []


def test_a_long_call_is_its_start_and_its_last_words(desk: Desk) -> None:
    call = Call()
    desk.write(call.started(), *(call.final(f"final {number}") for number in range(100)))
    found = seen(desk)
    assert [text for text, _ in captions(found)] == [f"final {number}" for number in range(80, 100)]
    assert found.cards[0].number == CALLER


def test_an_empty_journal_has_none(desk: Desk) -> None:
    assert seen(desk) == Elsewhere([], 0)
