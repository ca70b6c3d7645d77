"""The page's "Try it": a browser's microphone is heard as a call is, within its limits, and is no call."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from websockets import Origin
from websockets.sync.client import connect

from tests.journal.made import eventually
from tests.page.in_memory import PASSWORD, VIEW_PASSWORD, Browser, PageServer
from tests.page.test_recordings_api import files, playing
from tests.recognisers.on_reactor import on_reactor, reactor
from tests.server.in_memory import HOST, Media
from voicestt.page.try_limits import LONGEST_SECONDS, MOST_AT_ONCE, TryLimits, TryRefused
from voicestt.page.try_socket import SUBPROTOCOL
from voicestt.recognisers.port import Incident

__all__ = ["files"]  # a fixture

FRAME = bytes(range(160))


class Microphone:
    """A browser's socket."""

    def __init__(self, server: PageServer, browser: Browser, origin: str = f"https://{HOST}") -> None:
        self.server = server
        self.browser = browser
        headers = {"Cookie": browser.cookie, "Origin": origin}
        self.joined: Media = server.join(path="/page/try", headers=headers, protocols=[SUBPROTOCOL])

    def say(self, message: Mapping[str, Any]) -> None:
        self.joined.say(json.dumps(message).encode())

    def start(self, **more: Any) -> None:
        self.say({"type": "start", "csrf": self.browser.csrf, "language": "he-IL", **more})

    def speak(self, seconds: float) -> None:
        """In real time, 20 ms at a time."""
        for _ in range(round(seconds / 0.02)):
            self.joined.say(FRAME, binary=True)
            self.pass_time(0.02)

    def pass_time(self, seconds: float) -> None:
        self.server.clock.advance(seconds)
        self.joined.flush()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(message) for message in self.joined.client.messages]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    @property
    def closed(self) -> tuple[int | None, str | None]:
        assert self.joined.client.closed is not None, "it is open"
        return self.joined.client.closed[1:]


@pytest.fixture
def microphone(server: PageServer) -> Microphone:
    return Microphone(server, server.browser())


