"""The whole server on the real reactor: sockets, session threads and gRPC to a local Google-compatible service."""

import base64
import gc
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import numpy as np
import pytest
import pytest_twisted  # type: ignore[import-untyped]
from autobahn.twisted.websocket import WebSocketClientFactory
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ClientFactory
from twisted.internet.task import deferLater

from tests.conftest import Logged
from tests.end_to_end.leaver import DESK as DESK_NUMBER
from tests.handler.conftest import twilio_api
from tests.handler.twilio_api import Asked, TwilioApi
from tests.recognisers.on_reactor import (
    PATIENCE,
    on_reactor,
    reactor,
    soon,
)
from tests.server.fakes import TOKEN, settings_of
from tests.server.in_memory import (
    CONNECTED,
    HOST,
    MEDIA_URL,
    STOP,
    Answer,
    Bytes,
    Caller,
    event,
    media,
    start,
)
from voicestt.audio import mulaw
from voicestt.call.active_call import ActiveCall
from voicestt.call.playout import Playout
from voicestt.emulators.google import script
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import LocalGoogle
from voicestt.emulators.google.timeline import clip_of
from voicestt.emulators.twilio.signatures import signature
from voicestt.emulators.twilio.twilio_messages import Sids, StreamMessages
from voicestt.events import CallEnded
from voicestt.handler import Call
from voicestt.recognisers.fallback import FallbackSession
from voicestt.recognisers.google.client import GoogleSession
from voicestt.recognisers.single_shot import SingleShotSession
from voicestt.recognisers.stream import StreamAttempt
from voicestt.recognisers.streaming import EndlessSession
from voicestt.server.bounded_http import KEEP_ALIVE_SECONDS
from voicestt.server.live_call import LiveCall
from voicestt.server.media_line import MediaLine
from voicestt.server.service import VoiceService
from voicestt.server.stopping import GRACE_SECONDS
from voicestt.twilio.rest import dial

SCRIPT = script.parse(
    """{
      "utterances": [
        {"text": "שלום {key} אני מתקשר", "start": 0.2, "end": 1.0},
        {"text": "תודה רבה להתראות", "start": 1.8, "end": 2.4}
      ]
    }"""
)
ON_LOOPBACK = ["tcp:0:interface=127.0.0.1"]
DESK = dial(DESK_NUMBER)

__all__ = ["twilio_api"]  # a fixture


def frames(number: int, seconds: float = 3.0) -> list[bytes]:
    """The messages of a call's audio."""
    audio = mulaw.encode(np.frombuffer(clip_of(SCRIPT, number, seconds), "<i2"))
    return [media(audio[at : at + 160]) for at in range(0, len(audio), 160)]


async def until(condition: Callable[[], object]) -> None:
    for _ in range(round(PATIENCE * 100)):
        if condition():
            return
        await deferLater(reactor, 0.01)
    raise TimeoutError


@pytest.fixture(scope="module")
def google() -> Iterator[LocalGoogle]:
    with LocalGoogle(ScriptEngine(SCRIPT)) as local:
        yield local


class OneOf:
    """A service that is stopped after the test in any case."""

    def __init__(self, service: VoiceService, events: Path) -> None:
        self.service = service
        self._events = events
        self._is_started = False

    async def start(self) -> int:
        """The port it listens on."""
        self._is_started = True
        self.service.startService()
        await until(lambda: self.service.addresses)
        return int(self.service.addresses[0].port)

    async def stop(self) -> None:
        if self._is_started:
            self._is_started = False
            await soon(self.service.stopService())

    @property
    def events(self) -> list[dict[str, Any]]:
        lines = self._events.read_text().splitlines() if self._events.exists() else []
        return [json.loads(line) for line in lines]

    def texts(self, kind: str) -> list[str]:
        return [event["text"] for event in self.events if event["kind"] == kind]


@pytest.fixture
def make(google: LocalGoogle, tmp_path: Path) -> Iterator[Callable[..., OneOf]]:
    made: list[OneOf] = []

    def make_one(**variables: str) -> OneOf:
        path = tmp_path / "events.jsonl"
        usual = {
            "GCP_STT_ENDPOINT": google.target,
            "GCP_STT_INSECURE": "true",
            "GCP_STT_MODEL": "default",
            "ENABLE_STREAMING_STT": "true",
            "EVENTS_FILE": str(path),
            "VOICESTT_SOCKET": str(tmp_path / "control"),
        }
        service = VoiceService(reactor, settings_of(**{**usual, **variables}), ON_LOOPBACK)
        made.append(OneOf(service, path))
        return made[-1]

    yield make_one
    for one in made:
        pytest_twisted.blockon(Deferred.fromCoroutine(one.stop()))


