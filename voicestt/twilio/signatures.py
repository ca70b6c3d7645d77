"""Validation of Twilio's signatures over the URL that Twilio knows us by.

Source: Twilio's "Webhooks security". The URL is built from PUBLIC_HOST, never from the Host header, which a proxy
may have changed and anybody can write.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlparse

from twilio.request_validator import (  # type: ignore[import-untyped]
    HMAC_SHA1,
    HMAC_SHA256,
    SIGNATURE_HEADER,
    SIGNATURE_SETTINGS_HEADER,
    RequestValidator,
    get_signature_algorithm,
)

from voicestt.config.readers import several

_ALGORITHMS = frozenset({HMAC_SHA1, HMAC_SHA256})


class Headers(Protocol):
    """A case-insensitive lookup of a request's headers."""

    def __call__(self, name: str, /) -> str | None:
        """Return the header's value, None where it is missing."""
        ...


@dataclass(frozen=True, slots=True)
class _FormValues:
    """A form as twilio's validator asks for it: several values to a name."""

    fields: Mapping[str, Sequence[str]]

    def getall(self, name: str) -> Sequence[str]:
        return self.fields[name]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)


class SignatureCheck:
    """Checks signatures made with `token`, or with one of several.

    They are separated by commas (a rotation, subaccounts). With None every request is taken for Twilio's.
    """

    def __init__(self, token: str | None) -> None:
        self._validators = None if token is None else [RequestValidator(each) for each in several(token)]

    def accepts(self, url: str, header: Headers, form: Mapping[str, Sequence[str]] | str | None = None) -> bool:
        """Return True if the signature is good for `url`, with or without a slash at its end, and `form`.

        `form` is what a form POST carried, or the whole body of another POST.
        """
        if self._validators is None:
            return True
        signature = header(SIGNATURE_HEADER)
        if not signature or (isinstance(form, str) and not _names_the_body(url)):
            return False
        algorithm = get_signature_algorithm(header(SIGNATURE_SETTINGS_HEADER)).upper()
        if algorithm not in _ALGORITHMS:  # twilio-python would write a stranger's words into the log
            return False
        signed = form if isinstance(form, str) else _FormValues(form or {})
        return any(
            validator.validate(candidate, signed, signature, algorithm)
            for validator in self._validators
            for candidate in _candidates(url)
        )


def _names_the_body(url: str) -> bool:
    """Return True if the URL holds the hash of a body that is no form; without it the body is not signed."""
    return "bodySHA256" in parse_qs(urlparse(url).query)


def _candidates(url: str) -> Sequence[str]:
    """Return the URL in each of the ways in which it may have been signed.

    The host is signed as typed in Twilio's console; in a GET of a SIP caller's, `:` and `@` are signed bare.
    """
    address, mark, query = url.partition("?")
    scheme, slashes, rest = address.rstrip("/").partition("://")
    host, slash, path = rest.partition("/")
    queries = dict.fromkeys((query, _BARE.sub(lambda code: unquote(code[0]), query)))
    return [
        scheme + slashes + name + slash + path + end + mark + each
        for name in dict.fromkeys((host, host.lower()))
        for end in ("", "/")
        for each in queries
    ]


_BARE = re.compile("%3a|%40", re.IGNORECASE)
