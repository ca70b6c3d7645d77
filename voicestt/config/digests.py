"""Digests of settings, by which two servers are compared without either revealing its values.

`voicestt gonogo --public` asks the deployment for one digest of each variable and compares it with its own. No
value leaves the server, and an outsider can make nothing of the digests:

- The request must bear a signature made with the auth token, like Twilio's: a stranger is answered 403.
- A digest is HMAC-SHA256 under a key that is made from the (first) auth token, the caller's nonce and the server's
  salt.
  A plain hash of `true`, of a port or of a language could be found by trying; these cannot be tried at all
  without the token, which has 128 bits. One who reads an answer along the way therefore learns nothing, not even
  whether two variables, or the same variable on two days, are equal: the name and the salt are part of it.
- The nonce is the caller's, so an answer kept from yesterday does not pass for today's.
- The key is made slowly (scrypt): a short token, which could be found by trying, costs 8 MB and 20 ms a trial.

A server without an auth token has no key, and one that validates no signatures cannot tell a stranger from
`voicestt gonogo`: both answer nobody.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace

from voicestt.config.credentials import Credentials
from voicestt.config.readers import Network
from voicestt.config.settings import Settings, setting_fields

PATH = "/gonogo/settings"
NONCE = "nonce"
_SCRYPT_ROUNDS = 2**13

Answer = Mapping[str, object]
"""`{"salt": hex, "digests": {variable: hex}}`."""


def digest_answers(settings: Settings, is_streaming: Callable[[], bool]) -> Callable[[str], Answer] | None:
    """Return a function that answers a nonce with a salt and the digests of `settings`.

    None where there is no key for them. `is_streaming` returns the current ENABLE_STREAMING_STT: it can be turned
    while the server runs.
    """
    if not settings.twilio_auth_tokens or not settings.twilio_validate:
        return None
    token = settings.twilio_auth_tokens[0]

    def answer(nonce: str) -> Answer:
        salt = secrets.token_hex(16)
        now = replace(settings, enable_streaming_stt=is_streaming())
        return {"salt": salt, "digests": digests(now, token, nonce, salt)}

    return answer


def digests(settings: Settings, token: str, nonce: str, salt: str) -> dict[str, str]:
    """Return the digest of each variable's parsed value.

    A key as a path and the same in base64 are equal, and so are " ON" and `true`.
    """
    context = f"voicestt settings {len(nonce)} {nonce} {salt}".encode()
    key = hashlib.scrypt(token.encode(), salt=context, n=_SCRYPT_ROUNDS, r=8, p=1, dklen=32)
    found = {}
    for attribute, variable in setting_fields():
        meaning = json.dumps(getattr(settings, attribute), sort_keys=True, default=_plain)
        found[variable.name] = hmac.digest(key, f"{variable.name}={meaning}".encode(), "sha256").hex()
    return found


def differing(settings: Settings, token: str, nonce: str, answer: Answer) -> list[str]:
    """Return the variables whose digests differ between `settings` and `answer`, or are in only one of them.

    Raises:
        ValueError: when it is no such answer.
    """
    salt, theirs = answer.get("salt"), answer.get("digests")
    if not isinstance(salt, str) or not isinstance(theirs, dict):
        raise ValueError("the answer holds no salt and digests")  # noqa: TRY004 - what came is wrong, not its type
    ours = digests(settings, token, nonce, salt)
    unknown = [str(name) for name in theirs if name not in ours]
    return [name for name, digest in ours.items() if theirs.get(name) != digest] + unknown


def _plain(value: object) -> object:
    if isinstance(value, Credentials):
        return value.info
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Network):
        return str(value)
    raise TypeError(f"a setting of type {type(value).__name__} has no digest")
