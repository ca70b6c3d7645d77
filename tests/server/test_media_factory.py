import base64
import hashlib
import json
import os
from typing import Any

import autobahn.websocket
import pytest
from autobahn.websocket.compress import PerMessageDeflateOffer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.server.fakes import TOKEN
from tests.server.in_memory import (
    CONNECTED,
    FRAME,
    MEDIA_URL,
    STOP,
    Answer,
    Media,
    Server,
    event,
    media,
    start,
)
from voicestt.audio.ledger import AudioTotals
from voicestt.call.facts import (
    CallDescription,
    CallEnded,
    CallStarted,
    Event,
    Final,
    Happened,
    KeyPressed,
    MarkReached,
    TurnEnded,
)
from voicestt.call.line import Line
from voicestt.emulators.twilio.server_messages import AudioToPlay, Clear, ServerMessage
from voicestt.emulators.twilio.server_messages import MarkToReturn as SentMark
from voicestt.emulators.twilio.signatures import signature

PATH = "/ws/twilio-media"
SIGNATURE = signature(TOKEN, MEDIA_URL)
KEY = base64.b64encode(bytes(16)).decode()
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def twilios_request(*more: str, path: str = PATH, signed: str | None = SIGNATURE) -> bytes:
    """The opening handshake with exactly the headers that Twilio sends."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: voice.example.com",
        "User-Agent: Twilio.TmeWs/1.0",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {KEY}",
    ]
    lines += [f"x-twilio-signature: {signed}"] if signed is not None else []
    return "\r\n".join([*lines, *more, "", ""]).encode()


def handshake(server: Server, *more: str, path: str = PATH, signed: str | None = SIGNATURE) -> Answer:
    return Answer("GET", server.ask(twilios_request(*more, path=path, signed=signed)))


def in_a_call(server: Server, *, frames: int = 0) -> Media:
    joined = server.join()
    joined.say(CONNECTED, start(), *[media()] * frames)
    return joined


def pass_time(server: Server, joined: Media, seconds: float) -> None:
    for _ in range(round(seconds * 10)):
        server.clock.advance(0.1)
        joined.flush()


# -- the handshake


def test_twilios_own_handshake_is_answered_101(server: Server, logged: Logged) -> None:
    answer = handshake(server)
    assert answer.status == 101
    accepted = hashlib.sha1((KEY + GUID).encode()).digest()
    assert answer.headers["sec-websocket-accept"] == base64.b64encode(accepted).decode()
    assert answer.headers["sec-websocket-protocol"] is None
    assert answer.headers["sec-websocket-extensions"] is None
    assert logged.matching("📞 WebSocket connected: /ws/twilio-media") == [
        "📞 WebSocket connected: /ws/twilio-media"
    ]


def test_a_slash_at_the_end_is_no_other_path(server: Server) -> None:
    assert handshake(server, path=PATH + "/").status == 101
    assert handshake(server, path=PATH + "/", signed=signature(TOKEN, MEDIA_URL + "/")).status == 101
    assert handshake(server, signed=signature(TOKEN, MEDIA_URL + "/")).status == 101


@pytest.mark.parametrize(
    ("offered", "selected"),
    [
        ([], None),
        (["audio.twilio.com"], "audio.twilio.com"),
        (["chat", "audio.twilio.com"], "audio.twilio.com"),
        (["chat"], None),
        (["Audio.Twilio.Com"], None),
    ],
)
def test_a_subprotocol_is_selected_when_it_was_offered(
    server: Server, offered: list[str], selected: str | None
) -> None:
    headers = [f"Sec-WebSocket-Protocol: {', '.join(offered)}"] if offered else []
    answer = handshake(server, *headers)
    assert (answer.status, answer.headers["sec-websocket-protocol"]) == (101, selected)


def test_autobahns_own_client_is_up_with_it(server: Server) -> None:
    joined = server.join(protocols=["audio.twilio.com"])
    assert joined.client.is_up
    assert joined.client.answer is not None
    assert joined.client.answer.protocol == "audio.twilio.com"


def test_compression_is_not_accepted(server: Server) -> None:
    joined = server.join(perMessageCompressionOffers=[PerMessageDeflateOffer()])
    assert joined.client.is_up
    assert joined.client.answer is not None
    assert joined.client.answer.extensions == []
    joined.say(start(), media())
    assert server.calls.taken == 1
    assert len(server.recogniser.sessions) == 1


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "file://", "about:blank", ""])
def test_an_origin_does_not_matter_where_the_signature_is_good(server: Server, origin: str) -> None:
    assert handshake(server, f"Origin: {origin}").status == 101
    assert handshake(server, f"Origin: {origin}", signed="x").status == 403


@pytest.mark.parametrize("signed", [None, "", "x", signature("another token", MEDIA_URL)])
def test_without_a_good_signature_it_is_403(server: Server, logged: Logged, signed: str | None) -> None:
    answer = handshake(server, signed=signed)
    assert (answer.status, answer.headers["content-type"]) == (403, "text/plain; charset=utf-8")
    assert len(server.calls) == 0
    assert len(logged.matching("A WebSocket was refused with 403")) == 1


def test_a_signature_that_is_no_text_is_403(server: Server) -> None:
    request = twilios_request().replace(SIGNATURE.encode(), b"\xff\xfe")
    assert Answer("GET", server.ask(request)).status == 403


def test_unsigned_sockets_are_taken_where_nothing_is_validated(autobahn_clock: Clock) -> None:
    assert handshake(Server(autobahn_clock, TWILIO_VALIDATE="false"), signed=None).status == 101


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize("path", [PATH, PATH + "/"])
def test_a_request_for_no_websocket_gets_426_and_a_line_of_text(server: Server, method: str, path: str) -> None:
    answer = server.http(method, path)
    assert (answer.status, answer.headers["content-type"]) == (426, "text/plain; charset=utf-8")
    assert answer.headers["upgrade"] == "websocket"
    assert b"<" not in answer.body
    assert method == "HEAD" or answer.body == b"This path speaks WebSocket only.\n"


def test_a_websocket_of_another_version_is_refused(server: Server) -> None:
    request = twilios_request().replace(b"Version: 13", b"Version: 99")
    answer = Answer("GET", server.ask(request))
    assert (answer.status, answer.headers["sec-websocket-version"]) == (400, "13,8")
    assert len(server.calls) == 0


def test_a_server_that_is_stopping_takes_no_more(server: Server) -> None:
    server.calls.stop()
    assert handshake(server).status == 503


# -- a call


def test_media_reaches_the_recogniser_in_batches(server: Server) -> None:
    in_a_call(server, frames=15)
    session = server.recogniser.session
    assert [len(batch) for batch in session.written] == [1_200, 1_200]
    assert session.audio == FRAME * 15


def test_a_whole_call(server: Server, logged: Logged) -> None:
    server.registry.announce("CA1", "+972501234567", "+972771234567")
    joined = in_a_call(server, frames=20)
    session = server.recogniser.session
    session.partial("שלום")
    session.final("שלום לך", end=1_200)
    joined.say(STOP)
    assert session.is_finished
    assert [len(batch) for batch in session.written] == [1_200, 1_200, 800]
    session.final("תודה")
    session.end()
    assert server.observer.partials == ["שלום"]
    assert server.observer.finals == ["שלום לך", "תודה"]
    end = server.observer.end
    assert (end.reason, end.frames, end.audio_bytes, end.seconds) == ("stop", 20, 3_200, 0.4)
    assert (end.delivered.partials, end.delivered.finals) == (1, 2)
    assert (end.call.caller, end.call.called) == ("+972501234567", "+972771234567")
    assert dict(end.ignored) == {}
    assert len(server.calls) == 0
    assert logged.matching("972") == []


def test_twilio_closes_first_after_stop(server: Server) -> None:
    joined = in_a_call(server, frames=1)
    joined.say(STOP)
    assert joined.client.is_up
    joined.client.sendClose(1000)
    joined.flush()
    assert joined.client.closed == (True, 1000, None)
    server.recogniser.session.end()
    assert server.observer.end.reason == "stop"


def test_we_close_where_twilio_does_not(server: Server) -> None:
    joined = in_a_call(server, frames=1)
    joined.say(STOP, STOP)
    pass_time(server, joined, 1.2)
    assert joined.client.closed == (True, 1000, None)


@pytest.mark.parametrize("clean", [True, False])
def test_a_socket_that_is_gone_ends_its_call(server: Server, *, clean: bool) -> None:
    joined = in_a_call(server, frames=1)
    if clean:
        joined.client.sendClose(1000)
        joined.flush()
    else:
        joined.lose()
    session = server.recogniser.session
    assert session.is_finished
    assert session.audio == FRAME
    session.final("last words")
    session.end()
    assert server.observer.finals == ["last words"]
    assert server.observer.end.reason == ("the socket was closed" if clean else "the socket was lost")


def test_a_socket_without_a_call_leaves_nothing(server: Server) -> None:
    joined = server.join()
    assert len(server.calls) == 1
    joined.say(CONNECTED)
    joined.lose()
    assert len(server.calls) == 0
    assert server.observer.events == []


def test_two_calls_do_not_meet(server: Server) -> None:
    first, second = server.join(), server.join()
    first.say(start("CA1"))
    second.say(start("CA2"))
    for _ in range(8):
        first.say(media(b"a" * 160))
        second.say(media(b"b" * 160))
    one, other = server.recogniser.sessions
    assert (one.audio, other.audio) == (b"a" * 1_200, b"b" * 1_200)
    other.final("second")
    assert [event.call.call_sid for event in server.observer.events] == ["CA1", "CA2", "CA2"]


NOISE: dict[str, tuple[bytes, bool, str]] = {
    "text that is no JSON": (b"hello", False, "messages not understood"),
    "an empty text": (b"", False, "messages not understood"),
    "media that is broken": (b'{"event":"media","media":{"payload":"!"}}', False, "messages not understood"),
    "binary that is no JSON": (b"\xff\x00", True, "messages not understood"),
    "binary that is JSON": (CONNECTED, True, "binary messages"),
    "an unknown event": (event("transcription"), False, "messages of an unknown kind"),
    "our own voice": (media(track="outbound"), False, "media of another track"),
    "a second start": (start("CA9"), False, "start out of turn"),
}


@pytest.mark.parametrize(("noise", "binary", "name"), NOISE.values(), ids=NOISE)
def test_noise_is_counted_and_the_call_goes_on(
    server: Server, logged: Logged, noise: bytes, binary: bool, name: str
) -> None:
    joined = in_a_call(server, frames=1)
    joined.say(noise, noise, binary=binary)
    joined.say(*[media()] * 7, STOP)
    session = server.recogniser.session
    session.end()
    assert session.audio == FRAME * 8
    assert dict(server.observer.end.ignored) == {name: 2}
    assert joined.client.closed is None
    assert len(logged.matching("A message was ignored")) <= 1


def key(digit: str) -> bytes:
    return event("dtmf", dtmf={"track": "inbound_track", "digit": digit})


def mark(name: str) -> bytes:
    return event("mark", mark={"name": name})


def test_keys_reach_the_observer(server: Server) -> None:
    joined = in_a_call(server)
    joined.say(*[key(digit) for digit in "0123456789*#ABCD"], STOP)
    server.recogniser.session.end()
    pressed = [event.digit for event in server.observer.events if isinstance(event, KeyPressed)]
    assert "".join(pressed) == "0123456789*#ABCD"
    assert dict(server.observer.end.ignored) == {}


@pytest.mark.parametrize("digit", ["", "12", "E", "a", "٣", "#" * 1_000])
def test_unknown_keys_are_counted(server: Server, digit: str) -> None:
    joined = in_a_call(server)
    joined.say(key(digit), STOP)
    server.recogniser.session.end()
    assert not [event for event in server.observer.events if isinstance(event, KeyPressed)]
    assert dict(server.observer.end.ignored) == {"keys no telephone has": 1}


def test_a_mark_that_was_never_sent_is_counted(server: Server) -> None:
    joined = in_a_call(server)
    joined.say(mark("greeting"), mark(""), STOP)
    server.recogniser.session.end()
    assert not [event for event in server.observer.events if isinstance(event, MarkReached)]
    assert dict(server.observer.end.ignored) == {"marks never sent": 2}


def test_media_before_start_and_after_stop_is_counted(server: Server) -> None:
    joined = server.join()
    joined.say(media(), start(), media(), STOP, media(), media())
    session = server.recogniser.session
    session.end()
    assert session.audio == FRAME
    assert dict(server.observer.end.ignored) == {"media out of turn": 3}


def test_text_that_is_no_utf_8_costs_a_message_and_not_the_call(server: Server) -> None:
    joined = in_a_call(server)
    joined.client.sendMessage(b'{"event":"\xff"}', False)  # type: ignore[no-untyped-call]
    joined.say(media(), STOP)
    server.recogniser.session.end()
    assert server.recogniser.session.audio == FRAME
    assert dict(server.observer.end.ignored) == {"messages not understood": 1}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(st.tuples(st.binary(max_size=300), st.booleans()), max_size=5))
def test_whatever_a_socket_says_it_stays_open(server: Server, messages: list[tuple[bytes, bool]]) -> None:
    joined = server.join()
    for message, binary in messages:
        joined.say(message, binary=binary)
    assert joined.client.closed is None
    joined.lose()


@pytest.mark.parametrize("fragments", [1, 3])
def test_a_message_that_is_too_long_closes_its_call_only_and_its_words_still_come(
    server: Server, fragments: int
) -> None:
    joined, other = in_a_call(server, frames=8), in_a_call(server, frames=1)
    session = server.recogniser.sessions[0]
    size = 70_000 // fragments
    joined.client.sendMessage(b"x" * 70_000, False, fragmentSize=size)  # type: ignore[no-untyped-call]
    joined.flush()
    assert joined.client.closed is not None
    assert session.is_finished
    session.final("what was said before")
    session.end()
    assert server.observer.finals == ["what was said before"]
    assert session.audio == FRAME * 8
    assert other.client.closed is None
    other.say(media())
    assert len(server.calls) == 1


def test_a_message_of_the_largest_size_is_taken(server: Server) -> None:
    joined = in_a_call(server)
    audio = os.urandom(48_000)
    joined.say(media(audio), STOP)
    assert server.recogniser.session.audio == audio


# -- what the caller hears

GREETING = bytes(range(1, 251)) * 20
SPEECH = b"\x07" * 800


class Application:
    """An observer of one call, which has the call's line."""

    def __init__(self, line: Line, answer: bytes = b"") -> None:
        self.line = line
        self.answer = answer
        self.events: list[Event] = []
        self.was_open: list[bool] = []

    def tell(self, event: Event) -> None:
        self.events.append(event)
        self.was_open.append(self.line.is_open)
        if isinstance(event, CallStarted):
            self.line.say(self.answer)


