"""Checks of the safety net on servers of its own: flag off, flag turned, streaming failing.

Where every single word is counted, a scripted service stands in for Google: it hears each piece of the audio
exactly once or not at all, and says so. The single request with the flag off goes to the recogniser of the
settings.
"""

from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
from twisted.internet.defer import Deferred

from voicestt.emulators.google.script import Script, Utterance
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import LocalGoogle
from voicestt.emulators.twilio.call_values import CallOptions, ServerTarget
from voicestt.emulators.twilio.caller import place_call
from voicestt.ops.demo.judgement import read_events
from voicestt.ops.demo.word_errors import WordErrors
from voicestt.ops.flag import ask as ask_control
from voicestt.ops.gonogo.call_checks import RECORDING
from voicestt.ops.gonogo.examination import Check
from voicestt.ops.gonogo.listening import HeardCall, broken, call_and_listen, watermarked_speech
from voicestt.ops.gonogo.report import (
    CheckOutcome,
    Found,
    failed,
    ok,
    unseen,
)
from voicestt.ops.gonogo.run_context import RunContext
from voicestt.ops.gonogo.settings_checks import READ
from voicestt.ops.gonogo.started import ServerNotStarted, StartedServer
from voicestt.ops.gonogo.web import in_thread

_FIRST, _SECOND = (0.4, 3.4), (4.2, 5.4)
_SAID = Script(
    (Utterance("one two three four five six seven eight", *_FIRST), Utterance("nine ten eleven twelve", *_SECOND)),
    final_delay=0.3,
)
_WORDS = " ".join(utterance.text for utterance in _SAID.utterances)
_LENGTH = 7.2
# The silence at the end is watermarked too: the stand-in takes audio without a place for a call of its own.
_OPTIONS = CallOptions(silence=0.0, status_callbacks=False)
_OFF_AFTER, _ON_AFTER = 1.6, 1.2
_PATIENCE = 15.0
_SECONDS = 120.0
_STREAMING_FAILS = "all streaming: error UNAVAILABLE"

Act = Callable[[StartedServer], Coroutine[Any, Any, None]]


def safety_checks(context: RunContext, heard: HeardCall, *needs: str) -> list[Check]:
    """Make three checks, each on a server of its own; `heard` holds the recording of the first call."""
    both = _Both(context)
    needed = (READ, *needs)
    return [
        Check("safety.turned", "turning the flag in a call loses no word", both.turned, needed, seconds=_SECONDS),
        Check("safety.fails", "a call survives a failing recogniser", both.fails, needed, seconds=_SECONDS),
        Check(
            "safety.off",
            "flag off: the final comes by one request",
            lambda: _off(context, heard),
            (*needed, RECORDING),
            seconds=_SECONDS,
        ),
    ]


class _Both:
    """Runs the two checks with a stand-in at the same time: they count words, not milliseconds."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._other: Deferred[Found] | None = None

    async def turned(self) -> Found:
        if self._context.server is None:
            return _elsewhere()
        self._other = Deferred.fromCoroutine(_fails(self._context))
        return await _turned(self._context)

    async def fails(self) -> Found:
        if self._context.server is None:
            return _elsewhere()
        return await (self._other or _fails(self._context))


def _elsewhere() -> Found:
    return unseen(
        "not tried on a server in use", "`voicestt gonogo` without arguments tries it with the same settings."
    )


async def _turned(context: RunContext) -> Found:
    async def turn(server: StartedServer) -> None:
        for word, after in (("off", _OFF_AFTER), ("on", _ON_AFTER)):
            await context.rest(after)
            await in_thread(context.reactor, partial(ask_control, server.control_socket, word))

    return await _with_stand_in(context, "turned", "", turn)


async def _fails(context: RunContext) -> Found:
    async def do_nothing(_server: StartedServer) -> None:
        pass

    found = await _with_stand_in(context, "fails", _STREAMING_FAILS, do_nothing)
    if found.outcome is not CheckOutcome.OK:
        return found
    return ok(f"{found.figure}, by single requests")


async def _with_stand_in(context: RunContext, name: str, faults: str, act: Act) -> Found:
    google = LocalGoogle(ScriptEngine(_SAID), faults=faults)
    await in_thread(context.reactor, google.start)
    try:
        server = _server(context, name, {"GCP_STT_ENDPOINT": google.target, **_STAND_IN})
        try:
            await server.start()
            return await _every_word(context, server, act)
        except ServerNotStarted as problem:
            return _did_not_start(problem)
        except click.ClickException as problem:
            return failed("the flag cannot be turned", f"`voicestt flag` does not reach it: {problem.message}")
        finally:
            await server.stop()
    finally:
        await in_thread(context.reactor, google.stop)


_STAND_IN = {"GCP_STT_INSECURE": "true", "STT_ENGINE": "google", "ENABLE_STREAMING_STT": "true"}
_SAYS_NOTHING = {"HANDLER": "", "GREETING": "off", "TTS_ENGINE": "off"}
"""Variables that silence the application and the voice: the first call tried them, here words are counted."""


def _server(context: RunContext, name: str, variables: Mapping[str, str]) -> StartedServer:
    return StartedServer(context.reactor, context.folder / name, {**context.environ, **_SAYS_NOTHING, **variables})


def _did_not_start(problem: ServerNotStarted) -> Found:
    return failed("its server does not start", f"{problem} Correct what it says, then try again.")


async def _every_word(context: RunContext, server: StartedServer, act: Act) -> Found:
    audio = watermarked_speech(_LENGTH, [_FIRST, _SECOND])
    calling = Deferred.fromCoroutine(place_call(context.reactor, _target(context, server), audio, _OPTIONS))
    try:
        await act(server)
    finally:
        report = await calling
    problem = broken(report)
    if problem is not None:
        return failed(str(problem), "See what the first call says above: the same settings, another server.")

    def wrong() -> int:
        return WordErrors.between(_WORDS, _heard(server.events_file, report.call_sid)).wrong

    await context.until(lambda: wrong() == 0, _PATIENCE)
    heard = _heard(server.events_file, report.call_sid)
    if wrong():
        return failed(
            f"heard {heard!r}", f"Said was {_WORDS!r}. A mistake of the server: do not go live, report it."
        )
    if any("NOT RECOGNISED" in message for message in server.messages(report.call_sid)):
        return failed("audio was given up", "A mistake of the server: do not go live, report it.")
    return ok(f"all {len(_WORDS.split())} words, once each")


def _target(context: RunContext, server: StartedServer) -> ServerTarget:
    return ServerTarget(
        f"http://127.0.0.1:{server.port}", context.host, next(iter(context.settings.twilio_auth_tokens), None)
    )


def _heard(path: Path, call: str) -> str:
    return " ".join(event.text.strip() for event in read_events(path) if event.call == call and event.is_final)


async def _off(context: RunContext, said: HeardCall) -> Found:
    if context.server is None or said.recording is None:
        return _elsewhere()
    server = _server(context, "off", {"ENABLE_STREAMING_STT": "false"})
    heard = HeardCall()
    try:
        await server.start()
        await call_and_listen(context, _target(context, server), said.recording, heard, server.events_file)
    except ServerNotStarted as problem:
        return _did_not_start(problem)
    finally:
        await server.stop()
    if heard.partials:
        return failed("partials came all the same", "A mistake of the server: do not go live, report it.")
    if not heard.finals:
        lost = next((line for line in server.messages() if "are lost" in line), "it heard nothing")
        return failed("no final", f"The way back does not work. The log: {lost[:200]}")
    return ok(f"{len(heard.finals)} final, {(heard.last_final or 0.0) * 1000:.0f} ms after the speech")
