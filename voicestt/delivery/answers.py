"""The beginning of a receiver's answer, made fit to be stored and shown."""

import codecs
import re
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from voicestt.runtime.escaping import escaped

LONGEST: Final = 200
"""Largest number of bytes of an answer that are shown."""

_SHORTEST_SECRET: Final = 4
_SHORTEST_SEGMENT: Final = 10  # shorter ones are words such as "events"
_HIDDEN: Final = "…"


class Answers:
    """Formats the answers of the receiver at `url`, without secrets.

    The path and the query of `url` may be secret, and error pages often repeat them.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        values = [value for _, value in parse_qsl(parts.query)]
        segments = [each for each in parts.path.split("/") if len(each) >= _SHORTEST_SEGMENT]
        secrets = {each for each in (parts.path, parts.query, *values) if len(each) >= _SHORTEST_SECRET}
        self._last = ""
        self._secrets = sorted(secrets.union(segments), key=len, reverse=True)

    def shown(self, body: bytes) -> str:
        """Returns the first `LONGEST` bytes of a body as text.

        Control characters and the URL's secrets are left out.
        """
        text = _text(body)
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        shown = escaped(_text(text.encode()[:LONGEST]))
        # Most are alike, and many may wait in memory while the journal cannot be written.
        self._last = self._last if shown == self._last else shown
        return self._last


def without_host(words: str, host: str | None) -> str:
    """Removes the host's name from an error's words, as anybody may see the last error in /healthz."""
    return re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", _HIDDEN, words) if host else words


def _text(data: bytes) -> str:
    # Incremental, so that a character that was cut in two is left out.
    return codecs.getincrementaldecoder("utf-8")("replace").decode(data)
