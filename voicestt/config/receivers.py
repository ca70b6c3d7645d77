"""Readers of where events go and are kept: webhooks and their secrets, Redis, the journal's database."""

import re
from base64 import b64decode
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import urlsplit

from voicestt.config.readers import url
from voicestt.config.redis_address import redis_address

WEBHOOK = "webhook"
"""Name of the first receiver, and prefix of the names of the others."""

_BETWEEN_ADDRESSES = re.compile(r"[\s,]+(?=https?://)|[\s,]+$", re.IGNORECASE)
_RECEIVER_NAME = re.compile(r"[A-Za-z0-9._-]{1,40}")
_WEBHOOK_SECRET = "whsec_"  # noqa: S105 - the prefix that Standard Webhooks gives its secrets
_MOST_SECRETS = 2


class Receiver(NamedTuple):
    """A receiver of events by POST; `name` is the destination's, the same for as long as the address is."""

    name: str
    url: str


def receivers(text: str) -> tuple[Receiver, ...]:
    """Read receivers' addresses, separated by blanks or commas; `#NAME` behind one, not sent, names it."""
    addresses = [url(each) for each in _BETWEEN_ADDRESSES.split(text) if each] or [url(text)]
    found = tuple(Receiver(_name_of(each, is_first=not place), each) for place, each in enumerate(addresses))
    names = [each.name for each in found]
    if len(set(names)) < len(names):
        # Not repeated: a path may be a secret.
        raise ValueError("has two addresses with one name: put #NAME, another one each, behind them")
    return found


def chosen_receivers(given: object) -> tuple[str, ...]:
    """Read a choice of receivers, a name or a list of names or False, as the names of their destinations.

    `crm` and `webhook:crm` are the address with #crm, `webhook` is the first one where it has no name.
    """
    if given is False:
        return ()
    all_given = given if isinstance(given, list) else [given]
    names = [each for each in all_given if isinstance(each, str) and each]
    if not names or len(names) < len(all_given):
        raise ValueError("is no receiver's name, no list of names, and not false")
    prefix = f"{WEBHOOK}:"
    return tuple(each if each == WEBHOOK or each.startswith(prefix) else prefix + each for each in names)


def _name_of(address: str, *, is_first: bool) -> str:
    """Return a receiver's name: its #NAME, `webhook` for the first, else a hash of host and path.

    /healthz shows names to anybody. The query is left out, as a token in it may change.
    """
    parts = urlsplit(address)
    if parts.fragment:
        if not _RECEIVER_NAME.fullmatch(parts.fragment):
            raise ValueError("has something behind a # that is no name: letters, digits, and . _ -, at most 40")
        return f"{WEBHOOK}:{parts.fragment}"
    if is_first:
        return WEBHOOK
    place = parts.netloc.lower() + (parts.path or "/")
    return f"{WEBHOOK}:{sha256(place.encode()).hexdigest()[:6]}"


def webhook_secret(text: str) -> bytes:
    """Read the key of a secret as Standard Webhooks writes it: `whsec_` and 24 to 64 bytes in base64."""
    try:
        key = b64decode(text.removeprefix(_WEBHOOK_SECRET), validate=True)
    except ValueError:
        key = b""
    if not text.startswith(_WEBHOOK_SECRET) or not 24 <= len(key) <= 64:
        raise ValueError("is not whsec_ and 24 to 64 bytes in base64: echo whsec_$(openssl rand -base64 32)")
    return key


def webhook_secrets(text: str) -> tuple[bytes, ...]:
    """Read the keys of one secret, or of two with a comma between."""
    secrets = [each.strip() for each in text.split(",")]
    if len(secrets) > _MOST_SECRETS:
        raise ValueError("holds more than two secrets: the new one and the old one are enough")
    return tuple(webhook_secret(each) for each in secrets)


def journal_url(text: str) -> str:
    """Read a database's URL as SQLAlchemy has it, or "off"; Heroku's `postgres://` is understood."""
    if text.lower() == "off":
        return "off"
    scheme, separator, rest = text.partition("://")
    if separator and scheme in {"postgres", "postgresql", "postgresql+psycopg"} and rest:
        return f"postgresql+psycopg://{rest}"
    if separator and scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return text
    raise ValueError("is not sqlite:///FILE, postgresql://USER:PASSWORD@HOST/NAME or off")


def redis_url(text: str) -> str:
    """Read the URL of a Redis server, Sentinel or cluster, see `voicestt.config.redis_address`."""
    redis_address(text)
    return text


def fleet_redis_url(text: str) -> str:
    """Read the URL of the fleet's Redis, or "off"."""
    return "off" if text.lower() == "off" else redis_url(text)
