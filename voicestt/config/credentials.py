"""Google credentials given as a path, as JSON or as JSON in base64; nothing here prints them."""

import base64
import binascii
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_KINDS = {
    "service_account": ("client_email", "private_key", "token_uri"),
    "authorized_user": ("client_id", "client_secret", "refresh_token"),
    "external_account": ("audience", "subject_token_type", "token_url"),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A Google key.

    `kind` is its type ("service_account", …), `project` its project if it names one, `info` the secret itself.
    """

    kind: str
    project: str | None
    info: dict[str, Any] = field(repr=False)


def read_credentials(text: str) -> Credentials:
    """Read the key in `text`, or in the file that `text` names.

    Raises:
        ValueError: in words that hold nothing of the key.
    """
    info = _parsed(_json_text(text))
    kind = info.get("type")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"is JSON without a type that is one of: {', '.join(_KINDS)}")
    missing = [name for name in _KINDS[kind] if not info.get(name)]
    if missing:
        raise ValueError(f"is a {kind} key that lacks: {', '.join(missing)}")
    project = info.get("project_id") or info.get("quota_project_id")
    return Credentials(kind, project if isinstance(project, str) else None, _repaired(info))


def _json_text(text: str) -> str:
    if text.lstrip().startswith("{"):
        return text
    decoded = _from_base64(text)
    return decoded if decoded is not None else _file_text(text)


def _from_base64(text: str) -> str | None:
    try:
        decoded = base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return decoded if decoded.lstrip().startswith("{") else None


def _file_text(path: str) -> str:
    # The path itself is not repeated: what was pasted may well be half a key.
    try:
        return Path(path).expanduser().read_text()
    except (OSError, ValueError, RuntimeError):
        raise ValueError("is neither JSON, nor base64 of JSON, nor a file that can be read") from None


def _parsed(text: str) -> dict[str, Any]:
    try:
        info = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None
    if not isinstance(info, dict):
        raise ValueError("is JSON, but not an object")  # noqa: TRY004 - a setting's value, not a type of ours
    return info


def _repaired(info: dict[str, Any]) -> dict[str, Any]:
    """Undo the doubled backslashes that a key gets when it is pasted into a platform's settings page."""
    key = info.get("private_key")
    return {**info, "private_key": key.replace("\\n", "\n")} if isinstance(key, str) else info