class Applications:
    """Makes them, and keeps them."""

    def __init__(self, answer: bytes = b"") -> None:
        self.answer = answer
        self.made: list[Application] = []

    def __call__(self, line: Line, _session: str) -> Application:
        self.made.append(Application(line, self.answer))
        return self.made[-1]

    @property
    def only(self) -> Application:
        (application,) = self.made
        return application


@pytest.fixture
def applications() -> Applications:
    return Applications()


@pytest.fixture
def speaking(autobahn_clock: Clock, applications: Applications) -> Server:
    return Server(autobahn_clock, b"", applications)


def audio_in(messages: list[ServerMessage]) -> bytes:
    return b"".join(message.mulaw for message in messages if isinstance(message, AudioToPlay))


def test_the_greeting_s_first_frame_leaves_in_the_turn_that_start_is_taken_in(autobahn_clock: Clock) -> None:
    joined = Server(autobahn_clock, GREETING).join()
    joined.say(CONNECTED)
    assert joined.client.messages == []
    joined.say(start())
    assert joined.heard[0] == AudioToPlay(GREETING[:160])


def test_the_whole_greeting_is_heard_once_and_before_what_the_application_says(autobahn_clock: Clock) -> None:
    applications = Applications(SPEECH)
    server = Server(autobahn_clock, GREETING, applications)
    joined = in_a_call(server)
    joined.say(start())
    pass_time(server, joined, 2)
    assert audio_in(joined.heard) == GREETING + SPEECH
    assert applications.only.was_open == [True, True], "at the start, and when the greeting has been heard"


