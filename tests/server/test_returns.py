"""Calls that come back: the webhook's answers, and what becomes of their sockets."""

from xml.etree import ElementTree

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.server.in_memory import CONNECTED, NOW, STOP, Media, Server, media, start
from tests.server.test_routes import FORM, INCOMING, post
from tests.twilio.test_twiml import WANTED
from voicestt.call.facts import CallStarted, Final
from voicestt.handler.leaving import HUNG_UP
from voicestt.journal.former import FormerStream
from voicestt.server.former_streams import SECONDS
from voicestt.server.returns import LATER_SECONDS, MOST_WAITS, SOON_SECONDS
from voicestt.twilio.returning import MOST, Return

BACK = f"{INCOMING}?{Return(1, int(NOW)).query}"
MOVED = f"{INCOMING}?{Return(0, int(NOW)).query}"
GREETING = bytes([0xFE]) * 800


class Journal:
    """Knows one former stream, and answers when it is told to."""

    def __init__(self, former: FormerStream | None) -> None:
        self.former_stream = former
        self.held: Deferred[None] | None = None

    async def former(self, _call_sid: str) -> FormerStream | None:
        if self.held is not None:
            await self.held
        return self.former_stream


FORMER = FormerStream("s1", True, "moved", 3, '{"step":7}', "+972501234567", "+972771234567")


@pytest.fixture
def journal() -> Journal:
    return Journal(FORMER)


def server_with(journal: Journal, clock: Clock, **variables: str) -> Server:
    class Shared(Server):
        pass

    Shared.former_streams = journal
    return Shared(clock, GREETING, **variables)


def verbs(document: bytes) -> list[str]:
    return [verb.tag for verb in ElementTree.fromstring(document)]


def redirect(document: bytes) -> str:
    found = ElementTree.fromstring(document).findtext("Redirect")
    assert found is not None
    return found.removeprefix("https://voice.example.com")


def begun(server: Server) -> CallStarted:
    (begun,) = (event for event in server.observer.events if isinstance(event, CallStarted))
    return begun


def talking(server: Server, *messages: bytes) -> Media:
    joined = server.join()
    joined.say(CONNECTED, start(), *messages)
    return joined


def test_with_twiml_reconnect_the_call_asks_again_and_counts(autobahn_clock: Clock, journal: Journal) -> None:
    server = server_with(journal, autobahn_clock, TWIML_RECONNECT="true")
    answer = post(server, INCOMING, FORM)
    assert answer.body.startswith(WANTED.removesuffix(b"</Response>\n"))
    path, seen = redirect(answer.body), 0
    assert path == BACK
    while b"<Stream" in (answer := post(server, path, FORM)).body:
        path, seen = redirect(answer.body), seen + 1
    assert seen == MOST
    assert answer.status == 503


def test_without_it_the_answer_is_the_same_to_the_byte_for_a_call_that_comes_back(
    autobahn_clock: Clock, journal: Journal
) -> None:
    server = server_with(journal, autobahn_clock)
    assert post(server, MOVED, FORM).body == WANTED


def test_a_call_that_comes_back_is_taken_although_no_new_ones_are(autobahn_clock: Clock, journal: Journal) -> None:
    server = server_with(journal, autobahn_clock, MAX_CALLS="1")
    talking(server)
    assert post(server, INCOMING, {**FORM, "CallSid": "CA2"}).status == 503
    assert post(server, MOVED, {**FORM, "CallSid": "CA2"}).status == 200


def test_it_goes_on_where_it_was(autobahn_clock: Clock, journal: Journal) -> None:
    server = server_with(journal, autobahn_clock)
    post(server, MOVED, FORM)
    joined = talking(server)
    call = begun(server).call
    assert (call.continues, call.utterances, call.memory) == ("s1", 3, '{"step":7}')
    server.recogniser.session.final("and on")
    (final,) = (event for event in server.observer.events if isinstance(event, Final))
    assert final.utterance == 4
    server.clock.advance(1.0)
    joined.flush()
    assert joined.heard == []  # the caller was greeted before


def test_a_new_call_waits_for_no_journal_and_is_greeted(autobahn_clock: Clock, journal: Journal) -> None:
    journal.held = Deferred()
    server = server_with(journal, autobahn_clock)
    post(server, INCOMING, FORM)
    joined = talking(server)
    assert begun(server).call.continues is None
    server.clock.advance(1.0)
    joined.flush()
    assert joined.heard != []


def test_a_socket_that_another_process_s_webhook_announced_has_its_numbers_from_the_journal(
    autobahn_clock: Clock, journal: Journal
) -> None:
    server = server_with(journal, autobahn_clock)
    talking(server)
    call = begun(server).call
    assert (call.continues, call.caller, call.called) == ("s1", "+972501234567", "+972771234567")


