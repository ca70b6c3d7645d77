"""The live events of all processes, for those who listen here.

With a journal that processes share its numbers are everybody's, so that a listener may go on in any process, and
what could not be heard is read in the journal. Events of a process with another journal are told live only: they
have no number to go on after, and what is missed of them stays missed.
"""

import hashlib
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from voicestt.delivery.live.exchange import ExchangeCounts, LiveExchange
from voicestt.delivery.live.hub import EventHub
from voicestt.delivery.live.safe_numbers import SafeNumbers
from voicestt.fleet.port import FleetLink
from voicestt.journal.port import NOWHERE, Record
from voicestt.runtime.clock import Timer

GRACE_SECONDS: Final = 0.5
"""So long others are given to hear what is wanted, before the journal is read for what they wrote until then."""


class FleetFeed:
    """Publishes events to `hub` and to other processes, and theirs to `hub`.

    `journal` names the journal; "" if there is none that survives the process.
    """

    def __init__(self, clock: IReactorTime, hub: EventHub, link: FleetLink, journal: str) -> None:
        self._clock = clock
        self._hub = hub
        self._link = link
        self._journal = journal
        self._exchange = LiveExchange(clock, link, journal, self._heard, self._missed, hub.numbers)
        self._numbers = SafeNumbers()
        self._catching_up = Timer(clock)
        self._had_listeners = False

    @property
    def counts(self) -> ExchangeCounts:
        """The counters of the exchange."""
        return self._exchange.counts

    def start(self) -> None:
        """Begin to exchange events with other processes, if there is a fleet."""
        if self._link.instance:
            self._hub.wants_changed = self._wants_changed
            self._hub.before_replay = self._known_to_others
            self._link.watch(self._link_changed)
            self._exchange.start()

    def stop(self) -> None:
        """End the exchange."""
        if self._link.instance:
            self._catching_up.cancel()
            self._hub.wants_changed = lambda: None
            self._link.forget(self._link_changed)
            self._exchange.stop()

    def publish(self, records: Sequence[Record]) -> None:
        """Publish records that were just written into the journal here, in this order."""
        if self._had_listeners and records:
            self._hub.publish(records, self._marked(records))
        else:
            self._hub.publish(records)
        if self._link.instance:
            self._exchange.offer(records)

    def _heard(self, records: Sequence[Record], is_of_this_journal: bool) -> None:
        if is_of_this_journal and self._journal:
            self._hub.publish_foreign(self._marked(records, are_foreign=True))
        else:
            low = self._numbers.low
            cursor = NOWHERE if low is None else low
            self._hub.publish_foreign([replace(each, cursor=cursor) for each in records])

    def _marked(self, records: Sequence[Record], *, are_foreign: bool = False) -> Sequence[Record]:
        """Give events the place to go on after that misses nothing, if not all come from one process in order."""
        self._numbers.note((each.number for each in records), self._clock.seconds())
        if not are_foreign and not self._exchange.has_siblings:
            return records
        return [replace(each, cursor=self._numbers.low) for each in records]

    def _wants_changed(self) -> None:
        wanted = self._hub.wanted
        if not wanted:
            self._numbers = SafeNumbers()
        elif not self._had_listeners and self._journal:
            Deferred.fromCoroutine(self._begin(self._numbers))
        self._had_listeners = bool(wanted)
        self._exchange.want(wanted)

    async def _begin(self, numbers: SafeNumbers) -> None:
        """Find the place at which the first listener came, to know what is missed if nothing comes for long."""
        last = await self._hub.last_number()
        if last is not None:
            numbers.begin(last)

    def _known_to_others(self) -> "Deferred[None]":
        return deferLater(self._clock, GRACE_SECONDS if self._link.is_up else 0)

    def _link_changed(self) -> None:
        if self._link.is_up:
            self._missed()
        else:
            self._numbers.keep_all(keeps=True)

    def _missed(self) -> None:
        """Read in the journal what others have written meanwhile."""
        if self._journal and not self._catching_up.is_set:
            self._numbers.keep_all(keeps=True)
            self._catching_up.set(GRACE_SECONDS, self._catch_up)

    def _catch_up(self) -> None:
        if self._numbers.low is not None:
            self._hub.catch_up(self._numbers.low, self._numbers.since)
        self._numbers.keep_all(keeps=False)


def journal_name(url: str) -> str:
    """Return a name that processes with the same journal have in common, without a secret; "" for `off`.

    A file is this machine's own.
    """
    if url == "off":
        return ""
    parts = urlsplit(url)
    if parts.scheme.startswith("sqlite"):
        where = f"{socket.gethostname()} {Path(url.partition(':///')[2]).resolve()}"
    else:
        where = f"{parts.hostname}:{parts.port or 5432}{parts.path}"
    return hashlib.sha256(where.encode()).hexdigest()[:16]