def own_threads() -> set[threading.Thread]:
    """All that run but the reactor's own, which stay."""
    return {thread for thread in threading.enumerate() if "twisted.internet.reactor" not in thread.name}


async def join(port: int) -> Caller:
    """A caller's open WebSocket over TCP."""
    headers = {"x-twilio-signature": signature(TOKEN, MEDIA_URL)}
    factory: Any = WebSocketClientFactory(
        f"ws://{HOST}/ws/twilio-media", useragent="Twilio.TmeWs/1.0", headers=headers, reactor=reactor
    )
    caller = Caller()
    caller.factory = factory
    factory.buildProtocol = lambda _address: caller
    reactor.connectTCP("127.0.0.1", port, factory)
    await until(lambda: caller.is_up)
    return caller


def say(caller: Caller, *messages: bytes) -> None:
    for message in messages:
        caller.sendMessage(message)  # type: ignore[no-untyped-call]


async def ask(port: int, method: str, path: str, *headers: str, body: str = "") -> Answer:
    client: Any = Bytes()
    factory: Any = ClientFactory()
    factory.noisy = False
    factory.buildProtocol = lambda _address: client
    reactor.connectTCP("127.0.0.1", port, factory)
    await until(lambda: client.transport is not None)
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", body]
    client.transport.write("\r\n".join(lines).encode())
    await until(lambda: client.is_lost)
    return Answer(method, client.received)


async def get(port: int, path: str) -> Answer:
    return await ask(port, "GET", path)


async def post(port: int, url: str, form: dict[str, str], token: str = TOKEN) -> Answer:
    """A form that was signed for `url`."""
    body = urlencode(form)
    signed = f"X-Twilio-Signature: {signature(token, url, form)}"
    kind = "Content-Type: application/x-www-form-urlencoded"
    path = urlsplit(url).path
    return await ask(port, "POST", path, signed, kind, f"Content-Length: {len(body)}", body=body)


@on_reactor
async def test_a_call_from_end_to_end(make: Callable[..., OneOf], google: LocalGoogle, logged: Logged) -> None:
    one = make()
    port = await one.start()
    caller = await join(port)
    say(caller, CONNECTED, start("CA7"), *frames(7))
    await until(lambda: "🟡 Partial: שלום" in logged.lines)
    say(caller, STOP)
    await until(lambda: logged.matching("Call ended"))
    await one.stop()
    assert one.texts("final") == ["שלום 7 אני מתקשר", "תודה רבה להתראות"]
    assert one.texts("partial")[0] == "שלום"
    assert {event["call"] for event in one.events} == {"CA7"}
    assert logged.matching("[CFG] ENABLE_STREAMING_STT=True") == ["[CFG] ENABLE_STREAMING_STT=True"]
    assert logged.matching("📞") == ["📞 WebSocket connected: /ws/twilio-media"]
    assert logged.matching("🟢 Final: ") == ["🟢 Final: שלום 7 אני מתקשר", "🟢 Final: תודה רבה להתראות"]
    (end,) = logged.matching("Call ended")
    assert end.startswith("Call ended: stop; 3.00 s; 150 frames; 24000 bytes; ")
    (record,) = google.streams[-1:]
    assert (record.language, record.audio_bytes, record.how) == ("iw-IL", 48_000, "OK")


@on_reactor
async def test_with_the_flag_off_there_are_requests_and_finals_only(
    make: Callable[..., OneOf], google: LocalGoogle, logged: Logged
) -> None:
    one = make(ENABLE_STREAMING_STT="false")
    caller = await join(await one.start())
    say(caller, CONNECTED, start(), *frames(8), STOP)
    await until(lambda: logged.matching("Call ended"))
    await one.stop()
    assert one.texts("partial") == []
    assert "שלום 8 אני מתקשר" in " ".join(one.texts("final"))
    assert google.streams[-1].method == "Recognize"


def events_in(journal: Path, *kinds: str) -> list[dict[str, Any]]:
    """The events of these kinds that a journal holds."""
    with closing(sqlite3.connect(journal)) as database:
        rows = database.execute("SELECT payload FROM voicestt_events ORDER BY number").fetchall()
    return [event for (payload,) in rows if (event := json.loads(payload))["type"] in kinds]


