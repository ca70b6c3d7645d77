"""The command `voicestt call`: calls a server with a recording, as Twilio does."""

import os
import sys
import wave
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import click
from twisted.internet.error import CannotListenError

from voicestt.config.readers import several
from voicestt.emulators.twilio.bad_input import described, parse_bad
from voicestt.emulators.twilio.call_values import AnsweredBy, Callee, CallOptions, CallReport, ServerTarget
from voicestt.emulators.twilio.caller import place_call
from voicestt.emulators.twilio.clip import BadClip, clip_files, read_both, read_clip
from voicestt.emulators.twilio.own_twiml import call_with_both_tracks
from voicestt.emulators.twilio.rest_api import TwilioRestApi
from voicestt.emulators.twilio.running import run_with_reactor
from voicestt.emulators.twilio.schedule import (
    Insert,
    Pause,
    Schedule,
    parse_dtmf,
    parse_pause,
)
from voicestt.emulators.twilio.tracks import TrackSpan, parse_span
from voicestt.runtime.reactor import TcpReactor


def target_from(environment: Mapping[str, str], to: str | None) -> ServerTarget:
    """Find the server to call: `to`, or this machine at the server's own PORT."""
    port = environment.get("PORT") or "5000"
    host = environment.get("PUBLIC_HOST", "").strip().removeprefix("https://").rstrip("/")
    token = next(iter(several(environment.get("TWILIO_AUTH_TOKEN", ""))), None)
    return ServerTarget(to or f"http://127.0.0.1:{port}", host or None, token)


def report_lines(report: CallReport) -> list[str]:
    """Format a call's report for people, without telephone numbers."""
    statuses = ", ".join(f"{event} {status}" for event, status in report.status_callbacks) or "none"
    return [
        f"sent      {report.bytes_sent} bytes in {report.frames_sent} frames, {report.seconds:.2f} s; "
        f"the latest frame {report.latest_frame_ms:.0f} ms late",
        *([f"callee    {report.other_bytes_sent} bytes"] if report.other_bytes_sent else []),
        f"received  {len(report.received_audio)} bytes, {len(report.marks_returned)} marks",
        *_hearing(report),
        *([f"between   {', '.join(report.inserted)}"] if report.inserted else []),
        f"webhook   {report.webhook_status}; status callbacks: {statuses}",
        f"closed    {report.close_code} {report.close_reason or ''}".rstrip(),
        *_moving(report),
        *(f"warning   {problem}" for problem in report.warnings),
        *(f"PROBLEM   {problem}" for problem in report.problems),
    ]


def _moving(report: CallReport) -> list[str]:
    """Describe a call that was more than one stream."""
    if len(report.verbs) < 2:
        return []
    gaps = ", ".join(f"{gap * 1000:.0f}" for gap in report.gaps)
    unsent = sum(ends - begins for begins, ends in report.unsent) // 8
    return [
        f"followed  {', '.join(report.verbs)}; ended by the {report.ended_by}",
        f"streams   {len(report.streams)}, {report.updates} updates by REST"
        + (f"; without a stream for {gaps} ms" if gaps else "")
        + f"; {unsent} ms spoken to nobody",
    ]


def _hearing(report: CallReport) -> list[str]:
    if report.first_heard_at is None or report.first_frame_at is None:
        return []
    after = (report.first_heard_at - report.first_frame_at) * 1000
    return [f"heard     first after {after:.0f} ms; {len(report.cleared_at)} clears"]


def save_audio(path: Path, mulaw: bytes) -> None:
    """Save the audio that the caller heard: WAV (16-bit, 8 kHz) for a name in .wav, else bare mu-law bytes."""
    if path.suffix.lower() != ".wav":
        path.write_bytes(mulaw)
        return
    from voicestt.audio.mulaw import decode  # noqa: PLC0415 (numpy, only where it is needed)

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(decode(mulaw))


class Parsed(click.ParamType[Any]):
    """A click option type from a parse function, whose ValueError is shown as the user's mistake."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse the option's value."""
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


_PATH = click.Path(path_type=Path)
_AT_LEAST_0 = click.FloatRange(min=0)