def test_without_a_greeting_nothing_is_said(server: Server) -> None:
    joined = in_a_call(server, frames=20)
    pass_time(server, joined, 1)
    joined.say(STOP)
    assert joined.client.messages == []


def test_a_call_that_is_refused_hears_nothing(autobahn_clock: Clock) -> None:
    server = Server(autobahn_clock, GREETING, REQUIRE_KNOWN_CALL="true")
    joined = in_a_call(server)
    assert joined.client.closed is not None
    assert joined.client.messages == []


def test_a_start_after_stop_is_not_greeted(autobahn_clock: Clock) -> None:
    server = Server(autobahn_clock, GREETING)
    joined = server.join()
    joined.say(STOP, start())
    assert joined.client.messages == []


def test_the_application_of_a_call_is_told_what_all_are_told_after_them(
    speaking: Server, applications: Applications
) -> None:
    joined = in_a_call(speaking)
    joined.say(key("5"), STOP)
    speaking.recogniser.session.final("hello")
    speaking.recogniser.session.end()
    assert applications.only.events == speaking.observer.events
    kinds = [type(event) for event in applications.only.events]
    assert (kinds[:3], kinds[-1]) == ([CallStarted, KeyPressed, Final], CallEnded)
    assert applications.only.events[-1] == speaking.observer.end
    assert applications.only.was_open[:3] == [True, True, False]


