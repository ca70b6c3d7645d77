"""Runs the demonstration: starts two processes, places calls and judges them."""

import os
from collections.abc import Callable, Sequence

from twisted.internet.defer import CancelledError, Deferred, FirstError, gatherResults
from twisted.internet.defer import TimeoutError as NoAnswerInTime
from twisted.internet.task import deferLater
from twisted.web.client import Agent

from voicestt.emulators.twilio.call_values import CallOptions, ServerTarget, Speech
from voicestt.emulators.twilio.caller import place_call
from voicestt.emulators.twilio.clip import read_clip
from voicestt.ops.demo.judgement import (
    Judged,
    Placed,
    judge,
    read_events,
    read_streams,
)
from voicestt.ops.demo.voices import Voice
from voicestt.ops.processes import ProcessDied, ProcessReactor, WatchedProcess
from voicestt.ops.services import PUBLIC_HOST, Services

_GOOGLE_SECONDS = 90.0  # it loads a model
_SERVER_SECONDS = 30.0
_NOTICED_SECONDS = 0.5  # a call's failure may be seen before the death that caused it
_LAST_WORDS_SECONDS = 15.0
_GOOGLE_READY = "listening on"


class DemoFailed(Exception):
    """The demonstration could not be given; the message says what happened and what to do."""


async def show(
    reactor: ProcessReactor, services: Services, waves: Sequence[Sequence[Voice]], say: Callable[[str], None]
) -> list[Judged]:
    """Start the processes, place the calls wave by wave, end all; raise `DemoFailed`."""
    return await _Show(reactor, services, say).run(waves)


class _Show:
    def __init__(self, reactor: ProcessReactor, services: Services, say: Callable[[str], None]) -> None:
        self._reactor = reactor
        self._services = services
        self._say = say
        self._options = CallOptions()
        self._working: Deferred[list[Placed]] = Deferred()
        self._death: ProcessDied | None = None
        self._google = self._process("the local Google service", "google")
        self._server = self._process("the server", "server")
        self._running: list[WatchedProcess] = []

    async def run(self, waves: Sequence[Sequence[Voice]]) -> list[Judged]:
        try:
            self._working = Deferred.fromCoroutine(self._work(waves))
            placed = await self._working
        except (CancelledError, FirstError):
            # A call may end, or be cancelled, in the middle of anything when a process dies under it.
            if self._death is None:
                await deferLater(self._reactor, _NOTICED_SECONDS)
            self._check_alive()
            raise
        finally:
            for process in reversed(self._running):
                await process.stop()
        events, streams = read_events(self._services.events_file), read_streams(self._services.streams_file)
        return [judge(call, events, streams) for call in placed]

    async def _work(self, waves: Sequence[Sequence[Voice]]) -> list[Placed]:
        await self._start_google()
        await self._start_server()
        placed: list[Placed] = []
        for wave in waves:
            self._check_alive()
            calls = [Deferred.fromCoroutine(self._call(voice)) for voice in wave]
            placed += await gatherResults(calls, consumeErrors=True)
        await self._last_words(placed)
        self._check_alive()
        return placed

    # -- the processes

    def _process(self, name: str, prefix: str) -> WatchedProcess:
        return WatchedProcess(name, lambda line: self._say(f"{prefix} | {line}"), self._died)

    def _died(self, death: ProcessDied) -> None:
        self._death = death
        self._working.cancel()

    def _check_alive(self) -> None:
        """Raise `DemoFailed` when a process died: code that its death cancelled may go on regardless."""
        if self._death is not None:
            raise DemoFailed(str(self._death))

    async def _start_google(self) -> None:
        ready = self._google.says(_GOOGLE_READY)
        self._start(self._google, self._services.google_command(), dict(os.environ) | {"PYTHONUNBUFFERED": "1"})
        try:
            await ready.addTimeout(_GOOGLE_SECONDS, self._reactor)
        except NoAnswerInTime as error:
            raise DemoFailed(f"the local Google service did not listen within {_GOOGLE_SECONDS:.0f} s") from error

    async def _start_server(self) -> None:
        self._start(self._server, self._services.server_command(), self._services.server_environment())
        give_up = self._reactor.seconds() + _SERVER_SECONDS
        while not await self._is_healthy():
            self._check_alive()
            if self._reactor.seconds() > give_up:
                raise DemoFailed(f"the server did not answer /healthz within {_SERVER_SECONDS:.0f} s")
            await deferLater(self._reactor, 0.1)

    def _start(self, process: WatchedProcess, command: list[str], environment: dict[str, str]) -> None:
        self._running.append(process)
        process.start(self._reactor, command, environment)

    async def _is_healthy(self) -> bool:
        agent = Agent(self._reactor, connectTimeout=2)
        asked = agent.request(b"GET", f"{self._services.url}/healthz".encode())
        try:
            response = await asked.addTimeout(2, self._reactor)
        except Exception:  # noqa: BLE001 (whatever the reason, it is not up yet)
            return False
        return bool(response.code == 200)

    # -- the calls

    async def _call(self, voice: Voice) -> Placed:
        clip = read_clip(voice.path)
        self._say(f"caller | {voice.name} calls, and will say: {voice.text or voice.path.name}")
        target = ServerTarget(self._services.url, PUBLIC_HOST, self._services.auth_token)
        report = await place_call(self._reactor, target, clip, self._options)
        for problem in report.problems:
            self._say(f"caller | {voice.name}: {problem}")
        return Placed(voice, Speech.of(clip, self._options).audio, report)

    async def _last_words(self, placed: Sequence[Placed]) -> None:
        """Wait until every call has a final, which may come after the caller has hung up."""
        wanted = {call.report.call_sid for call in placed}
        give_up = self._reactor.seconds() + _LAST_WORDS_SECONDS
        while self._reactor.seconds() < give_up:
            self._check_alive()
            if wanted <= {event.call for event in read_events(self._services.events_file) if event.is_final}:
                break
            await deferLater(self._reactor, 0.1)
        await deferLater(self._reactor, 0.5)
