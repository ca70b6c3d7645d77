"""A call that was placed by REST: who is called, and the document that it follows when it is picked up.

Source: Twilio's "Call resource" (create: `To`, `From`, `Url`, `Method`, `Twiml`, `MachineDetection`), "Answering
Machine Detection" (`AnsweredBy`), errors 21201, 21205, 21211, 21212, 21213.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from voicestt.emulators.twilio.call_values import CallUpdate
from voicestt.emulators.twilio.twiml import Fetch
from voicestt.emulators.twilio.webhook_forms import Parties

_PLACES: Final = re.compile(r"\+[1-9][0-9]{1,14}|sips?:[^\s@]+@[^\s@]+|client:\S+")


@dataclass(frozen=True, slots=True)
class ApiError:
    """An error of Twilio's: the HTTP status, Twilio's number and its message."""

    status: int
    code: int
    message: str


NO_URL: Final = ApiError(400, 21205, "Url is not a valid URL")
BOTH: Final = ApiError(400, 20001, "Url and Twiml are mutually exclusive")
_NO_TO: Final = ApiError(400, 21201, "No 'To' number is specified")
_NO_FROM: Final = ApiError(400, 21213, "No 'From' number is specified")
_BAD_TO: Final = ApiError(400, 21211, "The 'To' number is not a valid phone number")
_BAD_FROM: Final = ApiError(400, 21212, "The 'From' number is not a valid phone number")


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """A call as it was ordered: its numbers, what it follows, and whether the webhook learns who picked up."""

    parties: Parties
    course: CallUpdate
    detects_machines: bool = False


def course_of(form: Mapping[str, str]) -> CallUpdate:
    """Read the document that a call follows from the form of an order or an update."""
    return CallUpdate(
        _fetch(form, "Url", "Method"), form.get("Twiml"), _fetch(form, "FallbackUrl", "FallbackMethod")
    )


def problem_with_course(form: Mapping[str, str]) -> ApiError | None:
    """Return Twilio's error for what a call cannot follow; None if it may."""
    if "Url" in form and "Twiml" in form:
        return BOTH
    if "Url" in form and urlsplit(form["Url"]).scheme not in {"http", "https"}:
        return NO_URL
    return None


def problem_with_order(form: Mapping[str, str]) -> ApiError | None:
    """Return Twilio's error for an order that it does not take; None if it is taken."""
    for name, missing, wrong in (("To", _NO_TO, _BAD_TO), ("From", _NO_FROM, _BAD_FROM)):
        if not form.get(name):
            return missing
        if not _PLACES.fullmatch(form[name]):
            return wrong
    return problem_with_course(form) or (None if {"Url", "Twiml"} & form.keys() else NO_URL)


def ordered(form: Mapping[str, str]) -> PlacedCall:
    """Read a call from the form of its order, which `problem_with_order` has accepted."""
    parties = Parties(form["From"], form["To"], "outbound-api")
    return PlacedCall(parties, course_of(form), form.get("MachineDetection") in {"Enable", "DetectMessageEnd"})


def _fetch(form: Mapping[str, str], url: str, method: str) -> Fetch | None:
    return Fetch(form[url], form.get(method, "POST").upper()) if url in form else None
