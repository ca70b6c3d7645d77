"""Twilio's REST API, used to place, hang up, transfer and move a call, which a stream cannot do.

Source: Twilio's "Call resource" (create: `To`, `From`, `Url`, `Twiml`, `MachineDetection`; update: `Status`,
`Twiml`, `Url`) and "TwiML Voice: <Dial>".
"""

import logging
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from twilio.twiml.voice_response import VoiceResponse  # type: ignore[import-untyped]

from voicestt.config.readers import is_number, is_sip

SECONDS: Final = 10.0
"""Time-out of a connection, and then of each part of the answer."""

_SID = re.compile(r"[A-Za-z0-9]{1,64}")
_NOT_IN_PROGRESS: Final = 21220
_UNAUTHORISED: Final = 401
_NOT_FOUND: Final = 404
_NUMBERS: Final = "a call goes to a number such as +972501234567, or to an address such as sip:desk@example.com"
_SILENT = logging.Logger("voicestt.twilio", logging.CRITICAL)
"""Logger that drops twilio-python's own lines: those of a transfer hold the number."""


class TwilioRefused(Exception):
    """A request to Twilio failed; the message says why and what to do, without a secret or a number."""


class CallAlreadyEnded(TwilioRefused):
    """The call has ended, or Twilio does not know it."""


class BadNumber(ValueError):
    """A text is neither a phone number nor a SIP address; the message does not repeat it."""


@dataclass(frozen=True, slots=True)
class CallOrder:
    """A call to place: whom it rings, and our number that they see (E.164, or SIP), of the account `account_sid`.

    When it is picked up, Twilio asks `url` for TwiML by POST, or follows `twiml`, whichever there is. It rings for
    `ring_seconds` at most (Twilio's default 60). `detects_machines`: the request to `url` waits until Twilio knows
    who picked up, and says so (`AnsweredBy`).
    """

    account_sid: str
    to: str = field(repr=False)
    number: str = field(repr=False)
    url: str | None = None
    twiml: str | None = field(default=None, repr=False)
    ring_seconds: int = 60
    detects_machines: bool = False

    @property
    def form(self) -> dict[str, Any]:
        """Return what Twilio is asked for, in the words of twilio-python.

        Raises:
            BadNumber: if one of the numbers is none.
        """
        if not all(is_number(each) or is_sip(each) for each in (self.to, self.number)):
            raise BadNumber(_NUMBERS)
        course = {"twiml": self.twiml} if self.url is None else {"url": self.url, "method": "POST"}
        machine = {"machine_detection": "Enable"} if self.detects_machines else {}
        return {"to": self.to, "from_": self.number, "timeout": self.ring_seconds, **course, **machine}


def dial(destination: str) -> str:
    """Return TwiML that dials `destination`: an E.164 number ("+" and up to 15 digits), or a SIP address.

    Raises:
        BadNumber: if it is neither.
    """
    response = VoiceResponse()
    dialled = response.dial()
    if is_number(destination):
        dialled.number(destination)
    elif is_sip(destination):
        dialled.sip(destination)
    else:
        raise BadNumber(_NUMBERS)
    return str(response)


