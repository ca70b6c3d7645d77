"""The command `voicestt token`: makes a short-lived token for a page that may hear one call or one number."""

import os

import click

from voicestt.config.settings import BadSettings
from voicestt.delivery.live.tokens import BadTokenRequest, ScopedTokens
from voicestt.ops.journal.opening import setting
from voicestt.runtime.times import rfc3339


@click.command(short_help="A short-lived token for one call or one number.")
@click.option("--call", metavar="CALLSID", help="For this call only.")
@click.option("--number", help="For the calls from or to this number only, +972501234567.")
@click.option(
    "--minutes", type=float, default=30, show_default=True, help="How long it is good for; 1440 at most."
)
def token(call: str | None, number: str | None, minutes: float) -> None:
    """Print a token that opens `/events` and `/ws/live` for one call or one number, and for a while only.

    It is for pages of one's own, which must not hold EVENTS_TOKEN: that is the key to every call. The token is
    made of EVENTS_TOKEN, from this environment or VOICESTT_ENV_FILE, without asking the server; when its time is
    over, who listens with it is sent away.
    """
    try:
        secret = setting(os.environ, "EVENTS_TOKEN")
        if not secret:
            raise click.ClickException(
                "EVENTS_TOKEN is not set here: a token is made of it, and the server's own is needed."
            )
        made, until = ScopedTokens(secret).make(call, number, minutes)
    except (BadSettings, BadTokenRequest) as bad:
        raise click.ClickException(str(bad)) from None
    click.echo(made)
    click.echo(f"It is good until {rfc3339(until)}.", err=True)
