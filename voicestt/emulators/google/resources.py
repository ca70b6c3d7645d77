"""Pages of lists, times and refusals, as recognizers and operations have them alike."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from voicestt.emulators.google.limits import USUAL_WORDS, Code, Refusal

_LARGEST_PAGE = 100


def page_of(kept: Sequence[Any], size: int, token: str) -> tuple[list[Any], str]:
    """Return a page of what is kept, and the token of the next one; `token` is "" or one of ours, a number."""
    start = int(token or 0)
    end = start + (min(size, _LARGEST_PAGE) if size > 0 else _LARGEST_PAGE)
    return list(kept[start:end]), str(end) if end < len(kept) else ""


def not_found() -> Refusal:
    """Return the refusal of a name under which nothing is kept."""
    return Refusal(Code.NOT_FOUND, "Requested entity was not found.")


def usual_refusal(code: Code) -> Refusal:
    """Return the refusal with a code, in the words that Google usually has for it."""
    return Refusal(code, USUAL_WORDS[code])


def now() -> Timestamp:
    """Return the time of the machine's clock."""
    moment = Timestamp()
    moment.GetCurrentTime()
    return moment
