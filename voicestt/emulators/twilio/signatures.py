"""Computes Twilio's request signature as Twilio describes it, without twilio's library.

The server checks signatures with that library; two computations that agree say more than one used twice.
Source: https://www.twilio.com/docs/usage/security#validating-requests
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping

HEADER = "X-Twilio-Signature"


def signature(auth_token: str, url: str, form: Mapping[str, str] | None = None) -> str:
    """Compute base64 of HMAC-SHA1 over the URL and every field's name and value, sorted by name."""
    signed = url + "".join(name + value for name, value in sorted((form or {}).items()))
    return b64encode(hmac.digest(auth_token.encode(), signed.encode(), "sha1")).decode("ascii")


def signed_headers(auth_token: str | None, url: str, form: Mapping[str, str] | None = None) -> dict[str, str]:
    """Make the signature header; empty without a token, as for a caller that is not Twilio."""
    return {HEADER: signature(auth_token, url, form)} if auth_token else {}
