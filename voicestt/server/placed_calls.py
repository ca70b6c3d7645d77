"""Calls that we placed, as the webhook hears of them when they are picked up.

Source: Twilio's "Call resource" (`Direction`), "Answering Machine Detection" (`AnsweredBy`).
"""

from typing import Final

from voicestt.runtime.escaping import escaped
from voicestt.server.busy import CallAnswer
from voicestt.server.forms import Form, first, parsed
from voicestt.twilio import twiml
from voicestt.twilio.placing import LEAVES_MACHINES

LEAVES: Final = CallAnswer(200, twiml.CONTENT_TYPE, twiml.HANG_UP)
"""The answer for a call that a machine picked up, and that is not for machines."""
_MACHINES: Final = ("machine", "fax")
_LONGEST: Final = 40


def leaves_machine(uri: bytes, form: Form) -> bool:
    """Return True if the address says that the call is not for machines, and one picked it up."""
    query = parsed(uri.partition(b"?")[2].decode("ascii", "replace"))
    name, value = LEAVES_MACHINES
    return query.get(name) == [value] and (first(form, "AnsweredBy") or "").startswith(_MACHINES)


def announcement(form: Form, *, comes_back: bool) -> str:
    """Describe in words, for the log, the call that a webhook announces."""
    if comes_back:
        return "A call comes back."
    if not (first(form, "Direction") or "").startswith("outbound"):
        return "Incoming call announced."
    who = first(form, "AnsweredBy")
    return f"A call that we placed is answered{f' by {escaped(who, _LONGEST)}' if who else ''}."