@pytest.mark.parametrize("streaming", ["true", "false"])
@on_reactor
async def test_in_a_gap_without_frames_the_words_and_the_turn_end_and_time_goes_on(
    make: Callable[..., OneOf], logged: Logged, tmp_path: Path, streaming: str
) -> None:
    journal = tmp_path / "journal.db"
    one = make(ENABLE_STREAMING_STT=streaming, JOURNAL_URL=f"sqlite:///{journal}")
    caller = await join(await one.start())
    messages = StreamMessages(Sids(call="CA7", stream="MZ1"))
    audio = mulaw.encode(np.frombuffer(clip_of(SCRIPT, 7, 3.0), "<i2"))
    spoken = [audio[at : at + 160] for at in range(0, len(audio), 160)]
    say(caller, CONNECTED, messages.start({}).encode())
    say(caller, *[messages.media(frame).encode() for frame in spoken[:55]])
    began = reactor.seconds()
    await until(lambda: one.texts("final"))
    final_after = reactor.seconds() - began
    await until(lambda: events_in(journal, "utterance_end"))
    assert final_after < 3.0  # 0.9 s on a machine that has time; STT_HOLD_SECONDS would be 5
    assert one.texts("final") == ["שלום 7 אני מתקשר"]
    messages.hold(4.0)
    say(caller, *[messages.media(frame).encode() for frame in spoken[55:]])
    await until(lambda: len(one.texts("final")) == 2)
    say(caller, messages.stop().encode())
    await until(lambda: logged.matching("Call ended"))
    await one.stop()
    first, turn, second = events_in(journal, "final", "utterance_end")[:3]
    assert (first["text"], turn["utterance"], second["text"]) == ("שלום 7 אני מתקשר", 1, "תודה רבה להתראות")
    assert first["start"] < turn["end"] <= 1.1
    assert 1.0 <= first["end"] <= 1.1
    assert 5.3 <= second["start"] <= 5.9
    (end,) = events_in(journal, "call_ended")
    assert (end["audio"]["received"], end["duration"]) == (24_000, 7.0)
    assert events_in(journal, "degraded", "interrupted", "unrecognised") == []