def test_each_call_has_a_line_of_its_own(speaking: Server, applications: Applications) -> None:
    one, other = in_a_call(speaking), in_a_call(speaking)
    applications.made[1].line.say(SPEECH)
    pass_time(speaking, one, 1)
    other.flush()
    assert (one.client.messages, audio_in(other.heard)) == ([], SPEECH)


def test_a_mark_goes_there_and_back(speaking: Server, applications: Applications) -> None:
    joined = in_a_call(speaking)
    reached: list[bool] = []
    line = applications.only.line
    line.say(SPEECH)
    line.mark("done", reached.append)
    joined.flush()
    (sent,) = [message for message in joined.heard if isinstance(message, SentMark)]
    assert reached == []
    joined.say(mark(sent.name))
    assert reached == [False]
    assert applications.only.events[-1] == MarkReached(server_call(applications), "done", cleared=False)
    joined.say(STOP)
    speaking.recogniser.session.end()
    assert dict(speaking.observer.end.ignored) == {}


def server_call(applications: Applications) -> CallDescription:
    begun = applications.only.events[0]
    assert isinstance(begun, CallStarted)
    return begun.call


def test_a_clear_is_sent_at_once_and_nothing_after_it(speaking: Server, applications: Applications) -> None:
    joined = in_a_call(speaking)
    line = applications.only.line
    line.say(SPEECH * 20)
    pass_time(speaking, joined, 0.5)
    line.clear()
    joined.flush()
    assert joined.heard[-1] == Clear()
    said = len(joined.client.messages)
    pass_time(speaking, joined, 3)
    assert len(joined.client.messages) == said


