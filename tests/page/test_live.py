import json
from typing import Any

from twisted.internet.task import Clock

from tests.journal.made import CALLED, CALLER, Call
from tests.page.in_memory import VIEW_PASSWORD, PageServer, error_of
from tests.server.in_memory import CONNECTED, start
from voicestt.events import Degraded as DegradedEvent
from voicestt.events import Dtmf, Event, Recovered, encode, type_of
from voicestt.journal.port import Record
from voicestt.page.live_calls import CAPTIONS
from voicestt.recognisers.fallback import SWITCHED_OFF


class Telling:
    """Publishes a call's events, numbered."""

    def __init__(self, server: PageServer, call_sid: str = "CA1", first: int = 1) -> None:
        self.call = Call(call_sid)
        self._server = server
        self._number = first

    def __call__(self, event: Event) -> None:
        record = Record(self._number, event.session, event.sequence, type_of(event), event.call_sid, encode(event))
        self._number += 1
        self._server.publish(record)


def live(server: PageServer, password: str = "to see and act") -> dict[str, Any]:
    answer: dict[str, Any] = server.browser(password).json("/page/api/live")
    return answer


def test_a_live_call_is_a_card_until_it_ends(server: PageServer) -> None:
    tell = Telling(server)
    call = tell.call
    tell(call.started())
    tell(call.partial("של"))
    found = live(server)
    (card,) = found["calls"]
    assert (found["last_event_id"], card["session"], card["call_sid"]) == ("2", call.session, "CA1")
    assert (card["number"], card["language"], card["mode"], card["delay_ms"]) == (
        CALLER,
        "he-IL",
        "streaming",
        None,
    )
    assert [(each["text"], each["final"]) for each in card["captions"]] == [("של", False)]
    tell(call.final("שלום", language="iw-il"))
    tell(call.partial("מה"))
    assert live(server)["calls"][0]["language"] == "iw-il"
    captions = live(server)["calls"][0]["captions"]
    assert [(each["utterance"], each["text"], each["final"]) for each in captions] == [
        (1, "שלום", True),
        (2, "מה", False),
    ]
    tell(call.ended())
    assert live(server) == {"calls": [], "last_event_id": "5"}


def test_a_card_keeps_its_last_captions_and_no_partial_after_a_final(server: PageServer) -> None:
    tell = Telling(server)
    tell(tell.call.started())
    late = tell.call.partial("late")
    for number in range(CAPTIONS + 5):
        tell(tell.call.final(f"final {number}"))
    tell(late)
    captions = live(server)["calls"][0]["captions"]
    assert len(captions) == CAPTIONS
    assert [caption["text"] for caption in captions][-1] == "final 24"
    assert server.browser().json("/page/api/live?captions=0")["calls"][0]["captions"] == []


def test_incidents_and_keys_are_marks_and_the_mode_follows(server: PageServer) -> None:
    tell = Telling(server)
    tell(tell.call.started())
    tell(DegradedEvent(**tell.call.next(), why="UNAVAILABLE: away"))
    tell(Dtmf(**tell.call.next(), digit="5"))
    (card,) = live(server)["calls"]
    assert card["mode"] == "degraded"
    assert [(mark["kind"], mark["text"]) for mark in card["marks"]] == [
        ("degraded", "UNAVAILABLE: away"),
        ("dtmf", "5"),
    ]
    assert live(server, VIEW_PASSWORD)["calls"][0]["marks"][1]["text"] == "•"
    tell(Recovered(**tell.call.next(), why="it works"))
    assert live(server)["calls"][0]["mode"] == "streaming"
    tell(DegradedEvent(**tell.call.next(), why=SWITCHED_OFF))
    assert live(server)["calls"][0]["mode"] == "single-shot"


def test_what_befalls_the_callee_is_a_mark_of_the_callee_and_no_mode_of_the_call(server: PageServer) -> None:
    tell = Telling(server)
    tell(tell.call.started())
    tell(DegradedEvent(**tell.call.next(), why="away", track="callee"))
    (card,) = live(server)["calls"]
    assert card["mode"] == "streaming"
    assert [(mark["kind"], mark["track"]) for mark in card["marks"]] == [("degraded", "callee")]


def test_what_a_call_waits_for_is_measured_in_this_process(server: PageServer) -> None:
    caller = server.join()
    caller.say(CONNECTED, start())
    (call,) = server.calls.live
    tell = Telling(server)
    started = tell.call.started()
    tell(started)
    assert live(server)["calls"][0]["delay_ms"] is None
    assert call.added_delay.count == 0


def test_a_viewer_sees_no_number(server: PageServer) -> None:
    tell = Telling(server)
    tell(tell.call.started(parameters={"account": "050-7654321"}))
    tell(tell.call.final("זה 050-1234567"))
    viewer = server.browser(VIEW_PASSWORD)
    text = viewer.get("/page/api/live").body.decode()
    assert json.loads(text)["calls"][0]["number"] == "…4567"
    assert "1234567" not in text
    assert CALLER in json.dumps(live(server))


def test_where_the_journal_keeps_no_numbers_the_page_shows_none_to_anybody(clock: Clock) -> None:
    server = PageServer(clock, JOURNAL_REDACT="numbers")
    tell = Telling(server)
    stream = server.browser().listen()
    tell(tell.call.started())
    assert live(server)["calls"][0]["number"] == "…4567"
    assert CALLER.encode() not in stream.body
    assert b"4567" in stream.body


def test_the_events_come_as_they_happen_and_masked_for_viewers(server: PageServer) -> None:
    acting, viewing = server.browser().listen(), server.browser(VIEW_PASSWORD).listen()
    assert "text/event-stream" in acting.head
    assert "access-control-allow-origin" not in acting.head
    assert "content-security-policy" in acting.head
    tell = Telling(server)
    tell(tell.call.started())
    tell(tell.call.final("חייג 050-1234567"))
    whole, shown = acting.read.messages, viewing.read.messages
    assert [message.id for message in whole] == [message.id for message in shown] == ["1", "2"]
    assert json.loads(whole[0].data)["from"] == CALLER
    assert json.loads(shown[0].data)["from"] == "…4567"
    assert json.loads(shown[1].data)["text"] == "חייג •••-•••••••"
    assert CALLED not in shown[0].data


def test_the_events_of_one_call_and_of_what_was_missed(server: PageServer) -> None:
    only = server.browser().listen("?call=CA2")
    for number, sid in enumerate(("CA1", "CA2")):
        tell = Telling(server, sid, first=1 + number)
        tell(tell.call.started())
    assert only.numbers == [2]


def test_events_that_cannot_be_asked_for_are_refused_in_words(server: PageServer) -> None:
    answer = server.browser().get("/page/api/events?after=yesterday")
    assert (answer.status, "`after`" in error_of(answer)) == (400, True)


def test_who_listens_is_sent_away_when_the_login_is_over(server: PageServer, clock: Clock) -> None:
    stream = server.browser().listen()
    clock.pump([900.0] * 48)
    assert b"event: expired" in stream.body
    assert stream.is_ended
    stream = server.browser(VIEW_PASSWORD).listen()
    stream.lose()
    clock.pump([900.0] * 49)
