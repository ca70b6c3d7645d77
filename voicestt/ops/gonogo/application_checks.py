"""Checks of the application's handler and of the TTS engine that speaks for it."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from voicestt.audio import mulaw
from voicestt.config.settings import Settings
from voicestt.ops.gonogo.call_checks import ELSEWHERE, STAYS
from voicestt.ops.gonogo.examination import Check
from voicestt.ops.gonogo.report import (
    Found,
    failed,
    ok,
    unseen,
)
from voicestt.ops.gonogo.run_context import RunContext, Where
from voicestt.ops.gonogo.server_log import Stumble, handler_failures
from voicestt.ops.gonogo.settings_checks import READ
from voicestt.ops.gonogo.web import NoAnswer, ask, in_thread
from voicestt.tts.engines import synthesiser_of
from voicestt.tts.port import SpeechError
from voicestt.twilio import twiml

LOADS = "handler.loads"
_LOAD_SECONDS, _TELL_SECONDS = 20.0, 10.0
_LOOK_SECONDS, _LOG_SECONDS = 0.2, 2.0
_WORD = "1 2 3"  # is spoken in every language
_SLOW_SECONDS = 2.0
_NONE = "there is none: HANDLER is not set"
_LONGEST = 400

Health = Mapping[str, Any]


def application_checks(context: RunContext) -> list[Check]:
    """Make the checks that need no server."""
    return [
        Check(LOADS, "the application's handler can be loaded", lambda: _loads(context), (READ,)),
        Check("speech.speaks", "the TTS engine speaks", lambda: _speaks(context), (READ,), seconds=40.0),
    ]


def handler_check(context: RunContext) -> Check:
    """Make the check of the handler after the call."""
    return Check("handler.told", "the handler was told of the call", lambda: _told(context), (LOADS, STAYS))


async def _loads(context: RunContext) -> Found:
    path = context.settings.handler
    if path is None:
        return ok(_NONE)
    if context.where is not Where.STARTED:
        # A server does not start without it.
        return ok("the running server has it")
    try:
        said = await in_thread(context.reactor, lambda: _probe(path, context.environ))
    except subprocess.TimeoutExpired:
        advice = "Something at the top of its module waits: move it into the class, for example on_call_started."
        return failed(f"not within {_LOAD_SECONDS:.0f} s", advice)
    if said is None:
        return failed(
            "the process that loads it ended", "Its module ends Python while it is imported, or crashes it."
        )
    if "problem" in said:
        return failed("it cannot be", f"HANDLER: {str(said['problem'])[:_LONGEST]}. The server does not start so.")
    return _loaded(said["methods"], said["misspelt"])


def _probe(path: str, environ: Mapping[str, str]) -> dict[str, Any] | None:
    command = [sys.executable, "-m", "voicestt.ops.gonogo.handler_probe", path]
    done = subprocess.run(
        command,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=_LOAD_SECONDS,
        check=False,
    )
    last = done.stdout.rstrip(b"\n").rpartition(b"\n")[2]
    try:
        said: dict[str, Any] = json.loads(last)
    except ValueError:
        return None
    return said if done.returncode == 0 else None


def _loaded(methods: Sequence[str], misspelt: Sequence[str]) -> Found:
    figure = ", ".join(name.removeprefix("on_") for name in methods)
    if not misspelt:
        return ok(f"told of {figure}")
    return ok(f"told of {figure}", f"{', '.join(misspelt)}: there is no such event, so it is never called.")


async def _told(context: RunContext) -> Found:
    if context.settings.handler is None:
        return ok(_NONE)
    health = await _health_when_told(context)
    if health is None:
        return failed("the server does not tell", "Is it an older voicestt? Deploy this version, then try again.")
    if context.server is None:
        return _told_by_running(health)
    server, count = context.server, health["failed"]
    await context.until(lambda: len(handler_failures(server.messages())) >= count, _LOG_SECONDS)
    stumbles = handler_failures(server.messages())
    mistakes = [stumble for stumble in stumbles if not stumble.asked_twilio]
    if mistakes or len(stumbles) < count:
        return _failed(mistakes, max(len(mistakes), count - len(stumbles)))
    return _how_it_went(health, has_asked=bool(stumbles))


def _failed(mistakes: Sequence[Stumble], count: int) -> Found:
    figure = f"it failed {count} time{'s' * (count != 1)}"
    if not mistakes:
        return failed(figure, "The server's log says in what.")
    first = mistakes[0]
    return failed(figure, f"{first.words.partition(';')[0].rstrip('.')}: {first.problem}"[:_LONGEST])


def _told_by_running(health: Health) -> Found:
    failures = health["failed"]
    if failures:
        return ok(f"{failures} failures since the server's start", "See the log's lines `The handler failed in`.")
    return ok("no failure since the server's start")


def _how_it_went(health: Health, has_asked: bool) -> Found:
    if health["stalls"]:
        return ok(
            "it blocks its loop", "An `async def` must not block: the log says where it did. Await, or use def."
        )
    if health["calls"]:
        advice = "A method that takes so long keeps nobody waiting but its own call: is that what it should do?"
        return ok(f"not done {_TELL_SECONDS:.0f} s after the call", advice)
    if has_asked:
        return ok(
            "no failure", "What it asked Twilio for was refused: a call that is only simulated goes nowhere."
        )
    return ok("no failure")


async def _health_when_told(context: RunContext) -> Health | None:
    """Read the handlers' counts; for a started server, once its call was told to the end or time is up."""
    give_up = context.monotonic() + _TELL_SECONDS
    while True:
        health = await health_of(context, "handler")
        if health is None or context.server is None or not health["calls"] or context.monotonic() > give_up:
            return health
        await context.rest(_LOOK_SECONDS)


async def health_of(context: RunContext, part: str) -> Health | None:
    """Read a part of the server's health check; None where it has no such part."""
    try:
        reply = await ask(context.reactor, context.url + twiml.HEALTH, context.host)
        found: Health = json.loads(reply.body)[part]
    except (NoAnswer, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, dict) else None


async def _speaks(context: RunContext) -> Found:
    settings = context.settings
    if settings.tts_engine == "off":
        return ok("TTS_ENGINE=off")
    if context.where is Where.PUBLIC and settings.tts_engine == "espeak-ng":
        return unseen("it is beside the server", ELSEWHERE)
    began = context.monotonic()
    try:
        audio = await in_thread(context.reactor, lambda: _speak(settings))
    except SpeechError as problem:
        return failed("it does not", f"{str(problem).rstrip('.')}.")
    seconds = context.monotonic() - began
    figure = f"{mulaw.seconds(len(audio)) * 1000:.0f} ms of speech in {seconds * 1000:.0f} ms"
    if not audio.strip(mulaw.SILENCE):
        return failed("it says nothing", "Do TTS_LANGUAGE and TTS_VOICE name a voice that it has?")
    return ok(figure, "It is slow: callers wait for what is said to them." * (seconds > _SLOW_SECONDS))


def _speak(settings: Settings) -> bytes:
    synthesiser = synthesiser_of(settings)
    assert synthesiser is not None  # noqa: S101 - it was asked for
    return synthesiser.speak(_WORD)