@click.command(
    epilog=f"The kinds of bad input: {described()}. They come after 0.5 s of audio, a tenth of a second apart, if "
    "no place is given; the call goes on."
)
@click.argument("clip", type=_PATH)
@click.option("--to", help="Where the server is reached; http://127.0.0.1:$PORT or :5000 if not said.")
@click.option("--silence", type=_AT_LEAST_0, default=1.5, show_default=True, help="Seconds of it after the clip.")
@click.option("--lose-stop", is_flag=True, help="Close without a stop message.")
@click.option("--drop-at", type=_AT_LEAST_0, help="Cut the connection after so many seconds.")
@click.option(
    "--pause",
    "pauses",
    type=Parsed("AT:SECONDS", parse_pause),
    multiple=True,
    help="A hold: no frames for SECONDS, the socket stays open.",
)
@click.option("--frame-ms", type=click.IntRange(1, 5_000), default=20, show_default=True, help="A frame's length.")
@click.option(
    "--dtmf",
    type=Parsed("AT:DIGITS", parse_dtmf),
    multiple=True,
    help="Keys, a quarter of a second apart.",
)
@click.option(
    "--bad",
    type=Parsed("KIND[@AT]", parse_bad),
    multiple=True,
    help="Bad input; `all` is every kind. The list is below.",
)
@click.option("--slow-reader", is_flag=True, help="Read nothing of what the server sends until the end.")
@click.option(
    "--api",
    type=click.IntRange(0, 65_535),
    help="Be Twilio's REST API too, on this port of 127.0.0.1 (0: any that is free): the server's TWILIO_API_URL.",
)
@click.option(
    "--answer", is_flag=True, help="Answer calls that `voicestt dial` places by --api, instead of calling."
)
@click.option(
    "--answered-by",
    type=click.Choice(get_args(AnsweredBy)),
    default="human",
    show_default=True,
    help="With --answer: who picks up, for those who ask.",
)
@click.option(
    "--both-tracks",
    is_flag=True,
    help="Stream both sides, as TwiML of one's own does; CLIP is stereo, the caller on the left.",
)
@click.option(
    "--track",
    "spans",
    type=Parsed("SIDE@FROM:UNTIL", parse_span),
    multiple=True,
    help="With --both-tracks: the caller or the callee has frames between these seconds only; callee@0:0: none.",
)
@click.option("--fallback", help='The URL asked where the webhook fails ("Primary handler fails").')
@click.option(
    "--callee",
    type=click.Choice(get_args(Callee)),
    default="completed",
    show_default=True,
    help="How a <Dial> goes.",
)
@click.option("--no-status", is_flag=True, help="Leave the status callbacks out.")
@click.option("--subprotocol/--no-subprotocol", help="Offer audio.twilio.com (Twilio itself does not).")
@click.option(
    "--save",
    type=_PATH,
    help="Where to write what the caller heard, as long as the call; a folder if CLIP is one.",
)
def call(
    clip: Path,
    to: str | None,
    silence: float,
    lose_stop: bool,
    drop_at: float | None,
    pauses: tuple[Pause, ...],
    frame_ms: int,
    dtmf: tuple[tuple[Insert, ...], ...],
    bad: tuple[tuple[Insert, ...], ...],
    slow_reader: bool,
    api: int | None,
    answer: bool,
    answered_by: AnsweredBy,
    both_tracks: bool,
    spans: tuple[TrackSpan, ...],
    fallback: str | None,
    callee: Callee,
    no_status: bool,
    subprotocol: bool,
    save: Path | None,
) -> None:
    """Call a server as Twilio does and say the recording CLIP (WAV of any rate, .ulaw, .raw, FLAC, ...).

    If CLIP is a folder, each recording in it is a call, one after another. Places (AT) are seconds of the call's
    audio. PUBLIC_HOST and TWILIO_AUTH_TOKEN are read from the environment, as the server does: the requests are
    signed with them, over the public URLs. The exit code is 0 if all calls were taken and ended properly.
    """
    target = target_from(os.environ, to)
    options = CallOptions(
        silence=silence,
        lose_stop=lose_stop,
        drop_at=drop_at,
        status_callbacks=not no_status,
        subprotocol=subprotocol,
        schedule=Schedule(frame_ms, pauses),
        inserts=tuple(chain(*dtmf, *bad)),
        slow_reader=slow_reader,
        callee=callee,
        answered_by=answered_by,
        fallback_url=fallback,
        spans=spans,
    )
    try:
        clips = [(file, *_sides(file, both=both_tracks)) for file in clip_files(clip)]
    except BadClip as error:
        raise click.ClickException(str(error)) from error
    try:
        reports = _run(target, clips, options, _savings(clip, save), api, answers=answer)
    except CannotListenError as error:
        raise click.ClickException(f"the REST API cannot listen on port {api}: {error.socketError}") from error
    sys.exit(0 if all(report.ok for report in reports) else 1)


def _sides(file: Path, *, both: bool) -> tuple[bytes, bytes | None]:
    return read_both(file) if both else (read_clip(file), None)


def _savings(clip: Path, save: Path | None) -> Callable[[Path], Path | None]:
    """Choose the file for the audio heard in answer to each recording."""
    if save is None or not clip.is_dir():
        return lambda _file: save
    save.mkdir(parents=True, exist_ok=True)
    return lambda file: save / f"{file.name}.wav"


def _run(
    target: ServerTarget,
    clips: list[tuple[Path, bytes, bytes | None]],
    options: CallOptions,
    savings: Callable[[Path], Path | None],
    port: int | None,
    *,
    answers: bool,
) -> list[CallReport]:
    async def place(reactor: TcpReactor) -> list[CallReport]:
        api = TwilioRestApi(target.auth_token)
        if port is not None or answers:
            api.listen(reactor, port or 0)
            click.echo(f"Twilio's REST API is at TWILIO_API_URL={api.url}")
        reports = []
        for file, audio, other in clips:
            if len(clips) > 1:
                click.echo(f"--- {file.name}")
            control = await api.next_placed() if answers else api.new_call()
            if other is not None:
                control = call_with_both_tracks(target)
            own = replace(options, other=other)
            report = await place_call(reactor, target, audio, own, click.echo, control=control)
            click.echo("\n".join(report_lines(report)))
            reports.append(report)
            heard = savings(file)
            if heard is not None:
                save_audio(heard, report.heard_audio)
        return reports

    return run_with_reactor(place)