@on_reactor
async def test_a_hold_longer_than_a_dead_socket_s_degrades_nothing_and_words_go_on(
    make: Callable[..., OneOf], logged: Logged, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.db"
    one = make(IDLE_SECONDS="2", STT_HOLD_SECONDS="0.5", JOURNAL_URL=f"sqlite:///{journal}")
    caller = await join(await one.start())
    spoken = frames(9)
    say(caller, CONNECTED, start("CA9"), *spoken[:55])
    await until(lambda: one.texts("final"))
    await deferLater(reactor, 5.0)
    assert caller.closed is None
    say(caller, *spoken[55:])
    await until(lambda: len(one.texts("final")) == 2)
    say(caller, STOP)
    await until(lambda: logged.matching("Call ended"))
    await one.stop()
    assert one.texts("final") == ["שלום 9 אני מתקשר", "תודה רבה להתראות"]
    (end,) = events_in(journal, "call_ended")
    assert (end["reason"], end["restarts"], end["fallbacks"]) == ("stop", 0, 0)
    assert events_in(journal, "degraded", "interrupted", "unrecognised") == []


@on_reactor
async def test_stopping_brings_the_last_words_and_gives_every_thread_back(
    make: Callable[..., OneOf], logged: Logged
) -> None:
    before = own_threads()
    one = make()
    caller = await join(await one.start())
    say(caller, CONNECTED, start(), *frames(9, seconds=0.8))
    await until(lambda: logged.matching("🟡 Partial: שלום"))
    assert "events-file" in {thread.name for thread in own_threads() - before}
    await one.stop()
    assert one.texts("final") == ["שלום 9 אני"]
    assert len(logged.matching("Call ended: the server is stopping; 0.80 s")) == 1
    await until(lambda: caller.closed is not None)
    await until(lambda: own_threads() - before == set())


class NeverDone:
    """A handler that does not return from the call's end until the test is over."""

    released = threading.Event()

    def on_call_ended(self, _call: Call, _event: CallEnded) -> None:
        self.released.wait(60)


@on_reactor
async def test_however_much_hangs_the_stop_is_over_in_its_time(make: Callable[..., OneOf], tmp_path: Path) -> None:
    with (
        LocalGoogle(ScriptEngine(SCRIPT), faults="all: hang on half-close") as hanging,
        socket.create_server(("127.0.0.1", 0)) as receiver,  # it takes connections and never answers
    ):
        one = make(
            GCP_STT_ENDPOINT=hanging.target,
            HANDLER=f"{__name__}:NeverDone",
            JOURNAL_URL=f"sqlite:///{tmp_path}/journal.db",
            EVENTS_WEBHOOK_URL=f"http://127.0.0.1:{receiver.getsockname()[1]}/",
            EVENTS_WEBHOOK_SECRET="whsec_" + base64.b64encode(bytes(range(24))).decode(),
            SHUTDOWN_SECONDS="3",
        )
        caller = await join(await one.start())
        say(caller, CONNECTED, start(), *frames(9, seconds=0.8))
        await until(lambda: one.texts("partial"))
        began = time.monotonic()
        await one.stop()
        assert time.monotonic() - began < 3 + 2
        NeverDone.released.set()
    (ended,) = (event for event in one.events if event["type"] == "call_ended")
    assert ended["reason"] == "the server is stopping"


@on_reactor
async def test_after_stopping_no_client_is_answered(make: Callable[..., OneOf]) -> None:
    one = make()
    port = await one.start()
    assert (await get(port, "/healthz")).status == 200
    await one.stop()
    refused: Deferred[Any] = Deferred()
    factory: Any = ClientFactory()
    factory.noisy = False
    factory.clientConnectionFailed = lambda _connector, reason: refused.callback(reason.value)
    reactor.connectTCP("127.0.0.1", port, factory)
    assert "refused" in str(await soon(refused)).lower()


ANNOUNCED = {"CallSid": "CA1", "AccountSid": "AC1", "From": "+972501234567", "To": "+972771234567"}


@pytest.mark.parametrize(
    ("signed", "status"),
    [("Voice.EXAMPLE.com", 200), ("voice.example.com", 200), ("VOICE.example.com", 403), ("x.example.com", 403)],
)
@on_reactor
async def test_a_host_with_capitals_is_signed_as_it_was_typed(
    make: Callable[..., OneOf], signed: str, status: int
) -> None:
    one = make(PUBLIC_HOST="Voice.EXAMPLE.com")
    port = await one.start()
    answer = await post(port, f"https://{signed}/webhook/incoming_call", ANNOUNCED)
    assert answer.status == status
    if status == 200:
        assert b"wss://voice.example.com/ws/twilio-media" in answer.body
        caller = await join(port)  # which signs the address that the TwiML gave
        assert caller.is_up


@pytest.mark.parametrize(("pressed", "form"), [("#", {"Status": "completed"}), ("0", {"Twiml": DESK})])
@on_reactor
async def test_twilio_is_asked_about_the_announced_account_with_the_first_token(
    make: Callable[..., OneOf], twilio_api: TwilioApi, pressed: str, form: dict[str, str]
) -> None:
    old = "an-older-token"
    one = make(
        TWILIO_AUTH_TOKEN=f" {TOKEN} , {old}",
        TWILIO_API_URL=twilio_api.url,
        HANDLER="tests.end_to_end.leaver:Leaver",
    )
    port = await one.start()
    assert (await post(port, f"https://{HOST}/webhook/incoming_call", ANNOUNCED, old)).status == 200
    caller = await join(port)
    key = event("dtmf", dtmf={"track": "inbound_track", "digit": pressed})
    say(caller, CONNECTED, start("CA1", accountSid="AC666"), key)
    await until(lambda: twilio_api.asked)
    path = "/2010-04-01/Accounts/AC1/Calls/CA1.json"
    assert twilio_api.asked == [Asked(path, "AC1", TOKEN, form)]


@on_reactor
async def test_requests_are_not_logged_with_their_query(make: Callable[..., OneOf], logged: Logged) -> None:
    one = make()
    port = await one.start()
    assert (await get(port, "/healthz?From=%2B972501234567")).status == 200
    assert (await get(port, "/webhook/incoming_call?From=%2B972501234567")).status == 403
    assert logged.matching("972501234567") == []


@on_reactor
async def test_connections_are_kept_for_75_seconds(make: Callable[..., OneOf]) -> None:
    one = make()
    await one.start()
    assert KEEP_ALIVE_SECONDS == 75
    ports = one.service._listeners._ports
    assert [port.factory.timeOut for port in ports] == [75]  # type: ignore[attr-defined]


@on_reactor
async def test_unusual_settings_are_warned_of_at_the_start(make: Callable[..., OneOf], logged: Logged) -> None:
    one = make(GCP_STT_MODEL="phone_call", TWILIO_VALIDATE="false")
    await one.start()
    (model,) = logged.matching("GCP_STT_MODEL=phone_call was asked for")
    assert "Google refuses it with iw-IL: default is used" in model
    assert len(logged.matching("⚠️ TWILIO_VALIDATE=false: anybody")) == 1
    assert TOKEN not in "".join(logged.lines)


class NeverStopped:
    """The reactor, but for being stopped, which the test's own would not survive."""

    def __init__(self) -> None:
        self.asked_to_stop: list[object] = []

    def callWhenRunning(self, action: object) -> None:  # noqa: N802
        self.asked_to_stop.append(action)

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)