@pytest.mark.parametrize("how", ["stop", "close", "lost", "end"])
def test_a_line_is_closed_with_its_call(speaking: Server, applications: Applications, how: str) -> None:
    joined = in_a_call(speaking)
    reached: list[bool] = []
    line = applications.only.line
    line.say(SPEECH * 20)
    line.mark("done", reached.append)
    joined.flush()
    match how:
        case "stop":
            joined.say(STOP)
        case "close":
            joined.client.sendClose(1000)
            joined.flush()
        case "lost":
            joined.lose()
        case _:
            line.end("the application hangs up")
            joined.flush()
            assert joined.client.closed == (True, 1000, "the application hangs up")
    assert not line.is_open
    assert reached == [True]
    said = len(joined.client.messages)
    line.say(SPEECH)
    line.clear()
    line.mark("late", reached.append)
    assert reached == [True, True]
    assert line.waiting == 0
    pass_time(speaking, joined, 2)
    assert len(joined.client.messages) == said
    speaking.recogniser.session.end()
    marks = [event for event in speaking.observer.events if isinstance(event, MarkReached)]
    assert [(event.name, event.cleared) for event in marks] == [("done", True), ("late", True)]
    assert isinstance(speaking.observer.events[-1], CallEnded)
    if how == "end":
        assert speaking.observer.end.reason == "the application hangs up"


