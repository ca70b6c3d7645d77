"""The connections that are not calls: counted in all and by address, so that strangers cannot shut callers out.

If there are too many, the one that has been of no use for the longest is cut off, and the new one is taken: a
flood of idle connections pushes itself out, and a proxy that keeps connections open loses one it did not need.
A socket whose handshake was signed is not cut off for others, nor counted with its address, for behind a proxy all
callers come from one; it has a deadline of its own. One address can have half of all connections protected so; its
further ones are taken too, but can be cut off.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from voicestt.config.readers import Network
from voicestt.config.settings import Settings

UNKNOWN: Final = "unknown address"
TOO_MANY: Final = (
    "There are MAX_CONNECTIONS that are not calls, and all have a signed handshake and wait for `start`: Twilio "
    "is in trouble, or somebody replays its handshakes, which a new auth token makes worthless."
)
_LONGEST_FORWARDED: Final = 1_000


def place(address: str) -> str:
    """Return the part of an address that all addresses of one owner share: for IPv6 the /64 network."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((int(parsed) >> 64 << 64, 64)))
    return address if parsed is None else str(parsed)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None  # of a socket that speaks both
    return mapped or parsed


class Visitor:
    """One connection that is not a call (yet). `cut` drops it at once."""

    def __init__(self, visitors: "Visitors", address: str, cut: Callable[[], object]) -> None:
        self._visitors = visitors
        self.address = address
        self.place = place(address)
        self.cut = cut
        self.is_pinned = False

    def moved(self) -> None:
        """Note that the connection was of use just now."""
        self._visitors.move_to_end(self)

    def pin(self) -> None:
        """Protect the connection, whose signature was good, from being cut off; not too many of one address."""
        self._visitors.pin(self)

    def leave(self) -> None:
        """Stop counting it: it is gone, or a call, or its owner has shown a token. May be called again."""
        self._visitors.forget(self)


class Visitors:
    """Limits: at most `most` connections, and `most_of_address` of one address that is none of `proxies`.

    An address is its `place`. Pinned ones count among all, and not with their address.
    """

    def __init__(self, most: int, most_of_address: int, proxies: tuple[Network, ...] = ()) -> None:
        self._most = most
        self._most_of_address = most_of_address
        self._most_pinned = max(1, most // 2)
        self._proxies = proxies
        self._all: OrderedDict[Visitor, None] = OrderedDict()
        self._by_place: dict[str, OrderedDict[Visitor, None]] = {}
        self._pinned: Counter[str] = Counter()
        self.cut_off = 0

    def __len__(self) -> int:
        return len(self._all)

    def admit(self, address: str, cut: Callable[[], object]) -> Visitor | None:
        """Admit a new connection; None if there is no room and none can be cut off for it."""
        visitor = Visitor(self, address, cut)
        of_place = self._by_place.get(visitor.place, OrderedDict())
        if len(of_place) >= self._most_of_address and not self.is_proxy(address):
            self._cut_one(of_place)
        if len(self._all) >= self._most and not self._cut_one(self._all):
            return None
        self._all[visitor] = None
        self._by_place.setdefault(visitor.place, OrderedDict())[visitor] = None
        return visitor

    def is_proxy(self, address: str) -> bool:
        """Return True if `address` is one of TRUSTED_PROXIES."""
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._proxies)

    def client(self, address: str, forwarded: str | None) -> str:
        """Return the client's address: `address`, or the client that a trusted proxy at `address` names.

        `forwarded` is the header X-Forwarded-For: each proxy adds at the end whom it was asked by, so the last one
        that is no proxy of ours is believed, and nothing before it.
        """
        asking = address
        for named in reversed((forwarded or "")[-_LONGEST_FORWARDED:].split(",")):
            if not self.is_proxy(asking):
                return asking
            parsed = _parsed(named.strip())
            if parsed is None:
                return asking
            asking = str(parsed)
        return asking

    def move_to_end(self, visitor: Visitor) -> None:
        """Move the visitor to the end of the queue to be cut off, for `Visitor.moved`."""
        if visitor in self._all:
            self._all.move_to_end(visitor)
            if not visitor.is_pinned:
                self._by_place[visitor.place].move_to_end(visitor)

    def pin(self, visitor: Visitor) -> None:
        """Protect the visitor, for `Visitor.pin`."""
        has_room = self._pinned[visitor.place] < self._most_pinned
        if has_room and visitor in self._all and not visitor.is_pinned:
            self._leave_place(visitor)
            self._pinned[visitor.place] += 1
            visitor.is_pinned = True

    def forget(self, visitor: Visitor) -> None:
        """Stop counting the visitor, for `Visitor.leave`."""
        if self._all.pop(visitor, self) is None:
            if visitor.is_pinned:
                self._pinned -= Counter([visitor.place])
            else:
                self._leave_place(visitor)

    def _leave_place(self, visitor: Visitor) -> None:
        of_place = self._by_place[visitor.place]
        del of_place[visitor]
        if not of_place:
            del self._by_place[visitor.place]

    def _cut_one(self, among: OrderedDict[Visitor, None]) -> bool:
        for visitor in among:
            if not visitor.is_pinned:
                self.cut_off += 1
                self.forget(visitor)
                visitor.cut()
                return True
        return False


def visitors_of(settings: Settings, descriptors: int) -> Visitors:
    """Make the limits of the settings; half of the process's `descriptors` are left to calls and the journal."""
    most = min(settings.max_connections, max(1, descriptors // 2))
    return Visitors(most, settings.max_connections_per_address, settings.trusted_proxies)
