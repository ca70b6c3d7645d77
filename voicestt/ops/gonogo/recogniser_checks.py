"""Checks Google with a silent stream, with the key, model and language of the server's settings."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from voicestt.ops.gonogo.examination import Check
from voicestt.ops.gonogo.number_checks import number_checks
from voicestt.ops.gonogo.report import (
    Found,
    failed,
    ok,
    unseen,
)
from voicestt.ops.gonogo.run_context import RunContext, Where
from voicestt.ops.gonogo.settings_checks import KEY, READ
from voicestt.ops.gonogo.silent_stream import try_request
from voicestt.ops.gonogo.web import NoAnswer, Reply, ask
from voicestt.recognisers.google.request import choice_of, request_of, target_of
from voicestt.recognisers.port import RecogniserError

_GOOGLE = "speech.googleapis.com"
_MOST_SKEW = 120.0
"""Seconds. Google takes a signed token only "in a reasonable timeframe"; it does not say what that is."""

REACHED, TAKEN, PAIR = "recogniser.reached", "recogniser.key", "recogniser.pair"
_NEVER_REACHED = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "INTERNAL", "UNKNOWN"})
_KEY_REFUSED = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})


@dataclass(slots=True)
class _StreamOutcome:
    """The outcome of the silent stream: its error, its duration and the model it ended up with."""

    error: RecogniserError | None = None
    seconds: float = 0.0
    model: str = ""


def recogniser_checks(context: RunContext) -> list[Check]:
    """Make the checks of the recogniser: reachable, key accepted, model and language accepted, clock right."""
    answer = _StreamOutcome()
    return [
        Check(REACHED, "the recogniser can be reached", lambda: _reached(context, answer), (READ, KEY)),
        Check(TAKEN, "the recogniser accepts the credentials", lambda: _taken(context, answer), (REACHED,)),
        Check(PAIR, "the recogniser accepts model and language", lambda: _pair(context, answer), (TAKEN,)),
        *number_checks(context, (TAKEN,)),
        Check("recogniser.clock", "the clock is right for signed tokens", lambda: _clock(context), (READ,)),
    ]


async def _reached(context: RunContext, answer: _StreamOutcome) -> Found:
    if context.settings.engine == "embedded":
        return unseen("it is inside the server: STT_ENGINE=embedded", "The call below is its proof.")
    began = context.monotonic()
    answer.error, answer.model = await _ask_google(context)
    answer.seconds = context.monotonic() - began
    error = answer.error
    if error is None or error.status not in _NEVER_REACHED:
        return ok(f"{_address(context)} in {answer.seconds * 1000:.0f} ms")
    advice = (
        f"It said: {error.details[:160]}. Is the way to {_address(context)} open from this "
        "machine (firewall, proxy, DNS)? Calls go on with one request per utterance as long as streaming fails."
    )
    return failed(error.status, advice)


def _address(context: RunContext) -> str:
    return target_of(context.settings).endpoint or f"{_GOOGLE}:443"


async def _taken(context: RunContext, answer: _StreamOutcome) -> Found:
    error = answer.error
    if error is not None and error.status in _KEY_REFUSED:
        advice = (
            'Make a new key in the Google console; enable "Cloud Speech-to-Text API" and billing for its project; '
            f'give its account the role "Cloud Speech Client". Google said: {error.details[:160]}'
        )
        return failed(error.status, advice)
    if error is not None and error.status == "RESOURCE_EXHAUSTED":
        return failed(error.status, "The quota is used up: raise it in the Google console, or wait.")
    return ok("none are needed" if context.settings.insecure else "")


async def _pair(context: RunContext, answer: _StreamOutcome) -> Found:
    choice = choice_of(context.settings)
    error = answer.error
    if error is not None:
        advice = (
            f"Google said: {error.details[:200]}. Set GCP_STT_MODEL and GCP_STT_LANGUAGE to a pair that it knows."
        )
        return failed(f"{error.status} for {choice.model} with {choice.language}", advice)
    used = f"{answer.model} with {choice.language}"
    if answer.model == choice.wanted_model:
        return ok(used)
    advice = (
        f"Google refuses {choice.wanted_model} with {choice.language}; {used} will be used. "
        f"Set GCP_STT_MODEL={answer.model} to be rid of the warning."
    )
    return ok(f"{used} will be used", advice)


async def _ask_google(context: RunContext) -> tuple[RecogniserError | None, str]:
    tried = await try_request(context, request_of(context.settings))
    return tried.error, tried.request.model


async def _clock(context: RunContext) -> Found:
    """Compare the server's clock with Google's, by the Date of their answers; a local server has this clock."""
    settings = context.settings
    if settings.engine == "embedded" or settings.insecure:
        return unseen("not checked: no token is signed")
    try:
        theirs = await _date_of(context, f"https://{_GOOGLE}/", _GOOGLE)
        here, there = time.time() - theirs, 0.0
        if context.where is Where.PUBLIC:
            there = time.time() - await _date_of(context, context.url + "/healthz", context.host)
    except (NoAnswer, ValueError):
        return unseen(
            "not checked: no Date was to be had", f"Compare `date -u` with a watch, within {_MOST_SKEW:.0f} s."
        )
    skew = abs(here - there)
    if skew <= _MOST_SKEW:
        return ok(f"within {skew:.0f} s")
    return failed(f"{skew:.0f} s off", "Google refuses tokens signed at such a time: switch the machine's NTP on.")


async def _date_of(context: RunContext, url: str, host: str) -> float:
    return date_in(await ask(context.reactor, url, host))


def date_in(reply: Reply | Any) -> float:
    """Read the answer's Date, in seconds since 1970; raise ValueError where it has none."""
    headers: Mapping[str, str] = reply.headers
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, TypeError) as problem:
        raise ValueError("the answer has no Date") from problem
