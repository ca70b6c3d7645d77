"""Leases of Google's streams for the calls of this process: taken at once, or waited for in order."""

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from twisted.logger import Logger

from voicestt.fleet.allotment import GRANT, LEASE_SECONDS, RELEASE, Allotment, LeaseGrant, LeaseRequest
from voicestt.fleet.port import Argument, FleetAway, FleetLink, fleet_key
from voicestt.runtime.clock import Clock, Timer

ASK_SECONDS: Final = 1.0
ASK_WAITING_SECONDS: Final = 0.25
ASK_SOON_SECONDS: Final = 0.05
_KEY: Final = fleet_key("streams")

Came = Callable[[], object]


class StreamLeases:
    """The leases of this process, of a `quota` of streams for the whole fleet.

    A call that finds none may wait; those that wait are served in order. Without a fleet the quota is this
    process's own.
    """

    _log = Logger()

    def __init__(self, clock: Clock, quota: int, link: FleetLink) -> None:
        self._clock = clock
        self._link = link
        self._allotment = Allotment(quota)
        self._waiting: deque[Came] = deque()
        self._timer = Timer(clock)
        self._is_asking = self._is_serving = self._is_stopped = False
        self.refused = 0

    @property
    def quota(self) -> int:
        """The streams of the whole fleet."""
        return self._allotment.quota

    @property
    def in_use(self) -> int:
        """The calls of this process that have a lease."""
        return self._allotment.in_use

    @property
    def limit(self) -> int:
        """The calls of this process that may have one now."""
        return self._allotment.limit(self._clock.seconds())

    @property
    def waiting(self) -> int:
        """The calls of this process that wait for one."""
        return len(self._waiting)

    @property
    def is_alone(self) -> bool:
        """True while the fleet has not said for a lease's time what this process may use."""
        return not self._allotment.is_joined(self._clock.seconds())

    @property
    def reason(self) -> str:
        """The reason why a call gets none, in words."""
        whose = "this process's share of the" if self.is_alone and self._link.instance else "all"
        return f"{whose} {self.quota} streams of GCP_STT_STREAMS are in use"

    def start(self) -> None:
        """Ask for the first ones, and again from time to time."""
        self._link.watch(self._link_changed)
        self._ask()

    def stop(self) -> None:
        """Give all back."""
        self._is_stopped = True
        self._timer.cancel()
        self._waiting.clear()
        if self._link.is_up:
            self._link.forget(self._link_changed)
            released = self._link.run(RELEASE, [_KEY], [self._link.instance])
            released.addErrback(lambda failure: failure.trap(FleetAway))

    def take(self) -> bool:
        """Take a lease; False if none is left, or others wait already."""
        if not self._waiting and self._allotment.takes(self._clock.seconds()):
            return True
        self.refused += 1
        return False

    def give_back(self) -> None:
        """Give a lease back; the next that waits gets it."""
        self._allotment.give_back()
        self._serve()
        if self._allotment.others_wait:
            self._ask_soon()

    def wait(self, came: Came) -> Callable[[], None]:
        """Call `came` when a lease is there, and taken; return what ends the wait."""
        self._waiting.append(came)
        self._count_waiting()
        self._ask_soon()

        def end() -> None:
            if came in self._waiting:
                self._waiting.remove(came)
                self._count_waiting()

        return end

    def _serve(self) -> None:
        if self._is_serving:
            return  # one that was served has given its lease back: the loop below goes on
        self._is_serving = True
        try:
            while self._waiting and self._allotment.takes(self._clock.seconds()):
                came = self._waiting.popleft()
                self._count_waiting()
                came()
        finally:
            self._is_serving = False

    def _count_waiting(self) -> None:
        self._allotment.waiting = len(self._waiting)

    # -- the fleet

    def _link_changed(self) -> None:
        if self._link.is_up and not self._is_asking:
            self._ask()

    def _ask_soon(self) -> None:
        if not self._is_asking and not self._is_stopped and self._link.is_up:
            self._timer.set(ASK_SOON_SECONDS, self._ask)

    def _ask(self) -> None:
        self._timer.cancel()
        self._serve()  # alone, the limit may have grown by itself
        if not self._link.is_up:
            self._timer.set(ASK_SECONDS, self._ask)
            return
        self._is_asking = True
        request = self._allotment.ask(self._clock.seconds())
        arguments: list[Argument] = [self._link.instance, *request, int(LEASE_SECONDS * 1000)]
        asked = self._link.run(GRANT, [_KEY], arguments)
        asked.addCallback(self._answered, request)
        asked.addErrback(lambda failure: failure.trap(FleetAway))
        asked.addErrback(lambda failure: self._log.failure("A mistake in the leases of streams.", failure))
        asked.addCallback(self._ask_again)

    def _answered(self, reply: Any, request: LeaseRequest) -> None:
        self._allotment.answered(request, LeaseGrant(*reply))
        self._serve()

    def _ask_again(self, _outcome: object) -> None:
        self._is_asking = False
        if self._is_stopped:
            return
        if self._allotment.others_wait and self.limit > self.in_use:
            delay = ASK_SOON_SECONDS  # others wait for what is only at hand here
        else:
            delay = ASK_WAITING_SECONDS if self._waiting else ASK_SECONDS
        self._timer.set(delay, self._ask)
