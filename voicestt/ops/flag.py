"""The command `voicestt flag`: turns ENABLE_STREAMING_STT in a running server, through its control socket."""

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import click

from voicestt.server.control.socket_path import folders, live_sockets

_PATIENCE_SECONDS = 5.0
_LONGEST_ANSWER = 65_536


socket_option = click.option(
    "--socket",
    "path",
    type=click.Path(path_type=Path),
    envvar="VOICESTT_SOCKET",
    help="The server's control socket; its log names it. Not said: VOICESTT_SOCKET, or the one running server "
    "of this user.",
)


@click.command(short_help="Turn ENABLE_STREAMING_STT in a running server.")
@click.argument("state", type=click.Choice(["on", "off", "show", "clear"]))
@click.option("--fleet", is_flag=True, help="Of all processes of the fleet (FLEET_REDIS_URL), now and later.")
@socket_option
def flag(state: str, fleet: bool, path: Path | None) -> None:
    """Turn ENABLE_STREAMING_STT on or off in the running server, or show it.

    Off: live calls leave streaming at once and take along the audio that has not become words yet; new calls begin
    with one request per utterance. On: new calls stream, live ones return when their utterance is over. It lasts
    until the server's next start: change the variable too if it is to stay.

    With --fleet: in every process, also those that start later, whatever their own settings; `clear` ends that.
    """
    if fleet:
        from voicestt.ops.fleet.flag import flag_of_fleet  # noqa: PLC0415 - only a fleet needs it

        flag_of_fleet(state)
        return
    if state == "clear":
        raise click.UsageError("clear is for the fleet's flag: voicestt flag clear --fleet")
    answer = ask(path or the_one_server(), state)
    if "error" in answer:
        raise click.ClickException(f"The server says: {answer['error']}")
    click.echo(answer["message"])


def ask(path: Path, word: str) -> dict[str, Any]:
    """Send one word of the protocol in `voicestt.server.control.socket` and return the server's answer.

    Raises:
        click.ClickException: in words, where there is no server or it does not answer.
    """
    try:
        line = _exchange(path, word)
    except TimeoutError:
        raise click.ClickException(
            f"The server at {path} did not answer within {_PATIENCE_SECONDS:g} s: it is busy, or something else "
            "listens there. Look into its log."
        ) from None
    except OSError as problem:
        raise click.ClickException(_nobody(path, problem)) from None
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not {"error", "message"} & answer.keys():
        raise click.ClickException(
            f"What listens at {path} does not answer as voicestt does. Is it another's socket?"
        )
    return answer


def _exchange(path: Path, word: str) -> bytes:
    give_up = time.monotonic() + _PATIENCE_SECONDS
    received = b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_PATIENCE_SECONDS)
        connection.connect(str(path))
        connection.sendall(word.encode() + b"\n")
        while b"\n" not in received and len(received) < _LONGEST_ANSWER:
            connection.settimeout(max(0.001, give_up - time.monotonic()))
            piece = connection.recv(4_096)
            if not piece:
                break
            received += piece
    return received


def _nobody(path: Path, problem: OSError) -> str:
    match problem:
        case FileNotFoundError() | ConnectionRefusedError():
            words = "no server listens there. Is it running, and is this the socket that its log names?"
        case PermissionError():
            words = "it belongs to another user. Call `voicestt flag` as the user that the server runs as."
        case _:
            words = f"{problem.strerror or problem}."
    return f"{path} cannot be used: {words}"


def the_one_server() -> Path:
    """Find the control socket of this user's one running server.

    Raises:
        click.ClickException: in words, where there is none, or several.
    """
    found = live_sockets(os.environ)
    if len(found) == 1:
        return found[0]
    if found:
        names = "".join(f"\n  --socket {path}" for path in found)
        raise click.ClickException(f"{len(found)} servers of this user are running. Say which:{names}")
    looked = " and ".join(str(folder) for folder in folders(os.environ))
    raise click.ClickException(
        f"No running server of this user was found (looked in {looked}). If one runs as another user, or with "
        "VOICESTT_SOCKET: call as that user, or say --socket PATH; the server's log names it."
    )