def test_words_come_while_they_are_said_and_the_last_ones_after_the_stop(
    server: PageServer, microphone: Microphone
) -> None:
    microphone.start()
    assert microphone.joined.client.answer.protocol == SUBPROTOCOL  # type: ignore[union-attr]
    assert microphone.events[0] == {"type": "try_limit", "seconds_left": 600}
    assert microphone.types[1] == "call_started"
    microphone.speak(1.0)
    stream = server.recogniser.session
    assert stream.audio == FRAME * (len(stream.audio) // 160)
    assert len(stream.audio) > 7_000
    stream.partial("שלום")
    microphone.pass_time(0.5)
    stream.happen(Incident("degraded", "a test"))
    stream.final("שלום לך", end=4_000)
    microphone.say({"type": "stop"})
    assert stream.is_finished
    stream.final("עוד", end=8_000)
    stream.end()
    microphone.joined.flush()
    texts = [(event["type"], event.get("text")) for event in microphone.events[2:]]
    assert ("partial", "שלום") in texts
    assert [text for kind, text in texts if kind == "final"] == ["שלום לך", "עוד"]
    assert ("degraded", None) in texts
    assert microphone.types[-1] == "call_ended"
    assert microphone.events[-1]["reason"] == "stop"
    assert microphone.closed == (1000, "stop")


def test_it_is_no_call(server: PageServer, microphone: Microphone) -> None:
    microphone.start()
    microphone.speak(0.4)
    server.recogniser.session.final("words", end=1_600)
    assert (len(server.calls), server.calls.taken, server.calls.audio.received) == (0, 0, 0)
    assert server.observer.events == []
    assert server.browser().json("/page/api/live")["calls"] == []
    assert server.calls.figures.of_the_last(1).counts == {}
    page = server.metrics.answer_inside
    assert page is not None
    microphone.joined.lose()
    assert server.recogniser.session.is_finished
    server.recogniser.session.end()
    server.clock.advance(60)


def test_a_pause_ends_what_was_said_as_in_a_call(server: PageServer, microphone: Microphone) -> None:
    microphone.start()
    microphone.speak(0.5)
    for _ in range(20):
        microphone.pass_time(0.1)
    assert server.recogniser.session.pauses == 1
    assert microphone.joined.client.is_up


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", ""])
def test_a_page_of_another_site_opens_none(server: PageServer, origin: str) -> None:
    refused = Microphone(server, server.browser(), origin)
    assert refused.joined.client.is_up is False
    assert server.recogniser.sessions == []


def test_without_a_login_and_for_viewers_there_is_none(server: PageServer) -> None:
    for browser in (server.browser(None), server.browser(VIEW_PASSWORD)):
        refused = Microphone(server, browser)
        assert refused.joined.client.is_up is False
    assert server.browser().get("/page/try", Origin=f"https://{HOST}").status == 426


@pytest.mark.parametrize("csrf", ["", "guessed", "\ud800", 7, None])
def test_the_start_must_bring_the_csrf_token(server: PageServer, microphone: Microphone, csrf: Any) -> None:
    microphone.start(csrf=csrf)
    assert microphone.closed[0] == 4001
    assert server.recogniser.sessions == []


@pytest.mark.parametrize(
    ("message", "binary", "code"),
    [
        (FRAME, True, 4001),
        (b"not json", False, 4005),
        (b"[1]", False, 4005),
        (b'{"type":["start"]}', False, 4005),
        (b'{"type":"dance"}', False, 4005),
        (b"[" * 4_000, False, 4005),
    ],
)
def test_bad_input_closes_the_socket_in_words(
    server: PageServer, microphone: Microphone, message: bytes, binary: bool, code: int
) -> None:
    microphone.joined.say(message, binary=binary)
    assert microphone.closed[0] == code
    assert microphone.closed[1]
    assert server.recogniser.sessions == []


@pytest.mark.parametrize("language", ["he-IL", "", None])
def test_the_language_is_chosen_or_the_servers(server: PageServer, microphone: Microphone, language: Any) -> None:
    microphone.start(language=language)
    assert microphone.types == ["try_limit", "call_started"]
    options = server.recogniser.session.options
    assert (None if options is None else options.language) == (language or None)


@pytest.mark.parametrize("language", ["no language!", 7, ["he-IL"], {"a": 1}])
def test_a_language_that_is_none_is_refused(server: PageServer, microphone: Microphone, language: Any) -> None:
    microphone.start(language=language)
    assert microphone.closed[0] == 4001
    assert server.recogniser.sessions == []
    again = Microphone(server, microphone.browser)
    again.start()
    assert again.types[0] == "try_limit"


def test_bad_input_within_a_try_still_tells_the_last_words(server: PageServer, microphone: Microphone) -> None:
    microphone.start()
    microphone.speak(0.2)
    microphone.joined.say(b"not json")
    stream = server.recogniser.session
    stream.final("last", end=1_600)
    stream.end()
    microphone.joined.flush()
    assert "last" in [event.get("text") for event in microphone.events]
    assert microphone.closed[0] == 4005


def test_one_at_a_time_for_each_login(server: PageServer, microphone: Microphone) -> None:
    microphone.start()
    second = Microphone(server, microphone.browser)
    second.start()
    assert second.closed == (4002, "one is open already: close the other window's")
    microphone.say({"type": "stop"})
    server.recogniser.session.end()
    third = Microphone(server, microphone.browser)
    third.start()
    assert third.types[0] == "try_limit"


def test_a_server_that_is_busy_or_stops_takes_none_and_ends_those_there_are(
    server: PageServer, microphone: Microphone
) -> None:
    microphone.start()
    stopped: Any = server.page.stop()
    with pytest.raises(StopIteration):
        stopped.send(None)
    assert server.recogniser.session.is_finished
    server.recogniser.session.end()
    microphone.joined.flush()
    assert microphone.closed == (4004, "the server is stopping")
    server.calls.drain("a test")
    late = Microphone(server, microphone.browser)
    late.start()
    assert late.closed == (4004, "calls come first: a test")


def test_who_sends_nothing_is_left(server: PageServer, microphone: Microphone) -> None:
    microphone.pass_time(10.1)
    assert microphone.closed[0] == 4001
    silent = Microphone(server, microphone.browser)
    silent.start()
    for _ in range(61):
        silent.pass_time(1.0)
    server.recogniser.session.end()
    silent.joined.flush()
    assert silent.closed == (1000, "nothing came for a minute")


@on_reactor
async def test_a_file_that_comes_at_once_is_heard_no_faster_than_a_voice(files: Path) -> None:
    async with playing(files) as (player, _):
        await player.log_in(PASSWORD)
        csrf = json.loads((await player.asked("GET", "/page/api/session", Cookie=player.cookie))[2])["csrf"]
        address, began = f"127.0.0.1:{player.port}", reactor.seconds()

        def try_it() -> list[str]:
            headers, url = {"Cookie": player.cookie}, f"ws://{address}/page/try"
            own = Origin(f"http://{address}")
            with connect(url, origin=own, additional_headers=headers, close_timeout=0.1) as browser:
                browser.send(json.dumps({"type": "start", "csrf": csrf}))
                seen = [json.loads(browser.recv(20))["type"] for _ in range(2)]
                for _ in range(60):
                    browser.send(bytes(8_000))
                return seen

        assert await deferToThread(try_it) == ["try_limit", "call_started"]
        session = player.server.recogniser.session
        await eventually(lambda: len(session.audio) > 8_000)
        # A minute was sent: what was read at once is heard, and the rest waits.
        assert len(session.audio) / 8_000 < 20 + reactor.seconds() - began
        player.server.page._try.stop()
        assert session.is_finished
        session.end()


def test_the_minutes_of_an_hour_are_shared_and_come_back(server: PageServer) -> None:
    clock = Clock()
    limits = TryLimits(2, clock.seconds)
    limits.begin("a")
    with pytest.raises(TryRefused, match="one is open already"):
        limits.begin("a")
    limits.use(119.5)
    with pytest.raises(TryRefused, match="used up"):
        limits.begin("b")
    limits.end("a")
    clock.advance(1_800)
    assert limits.left == pytest.approx(60.5)
    limits.begin("b")
    clock.advance(36_000)
    assert limits.left == 120
    assert (limits.begun, limits.live, limits.used_seconds) == (2, 1, 119.5)
    many = TryLimits(600, clock.seconds)
    assert many.left == LONGEST_SECONDS
    for n in range(MOST_AT_ONCE):
        many.begin(str(n))
    with pytest.raises(TryRefused, match="others try it"):
        many.begin("one too many")


def test_a_try_that_is_too_long_ends_with_its_words(clock: Clock, server: PageServer) -> None:
    short = PageServer(clock, PAGE_TRY_MINUTES="0.1")
    microphone = Microphone(short, short.browser(PASSWORD))
    microphone.start()
    assert microphone.events[0]["seconds_left"] == 6
    microphone.speak(6.5)
    assert short.recogniser.session.is_finished
    short.recogniser.session.end()
    microphone.joined.flush()
    assert microphone.types[-1] == "call_ended"
    assert microphone.closed == (4003, "the time of this try is used up")


def test_it_can_be_switched_off(clock: Clock, server: PageServer) -> None:
    off = PageServer(clock, PAGE_TRY_MINUTES="0")
    browser = off.browser()
    assert browser.json("/page/api/session")["try"] is False
    assert browser.get("/page/try", Origin=f"https://{HOST}").status == 404
    assert server.browser().json("/page/api/session")["try"] is True