def test_audio_waits_while_the_journal_is_asked_and_none_is_lost(autobahn_clock: Clock, journal: Journal) -> None:
    journal.held = Deferred()
    server = server_with(journal, autobahn_clock)
    joined = talking(server, *[media(bytes([number]) * 160) for number in range(100)])
    assert server.observer.events == []
    journal.held.callback(None)
    joined.say(*[media(bytes([number]) * 160) for number in range(100, 150)], STOP)
    for _ in range(100):
        server.clock.advance(0.1)
        joined.flush()
    assert begun(server).call.continues == "s1"
    audio = server.recogniser.session.audio
    assert audio == b"".join(bytes([number]) * 160 for number in range(150))


def test_a_journal_that_does_not_answer_costs_the_call_its_past_only(
    autobahn_clock: Clock, journal: Journal, logged: Logged
) -> None:
    journal.held = Deferred()
    server = server_with(journal, autobahn_clock)
    joined = talking(server, *[media()] * 10)
    server.clock.advance(SECONDS)
    joined.flush()
    assert begun(server).call.continues is None
    assert logged.matching("without the handler's memory") != []
    assert len(server.recogniser.session.audio) == 1_200


def test_a_socket_that_is_lost_meanwhile_gives_its_audio_to_the_call(
    autobahn_clock: Clock, journal: Journal
) -> None:
    journal.held = Deferred()
    server = server_with(journal, autobahn_clock)
    joined = talking(server, *[media()] * 10)
    joined.lose()
    assert begun(server).call.continues is None
    assert len(server.recogniser.session.audio) == 1_600
    journal.held.callback(None)


@pytest.mark.parametrize("reason", [HUNG_UP, "its handler is too slow", "no audio came for 600 s"])
def test_a_call_that_was_hung_up_here_is_over_when_it_comes_back(server: Server, reason: str) -> None:
    joined = talking(server)
    (call,) = server.calls.live
    call.end(reason)
    joined.flush()
    assert verbs(post(server, BACK, FORM).body) == ["Hangup"]
    server.recogniser.session.end()
    assert len(server.calls) == 0
    assert verbs(post(server, BACK, FORM).body) == ["Hangup"]
    assert post(server, BACK, {**FORM, "CallSid": "CA2"}).body == WANTED


def test_so_is_one_that_another_process_hung_up(autobahn_clock: Clock) -> None:
    server = server_with(Journal(FormerStream("s1", reason=HUNG_UP)), autobahn_clock)
    assert verbs(post(server, BACK, FORM).body) == ["Hangup"]
    joined = talking(server)
    assert joined.client.closed is not None
    assert server.observer.events == []


def test_a_call_whose_socket_was_lost_may_come_back(server: Server) -> None:
    joined = talking(server)
    joined.lose()
    assert post(server, BACK, FORM).body == WANTED


def test_a_server_that_stops_takes_no_new_calls_and_sends_those_that_come_back_elsewhere(server: Server) -> None:
    talking(server)
    server.calls.drain("the server is stopping")
    assert post(server, INCOMING, {**FORM, "CallSid": "CA2"}).status == 503
    for seconds_left, pause in ((10.0, SOON_SECONDS), (0.0, LATER_SECONDS)):
        server.seconds_left = seconds_left
        answer = post(server, MOVED, FORM)
        assert verbs(answer.body) == ["Pause", "Redirect"]
        assert f'length="{pause}"'.encode() in answer.body
        assert redirect(answer.body) == MOVED
    ready = server.http("GET", "/readyz")
    assert (ready.status, b"the server is stopping" in ready.body) == (503, True)
    assert server.http("GET", "/healthz").status == 200


def test_a_call_that_no_other_process_takes_does_not_wait_in_silence_until_this_one_has_gone(
    autobahn_clock: Clock, journal: Journal, logged: Logged
) -> None:
    server = server_with(journal, autobahn_clock)
    server.calls.drain("the server is stopping")
    server.seconds_left = 3_600.0
    waits = 0
    while "Pause" in verbs((answer := post(server, MOVED, FORM)).body):
        waits += 1
    assert waits == MOST_WAITS
    assert verbs(answer.body) == ["Connect"]
    talking(server)
    assert begun(server).call.continues == "s1"
    assert len(logged.matching("no other process has answered")) == 1
    server.seconds_left = 0.0  # whoever is about to go takes nobody
    assert verbs(post(server, MOVED, FORM).body) == ["Pause", "Redirect"]


def test_it_takes_the_socket_of_a_call_that_another_process_has_answered(server: Server) -> None:
    server.calls.drain("the server is stopping")
    assert talking(server).client.closed is None
    assert len(server.calls.live) == 1


def test_a_server_that_takes_calls_is_ready(server: Server) -> None:
    ready = server.http("GET", "/readyz")
    assert (ready.status, ready.body) == (200, b'{"ready": true, "reason": null}')
