"""Short-lived tokens for one call or one number, so that no browser holds the key to everything.

A token is sealed with EVENTS_TOKEN: nothing is kept of it, every process that has EVENTS_TOKEN takes it, and a
number in it cannot be read by whoever holds it.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from voicestt.runtime.sealing import Seal

MOST_MINUTES: Final = 1_440
_CALL_SID = re.compile(r"[!-~]{1,64}")
_NUMBER = re.compile(r"[!-~]{1,255}")


class BadTokenRequest(ValueError):
    """A wish for a token that cannot be fulfilled; the message says why."""


@dataclass(frozen=True, slots=True)
class TokenScope:
    """The scope of a token: one `call` (CallSid) or the calls of one `number`, `until` seconds since 1970."""

    call: str | None
    number: str | None
    until: float


class ScopedTokens:
    """Makes and reads tokens for one call or number, of the secret EVENTS_TOKEN."""

    def __init__(self, secret: str, now: Callable[[], float] = time.time) -> None:
        self._seal = Seal(secret, "token for a page", now)
        self._now = now

    def make(self, call: object, number: object, minutes: object) -> tuple[str, float]:
        """Make a token, and return it with the time of its end.

        Raises:
            BadTokenRequest: where it is not for exactly one call or number, or for no sensible time.
        """
        if (call is None) == (number is None):
            raise BadTokenRequest("A token is for one call or for one number: say `call` or `number`.")
        if not _fits(_CALL_SID, call) or not _fits(_NUMBER, number):
            raise BadTokenRequest("`call` is a CallSid such as CA…, `number` a number such as +972501234567.")
        if isinstance(minutes, bool) or not isinstance(minutes, int | float) or not 0 < minutes <= MOST_MINUTES:
            raise BadTokenRequest(f"`minutes` is a number from 1 to {MOST_MINUTES}.")
        until = self._now() + minutes * 60
        return self._seal.seal({"call": call, "number": number}, until), until

    def read(self, token: str) -> TokenScope | None:
        """Return what a token opens; None if it is none of ours, or its time is over."""
        values = self._seal.open(token)
        return None if values is None else TokenScope(values["call"], values["number"], values["until"])

    def seconds_left(self, scope: TokenScope) -> float:
        """Return the seconds until the token's end."""
        return scope.until - self._now()


def wish_in(body: object) -> Mapping[str, Any]:
    """Return the fields of a wish for a token, a JSON object with `call` or `number`, and `minutes` (30).

    Raises:
        BadTokenRequest: where it is none.
    """
    if not isinstance(body, dict):
        raise BadTokenRequest("The body is no JSON object.")
    return {name: body.get(name, usual) for name, usual in (("call", None), ("number", None), ("minutes", 30))}


def _fits(pattern: re.Pattern[str], value: object) -> bool:
    return value is None or (isinstance(value, str) and pattern.fullmatch(value) is not None)
