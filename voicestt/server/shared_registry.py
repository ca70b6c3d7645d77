"""The registry of calls of a worker: it tells its siblings what it hears, and knows what they heard.

A call's webhook and its socket are two connections, and come to any two workers.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from voicestt.fleet.call_scripts import Claim
from voicestt.server.call_registry import KEPT_SECONDS, CallRecord, CallRegistry
from voicestt.workers.link import WorkerLink

ANNOUNCED: Final = "announced"
"""The question for the announcements whose calls have no socket yet."""

TOLD_SECONDS: Final = 0.25
"""A webhook's answer waits so long at most for the siblings to know of the call."""

_IS_KNOWN: Final = "is it known"


class SharedCallRegistry(CallRegistry):
    """A registry that `link` joins with those of the siblings, and which keeps its records in `inner`."""

    def __init__(self, clock: IReactorTime, link: WorkerLink, inner: CallRegistry) -> None:
        super().__init__(clock)
        self._inner = inner
        self._now = clock.seconds
        self._link = link
        self._announced: OrderedDict[str, tuple[float, dict[str, Any]]] = OrderedDict()
        self.arrived: Callable[[str], object] = lambda _call_sid: None

    @property
    def announced(self) -> list[dict[str, Any]]:
        """The announcements whose calls have no socket yet."""
        oldest = self._now() - KEPT_SECONDS
        while self._announced and next(iter(self._announced.values()))[0] < oldest:
            self._announced.popitem(last=False)
        return [news for _, news in self._announced.values()]

    def announce(
        self,
        call_sid: str,
        caller: str | None,
        called: str | None,
        account_sid: str | None = None,
        *,
        comes_back: bool = False,
    ) -> None:
        """Note a webhook's announcement, here and there."""
        numbers = {"caller": caller, "called": called, "account_sid": account_sid, "comes_back": comes_back}
        news = {"call_sid": call_sid, **numbers}
        self._inner.announce(call_sid, caller, called, account_sid, comes_back=comes_back)
        self._keep(news)
        self._link.relay("announced", news)

    def told(self, answer: bytes) -> "bytes | Deferred[bytes]":
        """Return the answer to an announcement once the siblings know of it, and soon in any case."""
        told: Deferred[bytes] = Deferred()

        def known(_answers: object) -> None:
            if not told.called:  # whoever asked may have gone
                told.callback(answer)

        # What was relayed before is taken before.
        self._link.ask_all(_IS_KNOWN, TOLD_SECONDS).addCallback(known)
        return told

    def note_hang_up(self, call_sid: str) -> None:
        """Note that the call was hung up, here and there."""
        self._inner.note_hang_up(call_sid)
        self._link.relay("hung up", {"call_sid": call_sid})

    def note_status(self, call_sid: str, status: str) -> None:
        """Note a status callback, here and there."""
        self._inner.note_status(call_sid, status)
        self._link.relay("status", {"call_sid": call_sid, "status": status})

    def use_up(self, call_sid: str) -> None:
        """Mark the announcement as used, here and there."""
        self._inner.use_up(call_sid)
        self._announced.pop(call_sid, None)
        self._link.relay("used up", {"call_sid": call_sid})

    def find(self, call_sid: str) -> CallRecord:
        """Return the call's record, or an empty one."""
        return self._inner.find(call_sid)

    def is_expected(self, record: CallRecord) -> bool:
        """Return True if a webhook here, or a sibling's, announced the call just now."""
        return self._inner.is_expected(record)

    def learn(self, call_sid: str, claim: Claim) -> None:
        """Note what webhooks of other processes said of a call whose stream has come here."""
        self._inner.learn(call_sid, claim)

    def relayed(self, kind: str, news: Mapping[str, Any]) -> None:
        """Note what a sibling has relayed."""
        match kind:
            case "announced":
                self._learn(news)
            case "hung up":
                CallRegistry.note_hang_up(self._inner, **news)  # a fleet has been told by the sibling
            case "status":
                CallRegistry.note_status(self._inner, **news)
            case "used up":
                CallRegistry.use_up(self._inner, **news)
                self._announced.pop(news["call_sid"], None)
                self.arrived(news["call_sid"])

    async def learn_from_all(self) -> None:
        """Learn the siblings' announcements, which were made before this worker was there."""
        answers = (await self._link.ask_all(ANNOUNCED)).get("workers", {})
        for answer in answers.values():
            for news in answer or ():
                self._learn(news)

    def _learn(self, news: Mapping[str, Any]) -> None:
        CallRegistry.announce(self._inner, **news)
        self._keep(news)

    def _keep(self, news: Mapping[str, Any]) -> None:
        self._announced[news["call_sid"]] = (self._now(), dict(news))
        self._announced.move_to_end(news["call_sid"])
