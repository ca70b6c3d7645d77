from twisted.internet.task import Clock

from tests.server.fakes import CALL, Collected
from voicestt.audio.ledger import AudioTotals
from voicestt.call.facts import (
    CallEnded,
    CallStarted,
    DeliveryCounts,
    Event,
    Final,
    Happened,
    Partial,
)
from voicestt.call.tally import DeliveryStats

END = CallEnded(CALL, "stop", 1.0, 50, 8_000, {}, AudioTotals(received=8_000))


def test_what_was_told_is_counted_and_passed_on(clock: Clock, audience: Collected) -> None:
    tally = DeliveryStats(clock, audience)
    clock.advance(5)
    told: list[tuple[float, Event]] = [
        (0.0, CallStarted(CALL)),
        (0.5, Partial(CALL, 1, "a")),
        (0.2, Partial(CALL, 1, "a b")),
        (0.2, Final(CALL, 1, "a b", delay=0.5)),
        (0.1, Final(CALL, 2, "c")),
        (0.1, Happened(CALL, "restarted", "no route")),
        (0.1, Happened(CALL, "restarted", "no route again")),
        (0.1, Happened(CALL, "degraded", "no route at all", 1.5)),
        (0.1, Final(CALL, 3, "d", delay=0.25)),
    ]
    for wait, event in told:
        clock.advance(wait)
        tally.tell(event)
    tally.tell(END)
    assert audience.events[:-1] == [event for _, event in told]
    assert audience.end.delivered == DeliveryCounts(2, 3, 0.5, (0.5, 0.25), {"restarted": 2, "degraded": 1})
    assert (audience.end.reason, audience.end.account) == ("stop", AudioTotals(received=8_000))


def test_a_silent_call_has_nothing_to_tell(clock: Clock, audience: Collected) -> None:
    tally = DeliveryStats(clock, audience)
    tally.tell(CallStarted(CALL))
    tally.tell(END)
    assert audience.end.delivered == DeliveryCounts(0, 0, None, ())
