"""The command `voicestt dial`: lets Twilio ring somebody, who is heard as any caller is."""

import os
from pathlib import Path
from typing import Final

import click

from voicestt.config.env_file import EnvironmentFile
from voicestt.config.settings import BadSettings, Settings, read_settings
from voicestt.twilio.placing import placed_call_url
from voicestt.twilio.rest import BadNumber, CallOrder, TwilioCalls, TwilioRefused

_MINE: Final = ("PUBLIC_HOST", "TWILIO_AUTH_TOKEN", "TWILIO_API_URL")
_LAST: Final = 4


@click.command(short_help="Ring somebody, and hear them as a caller.")
@click.option(
    "--to", required=True, metavar="NUMBER", help="Whom to ring: +972501234567, or sip:desk@example.com."
)
@click.option(
    "--from",
    "number",
    required=True,
    metavar="NUMBER",
    envvar="TWILIO_NUMBER",
    help="The number that they see: one of the account's. Not said: TWILIO_NUMBER.",
)
@click.option(
    "--account",
    required=True,
    metavar="SID",
    envvar="TWILIO_ACCOUNT_SID",
    help="The account that pays (AC...). Not said: TWILIO_ACCOUNT_SID.",
)
@click.option(
    "--machine",
    type=click.Choice(["off", "tell", "hang-up"]),
    default="off",
    show_default=True,
    help="Answering machines. tell: Twilio finds out who picked up, and the server's log says it; hang-up: and "
    "the call ends at once if it is a machine. Twilio charges for it.",
)
@click.option(
    "--ring", type=click.IntRange(5, 600), default=60, show_default=True, help="Seconds it rings at most."
)
@click.option(
    "--twiml",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Follow this document instead of the server's own. No webhook announces such a call: with "
    "REQUIRE_KNOWN_CALL=true its stream is refused.",
)
def dial(to: str, number: str, account: str, machine: str, ring: int, twiml: Path | None) -> None:
    """Ring a number, by Twilio's REST API; from when it is picked up, it is a call of the server as any other.

    PUBLIC_HOST, TWILIO_AUTH_TOKEN and TWILIO_API_URL are the server's, in this environment or in
    VOICESTT_ENV_FILE. Prints the CallSid. In the events, `from` is the account's number, and `to` is whom it rang.
    """
    if twiml is not None and machine != "off":
        raise click.UsageError("--machine is for calls that ask the server: leave --twiml out, or --machine.")
    try:
        settings = _settings()
        url = None if twiml else placed_call_url(settings.public_host, leaves_machines=machine == "hang-up")
        document = twiml.read_text("utf-8") if twiml else None
        order = CallOrder(account, to, number, url, document, ring, machine != "off")
        tokens = settings.twilio_auth_tokens
        sid = TwilioCalls(tokens[0], settings.twilio_api_url, others=tokens[1:]).create(order)
    except (BadSettings, BadNumber, TwilioRefused, OSError, UnicodeDecodeError) as problem:
        raise click.ClickException(f"Nobody is rung: {problem}.") from None
    click.echo(f"{sid}: ...{to[-_LAST:]} is being rung.")


def _settings() -> Settings:
    """Read the settings of the server whose call it will be.

    Raises:
        BadSettings: where one of those that are needed is wrong or missing, in words.
    """
    reading = read_settings(EnvironmentFile(os.environ.get("VOICESTT_ENV_FILE"), os.environ, {}).variables())
    problems = [each for each in reading.problems if each.startswith(_MINE)]
    if not problems and not reading.settings.twilio_auth_token:
        problems = ["TWILIO_AUTH_TOKEN is not set: Twilio places no call for strangers"]
    if problems:
        raise BadSettings(problems)
    return reading.settings
