"""The numbers of calls, by which a listener with a token for one number is told of its calls only."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from voicestt.journal.port import Record, numbers_of

_MOST_CALLS: Final = 20_000


class CallNumbers:
    """Remembers the numbers of the calls that began last, of their `call_started` or of the journal."""

    def __init__(self) -> None:
        self._numbers: OrderedDict[str, frozenset[str]] = OrderedDict()

    def note(self, records: Sequence[Record]) -> None:
        """Take published records; those that start a call bear its numbers."""
        for record in records:
            if record.type == "call_started":
                self._add(record.call_sid, numbers_of(record))

    def learn(self, records: Sequence[Record], number: str) -> None:
        """Take records that the journal found for a number."""
        for call_sid in {record.call_sid for record in records}:
            self._add(call_sid, frozenset({number}))

    def has(self, call_sid: str, number: str) -> bool:
        """Return True if the call is known to be from or to the number."""
        return number in self._numbers.get(call_sid, ())

    def _add(self, call_sid: str, numbers: frozenset[str]) -> None:
        self._numbers[call_sid] = self._numbers.get(call_sid, frozenset()) | numbers
        self._numbers.move_to_end(call_sid)
        if len(self._numbers) > _MOST_CALLS:
            self._numbers.popitem(last=False)
