"""`voicestt call`: a recording calls a server, as Twilio would let it."""

import os
import sys
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from voicestt.simulator.call_values import CallOptions, CallReport, Target
from voicestt.simulator.caller import place_call
from voicestt.simulator.clip import BadClip, read_clip
from voicestt.simulator.running import run_with_reactor


def target_from(environment: Mapping[str, str], to: str | None) -> Target:
    """The server to call: `to`, or the port that the server itself would take from the environment."""
    port = environment.get("PORT") or "5000"
    host = environment.get("PUBLIC_HOST", "").strip().removeprefix("https://").rstrip("/")
    return Target(to or f"http://127.0.0.1:{port}", host or None, environment.get("TWILIO_AUTH_TOKEN") or None)


def report_lines(report: CallReport) -> list[str]:
    """What happened, for people; no telephone number in it."""
    statuses = ", ".join(f"{event} {status}" for event, status in report.status_callbacks) or "none"
    return [
        f"sent      {report.bytes_sent} bytes in {report.frames_sent} frames, {report.seconds:.2f} s; "
        f"the latest frame {report.latest_frame_ms:.0f} ms late",
        f"received  {len(report.received_audio)} bytes, {len(report.marks_returned)} marks",
        f"webhook   {report.webhook_status}; status callbacks: {statuses}",
        f"closed    {report.close_code} {report.close_reason or ''}".rstrip(),
        *(f"PROBLEM   {problem}" for problem in report.problems),
    ]


def save_audio(path: Path, mulaw: bytes) -> None:
    """What the caller heard: as WAV (16-bit, 8 kHz) if the name ends so, as bare mu-law bytes otherwise."""
    if path.suffix.lower() != ".wav":
        path.write_bytes(mulaw)
        return
    from voicestt.mulaw import decode  # noqa: PLC0415 (numpy, only where it is needed)

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(decode(mulaw))


@click.command()
@click.argument("clip", type=click.Path(path_type=Path))
@click.option("--to", help="Where the server is reached; http://127.0.0.1:$PORT or :5000 if not said.")
@click.option("--silence", default=1.5, show_default=True, help="Seconds of silence after the clip.")
@click.option("--lose-stop", is_flag=True, help="Close without a stop message.")
@click.option("--drop-at", type=float, help="Cut the connection after so many seconds.")
@click.option("--no-status", is_flag=True, help="Leave the status callbacks out.")
@click.option("--subprotocol/--no-subprotocol", help="Offer audio.twilio.com (Twilio itself does not).")
@click.option("--save", type=click.Path(path_type=Path), help="Where to write the audio the caller hears.")
def call(
    clip: Path,
    to: str | None,
    silence: float,
    lose_stop: bool,
    drop_at: float | None,
    no_status: bool,
    subprotocol: bool,
    save: Path | None,
) -> None:
    """Call a server as Twilio does and say the recording CLIP (WAV, .ulaw, .raw, FLAC, ...).

    PUBLIC_HOST and TWILIO_AUTH_TOKEN are read from the environment, as the server does: the requests are
    signed with them, over the public URLs. The exit code is 0 if the call was taken and ended properly.
    """
    target = target_from(os.environ, to)
    options = CallOptions(
        silence=silence,
        lose_stop=lose_stop,
        drop_at=drop_at,
        status_callbacks=not no_status,
        subprotocol=subprotocol,
    )
    try:
        audio = read_clip(clip)
    except BadClip as error:
        raise click.ClickException(str(error)) from error
    report = _run(target, audio, options)
    if save is not None:
        save_audio(save, report.received_audio)
    click.echo("\n".join(report_lines(report)))
    sys.exit(0 if report.ok else 1)


def _run(target: Target, audio: bytes, options: CallOptions) -> CallReport:
    async def place(reactor: Any) -> CallReport:
        return await place_call(reactor, target, audio, options, click.echo)

    return run_with_reactor(place)