def test_a_line_knows_its_callers_account(speaking: Server, applications: Applications) -> None:
    joined = speaking.join()
    line = applications.only.line
    assert (line.is_open, line.account) == (False, AudioTotals())
    joined.say(start(), media())
    speaking.recogniser.session.totals = AudioTotals(received=160)
    assert line.account == AudioTotals(received=160)


def test_an_application_that_cannot_be_told_costs_no_call(
    autobahn_clock: Clock, applications: Applications, logged: Logged
) -> None:
    class Broken:
        def tell(self, event: Event) -> None:
            raise ZeroDivisionError

    server = Server(autobahn_clock, b"", lambda _line, _session: Broken())
    joined = in_a_call(server, frames=1)
    assert joined.client.closed is None
    assert len(logged.flush(ZeroDivisionError)) == 1


def test_silence_after_a_final_ends_the_turn_when_the_settings_say(autobahn_clock: Clock) -> None:
    server = Server(autobahn_clock, UTTERANCE_END_MS="300")
    joined = in_a_call(server, frames=0)
    quiet = media(b"\xff" * 160)
    joined.say(*[media()] * 30)
    server.recogniser.session.final("hello", end=2_400)
    joined.say(*[quiet] * 60)
    (turn,) = [event for event in server.observer.events if isinstance(event, TurnEnded)]
    assert 0.3 <= turn.silence < 0.6


# -- refusals


def test_audio_of_another_kind_is_refused_in_words(server: Server, logged: Logged) -> None:
    joined = server.join()
    joined.say(start(mediaFormat={"encoding": "audio/x-l16", "sampleRate": 16000, "channels": 1}))
    assert joined.client.closed == (True, 4003, "its audio is not audio/x-mulaw, 8000 Hz, one channel")
    assert len(server.calls) == 0
    assert server.observer.events == []
    assert len(logged.matching("A call was refused: its audio is not audio/x-mulaw")) == 1


ODD: dict[str, tuple[dict[str, Any], str]] = {
    "a stream that is a number": ({"streamSid": 7}, "streamSid"),
    "an account that is a list": ({"accountSid": [1]}, "accountSid"),
    "parameters that are text": ({"customParameters": "x"}, "customParameters"),
    "audio that is text": ({"mediaFormat": "mu-law"}, "mediaFormat"),
    "a rate that is a list": ({"mediaFormat": {"sampleRate": [8000]}}, "mediaFormat.sampleRate"),
}


@pytest.mark.parametrize(("details", "field"), ODD.values(), ids=ODD)
def test_an_odd_start_is_a_call_and_its_odd_fields_are_logged(
    server: Server, logged: Logged, details: dict[str, Any], field: str
) -> None:
    joined = server.join()
    joined.say(start(**details), *[media()] * 8, STOP)
    session = server.recogniser.session
    session.end()
    assert session.audio == FRAME * 8
    assert joined.client.closed is None
    assert dict(server.observer.end.ignored) == {"odd fields of start": 1}
    assert len(logged.matching(f"odd in `start`, and taken as not given: {field}")) == 1


