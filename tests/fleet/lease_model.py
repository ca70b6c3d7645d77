"""The script `GRANT` in Python, with a clock of the test's: what Redis grants of the leases of streams."""

from dataclasses import dataclass, field

from voicestt.fleet.allotment import LeaseGrant, LeaseRequest


@dataclass
class _Held:
    granted: int
    number: int
    expires: float
    short: int


@dataclass
class LeaseModel:
    """Times are in ms, as Redis has them."""

    since: float | None = None
    held: dict[str, _Held] = field(default_factory=dict)

    def grant(self, now: float, name: str, asked: LeaseRequest, lease: float) -> LeaseGrant:
        self.held = {each: held for each, held in self.held.items() if held.expires > now}
        if name in self.held and self.held[name].number >= asked.number:
            return LeaseGrant(-1, 0, 0, 0)
        others = [held for each, held in self.held.items() if each != name]
        if self.since is None:
            self.since = now
        is_settling = now - self.since < lease
        free = max(0, asked.quota - sum(held.granted for held in others))
        allowed = min(asked.wanted, asked.held if is_settling else free)
        granted = max(asked.in_use, allowed)
        short = max(0, asked.waiting - (granted - asked.in_use))
        self.held[name] = _Held(granted, asked.number, now + lease, short)
        return LeaseGrant(allowed, sum(held.short for held in others), len(self.held), int(is_settling))

    def release(self, name: str) -> None:
        self.held.pop(name, None)

    def forget(self) -> None:
        """It loses its memory, as a Redis without a disk does at a restart."""
        self.since = None
        self.held.clear()
