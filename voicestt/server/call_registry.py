"""The webhooks' knowledge of calls, kept until the call's socket needs it: announcements and stream statuses."""

from collections import OrderedDict
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

KEPT_SECONDS = 300.0
_MOST = 10_000


@dataclass(slots=True)
class CallRecord:
    """A call as the webhooks know it. Its numbers never reach a log."""

    announced: bool = False
    is_used_up: bool = False
    comes_back: bool = False
    was_hung_up: bool = False
    account_sid: str | None = None
    caller: str | None = field(default=None, repr=False)
    called: str | None = field(default=None, repr=False)
    statuses: list[str] = field(default_factory=list)
    changed_at: float = 0.0


class CallRegistry:
    """Records by CallSid, forgotten five minutes after the last change; never more than ten thousand."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._records: OrderedDict[str, CallRecord] = OrderedDict()

    def announce(
        self,
        call_sid: str,
        caller: str | None,
        called: str | None,
        account_sid: str | None = None,
        *,
        comes_back: bool = False,
    ) -> None:
        """Note a webhook's announcement that the call is coming, or coming back: it may have a socket (again)."""
        record = self._touch(call_sid)
        record.announced = True
        record.is_used_up = False
        record.comes_back = comes_back
        record.account_sid = account_sid or None
        record.caller = caller
        record.called = called

    def told(self, answer: bytes) -> "bytes | Deferred[bytes]":
        """Return the webhook's answer to an announcement, when whoever may get the call's socket knows of it."""
        return answer

    def note_hang_up(self, call_sid: str) -> None:
        """Note that this server hung up: the call is not taken when it comes back."""
        self._touch(call_sid).was_hung_up = True

    def note_status(self, call_sid: str, status: str) -> None:
        """Note a status callback, which may come before, during or after the call's socket."""
        self._touch(call_sid).statuses.append(status)

    def find(self, call_sid: str) -> CallRecord:
        """Return the call's record, or an empty one."""
        self._forget_old()
        return self._records.get(call_sid) or CallRecord()

    def use_up(self, call_sid: str) -> None:
        """Mark the announcement as used by the call's socket: no other socket may use it."""
        record = self._records.get(call_sid)
        if record is not None:
            record.is_used_up = True

    def _touch(self, call_sid: str) -> CallRecord:
        self._forget_old()
        record = self._records.setdefault(call_sid, CallRecord())
        self._records.move_to_end(call_sid)
        record.changed_at = self._clock.seconds()
        return record

    def _forget_old(self) -> None:
        oldest_kept = self._clock.seconds() - KEPT_SECONDS
        while self._records:
            oldest = next(iter(self._records.values()))
            if len(self._records) <= _MOST and oldest.changed_at >= oldest_kept:
                return
            self._records.popitem(last=False)