def test_frames_without_a_track_are_the_callers(server: Server) -> None:
    joined = in_a_call(server)
    frame = media().replace(b'"inbound"', b"null")
    joined.say(*[frame] * 8, STOP)
    server.recogniser.session.end()
    assert server.recogniser.session.audio == FRAME * 8
    assert dict(server.observer.end.ignored) == {}


def test_a_start_that_is_of_no_call_is_an_error_and_the_socket_is_closed(server: Server, logged: Logged) -> None:
    joined = server.join()
    joined.say(CONNECTED, start(callSid=None, streamSid="MZ7\x1b[2J"))
    assert joined.client.closed == (True, 4003, "its `start` cannot be understood: it has no CallSid")
    assert len(server.calls) == 0
    assert server.observer.events == []
    (line,) = logged.matching("A call was refused: its `start` cannot be understood")
    assert "(CallSid not known, StreamSid MZ7\\x1b[2J)" in line
    assert server.calls.starts_refused == 1
    assert json.loads(server.http("GET", "/healthz").body)["starts_refused"] == 1


def test_the_error_names_the_call_where_it_can_be_read(server: Server, logged: Logged) -> None:
    joined = server.join()
    joined.say(start("CA5", mediaFormat={"encoding": "audio/opus"}))
    assert joined.client.closed is not None
    assert joined.client.closed[1] == 4003
    assert len(logged.matching("(CallSid CA5, StreamSid MZ1)")) == 1


@pytest.mark.parametrize(
    "second", [start(callSid=None), start("CA1", mediaFormat={"encoding": "audio/opus"}), start("CA2\x1b")]
)
def test_a_second_start_ends_no_call_however_odd_it_is(server: Server, second: bytes) -> None:
    joined = in_a_call(server)
    joined.say(second, *[media()] * 8, STOP)
    server.recogniser.session.end()
    assert joined.client.closed is None
    assert server.recogniser.session.audio == FRAME * 8


def test_a_call_that_nobody_announced_is_refused_where_it_is_asked_for(autobahn_clock: Clock) -> None:
    server = Server(autobahn_clock, REQUIRE_KNOWN_CALL="true")
    server.registry.announce("CA1", None, None)
    known, unknown = server.join(), server.join()
    known.say(start("CA1"))
    unknown.say(start("CA2"))
    assert known.client.closed is None
    assert unknown.client.closed is not None
    assert unknown.client.closed[1] == 4003
    assert [event.call.call_sid for event in server.observer.events] == ["CA1"]


def test_a_socket_that_says_nothing_is_closed_and_its_words_come(server: Server) -> None:
    server.calls.start()
    silent, talking = in_a_call(server, frames=1), in_a_call(server, frames=1)
    silent.client.onPing = lambda payload: None  # type: ignore[method-assign]
    session = server.recogniser.sessions[0]
    seconds = 0
    while not session.is_finished:
        pass_time(server, silent, 1)
        talking.say(media())
        seconds += 1
    assert 30 <= seconds <= 40
    session.final("last words")
    session.end()
    assert server.observer.finals == ["last words"]
    assert server.observer.end.reason == "the socket said nothing for 30 s"
    assert silent.client.closed == (True, 1000, "the socket said nothing for 30 s")
    assert talking.client.closed is None


def test_a_hold_of_five_minutes_is_no_death_and_the_words_go_on(server: Server) -> None:
    server.calls.start()
    joined = in_a_call(server, frames=8)
    pass_time(server, joined, 300)
    assert joined.client.closed is None
    assert joined.client.pings >= 10
    session = server.recogniser.session
    session.final("before", end=1_200)
    joined.say(*[media()] * 8, STOP)
    session.final("after", end=2_400)
    session.end()
    assert server.observer.finals == ["before", "after"]
    happened = [event.kind for event in server.observer.events if isinstance(event, Happened)]
    assert happened == ["held"]
    assert (server.observer.end.reason, server.observer.end.audio_bytes) == ("stop", 16 * 160)


