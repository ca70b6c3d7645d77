import socket as sockets
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest
import pytest_twisted  # type: ignore[import-untyped]

from tests.emulators.twilio.answering import (
    TWIML,
    Answering,
    Server,
    Socket,
    with_reactor,
)
from voicestt.audio import mulaw
from voicestt.emulators.twilio.bad_input import KINDS, parse_bad
from voicestt.emulators.twilio.call_values import (
    CallOptions,
    CallReport,
    ServerTarget,
    Speech,
)
from voicestt.emulators.twilio.caller import CallControl, place_call
from voicestt.emulators.twilio.schedule import Pause, Schedule, parse_dtmf
from voicestt.emulators.twilio.signatures import signature
from voicestt.emulators.twilio.stream import Clocks

VOICE = b"\x00\x80" * 400
QUICK = CallOptions(silence=0.04)


@pytest.fixture
def answering() -> Answering:
    return Answering()


@pytest.fixture
def target(answering: Answering) -> Iterator[ServerTarget]:
    from twisted.internet import reactor

    server = Server(reactor, answering)
    yield ServerTarget(server.url, "demo.example", "token")
    pytest_twisted.blockon(server.close())


async def calling(
    target: ServerTarget, options: CallOptions = QUICK, clip: bytes = VOICE, **more: Any
) -> CallReport:
    from twisted.internet import reactor

    return await place_call(cast("Any", reactor), target, clip, options, **more)


@dataclass(frozen=True)
class Split(ServerTarget):
    """A server whose socket is somewhere else."""

    socket: str = ""

    def reached_at(self, url: str) -> str:
        return self.socket if url.startswith("wss:") else ServerTarget.reached_at(self, url)


def codes(report: CallReport) -> list[int | None]:
    return [problem.code for problem in report.problems]


@with_reactor
async def test_a_call_says_what_twilio_says_in_its_order(answering: Answering, target: ServerTarget) -> None:
    report = await calling(target)
    assert report.ok, report.problems
    assert answering.events() == ["connected", "start", "media", "stop"]
    start = answering.messages[1]["start"]
    assert (start["callSid"], start["streamSid"]) == (report.call_sid, report.stream_sid)
    assert start["customParameters"] == {"line": "sales"}
    assert answering.ends == [(True, 1000)]
    assert report.close_code == 1000
    assert report.webhook_status == 200


