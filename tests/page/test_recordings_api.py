"""The audio of a recorded call, asked for as a browser's player asks for it."""

import http.client
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.threads import deferToThread

from tests.page.in_memory import PASSWORD, VIEW_PASSWORD, PageServer
from tests.page.test_server import ask
from tests.recognisers.on_reactor import on_reactor, reactor
from tests.recording.made import BEGAN, played, recorded, session, tone
from voicestt.page.recordings_api import asked_range
from voicestt.page.visit import PageError
from voicestt.recording.folder import RecordingFolder, session_in
from voicestt.recording.joining import Form, JoinedAudio
from voicestt.recording.library import RecordingLibrary
from voicestt.recording.store import StoreFailed
from voicestt.recording.wav import WavHeader


class Player:
    """A browser at a page on a socket, which plays recordings."""

    def __init__(self, server: PageServer, port: int) -> None:
        self.server = server
        self.port = port
        self.cookie = ""

    async def log_in(self, password: str) -> None:
        status, headers, _ = await self.asked("POST", "/page/login", {"password": password})
        assert status == 204
        self.cookie = headers["set-cookie"].partition(";")[0]

    async def play(self, of: str, query: str = "", **headers: str) -> tuple[int, Any, bytes]:
        return await self.asked("GET", f"/page/api/calls/{of}/audio{query}", Cookie=self.cookie, **headers)

    async def asked(self, *request: Any, **headers: str) -> tuple[int, Any, bytes]:
        answer: tuple[int, Any, bytes] = await deferToThread(ask, self.port, *request, **headers)
        return answer


@asynccontextmanager
async def playing(folder: Path) -> AsyncIterator[tuple[Player, RecordingFolder]]:
    clock: Any = reactor
    server = PageServer(clock, folder / "static")
    recordings = RecordingFolder(folder / "recordings")
    server.recordings.library = RecordingLibrary(recordings)
    port = reactor.listenTCP(0, server.site, interface="127.0.0.1")
    try:
        yield Player(server, port.getHost().port), recordings
    finally:
        await maybeDeferred(port.stopListening)
        await Deferred.fromCoroutine(server.page.stop())


@pytest.fixture
def files(folder: Path) -> Path:
    return folder.parent


@on_reactor
async def test_a_recording_plays_whole_in_part_and_as_16_bit_samples(files: Path) -> None:
    async with playing(files) as (player, folder):
        await player.log_in(PASSWORD)
        path = recorded(folder, ours=tone(300_000), audio=tone(300_000, 60))
        of = session_in(path.name)
        whole = path.read_bytes()
        status, headers, body = await player.play(of)
        assert (status, headers["content-type"], headers["accept-ranges"]) == (200, "audio/wav", "bytes")
        assert body == whole
        status, headers, body = await player.play(of, Range="bytes=1000-1999")
        assert (status, headers["content-range"]) == (206, f"bytes 1000-1999/{len(whole)}")
        assert body == whole[1_000:2_000]
        _, _, body = await player.play(of, Range="bytes=-10")
        assert body == whole[-10:]
        status, headers, _ = await player.play(of, Range=f"bytes={len(whole)}-")
        assert (status, headers["content-range"]) == (416, f"bytes */{len(whole)}")
        _, headers, body = await player.play(of, "?format=pcm16")
        assert (played(body) == played(path)).all()
        status, headers, body = await player.asked("HEAD", f"/page/api/calls/{of}/audio", Cookie=player.cookie)
        assert (status, headers["content-length"], body) == (200, str(len(whole)), b"")


@on_reactor
async def test_who_may_only_look_hears_nothing_and_neither_does_a_stranger(files: Path) -> None:
    async with playing(files) as (player, folder):
        of = session_in(recorded(folder).name)
        assert (await player.play(of))[0] == 401
        await player.log_in(VIEW_PASSWORD)
        status, _, body = await player.play(of, Range="bytes=0-1")
        assert status == 403
        assert b"RIFF" not in body
        assert b"to look at only" in body


@on_reactor
async def test_what_is_not_there_is_said_in_words(files: Path) -> None:
    async with playing(files) as (player, folder):
        await player.log_in(PASSWORD)
        for of in (session(), "..%2f..%2fsecret", "nonsense"):
            status, _, body = await player.play(of)
            assert status == 404, of
        assert b"has no recording" in (await player.play(session()))[2]
        path = recorded(folder)
        assert (await player.play(session_in(path.name), "?format=mp3"))[0] == 400
        path.write_bytes(b"x" * 500)
        status, _, body = await player.play(session_in(path.name))
        assert status == 503
        assert b"The recording cannot be read: does not say when it began" in body


@on_reactor
async def test_a_player_that_leaves_or_does_not_read_holds_nothing(files: Path) -> None:
    async with playing(files) as (player, folder):
        await player.log_in(PASSWORD)
        of = session_in(recorded(folder, audio=tone(8_000_000)).name)

        def leave() -> bytes:
            with socket.create_connection(("127.0.0.1", player.port)) as connection:
                request = f"GET /page/api/calls/{of}/audio HTTP/1.1\r\nHost: x\r\nCookie: {player.cookie}\r\n\r\n"
                connection.sendall(request.encode())
                return connection.recv(15)

        assert await deferToThread(leave) == b"HTTP/1.1 200 OK"
        status, _, body = await player.play(of, Range="bytes=0-99")
        assert (status, len(body)) == (206, 100)


class Failing:
    """A recording in a store that goes away while it is read."""

    size = 8_000_000

    def read(self, start: int, length: int) -> bytes:
        if start > 1_000_000:
            raise StoreFailed("EndpointConnectionError")
        return (WavHeader(1, self.size, BEGAN).encode() + bytes(self.size))[start : start + length]

    def close(self) -> None:
        """Close nothing."""


class FailingLibrary(RecordingLibrary):
    """A library of one recording."""

    def open_session(self, session: str, form: Form = "mulaw") -> JoinedAudio:
        return JoinedAudio([Failing()], form)


@on_reactor
async def test_a_store_that_goes_away_while_it_is_played_cuts_the_connection(files: Path) -> None:
    async with playing(files) as (player, folder):
        await player.log_in(PASSWORD)
        player.server.recordings.library = FailingLibrary(folder)
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            await player.play(session())


@given(st.text(max_size=40), st.integers(1, 10_000))
def test_a_header_that_is_no_range_asks_for_all(header: str, size: int) -> None:
    with suppress(PageError):
        first, last = asked_range(header, size)
        assert 0 <= first < last <= size


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, (0, 100)),
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=10-1000", (10, 100)),
        ("bytes=-30", (70, 100)),
        ("bytes=-300", (0, 100)),
        ("bytes=20-10", (0, 100)),
        ("bytes=-", (0, 100)),
        ("bytes=0-1,5-6", (0, 100)),
        ("lines=1-2", (0, 100)),
    ],
)
def test_ranges(header: str | None, expected: tuple[int, int]) -> None:
    assert asked_range(header, 100) == expected