class TwilioCalls:
    """A client for calls at Twilio, with the auth tokens of their accounts; the first that is accepted is used.

    It blocks; any thread may use it. `url` is where the API is if elsewhere than at Twilio. twilio-python reads
    TWILIO_REGION and TWILIO_EDGE.
    """

    def __init__(
        self, auth_token: str, url: str | None = None, seconds: float = SECONDS, others: Sequence[str] = ()
    ) -> None:
        self._tokens = (auth_token, *others)
        self._url = url
        self._seconds = seconds
        self._of_thread = threading.local()

    def prepare(self) -> None:
        """Import twilio-python's client, which takes 0.2 s, before a caller waits for it."""
        self._calls("AC0", self._tokens[0])

    def create(self, order: CallOrder) -> str:
        """Place a call and return its CallSid; it rings from now on.

        Raises:
            TwilioRefused: if that failed; BadNumber: if a number of the order is none.
        """
        if not _SID.fullmatch(order.account_sid):
            raise TwilioRefused(
                "the account's SID is none: it is on the first page of the Twilio console, AC and 32 letters"
            )
        form = order.form
        try:
            placed = self._with_any_token(order.account_sid, lambda calls: calls.create(**form))
        except Exception as problem:  # noqa: BLE001 - twilio-python has no type for all that it raises
            raise TwilioRefused(_words_of_order(problem, self._seconds)) from None
        return str(placed.sid)

    def hang_up(self, account_sid: str, call_sid: str) -> None:
        """End the call; also if it has ended before.

        Raises:
            TwilioRefused: if that failed.
        """
        self._update(account_sid, call_sid, status="completed")

    def transfer(self, account_sid: str, call_sid: str, twiml: str) -> None:
        """Continue the call with `twiml`; Twilio closes its stream.

        Raises:
            TwilioRefused: if that failed.
        """
        self._update(account_sid, call_sid, twiml=twiml)

    def move(self, account_sid: str, call_sid: str, url: str) -> None:
        """Let Twilio ask `url` for the call's further TwiML, by POST; Twilio closes its stream.

        Raises:
            CallAlreadyEnded: if there is nothing to move.
            TwilioRefused: if that failed otherwise.
        """
        self._update(account_sid, call_sid, url=url, method="POST")

    def _update(self, account_sid: str, call_sid: str, **change: str) -> None:
        if not _SID.fullmatch(account_sid) or not _SID.fullmatch(call_sid):
            raise TwilioRefused("the stream's start did not say which call of which account it is")
        try:
            self._with_any_token(account_sid, lambda calls: calls(call_sid).update(**change))
        except Exception as problem:  # noqa: BLE001 - twilio-python has no type for all that it raises
            is_over = getattr(problem, "code", None) == _NOT_IN_PROGRESS
            if is_over and change.get("status") == "completed":
                return
            kind = CallAlreadyEnded if is_over or getattr(problem, "status", None) == _NOT_FOUND else TwilioRefused
            raise kind(_words(problem, self._seconds)) from None

    def _with_any_token(self, account_sid: str, do: Callable[[Any], Any]) -> Any:
        """Ask with one token after the other, as long as they are refused: subaccounts have their own."""
        for token in self._tokens[:-1]:
            try:
                return do(self._calls(account_sid, token))
            except Exception as problem:
                if getattr(problem, "status", None) != _UNAUTHORISED:
                    raise
        return do(self._calls(account_sid, self._tokens[-1]))

    def _calls(self, account_sid: str, token: str) -> Any:
        # Slow to import, and a server without a handler does not need it.
        from twilio.rest import Client  # type: ignore[import-untyped]  # noqa: PLC0415

        client = Client(account_sid, token, http_client=self._http_client())
        if self._url is not None:
            client.api.base_url = self._url
        return client.api.v2010.account.calls

    def _http_client(self) -> Any:
        """Return this thread's HTTP client, which keeps a connection and is not safe for several threads."""
        from twilio.http import http_client  # type: ignore[import-untyped]  # noqa: PLC0415

        if not hasattr(self._of_thread, "client"):
            self._of_thread.client = http_client.TwilioHttpClient(timeout=self._seconds, logger=_SILENT)
        return self._of_thread.client


_KNOWN: Final = {
    401: "TWILIO_AUTH_TOKEN is not that of the call's account",
    404: "it knows no such call in this account",
    429: "it was asked too often",
}


def _words(problem: Exception, seconds: float) -> str:
    """Describe the problem, without Twilio's message and the address, which may hold the number."""
    status, code = getattr(problem, "status", None), getattr(problem, "code", None)
    if isinstance(status, int):
        meaning = _KNOWN.get(status, "it did not accept the request" if status < 500 else "it has trouble itself")
        reference = f", error {code}: https://www.twilio.com/docs/errors/{code}" if code else ""
        return f"Twilio answered {status}{reference} ({meaning})"
    if "Timeout" in type(problem).__name__:
        return f"Twilio did not answer within {seconds:g} s"
    if "Connection" in type(problem).__name__:
        return "Twilio's API cannot be reached"
    return f"asking Twilio failed with {type(problem).__name__}"


_ORDERS: Final = {
    13223: "the number to call is none that it dials",
    21201: "the number to call is missing",
    21205: "it does not take the URL: is PUBLIC_HOST a name that it reaches?",
    21210: "--from is none of the account's numbers, and not verified",
    21211: "the number to call is none",
    21212: "--from is no number",
    21214: "the number to call cannot be reached",
    21215: "the account may not call this country: the console's Geo Permissions",
    21216: "the account may not call this number",
    21219: "a trial account calls verified numbers only",
}


def _words_of_order(problem: Exception, seconds: float) -> str:
    """Describe why a call was not placed: as `_words`, with what each of the usual errors means."""
    meaning = _ORDERS.get(getattr(problem, "code", None) or 0)
    if getattr(problem, "status", None) == _NOT_FOUND:
        meaning = "it knows no such account"
    return _words(problem, seconds) + (f": {meaning}" if meaning else "")
