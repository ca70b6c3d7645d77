"""Logins at the page: passwords, the cookie that stands for one, and the wrong tries of an address.

A login is a sealed cookie: nothing is kept of it here, so that it survives a restart, and every process behind one
address knows it. Its key is derived from the password that it was made with: a changed password ends its logins.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from secrets import compare_digest, token_urlsafe
from typing import Final

from voicestt.config.settings import Settings
from voicestt.delivery.live.hub import is_same
from voicestt.page.visit import Role
from voicestt.runtime.sealing import Seal
from voicestt.server.connections import place

COOKIE: Final = "voicestt"
SECURE_COOKIE: Final = "__Host-voicestt"  # a browser takes it over https only, and from no other host
MOST_TRIES: Final = 5
TRIES_SECONDS: Final = 60.0
_MOST_ADDRESSES: Final = 10_000
_LONGEST_PASSWORD: Final = 1_000


@dataclass(frozen=True, slots=True)
class Login:
    """A login, until `expires` (seconds since 1970); `csrf` must come with each POST that is made with it."""

    role: Role
    csrf: str
    expires: float
    cookie: str


class Logins:
    """Makes and reads the logins of one server; `passwords` are those of each role, None where there is none."""

    def __init__(
        self, passwords: dict[Role, str | None], seconds: float, now: Callable[[], float] = time.time
    ) -> None:
        self._passwords = {role: text for role, text in passwords.items() if text}
        self._seals = {role: Seal(text, f"page {role.value}", now) for role, text in self._passwords.items()}
        self.seconds = round(seconds)
        self._now = now
        self.seconds = round(seconds)

    def log_in(self, password: str) -> Login | None:
        """Return a new login for a password; None if it is wrong."""
        given = password[:_LONGEST_PASSWORD].encode("utf-8", "surrogatepass")
        # Each is compared, whichever fits: how long it takes says nothing.
        fitting = [role for role, text in self._passwords.items() if compare_digest(text.encode(), given)]
        if not fitting:
            return None
        expires = self._now() + self.seconds
        cookie = self._seals[fitting[0]].seal({"nonce": token_urlsafe(12)}, expires)
        return self.of_cookie(cookie)

    def of_cookie(self, cookie: str) -> Login | None:
        """Return the login of a cookie; None if it is none of this server's, or its time is over."""
        for role, seal in self._seals.items():
            values = seal.open(cookie)
            if values is not None:
                return Login(role, seal.tag(f"csrf {values['nonce']}"), values["until"], cookie)
        return None

    @staticmethod
    def is_csrf_of(login: Login, brought: str | None) -> bool:
        """Return True if `brought` is the login's CSRF token."""
        return is_same(login.csrf, brought)


def logins_of(settings: Settings, now: Callable[[], float] = time.time) -> Logins | None:
    """Make the logins of the settings; None where the page is off."""
    to_act = settings.page_password or settings.events_token
    if to_act is None:
        return None
    passwords = {Role.ACT: to_act, Role.VIEW: settings.page_view_password}
    return Logins(passwords, settings.page_hours * 3600, now)


class LoginTries:
    """Counts the wrong tries of each address within a minute; the addresses that it knows are limited.

    An address is its `place`: who has one address of IPv6 has 2**64 of them.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, address: str) -> int:
        """Return the seconds until the address may try again, 0 if it may now."""
        tries = self._tries.get(place(address))
        if tries is None or len(tries) < MOST_TRIES:
            return 0
        return max(0, ceil(tries[0] + TRIES_SECONDS - self._clock()))

    def failed(self, address: str) -> None:
        """Count a wrong try."""
        where = place(address)
        tries = self._tries.setdefault(where, deque(maxlen=MOST_TRIES))
        tries.append(self._clock())
        self._tries.move_to_end(where)
        if len(self._tries) > _MOST_ADDRESSES:
            self._tries.popitem(last=False)


def set_cookie(value: str, seconds: int, *, is_secure: bool) -> str:
    """Return the header that sets the cookie, or with an empty value deletes it."""
    name, secure = (SECURE_COOKIE, "; Secure") if is_secure else (COOKIE, "")
    return f"{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}"


def cookie_in(header: str | None, *, is_secure: bool) -> str:
    """Return the cookie of a request, "" if it has none; over https only one that came over https is believed."""
    wanted = SECURE_COOKIE if is_secure else COOKIE
    for pair in (header or "").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == wanted:
            return value
    return ""
