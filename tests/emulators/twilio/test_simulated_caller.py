"""Calls that go on: another document by REST, or the verb after a stream that the server closed."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import pytest_twisted  # type: ignore[import-untyped]

from tests.emulators.twilio.answering import (
    STREAM,
    Answering,
    Server,
    Socket,
    response,
    with_reactor,
)
from voicestt.emulators.twilio.call_values import CallOptions, CallReport, CallUpdate, ServerTarget, Speech
from voicestt.emulators.twilio.caller import CallControl, place_call
from voicestt.emulators.twilio.signatures import signature
from voicestt.emulators.twilio.simulated_caller import MOST_DOCUMENTS
from voicestt.emulators.twilio.twiml import Fetch

INCOMING, MOVED = "/webhook/incoming_call", "/webhook/moved"
CLIP = bytes(number % 251 for number in range(8_000))
CONNECT = f"<Connect>{STREAM}</Connect>"
AGAIN = f"{CONNECT}<Redirect>/webhook/moved</Redirect>"


@pytest.fixture
def answering() -> Answering:
    return Answering(twiml=response(CONNECT))


@pytest.fixture
def target(answering: Answering) -> Iterator[ServerTarget]:
    from twisted.internet import reactor

    server = Server(reactor, answering)
    yield ServerTarget(server.url, "demo.example", "token")
    pytest_twisted.blockon(server.close())


async def calling(target: ServerTarget, clip: bytes = CLIP, **more: Any) -> CallReport:
    from twisted.internet import reactor

    options = CallOptions(silence=0, **{key: more.pop(key) for key in ("callee", "fallback_url") if key in more})
    return await place_call(cast("Any", reactor), target, clip, options, **more)


def at_frame(
    number: int, do: Callable[[Socket], Any], streams: int = 1
) -> Callable[[Socket, dict[str, Any]], None]:
    """Does something at a frame of each of the first streams."""
    seen: list[str] = []

    def react(socket: Socket, message: dict[str, Any]) -> None:
        is_it = message["event"] == "media" and message["media"]["chunk"] == str(number)
        if is_it and len(seen) < streams:
            seen.append(message["streamSid"])
            do(socket)

    return react


def sent_by_stream(answering: Answering) -> dict[str, bytes]:
    audio: dict[str, bytes] = {}
    for message in answering.messages:
        if message["event"] == "media":
            sid = message["streamSid"]
            audio[sid] = audio.get(sid, b"") + b64decode(message["media"]["payload"])
    return audio


def codes(problems: Any) -> list[int | None]:
    return [problem.code for problem in problems]


def paths(answering: Answering) -> list[str]:
    return [path for path, _, _ in answering.posts if "status" not in path]


@with_reactor
async def test_an_update_moves_the_call_to_a_new_stream_under_the_same_call_sid(
    answering: Answering, target: ServerTarget
) -> None:
    control = CallControl()
    update = CallUpdate(Fetch("https://demo.example/webhook/moved"))
    answering.react = at_frame(10, lambda _socket: control.update(update))
    report = await calling(target, control=control)
    assert report.ok, report.problems
    assert (report.updates, report.ended_by, report.verbs) == (1, "caller", ("Connect", "Connect"))
    assert answering.events() == ["connected", "start", "media", "stop", "connected", "start", "media", "stop"]
    first, second = (message["start"] for message in answering.messages if message["event"] == "start")
    assert first["callSid"] == second["callSid"] == report.call_sid
    assert [first["streamSid"], second["streamSid"]] == [leg.stream_sid for leg in report.streams]
    assert first["streamSid"] != second["streamSid"]
    assert [message.get("sequenceNumber") for message in answering.messages].count("1") == 2
    assert [leg.by_server for leg in report.streams] == [False, False]
    assert report.close_code == 1000


@with_reactor
async def test_the_next_document_is_asked_for_with_the_calls_form_and_signed(
    answering: Answering, target: ServerTarget
) -> None:
    control = CallControl()
    update = CallUpdate(Fetch("https://demo.example/webhook/moved?to=2"))
    answering.react = at_frame(3, lambda _socket: control.update(update))
    await calling(target, control=control)
    (_, _, first), (path, headers, second) = [post for post in answering.posts if "status" not in post[0]]
    assert path == MOVED
    assert (first["CallStatus"], second["CallStatus"]) == ("ringing", "in-progress")
    form = {name: value for name, value in second.items() if name != "to"}
    assert {**form, "CallStatus": "ringing"} == first
    assert headers["x-twilio-signature"] == signature("token", "https://demo.example/webhook/moved?to=2", form)


@with_reactor
async def test_words_between_two_streams_are_spoken_in_time_and_not_sent(
    answering: Answering, target: ServerTarget
) -> None:
    control = CallControl()
    update = CallUpdate(twiml=response(f'<Pause length="0"/><Play/>{CONNECT}'))
    answering.react = at_frame(10, lambda _socket: control.update(update))
    clip = CLIP * 2
    report = await calling(target, clip, control=control)
    assert report.ok, report.problems
    (gap,) = report.gaps
    assert 1.0 <= gap < 10
    ((begins, ends),) = report.unsent
    assert (ends - begins) / 8_000 == pytest.approx(gap, abs=0.5)
    before, after = sent_by_stream(answering).values()
    audio = Speech.of(clip, CallOptions(silence=0)).audio
    assert (before, after) == (audio[:begins], audio[ends:])
    assert report.bytes_sent == len(before) + len(after)


@with_reactor
async def test_status_callbacks_frame_each_stream(answering: Answering, target: ServerTarget) -> None:
    control = CallControl()
    answering.react = at_frame(5, lambda _socket: control.update(CallUpdate(Fetch("/webhook/moved"))))
    report = await calling(target, control=control)
    forms = [form for path, _, form in answering.posts if "status" in path]
    told = {(form["StreamSid"], form["StreamEvent"]) for form in forms}
    assert told == {
        (leg.stream_sid, f"stream-{event}") for leg in report.streams for event in ("started", "stopped")
    }
    assert len(report.status_callbacks) == 4


@with_reactor
async def test_what_the_caller_hears_is_one_recording_of_all_streams(
    answering: Answering, target: ServerTarget
) -> None:
    control = CallControl()

    def react(socket: Socket, message: dict[str, Any]) -> None:
        number = len(sent_by_stream(answering)) + (message["event"] == "start")
        if message["event"] == "start":
            audio = bytes([number]) * 80_000
            media = {"payload": b64encode(audio).decode()}
            socket.say({"event": "media", "streamSid": message["streamSid"], "media": media})
            socket.say({"event": "mark", "streamSid": message["streamSid"], "mark": {"name": "end"}})
        elif number == 1 and message["event"] == "media" and message["media"]["chunk"] == "10":
            control.update(CallUpdate(twiml=response(f"<Play/>{CONNECT}")))

    answering.react = react
    report = await calling(target, CLIP * 2, control=control)
    heard = report.heard_audio
    silent, again = heard.index(b"\x01\xff"), heard.index(b"\xff\x02")
    assert set(heard[silent + 1 : again + 1]) == {0xFF}
    assert (again - silent) / 8_000 == pytest.approx(report.gaps[0], abs=0.5)
    assert heard.rstrip(b"\xff").endswith(b"\x02"), "silence, if it was all said before the end"
    assert report.marks_returned == ()
    assert len(report.received_audio) == 160_000


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda socket: socket.sendClose(3001, "going away"), 31921),
        (lambda socket: socket.dropConnection(abort=True), 31903),
    ],
)
@with_reactor
async def test_a_redirect_after_connect_brings_the_call_back(
    answering: Answering, target: ServerTarget, end: Callable[[Socket], None], code: int
) -> None:
    answering.twiml = response(AGAIN)
    answering.react = at_frame(4, end, streams=2)
    report = await calling(target)
    assert report.ok, report.problems
    assert codes(report.warnings) == [code, code]
    assert paths(answering) == [INCOMING, MOVED, MOVED]
    assert [leg.by_server for leg in report.streams] == [True, True, False]
    assert report.verbs == ("Connect", "Redirect", "Connect", "Redirect", "Connect")
    assert len(report.gaps) == 2
    assert (report.updates, report.ended_by) == (0, "caller")


@with_reactor
async def test_a_stream_that_cannot_be_opened_is_followed_by_the_next_verb(
    answering: Answering, target: ServerTarget
) -> None:
    gone = STREAM.replace("/ws/twilio-media", "/ws/nobody")
    answering.twiml = response(f"<Connect>{gone}</Connect>{CONNECT}")
    report = await calling(target)
    assert report.ok, report.problems
    assert codes(report.warnings) == [31920]
    assert len(report.streams) == 1


@with_reactor
async def test_the_action_of_connect_is_asked_instead_of_the_next_verb(
    answering: Answering, target: ServerTarget
) -> None:
    action = f'<Connect action="/webhook/moved" method="GET">{STREAM}</Connect><Say>never</Say>'
    answering.documents[INCOMING] = response(action)
    answering.react = at_frame(3, lambda socket: socket.sendClose(1000))
    report = await calling(target)
    assert report.ok, report.problems
    assert report.verbs == ("Connect", "Connect")
    path, headers, form = next(post for post in answering.posts if post[0] == MOVED)
    assert (path, form["CallSid"]) == (MOVED, report.call_sid)
    assert "x-twilio-signature" in headers
    assert "content-type" not in headers


@with_reactor
async def test_an_update_comes_before_the_action_that_is_asked_nevertheless(
    answering: Answering, target: ServerTarget
) -> None:
    control = CallControl()
    answering.documents[INCOMING] = response(f'<Connect action="/webhook/after">{STREAM}</Connect>')
    answering.documents["/webhook/after"] = response("<Say>never</Say>")
    answering.react = at_frame(3, lambda _socket: control.update(CallUpdate(Fetch("/webhook/moved"))))
    report = await calling(target, control=control)
    assert paths(answering) == [INCOMING, "/webhook/after", MOVED]
    assert report.verbs == ("Connect", "Connect")


@with_reactor
async def test_verbs_come_in_order_and_the_end_of_the_document_is_the_end_of_the_call(
    answering: Answering, target: ServerTarget
) -> None:
    answering.twiml = response(
        '<Say>hm</Say><Gather/><Pause length="0"/><Connect/><Redirect>/webhook/moved</Redirect>'
    )
    answering.documents[MOVED] = response(f"{CONNECT}<Say>bye</Say>")
    answering.react = at_frame(3, lambda socket: socket.sendClose(1000))
    report = await calling(target)
    assert report.verbs == ("Say", "Gather", "Pause", "Connect", "Redirect", "Connect", "Say")
    assert [problem.message for problem in report.warnings] == [
        "<Gather> is not simulated, and skipped",
        "<Connect> is not simulated, and skipped",
    ]
    assert codes(report.problems) == [31921]
    assert report.ended_by == "server"
    assert report.unsent[0][0] >= 480


@pytest.mark.parametrize("verbs", ["<Say>The line is busy.</Say>", "<Reject/>", "<Hangup/>", ""])
@with_reactor
async def test_a_call_without_a_stream_was_not_taken(
    answering: Answering, target: ServerTarget, verbs: str
) -> None:
    answering.twiml = response(verbs)
    report = await calling(target)
    assert "no <Connect><Stream>" in report.problems[0].message
    assert (report.ended_by, report.streams, report.heard_audio) == ("twiml", (), b"")


@with_reactor
async def test_whoever_is_dialled_picks_up_and_the_caller_speaks_to_them_to_the_end(
    answering: Answering, target: ServerTarget
) -> None:
    control = CallControl()
    dial = CallUpdate(twiml=response("<Dial timeout='0'><Number>+15555550123</Number></Dial><Say>never</Say>"))
    answering.react = at_frame(3, lambda _socket: control.update(dial))
    lines: list[str] = []
    report = await calling(target, control=control, progress=lines.append)
    assert report.ok, report.problems
    assert (report.ended_by, report.verbs) == ("caller", ("Connect", "Dial"))
    assert report.unsent[0][1] == len(CLIP)
    assert "5555550123" not in "".join(lines)


@with_reactor
async def test_a_dial_that_nobody_answers_goes_on_with_its_action(
    answering: Answering, target: ServerTarget
) -> None:
    answering.documents[INCOMING] = response('<Dial timeout="0" action="/webhook/moved">desk</Dial>')
    report = await calling(target, callee="no-answer")
    assert report.ok, report.problems
    (form,) = [form for path, _, form in answering.posts if path == MOVED]
    assert form["DialCallStatus"] == "no-answer"
    assert report.verbs == ("Dial", "Connect")


@with_reactor
async def test_a_redirect_to_itself_ends(answering: Answering, target: ServerTarget) -> None:
    answering.twiml = response("<Redirect/>")
    report = await calling(target)
    assert "documents followed one another" in report.problems[0].message
    assert paths(answering) == [INCOMING] * MOST_DOCUMENTS


@with_reactor
async def test_a_document_that_is_not_to_be_had_ends_the_call(answering: Answering, target: ServerTarget) -> None:
    control = CallControl()
    answering.documents[MOVED] = "<html/>"
    answering.react = at_frame(3, lambda _socket: control.update(CallUpdate(Fetch("/webhook/moved"))))
    assert codes((await calling(target, control=control)).problems) == [12100]


@with_reactor
async def test_the_fallback_is_asked_once_where_the_webhook_fails(
    answering: Answering, target: ServerTarget
) -> None:
    answering.documents[INCOMING] = "nonsense"
    report = await calling(target, fallback_url="https://demo.example/webhook/moved")
    assert report.ok, report.problems
    assert codes(report.warnings) == [12100]
    (form,) = [form for path, _, form in answering.posts if path == MOVED]
    assert (form["ErrorCode"], form["ErrorUrl"]) == ("12100", "https://demo.example/webhook/incoming_call")
    answering.documents[MOVED] = "nonsense too"
    again = await calling(target, fallback_url="https://demo.example/webhook/moved")
    assert (codes(again.warnings), codes(again.problems)) == ([12100], [12100])


@with_reactor
async def test_the_caller_may_hang_up_while_nothing_listens(answering: Answering, target: ServerTarget) -> None:
    answering.twiml = response(f'{CONNECT}<Pause length="60"/>')
    answering.react = at_frame(3, lambda socket: socket.sendClose(1000))
    report = await calling(target, CLIP[:1_600])
    assert report.ok, report.problems
    assert (report.ended_by, codes(report.warnings)) == ("caller", [31921])
    assert report.unsent[-1][1] == 1_600
