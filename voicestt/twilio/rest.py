"""Twilio's REST API, used to hang up, to transfer and to move a call, which a stream cannot do.

Source: Twilio's "Call resource" (update: `Status`, `Twiml`, `Url`) and "TwiML Voice: <Dial>".
"""

import logging
import re
import threading
from collections.abc import Sequence
from typing import Any, Final

from twilio.twiml.voice_response import VoiceResponse  # type: ignore[import-untyped]

from voicestt.config.readers import is_number, is_sip

SECONDS: Final = 10.0
"""Time-out of a connection, and then of each part of the answer."""

_SID = re.compile(r"[A-Za-z0-9]{1,64}")
_NOT_IN_PROGRESS: Final = 21220
_UNAUTHORISED: Final = 401
_NOT_FOUND: Final = 404
_SILENT = logging.Logger("voicestt.twilio", logging.CRITICAL)
"""Logger that drops twilio-python's own lines: those of a transfer hold the number."""


class TwilioRefused(Exception):
    """A request to Twilio failed; the message says why and what to do, without a secret or a number."""


class CallAlreadyEnded(TwilioRefused):
    """The call has ended, or Twilio does not know it."""


class BadNumber(ValueError):
    """A text is neither a phone number nor a SIP address; the message does not repeat it."""


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
        raise BadNumber(
            "a call goes to a number such as +972501234567, or to an address such as sip:desk@example.com"
        )
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
        self._call("AC0", "CA0", self._tokens[0])

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
            self._update_with_any(account_sid, call_sid, change)
        except Exception as problem:  # noqa: BLE001 - twilio-python has no type for all that it raises
            is_over = getattr(problem, "code", None) == _NOT_IN_PROGRESS
            if is_over and change.get("status") == "completed":
                return
            kind = CallAlreadyEnded if is_over or getattr(problem, "status", None) == _NOT_FOUND else TwilioRefused
            raise kind(_words(problem, self._seconds)) from None

    def _update_with_any(self, account_sid: str, call_sid: str, change: dict[str, str]) -> None:
        """Ask with one token after the other, as long as they are refused: subaccounts have their own."""
        for token in self._tokens:
            try:
                self._call(account_sid, call_sid, token).update(**change)
            except Exception as problem:
                if token == self._tokens[-1] or getattr(problem, "status", None) != _UNAUTHORISED:
                    raise
            else:
                return

    def _call(self, account_sid: str, call_sid: str, token: str) -> Any:
        # Slow to import, and a server without a handler does not need it.
        from twilio.rest import Client  # type: ignore[import-untyped]  # noqa: PLC0415

        client = Client(account_sid, token, http_client=self._http_client())
        if self._url is not None:
            client.api.base_url = self._url
        return client.api.v2010.account.calls(call_sid)

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
