"""The webhooks' knowledge of calls, kept until the call's socket needs it: announcements and stream statuses."""

from collections import OrderedDict
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from voicestt.fleet.call_scripts import Claim

KEPT_SECONDS = 300.0
EXPECTED_SECONDS = 10.0
"""A socket that comes later than this after its announcement may have had another one, in another process."""

_MOST = 10_000


@dataclass(slots=True)
class CallRecord:
    """A call as the webhooks know it. Its numbers never reach a log."""

    announced: bool = False
    announced_elsewhere: bool = False
    is_used_up: bool = False
    comes_back: bool = False
    was_hung_up: bool = False
    account_sid: str | None = None
    caller: str | None = field(default=None, repr=False)
    called: str | None = field(default=None, repr=False)
    statuses: list[str] = field(default_factory=list)
    changed_at: float = 0.0
    announced_at: float = 0.0


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
        record.announced_at = record.changed_at
        record.announced_elsewhere = False
        record.is_used_up = False
        record.comes_back = comes_back
        record.account_sid = account_sid or None
        record.caller = caller
        record.called = called

    def told(self, answer: bytes) -> "bytes | Deferred[bytes]":
        """Return the webhook's answer to an announcement, when whoever may get the call's socket knows of it."""
        return answer

    def learn(self, call_sid: str, claim: Claim) -> None:
        """Note what webhooks of other processes said of a call whose stream has come here."""
        record = self._touch(call_sid)
        record.statuses[:0] = claim.statuses
        if claim.is_announced and not self.is_expected(record):
            record.announced = record.announced_elsewhere = True
            record.is_used_up = False
            record.comes_back = claim.comes_back
            record.account_sid = claim.account_sid or None
            record.caller = claim.caller or None
            record.called = claim.called or None

    def note_hang_up(self, call_sid: str) -> None:
        """Note that this server hung up: the call is not taken when it comes back."""
        self._touch(call_sid).was_hung_up = True

    def note_status(self, call_sid: str, status: str) -> None:
        """Note a status callback, which may come before, during or after the call's socket."""
        self._touch(call_sid).statuses.append(status)

    def is_expected(self, record: CallRecord) -> bool:
        """Return True if a webhook here announced the call just now, and no socket has used that."""
        is_recent = self._clock.seconds() - record.announced_at < EXPECTED_SECONDS
        return record.announced and not record.is_used_up and is_recent

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