@pytest.mark.parametrize(("asked", "after"), [(None, 0.6), ("300", 0.3), ("2000", 2.0)])
def test_a_gap_is_as_long_as_the_settings_say(autobahn_clock: Clock, asked: str | None, after: float) -> None:
    server = Server(autobahn_clock, **({} if asked is None else {"STT_GAP_MS": asked}))
    server.calls.start()
    joined = in_a_call(server, frames=1)
    session = server.recogniser.session
    pass_time(server, joined, after - 0.1)
    assert session.pauses == 0
    pass_time(server, joined, 0.2)
    assert (session.pauses, session.audio) == (1, FRAME)


def test_one_call_whose_gap_cannot_be_told_is_logged_and_the_others_gaps_are(
    server: Server, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    server.calls.start()
    broken, whole = in_a_call(server, frames=1), in_a_call(server, frames=1)
    monkeypatch.setattr(server.recogniser.sessions[0], "pause", fail)
    pass_time(server, broken, 1)
    assert len(logged.flush(ZeroDivisionError)) == 1
    assert server.recogniser.sessions[1].pauses == 1
    assert broken.client.closed is whole.client.closed is None


@pytest.mark.parametrize("longest", [60, 600])
def test_a_hold_without_an_end_has_one(autobahn_clock: Clock, longest: int) -> None:
    server = Server(autobahn_clock, NO_MEDIA_SECONDS=str(longest))
    server.calls.start()
    held, talking = in_a_call(server, frames=8), in_a_call(server, frames=8)
    session = server.recogniser.sessions[0]
    seconds = 0
    while not session.is_finished:
        pass_time(server, held, 1)
        talking.say(media())
        seconds += 1
    assert longest <= seconds <= longest + 12
    session.end()
    assert server.observer.end.reason == f"no audio came for {longest} s"
    assert held.client.closed == (True, 1000, f"no audio came for {longest} s")
    assert talking.client.closed is None


@pytest.mark.parametrize("idle", [2, 5, 30, 3_600])
def test_a_socket_is_pinged_so_often_that_a_hold_is_known(autobahn_clock: Clock, idle: int) -> None:
    server = Server(autobahn_clock, IDLE_SECONDS=str(idle))
    server.calls.start()
    joined = in_a_call(server, frames=1)
    pass_time(server, joined, 100)
    assert joined.client.closed is None


def test_keys_and_marks_are_no_audio(autobahn_clock: Clock) -> None:
    server = Server(autobahn_clock, NO_MEDIA_SECONDS="60")
    server.calls.start()
    joined = in_a_call(server, frames=1)
    seconds = 0
    while joined.client.is_up:
        joined.say(key("1"))
        pass_time(server, joined, 1)
        seconds += 1
    assert 60 <= seconds <= 72
    assert server.recogniser.session.is_finished


def test_stopping_ends_every_call_and_waits_for_its_last_words(server: Server) -> None:
    calls = [in_a_call(server, frames=1) for _ in range(3)]
    waiting = server.join()
    stopped: list[object] = []
    server.calls.stop().addCallback(stopped.append)
    for joined in [*calls, waiting]:
        joined.flush()
        assert joined.client.closed == (True, 1000, "the server is stopping")
    for number, session in enumerate(server.recogniser.sessions):
        assert stopped == []
        session.final(f"last words of {number}")
        session.end()
    assert stopped == [None]
    assert server.observer.finals == [f"last words of {number}" for number in range(3)]


def test_a_reason_longer_than_a_close_frame_holds_is_cut(server: Server) -> None:
    joined = server.join()
    (call,) = server.calls._live  # nothing of ours says more than a close frame holds
    call.end("א" * 200)
    joined.flush()
    assert joined.client.closed is not None
    assert joined.client.closed[:2] == (True, 1000)


# -- what it costs


def test_autobahns_compiled_parts_are_in_use() -> None:
    # Without them a frame costs six times as much: see docs of autobahn's NVX.
    assert autobahn.websocket.USES_NVX


def test_a_silent_socket_is_pinged(server: Server) -> None:
    joined = in_a_call(server)
    pass_time(server, joined, 45)
    assert joined.client.pings == 2
