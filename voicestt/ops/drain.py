"""The command `voicestt drain`: stops a running server without hanging up, through its control socket."""

from pathlib import Path

import click

from voicestt.ops.flag import ask, socket_option, the_one_server


@click.command(short_help="Stop a running server, but let its calls go on.")
@socket_option
def drain(path: Path | None) -> None:
    """Stop the running server as SIGTERM does: it takes no new calls, and ends when its live calls are over.

    They may go on for SHUTDOWN_SECONDS; then SHUTDOWN_CALLS says whether they are ended or moved to another
    process. The command returns at once, and says how many are live.
    """
    answer = ask(path or the_one_server(), "drain")
    if "error" in answer:
        raise click.ClickException(f"The server says: {answer['error']}")
    click.echo(answer["message"])
