"""Checks that the caller hears the greeting first, at once and whole."""

from dataclasses import dataclass

from voicestt.audio import mulaw
from voicestt.audio.greeting import BadGreeting, greeting_of
from voicestt.config.settings import Settings
from voicestt.emulators.twilio.call_values import CallReport
from voicestt.ops.gonogo.call_checks import STAYS
from voicestt.ops.gonogo.examination import Check
from voicestt.ops.gonogo.listening import HeardCall
from voicestt.ops.gonogo.report import Found, failed, ok
from voicestt.ops.gonogo.run_context import RunContext, Where
from voicestt.ops.gonogo.web import in_thread
from voicestt.tts.engines import synthesiser_of
from voicestt.tts.port import SpeechError

_AT_ONCE = 0.1
_LATEST, _LATEST_FROM_OUTSIDE = 0.5, 1.0
_AS_LONG = 0.8
"""A text is not spoken the same way twice by every engine."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The expected greeting, mu-law; an `exact` one is the same, byte for byte, each time that it is made."""

    audio: bytes
    exact: bool = True


def greeting_check(context: RunContext, heard: HeardCall) -> Check:
    """Make the check of the greeting after the call."""
    return Check("call.greeting", "the caller is greeted at once", lambda: _greeted(context, heard), (STAYS,))


async def _greeted(context: RunContext, heard: HeardCall) -> Found:
    assert heard.report is not None  # noqa: S101 - there was a call
    wanted = await in_thread(context.reactor, lambda: _wanted(context.settings))
    latest = _LATEST_FROM_OUTSIDE if context.where is Where.PUBLIC else _LATEST
    return judged(heard.report, wanted, latest)


def _wanted(settings: Settings) -> Wanted | None:
    """Make the greeting as the server does; None where this machine cannot: a file may be elsewhere."""
    spoken: list[str] = []

    def speak(text: str) -> bytes:
        spoken.append(text)
        synthesiser = synthesiser_of(settings)
        return b"" if synthesiser is None else synthesiser.speak(text)

    try:
        audio = greeting_of(settings.greeting, settings.greeting_max_ms, speak)
    except (BadGreeting, SpeechError):
        return None
    return Wanted(audio, exact=not spoken)


def judged(report: CallReport, wanted: Wanted | None, latest: float) -> Found:
    """Judge whether the caller heard the `wanted` greeting (None: unknown) within `latest` seconds."""
    if wanted is not None and not wanted.audio:
        return ok("GREETING=off")
    if report.first_heard_at is None or report.first_frame_at is None:
        return failed(
            "nothing was heard", "Has the running server GREETING=off? Its log says what it could not say."
        )
    delay = report.first_heard_at - report.first_frame_at
    first = f"first after {delay * 1000:.0f} ms"
    if delay > latest:
        advice = "The caller waits in silence: the server is short of CPU, or the way to it is long."
        return failed(first, advice)
    late = f"It should be within {_AT_ONCE * 1000:.0f} ms: is the server busy, or far away?" * (delay > _AT_ONCE)
    return ok(first, late) if wanted is None else _whole(report, wanted, first, late)


def _whole(report: CallReport, wanted: Wanted, first: str, late: str) -> Found:
    length = f"{mulaw.seconds(len(wanted.audio)) * 1000:.0f} ms"
    if wanted.exact and wanted.audio in report.heard_audio:
        return ok(f"{length} of it, {first}", late)
    if not wanted.exact and len(report.received_audio) >= len(wanted.audio) * _AS_LONG:
        return ok(f"{length} of it, {first}", late)
    if report.cleared_at:
        return ok(f"{first}, cut off by the handler", late)
    if report.seconds < mulaw.seconds(len(wanted.audio)):
        return ok(f"{first}, cut off by the end of this call", late)
    if wanted.exact and report.received_audio.startswith(wanted.audio):
        return ok(
            f"{length} of it, {first}, with gaps", "It comes in pieces: the way to the server is not steady."
        )
    received = f"{mulaw.seconds(len(report.received_audio)) * 1000:.0f} ms"
    return failed(
        f"{received} were heard, and not the {length} of the greeting",
        "Has the running server another GREETING or file? If not, it is a mistake of the server: report it.",
    )
