"""The filter of a live listener, read from the request's query.

    call=CA…           events of this call only; may be given more than once
    types=final,…      events of these types only
    partials=false     all but partials
    after=NUMBER       first those since this number; the header Last-Event-ID says the same, and wins
    scope=process      events of this process only; scope=fleet, of all that share its Redis, is the default

Parameters that are not known are ignored.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from voicestt import events
from voicestt.config.readers import flag
from voicestt.journal.port import Filter, Record

LARGEST_NUMBER = 2**63 - 1
_NUMBER = re.compile(r"[0-9]{1,19}")
_CALL_SID = re.compile(r"[!-~]{1,64}")
_MOST_FIELDS = 200
_ALL_TYPES = frozenset(events.TYPES)
_SCOPES = ("fleet", "process")


class BadQuestion(ValueError):
    """A query that cannot be understood; the message says which part of it, and what would be."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The events that a listener wants.

    `calls` are CallSids, none for all; `after` is None for those from now on. `number`: of calls from or to this
    number only. `seconds`: the listener may stay for so long. `of_fleet`: other processes' events too.
    """

    after: int | None = None
    calls: frozenset[str] = frozenset()
    types: frozenset[str] = _ALL_TYPES
    number: str | None = None
    seconds: float | None = None
    of_fleet: bool = True

    def wants(self, record: Record) -> bool:
        """Return True if `record` is wanted, as far as it says so: its call's numbers are known elsewhere."""
        return self.filter.lets_through(record)

    @property
    def filter(self) -> Filter:
        """The same filter for the journal."""
        return Filter(self.calls, None if self.types == _ALL_TYPES else self.types, self.number)


def asked_of(query: str, last_event_id: str | None = None) -> EventFilter:
    """Read the filter from `query`, without its question mark, and the header Last-Event-ID.

    Raises:
        BadQuestion: where one of the parameters has a value that it cannot have.
    """
    try:
        fields = parse_qs(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise BadQuestion(f"There are more than {_MOST_FIELDS} parameters.") from None
    types = _types(fields.get("types", [])) - _unwanted(fields.get("partials", []))
    after, calls = _after(fields.get("after", []), last_event_id), _calls(fields.get("call", []))
    return EventFilter(after, calls, types, of_fleet=_is_of_fleet(fields.get("scope", [])))


def _types(given: Sequence[str]) -> frozenset[str]:
    types = frozenset(_words(given))
    if not given:
        return _ALL_TYPES
    if not types or not types <= _ALL_TYPES:
        raise BadQuestion(f"`types` has something else than: {', '.join(events.TYPES)}.")
    return types


def _words(given: Sequence[str]) -> Iterator[str]:
    for value in given:
        yield from filter(None, (word.strip() for word in value.split(",")))


def _unwanted(partials: Sequence[str]) -> frozenset[str]:
    try:
        are_wanted = all(flag(value) for value in partials)
    except ValueError:
        raise BadQuestion("`partials` is neither true nor false.") from None
    return frozenset() if are_wanted else frozenset({"partial"})


def _calls(given: Sequence[str]) -> frozenset[str]:
    if not all(_CALL_SID.fullmatch(value) for value in given):
        raise BadQuestion("`call` is no CallSid.")
    return frozenset(given)


def _is_of_fleet(given: Sequence[str]) -> bool:
    if not set(given) <= set(_SCOPES):
        raise BadQuestion(f"`scope` is neither of: {', '.join(_SCOPES)}.")
    return "process" not in given


def _after(given: Sequence[str], last_event_id: str | None) -> int | None:
    # A browser that connects again asks for the same URL, and says with the header how far it has come.
    if last_event_id:
        return _number(last_event_id, "The header Last-Event-ID")
    return _number(given[-1], "`after`") if given else None


def _number(text: str, what: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > LARGEST_NUMBER:
        raise BadQuestion(f"{what} is not the number of an event.")
    return int(text)