@with_reactor
async def test_every_byte_of_the_clip_arrives_once_and_is_reported(
    answering: Answering, target: ServerTarget
) -> None:
    clip = bytes(range(256)) * 4
    report = await calling(target, clip=clip)
    audio = b"".join(b64decode(frame["payload"]) for frame in answering.media())
    assert audio == Speech.of(clip, QUICK).audio == clip + mulaw.SILENCE * (96 + 320)
    assert (report.bytes_sent, report.frames_sent) == (len(audio), len(audio) // 160)
    assert report.seconds == pytest.approx(len(audio) / 8000)


@with_reactor
async def test_the_report_knows_when_there_was_a_voice(target: ServerTarget) -> None:
    clip = mulaw.SILENCE * 320 + VOICE
    before = time.monotonic()
    report = await calling(target, clip=clip)
    first = report.first_frame_at
    assert first is not None
    assert before < first < time.monotonic()
    assert report.voice_began_at == pytest.approx(first + 0.04)
    assert report.voice_ended_at == pytest.approx(first + 0.14)


@with_reactor
async def test_everything_is_signed_over_the_public_urls(answering: Answering, target: ServerTarget) -> None:
    report = await calling(target)
    urls = {path: f"https://demo.example{path}" for path, _, _ in answering.posts}
    assert list(urls) == ["/webhook/incoming_call", "/webhook/stream_status"]
    for path, headers, form in answering.posts:
        assert headers["x-twilio-signature"] == signature("token", urls[path], form)
        assert headers["host"] == "demo.example"
        assert form["CallSid"] == report.call_sid
    (request,) = answering.requests
    wanted = signature("token", "wss://demo.example/ws/twilio-media")
    assert f"x-twilio-signature: {wanted}\r\n".lower() in request.decode().lower()


@with_reactor
async def test_the_handshake_has_twilios_headers_and_no_others(answering: Answering, target: ServerTarget) -> None:
    await calling(target)
    (request,) = answering.requests
    names = {line.split(b":")[0].lower() for line in request.split(b"\r\n")[1:] if line}
    assert names == {
        *(b"host", b"user-agent", b"upgrade", b"connection", b"x-twilio-signature"),
        *(b"sec-websocket-key", b"sec-websocket-version"),
    }


@with_reactor
async def test_the_subprotocol_is_offered_only_when_asked_for(answering: Answering, target: ServerTarget) -> None:
    answering.subprotocol = "audio.twilio.com"
    assert (await calling(target)).subprotocol is None
    assert (await calling(target, CallOptions(silence=0, subprotocol=True))).subprotocol == "audio.twilio.com"


@with_reactor
async def test_without_a_token_nothing_is_signed(answering: Answering, target: ServerTarget) -> None:
    assert (await calling(ServerTarget(target.url, "demo.example"))).ok
    assert not any("x-twilio-signature" in headers for _, headers, _ in answering.posts)
    assert b"signature" not in answering.requests[0].lower()


@with_reactor
async def test_status_callbacks_frame_the_stream(answering: Answering, target: ServerTarget) -> None:
    report = await calling(target, clocks=Clocks(unix_ns=lambda: 1_700_000_000_123_456_789))
    assert report.status_callbacks == (("stream-started", 204), ("stream-stopped", 204))
    forms = [form for path, _, form in answering.posts if path == "/webhook/stream_status"]
    assert [form["StreamEvent"] for form in forms] == ["stream-started", "stream-stopped"]
    assert {form["Timestamp"] for form in forms} == {"2023-11-14T22:13:20.123456789Z"}
    assert {form["StreamSid"] for form in forms} == {report.stream_sid}


@with_reactor
async def test_status_callbacks_can_be_left_out(answering: Answering, target: ServerTarget) -> None:
    report = await calling(target, CallOptions(silence=0, status_callbacks=False))
    assert report.ok
    assert report.status_callbacks == ()
    assert len(answering.posts) == 1


@with_reactor
async def test_a_failing_status_callback_is_twilios_15003(answering: Answering, target: ServerTarget) -> None:
    answering.status_code = 500
    assert codes(await calling(target)) == [15003, 15003]


@with_reactor
async def test_a_lost_stop_is_a_close_without_it(answering: Answering, target: ServerTarget) -> None:
    report = await calling(target, CallOptions(silence=0, lose_stop=True))
    assert report.ok
    assert answering.events() == ["connected", "start", "media"]
    assert answering.ends == [(True, 1000)]


@with_reactor
async def test_a_dropped_call_ends_without_a_word(answering: Answering, target: ServerTarget) -> None:
    lines: list[str] = []
    report = await calling(target, CallOptions(silence=1, drop_at=0.06), progress=lines.append)
    assert report.ok
    assert (report.frames_sent, report.close_code) == (3, None)
    assert any("cutting the connection after 0.06 s" in line for line in lines)
    assert report.voice_ended_at is None


def player(answering: Answering, *messages: dict[str, Any]) -> None:
    """Makes the server say these once it knows the stream."""

    def react(socket: Socket, message: dict[str, Any]) -> None:
        if message["event"] == "start":
            for said in messages:
                socket.say({"streamSid": message["streamSid"], **said})

    answering.react = react


MARK = {"event": "mark", "mark": {"name": "end"}}


@with_reactor
async def test_marks_come_back_after_the_audio_before_them(answering: Answering, target: ServerTarget) -> None:
    audio = {"event": "media", "media": {"payload": b64encode(b"\x01" * 400).decode()}}
    player(answering, audio, MARK)
    report = await calling(target)
    assert report.ok, report.problems
    assert report.received_audio == b"\x01" * 400
    assert report.marks_returned == ("end",)
    kinds = [message["event"] for message in answering.messages]
    assert kinds.index("mark") >= 4  # connected, start and two frames at least: the audio lasts 50 ms
    assert answering.messages[kinds.index("mark")]["mark"] == {"name": "end"}


@with_reactor
async def test_clear_returns_the_marks_that_wait(answering: Answering, target: ServerTarget) -> None:
    long = {"event": "media", "media": {"payload": b64encode(b"\x01" * 80_000).decode()}}
    player(answering, long, MARK, {"event": "clear"})
    assert (await calling(target)).marks_returned == ("end",)


@with_reactor
async def test_what_twilio_would_not_understand_is_reported(answering: Answering, target: ServerTarget) -> None:
    player(answering, {"event": "transcript"})
    assert codes(await calling(target)) == [31951]


@with_reactor
async def test_a_binary_frame_is_reported(answering: Answering, target: ServerTarget) -> None:
    def react(socket: Socket, message: dict[str, Any]) -> None:
        if message["event"] == "start":
            socket.say_bytes(b"\x00", binary=True)

    answering.react = react
    assert codes(await calling(target)) == [31950]


def at_frame(chunk: str, do: Callable[[Socket], Any]) -> Callable[[Socket, dict[str, Any]], None]:
    def react(socket: Socket, message: dict[str, Any]) -> None:
        if message["event"] == "media" and message["media"]["chunk"] == chunk:
            do(socket)

    return react


@with_reactor
async def test_a_server_that_hangs_up_is_twilios_31921(answering: Answering, target: ServerTarget) -> None:
    answering.react = at_frame("2", lambda socket: socket.sendClose(4003, "go away"))
    report = await calling(target, CallOptions(silence=5))
    assert codes(report) == [31921]
    assert (report.close_code, report.close_reason) == (4003, "go away")
    assert "4003 (go away)" in str(report.problems[0])
    assert report.status_callbacks[-1] == ("stream-stopped", 204)


@with_reactor
async def test_a_broken_connection_is_twilios_31903(answering: Answering, target: ServerTarget) -> None:
    answering.react = at_frame("2", lambda socket: socket.dropConnection(abort=True))
    assert codes(await calling(target, CallOptions(silence=5))) == [31903]


@with_reactor
async def test_a_connection_that_breaks_after_stop_was_not_closed_properly(
    answering: Answering, target: ServerTarget
) -> None:
    def react(socket: Socket, message: dict[str, Any]) -> None:
        if message["event"] == "stop":
            socket.dropConnection(abort=True)

    answering.react = react
    assert codes(await calling(target)) == [31924]


@with_reactor
async def test_a_refused_webhook_ends_the_call(answering: Answering, target: ServerTarget) -> None:
    answering.webhook_code = 403
    report = await calling(target)
    assert codes(report) == [11200]
    assert "/webhook/incoming_call answered 403" in str(report.problems[0])
    assert (report.webhook_status, report.bytes_sent, report.first_frame_at) == (403, 0, None)


@with_reactor
async def test_twiml_that_twilio_refuses_ends_the_call(answering: Answering, target: ServerTarget) -> None:
    answering.content_type = "text/html"
    assert codes(await calling(target)) == [12300]


@with_reactor
async def test_a_handshake_that_is_not_answered_with_101_is_31920(
    answering: Answering, target: ServerTarget
) -> None:
    answering.twiml = TWIML.replace("/ws/twilio-media", "/ws/nobody")
    report = await calling(target)
    assert codes(report) == [31920]
    assert "'HTTP/1.1 404 Not Found', not with 101" in str(report.problems[0])


@with_reactor
async def test_a_socket_that_is_refused_is_31902(
    answering: Answering, target: ServerTarget, closed_port: int
) -> None:
    # The stream's port is not the webhook's only here: a target is one place.
    report = await calling(Split(target.url, "demo.example", "token", f"ws://127.0.0.1:{closed_port}/"))
    assert codes(report) == [31902]


@pytest.fixture
def closed_port() -> Iterator[int]:
    with sockets.socket() as bound:  # bound and not listening: nobody else gets it, everybody is refused
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@with_reactor
async def test_nobody_there_is_11200_and_no_traceback(closed_port: int) -> None:
    report = await calling(ServerTarget(f"http://127.0.0.1:{closed_port}"))
    assert codes(report) == [11200]
    assert "refused" in str(report.problems[0])


@with_reactor
async def test_progress_is_told_every_five_seconds(target: ServerTarget) -> None:
    lines: list[str] = []
    report = await calling(target, CallOptions(silence=5), progress=lines.append)
    assert report.ok
    assert "5 s spoken" in lines


@with_reactor
async def test_frames_of_another_length_carry_the_same_audio(answering: Answering, target: ServerTarget) -> None:
    clip = bytes(range(250)) * 4
    options = CallOptions(silence=0, schedule=Schedule(frame_ms=50))
    report = await calling(target, options, clip)
    pieces = [b64decode(frame["payload"]) for frame in answering.media()]
    assert {len(piece) for piece in pieces} == {400}
    assert b"".join(pieces) == clip + mulaw.SILENCE * 200
    assert (report.frames_sent, report.bytes_sent) == (3, 1200)
    assert report.seconds == pytest.approx(0.15)
    assert [frame["timestamp"] for frame in answering.media()] == ["52", "102", "152"]


@with_reactor
async def test_a_hold_is_a_gap_on_an_open_socket(answering: Answering, target: ServerTarget) -> None:
    schedule = Schedule(pauses=(Pause(0.04, 0.3),))
    began = time.monotonic()
    report = await calling(target, CallOptions(silence=0, schedule=schedule))
    assert report.ok
    assert time.monotonic() - began > 0.4
    assert answering.events() == ["connected", "start", "media", "stop"]
    assert [frame["timestamp"] for frame in answering.media()] == ["52", "72", "392", "412", "432"]
    assert report.first_frame_at is not None
    assert report.voice_ended_at == pytest.approx(report.first_frame_at + 0.4)


@with_reactor
async def test_a_mark_comes_back_during_a_hold(answering: Answering, target: ServerTarget) -> None:
    player(answering, {"event": "media", "media": {"payload": b64encode(b"\x01" * 800).decode()}}, MARK)
    schedule = Schedule(pauses=(Pause(0.02, 0.4),))
    report = await calling(target, CallOptions(silence=0, schedule=schedule))
    assert report.marks_returned == ("end",)
    assert answering.events() == ["connected", "start", "media", "mark", "media", "stop"]
    assert [message["event"] for message in answering.messages].index("mark") == 3


@with_reactor
async def test_a_call_can_be_dropped_while_it_is_on_hold(answering: Answering, target: ServerTarget) -> None:
    schedule = Schedule(pauses=(Pause(0.02, 60),))
    report = await calling(target, CallOptions(drop_at=0.1, schedule=schedule))
    assert report.ok
    assert report.frames_sent == 1
    assert answering.events() == ["connected", "start", "media"]


@with_reactor
async def test_keys_are_pressed_at_their_place(answering: Answering, target: ServerTarget) -> None:
    report = await calling(target, CallOptions(silence=0.25, inserts=parse_dtmf("0.02:4#")))
    keys = [message["dtmf"] for message in answering.messages if message["event"] == "dtmf"]
    assert keys == [{"track": "inbound_track", "digit": digit} for digit in "4#"]
    kinds = [message["event"] for message in answering.messages]
    assert kinds.index("dtmf") == 3  # connected, start, one frame
    assert report.inserted == ("key 4", "key #")


@with_reactor
async def test_bad_input_comes_between_the_frames_and_takes_nothing_from_the_audio(
    answering: Answering, target: ServerTarget
) -> None:
    report = await calling(target, CallOptions(silence=0, inserts=parse_bad("all@0.04")))
    assert report.ok
    assert report.inserted == tuple(f"bad {kind}" for kind in KINDS)
    assert [binary for _, binary in answering.oddities] == [False, False, False, True]
    assert any(len(str(message)) > 60_000 for message in answering.messages)
    good = [frame for frame in answering.media() if frame.get("timestamp") != "1"]
    assert b"".join(b64decode(frame["payload"]) for frame in good) == VOICE


@with_reactor
async def test_a_slow_reader_hears_nothing_until_the_end(answering: Answering, target: ServerTarget) -> None:
    audio = {"event": "media", "media": {"payload": b64encode(b"\x01" * 160).decode()}}
    player(answering, audio, MARK)
    report = await calling(target, CallOptions(silence=0.1, slow_reader=True))
    assert report.ok, report.problems
    assert "mark" not in answering.events()
    assert answering.ends == [(True, 1000)]
    assert report.received_audio == b"\x01" * 160


# -- what the caller hears, and the end by another


def said(audio: bytes) -> dict[str, Any]:
    return {"event": "media", "media": {"payload": b64encode(audio).decode()}}


@with_reactor
async def test_what_is_heard_lasts_as_long_as_the_call(answering: Answering, target: ServerTarget) -> None:
    player(answering, said(b"\x01" * 800))
    report = await calling(target, CallOptions(silence=0.4))
    assert report.ok, report.problems
    lasts = len(VOICE) / 8_000 + 0.4
    assert lasts - 0.01 < len(report.heard_audio) / 8_000 < lasts + 5
    begins = report.heard_audio.index(b"\x01")
    assert report.heard_audio[begins : begins + 800] == b"\x01" * 800
    assert set(report.heard_audio[:begins] + report.heard_audio[begins + 800 :]) == {0xFF}
    assert report.first_frame_at is not None
    assert report.first_heard_at == pytest.approx(report.first_frame_at + begins / 8_000, abs=0.001)
    assert report.cleared_at == ()


@with_reactor
async def test_what_is_cleared_is_received_but_not_heard(answering: Answering, target: ServerTarget) -> None:
    def react(socket: Socket, message: dict[str, Any]) -> None:
        if message["event"] == "start":
            socket.say({"streamSid": message["streamSid"], **said(b"\x01" * 80_000)})
        elif message["event"] == "media" and message["media"]["chunk"] == "10":
            socket.say({"streamSid": message["streamSid"], "event": "clear"})

    answering.react = react
    report = await calling(target, CallOptions(silence=0.6))
    assert report.ok, report.problems
    assert report.received_audio == b"\x01" * 80_000
    (cleared,) = report.cleared_at
    assert report.first_heard_at is not None
    assert report.first_frame_at is not None
    heard = report.heard_audio.count(b"\x01")
    assert heard == pytest.approx((cleared - report.first_heard_at) * 8_000, abs=2)
    until_clear = round((cleared - report.first_frame_at) * 8_000)
    assert set(report.heard_audio[until_clear + 1 :]) == {0xFF}


@with_reactor
async def test_what_was_not_played_by_the_end_of_the_call_was_not_heard(
    answering: Answering, target: ServerTarget
) -> None:
    player(answering, said(b"\x01" * 80_000))
    report = await calling(target)
    assert 0 < report.heard_audio.count(b"\x01") < 40_000
    assert report.heard_audio.endswith(b"\x01")


@with_reactor
async def test_a_caller_who_is_refused_hears_nothing(answering: Answering, target: ServerTarget) -> None:
    answering.webhook_code = 403
    report = await calling(target)
    assert (report.heard_audio, report.first_heard_at, report.cleared_at) == (b"", None, ())


@with_reactor
async def test_a_call_that_is_ended_by_rest_says_stop_and_closes(
    answering: Answering, target: ServerTarget
) -> None:
    control = CallControl()
    answering.react = at_frame("3", lambda _socket: control.hang_up())
    report = await calling(target, CallOptions(silence=30), control=control)
    assert report.ok, report.problems
    assert report.call_sid == control.call_sid == answering.messages[1]["start"]["callSid"]
    assert answering.events() == ["connected", "start", "media", "stop"]
    assert answering.ends == [(True, 1000)]
    assert report.frames_sent < 1_500
    assert report.status_callbacks[-1] == ("stream-stopped", 204)


@with_reactor
async def test_the_end_by_rest_comes_before_a_drop_and_keys_are_not_pressed_after_it(
    answering: Answering, target: ServerTarget
) -> None:
    control = CallControl()
    answering.react = at_frame("3", lambda _socket: control.hang_up())
    options = CallOptions(silence=30, drop_at=20, inserts=parse_dtmf("25:1"))
    report = await calling(target, options, control=control)
    assert answering.events() == ["connected", "start", "media", "stop"]
    assert (report.close_code, report.inserted) == (1000, ())


@with_reactor
async def test_a_call_that_is_ended_before_it_began_says_nothing_of_its_clip(
    answering: Answering, target: ServerTarget
) -> None:
    control = CallControl()
    control.hang_up()
    report = await calling(target, control=control)
    assert answering.events() == ["connected", "start", "stop"]
    assert (report.frames_sent, report.heard_audio) == (0, b"")


@with_reactor
async def test_a_call_that_is_over_can_be_ended_again(answering: Answering, target: ServerTarget) -> None:
    control = CallControl()
    report = await calling(target, control=control)
    control.hang_up()
    assert report.ok
    assert answering.events() == ["connected", "start", "media", "stop"]
