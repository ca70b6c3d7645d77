"""The address at which Twilio asks this server for the TwiML of a call that we placed."""

from typing import Final
from urllib.parse import urlencode

from voicestt.twilio.twiml import INCOMING_CALL, webhook_url

LEAVES_MACHINES: Final = ("machine", "hang-up")
"""The name and the value in the address of a call that ends if a machine picks it up."""


def placed_call_url(public_host: str, *, leaves_machines: bool) -> str:
    """Return the URL of the webhook for incoming calls: it announces this call too, when it is picked up."""
    url = webhook_url(public_host, INCOMING_CALL)
    return f"{url}?{urlencode([LEAVES_MACHINES])}" if leaves_machines else url
