"""The connections that are not calls: counted, in all and by address, so that strangers cannot shut callers out.

Where there are too many, the one that has been of no use for the longest is cut off, and the new one is taken: a
flood of idle connections pushes itself out, and a proxy that keeps connections open loses one it did not need.
A socket whose handshake was signed is not cut off for others; it has a deadline of its own.
"""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from voicestt.settings import Settings
from voicestt.variables import Network

UNKNOWN: Final = "unknown address"
TOO_MANY: Final = (
    "There are MAX_CONNECTIONS, or MAX_CONNECTIONS_PER_ADDRESS, that are not calls, and all wait for `start`. If "
    "it is your proxy's address, name it in TRUSTED_PROXIES."
)
_LONGEST_FORWARDED: Final = 1_000


class Visitor:
    """One connection that is not a call (yet). `cut` drops it at once."""

    def __init__(self, visitors: "Visitors", address: str, cut: Callable[[], object]) -> None:
        self._visitors = visitors
        self.address = address
        self.cut = cut
        self.is_pinned = False

    def moved(self) -> None:
        """It was of use just now."""
        self._visitors.move_to_end(self)

    def pin(self) -> None:
        """It has shown a good signature: it is not cut off to make room for others."""
        self.is_pinned = True

    def leave(self) -> None:
        """It is gone, or a call, or somebody who has shown a token; once or several times."""
        self._visitors.forget(self)


class Visitors:
    """At most `most` connections, and `most_of_address` of one address that is none of `proxies`."""

    def __init__(self, most: int, most_of_address: int, proxies: tuple[Network, ...] = ()) -> None:
        self._most = most
        self._most_of_address = most_of_address
        self._proxies = proxies
        self._all: OrderedDict[Visitor, None] = OrderedDict()
        self._by_address: dict[str, OrderedDict[Visitor, None]] = {}
        self.cut_off = 0

    def __len__(self) -> int:
        return len(self._all)

    def admit(self, address: str, cut: Callable[[], object]) -> Visitor | None:
        """A new connection; None where there is no room, and nobody who could be cut off for it."""
        of_address = self._by_address.get(address, OrderedDict())
        if (
            len(of_address) >= self._most_of_address
            and not self.is_proxy(address)
            and not self._cut_one(of_address)
        ):
            return None
        if len(self._all) >= self._most and not self._cut_one(self._all):
            return None
        visitor = Visitor(self, address, cut)
        self._all[visitor] = None
        self._by_address.setdefault(address, OrderedDict())[visitor] = None
        return visitor

    def is_proxy(self, address: str) -> bool:
        """Whether `address` is one of TRUSTED_PROXIES."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._proxies)

    def client(self, address: str, forwarded: str | None) -> str:
        """Who is asking: `address`, or where that is a trusted proxy's, whom it says that it asks for.

        `forwarded` is the header X-Forwarded-For: each proxy adds at the end whom it was asked by, so the last one
        that is no proxy of ours is believed, and nothing before it.
        """
        asking = address
        for named in reversed((forwarded or "")[-_LONGEST_FORWARDED:].split(",")):
            if not self.is_proxy(asking):
                return asking
            try:
                asking = str(ip_address(named.strip()))
            except ValueError:
                return asking
        return asking

    def move_to_end(self, visitor: Visitor) -> None:
        """For `Visitor.moved`."""
        if visitor in self._all:
            self._all.move_to_end(visitor)
            self._by_address[visitor.address].move_to_end(visitor)

    def forget(self, visitor: Visitor) -> None:
        """For `Visitor.leave`."""
        if self._all.pop(visitor, self) is None:
            of_address = self._by_address[visitor.address]
            del of_address[visitor]
            if not of_address:
                del self._by_address[visitor.address]

    def _cut_one(self, among: OrderedDict[Visitor, None]) -> bool:
        for visitor in among:
            if not visitor.is_pinned:
                self.cut_off += 1
                self.forget(visitor)
                visitor.cut()
                return True
        return False


def visitors_of(settings: Settings, descriptors: int) -> Visitors:
    """The bounds that are set; half of the process's `descriptors` are left to calls and the journal."""
    most = min(settings.max_connections, max(1, descriptors // 2))
    return Visitors(most, settings.max_connections_per_address, settings.trusted_proxies)