@on_reactor
async def test_a_port_that_is_taken_is_said_and_ends_the_server(
    make: Callable[..., OneOf], tmp_path: Path, logged: Logged
) -> None:
    port = await make().start()
    stand_in: Any = NeverStopped()
    failed: list[str] = []
    settings = settings_of(EVENTS_FILE=str(tmp_path / "other"), VOICESTT_SOCKET=str(tmp_path / "other-control"))
    second = VoiceService(stand_in, settings, [f"tcp:{port}:interface=127.0.0.1"], lambda: failed.append("failed"))
    second.startService()
    await until(lambda: failed)
    (said,) = logged.flush_critical()
    assert said.startswith("The server could not start: ")
    assert str(port) in said
    assert failed == ["failed"]
    assert len(stand_in.asked_to_stop) == 1
    await soon(second.stopService())


@on_reactor
async def test_a_service_that_never_started_can_be_stopped(tmp_path: Path) -> None:
    before = own_threads()
    settings = settings_of(EVENTS_FILE=str(tmp_path / "events"), VOICESTT_SOCKET=str(tmp_path / "control"))
    await soon(VoiceService(reactor, settings, ON_LOOPBACK).stopService())
    await until(lambda: own_threads() - before == set())


@on_reactor
async def test_a_server_stopped_while_it_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    before = own_threads()
    journal = f"sqlite:///{tmp_path}/journal.db"
    settings = settings_of(VOICESTT_SOCKET=str(tmp_path / "control"), JOURNAL_URL=journal)
    service = VoiceService(reactor, settings, ON_LOOPBACK)
    service.startService()
    await soon(service.stopService())
    await until(lambda: own_threads() - before == set())


@on_reactor
async def test_a_start_that_hangs_keeps_no_stop_from_its_time_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs: Deferred[None] = Deferred()
    enforced: list[float] = []
    settings = settings_of(VOICESTT_SOCKET=str(tmp_path / "control"), SHUTDOWN_SECONDS="5")
    service = VoiceService(reactor, settings, ON_LOOPBACK, enforce=enforced.append)
    monkeypatch.setattr(service._pipeline, "start", lambda *_: hangs)
    service.startService()
    stopped = service.stopService()
    assert enforced == [pytest.approx(5 + GRACE_SECONDS, abs=0.1)]
    hangs.callback(None)
    await soon(stopped)


# Not the socket's own protocol: Twisted's log keeps the first events, and who logged them, until logging begins,
# which it never does under pytest.
OF_A_CALL = (
    LiveCall,
    MediaLine,
    Playout,
    ActiveCall,
    FallbackSession,
    EndlessSession,
    StreamAttempt,
    GoogleSession,
    SingleShotSession,
)
FAULTS = (
    "",
    "next streaming: error UNAVAILABLE after 1 s of audio",
    "next streaming: in-band UNAVAILABLE after 1 s of audio",
    "all streaming: credentials",
    "all: error INTERNAL",
)


def what_is_left_of_calls() -> list[str]:
    gc.collect()
    return sorted(type(thing).__name__ for thing in gc.get_objects() if isinstance(thing, OF_A_CALL))


async def talk_and_go(port: int, number: int, *, with_stop: bool) -> None:
    caller = await join(port)
    say(caller, CONNECTED, start(f"CA{number}"), *frames(number))
    if with_stop:
        say(caller, STOP)
    await deferLater(reactor, 0.3)
    caller.dropConnection(abort=True)


@on_reactor
async def test_no_object_of_a_call_outlives_it(make: Callable[..., OneOf], logged: Logged) -> None:
    with LocalGoogle(ScriptEngine(SCRIPT), faults="") as failing:
        one = make(
            GCP_STT_ENDPOINT=failing.target,
            WHISPER_URL="http://127.0.0.1:9/",
            STT_RESTARTS="1",
            STT_DRAIN_SECONDS="2",
        )
        port = await one.start()
        calls = [(fault, with_stop) for fault in FAULTS for with_stop in (True, False)]
        for number, (fault, with_stop) in enumerate(calls, 1):
            failing.set_faults(fault)
            await talk_and_go(port, number, with_stop=with_stop)
            await until(lambda number=number: len(logged.matching("Call ended")) == number)  # type: ignore[misc]
        assert logged.matching("Degraded")
        assert logged.matching("The stream failed and is replaced")
        logged.events.clear()  # an event knows who logged it
        await until(lambda: not what_is_left_of_calls())
        await one.stop()
