"""Sealed texts: what a server gives away and takes back, which nobody else can read, change or make.

The key is derived from a secret that is set anyway, so that it survives a restart and every process has it. The
derivation is slow on purpose: whoever has a sealed text can try passwords on it. Source: RFC 8018, PBKDF2; the
specification of Fernet (AES-128-CBC, HMAC-SHA256).
"""

import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import pbkdf2_hmac
from typing import Any, Final

import msgspec
from cryptography.fernet import Fernet, InvalidToken

LONGEST: Final = 1_000
_ROUNDS: Final = 100_000
_UNTIL: Final = "until"


@lru_cache(maxsize=16)
def derived_key(secret: str, purpose: str) -> bytes:
    """Derive 32 bytes for one purpose; it takes some hundredths of a second, and is remembered."""
    return pbkdf2_hmac("sha256", secret.encode("utf-8", "surrogatepass"), f"voicestt {purpose}".encode(), _ROUNDS)


class Seal:
    """Seals small values for `purpose` by a key of `secret`; `now` gives seconds since 1970."""

    def __init__(self, secret: str, purpose: str, now: Callable[[], float] = time.time) -> None:
        self._key = derived_key(secret, purpose)
        self._fernet = Fernet(urlsafe_b64encode(self._key))
        self._now = now

    def seal(self, values: Mapping[str, object], until: float) -> str:
        """Seal `values`, JSON, which can be opened until that time (seconds since 1970)."""
        return self._fernet.encrypt(msgspec.json.encode({**values, _UNTIL: until})).decode()

    def open(self, text: str) -> dict[str, Any] | None:
        """Open a text of `seal`; None for any other, and for one whose time is over. `until` is in the values."""
        if len(text) > LONGEST or not text.isascii():
            return None
        try:
            values: dict[str, Any] = msgspec.json.decode(self._fernet.decrypt(text))
        except InvalidToken:
            return None
        return values if values[_UNTIL] > self._now() else None

    def tag(self, text: str) -> str:
        """Make a tag of `text`, in hexadecimal, which only the key makes."""
        return hmac.new(self._key, text.encode(), "sha256").hexdigest()
