"""Readers of environment variables, each of which raises a ValueError that says in words what is wrong."""

import ipaddress
import re
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

N = TypeVar("N", int, float)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:([0-9]{1,5}))?", re.IGNORECASE | re.ASCII)
_PORTS = range(1, 65_536)
_OUR_PATHS = ("webhook/", "ws/")  # may be pasted with the host, and are ignored
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
WORD = re.compile(r"[a-z0-9_.-]+", re.IGNORECASE)
PLACE = re.compile(r"[a-z][a-z0-9-]*")
PROJECT = re.compile(r"[a-z0-9][a-z0-9.:-]*")
MODEL_NAME = re.compile(r"[A-Za-z0-9_./:@-]+")
VOICE = re.compile(r"[A-Za-z0-9_+.-]+")
ATTRIBUTE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_SIP = re.compile(r"sips?:[^\s<>\"@:/?;]+@[A-Za-z0-9.\-\[\]:]+(?:[;?][^\s<>\"]*)?", re.ASCII)
_LONGEST_SIP = 255
_IS_MEANT_AS_NUMBER = re.compile(r"[+\d\s().-]+")
_BETWEEN_DIGITS = re.compile(r"[\s().-]")
_LONGEST_SENTENCE = 500


def flag(text: str) -> bool:
    """Read "true" or "false", or another usual word for it."""
    word = text.lower()
    if word in _TRUE | _FALSE:
        return word in _TRUE
    raise ValueError("is neither true nor false")


def number(low: float, high: float) -> Callable[[str], int]:
    """Return a reader of whole numbers from `low` to `high`."""
    return between(low, high, int, "a whole number")


def seconds(low: float, high: float) -> Callable[[str], float]:
    """Return a reader of seconds from `low` to `high`."""
    return between(low, high, float, "a number of seconds")


def between(low: float, high: float, kind: Callable[[str], N], what: str) -> Callable[[str], N]:
    """Return a reader of numbers from `low` to `high`; `what` names them in the error."""

    def read(text: str) -> N:
        try:
            number = kind(text)
        except ValueError:
            raise ValueError(f"is not {what}") from None
        if not low <= number <= high:
            raise ValueError(f"is not between {low} and {high}")
        return number

    return read


def one_of(*words: str) -> Callable[[str], str]:
    """Return a reader of one of `words`."""

    def read(text: str) -> str:
        if text.lower() in words:
            return text.lower()
        raise ValueError(f"is not one of: {', '.join(words)}")

    return read


def matching(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    """Return a reader of texts that `pattern` matches whole; `what` names them in the error."""

    def read(text: str) -> str:
        if pattern.fullmatch(text):
            return text
        raise ValueError(f"is not {what}")

    return read


def public_host(text: str) -> str:
    """Read a host and its port, if given, of "host", "https://host/" or "wss://host/ws/twilio-media".

    Twilio signs the host as it was typed in its console, so capitals are kept.
    """
    host, _, path = text.split("://", 1)[-1].partition("/")
    if path.strip("/") and not path.startswith(_OUR_PATHS):
        raise ValueError(
            f"holds a path behind the host ({host}): give the host alone, and let the proxy hand on "
            "/webhook/… and /ws/… at the root of this name"
        )
    match = _HOST.fullmatch(host)
    if match is None or int(match[3] or 443) not in _PORTS:
        raise ValueError("is not a host name such as voice.example.com")
    return host


def is_number(text: str) -> bool:
    """Return True if the text is a telephone number as E.164 has it: "+" and up to 15 digits."""
    return _E164.fullmatch(text) is not None


def is_sip(text: str) -> bool:
    """Return True if the text is a SIP address that Twilio dials, of at most 255 letters."""
    return len(text) <= _LONGEST_SIP and _SIP.fullmatch(text) is not None


def busy(text: str) -> str:
    """Read BUSY: "503", a number or SIP address without blanks, or a text that is said to a refused caller."""
    # What was typed is not repeated: it may be a telephone number.
    if text == "503":
        return text
    if _IS_MEANT_AS_NUMBER.fullmatch(text):
        number = _BETWEEN_DIGITS.sub("", text)
        if is_number(number):
            return number
        raise ValueError("looks like a telephone number, but is not one such as +972501234567")
    if text.lower().startswith(("sip:", "sips:")):
        if is_sip(text):
            return text
        raise ValueError("looks like a SIP address, but is not one such as sip:desk@example.com")
    if len(text) > _LONGEST_SENTENCE or not text.isprintable():
        raise ValueError(f"is not a sentence of at most {_LONGEST_SENTENCE} letters, nor 503, nor a number")
    return text


def endpoint(text: str) -> str:
    """Read HOST:PORT."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) not in _PORTS:
        raise ValueError("is not HOST:PORT")
    return text


def networks(text: str) -> tuple[Network, ...]:
    """Read addresses and networks (`10.0.0.0/8`), separated by commas; an empty text has none."""
    try:
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError("is not a list of addresses or networks such as 10.0.0.0/8,127.0.0.1") from None


def secret(text: str) -> str:
    """Read any text."""
    return text


def several(text: str) -> tuple[str, ...]:
    """Split a text at commas, without blanks and empty parts."""
    return tuple(part for each in text.split(",") if (part := each.strip()))


def some_of(*words: str) -> Callable[[str], tuple[str, ...]]:
    """Return a reader of some of `words`, separated by commas; they come in the order of `words`, each once."""

    def read(text: str) -> tuple[str, ...]:
        given = {part.lower(): part for part in several(text)}
        unknown = [part for word, part in given.items() if word not in words]
        if unknown or (text and not given):
            named = f"names {', '.join(map(repr, unknown))}" if unknown else "names none"
            raise ValueError(f"{named}; there are: {', '.join(words)}")
        return tuple(word for word in words if word in given)

    return read


def header_secret(text: str) -> str:
    """Read a text that an HTTP header can carry."""
    if text.isascii() and text.isprintable():
        return text
    raise ValueError("holds something that an HTTP header cannot carry")


def url(text: str) -> str:
    """Read an address of http or https, without a name or password in it."""
    # What was pasted is not repeated: it may hold a password.
    if not _is_address(text, "http", "https") or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("is not an address such as https://example.com/path")
    if "@" in urlsplit(text).netloc:
        raise ValueError("holds a user's name or a password, which has a variable of its own")
    return text


def _is_address(text: str, *schemes: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_loopback(endpoint: str) -> bool:
    """Return True if HOST:PORT is on this machine."""
    return is_loopback_host(endpoint.rpartition(":")[0].strip("[]"))


def is_loopback_host(host: str) -> bool:
    """Return True if a name or an address, in brackets or without, is this machine's own."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
