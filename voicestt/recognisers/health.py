"""Health of a recognition service for the whole process: a circuit breaker, fed by every call.

closed: the service is used. The first failure makes it suspect: if something that begins after it fails too, the
breaker opens, and if nothing has answered within half a second, a probe is sent whose failure opens it as well.
open: nothing is asked of the service. A probe is sent every half to whole second; the first that succeeds closes
the breaker, and the calls that wait come back a few at a time, those that spoke last first.
half-open: open, with a probe under way.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from twisted.logger import Logger

from voicestt.recognisers.port import RecogniserError
from voicestt.runtime.backoff import Backoff
from voicestt.runtime.clock import Clock, Timer

RETURNS_PER_SECOND: Final = 45
PROBE_SECONDS: Final = 1.0
_PROBE_AFTER = 0.5  # seconds: most failures are one stream's, and its successor shows that
_SUSPECT_SECONDS = 30.0
# What a service says when it does not work. A refusal, a limit that was reached or a quota is no outage.
_OUTAGE = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN", "ABORTED", "CANCELLED", "OK"})

Answer = Callable[[bool], None]
SendProbe = Callable[[Answer], object]


class Health(Protocol):
    """A service's health, as its users see it."""

    @property
    def is_open(self) -> bool:
        """True while the service is known to fail, and must not be asked."""
        ...

    @property
    def reason(self) -> str:
        """The error that opened the breaker."""
        ...

    def failed(self, error: RecogniserError, began: float) -> None:
        """Note the failure of a stream or request that began at `began` (the clock's seconds)."""
        ...

    def succeeded(self, began: float) -> None:
        """Note the answer to a stream or request that began at `began`."""
        ...

    def doubt(self, reason: str) -> None:
        """Ask nothing of the service until a probe has shown that it works."""
        ...

    def slot(self) -> float:
        """Reserve a slot for one more stream; return the seconds to wait for it."""
        ...


class AlwaysHealthy:
    """A Health that never opens: every call decides for itself."""

    is_open = False
    reason = ""

    def failed(self, error: RecogniserError, began: float) -> None:
        """Ignore it."""

    def succeeded(self, began: float) -> None:
        """Ignore it."""

    def doubt(self, reason: str) -> None:
        """Ignore it."""

    def slot(self) -> float:
        """Return no wait."""
        return 0.0


@dataclass(eq=False, slots=True)
class _Waiting:
    come_back: Callable[[], object]
    silent_for: Callable[[], float]


class CircuitBreaker:
    """Circuit breaker of one service, `name`.

    `send_probe` asks the service for something small and answers whether that went well, at once or later.
    `remake` is called when the breaker opens and before each probe that follows: connections are made anew.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        clock: Clock,
        send_probe: SendProbe,
        *,
        remake: Callable[[], object] = lambda: None,
        jitter: Callable[[], float] = random.random,
        probe_seconds: float = PROBE_SECONDS,
    ) -> None:
        self.name = name
        self._clock = clock
        self._send_probe = send_probe
        self._remake = remake
        self._jitter = jitter
        self._probe_pause = Backoff(first=probe_seconds, longest=probe_seconds, jitter=0.5)
        self._opened_at: float | None = None
        self._suspect_since: float | None = None
        self._reason = ""
        self._next_probe = Timer(clock)
        self._next_return = Timer(clock)
        self._next_slot = 0.0
        self._probe = 0
        self._waiting: list[_Waiting] = []
        self._watchers: set[Callable[[], object]] = set()

    @property
    def is_open(self) -> bool:
        """True while the service is known to fail, and must not be asked."""
        return self._opened_at is not None

    @property
    def open_for(self) -> float:
        """Seconds since the breaker opened; 0 while it is closed."""
        return 0.0 if self._opened_at is None else self._clock.seconds() - self._opened_at

    @property
    def reason(self) -> str:
        """The error that opened the breaker."""
        return self._reason

    @property
    def waiting(self) -> int:
        """The number of calls that wait for the service."""
        return len(self._waiting)

    def failed(self, error: RecogniserError, began: float) -> None:
        """Note the failure of a stream or request that began at `began` (the clock's seconds)."""
        if error.status not in _OUTAGE or self.is_open:
            return
        now = self._clock.seconds()
        since = self._suspect_since
        self._reason = str(error)
        if since is None or now - since > _SUSPECT_SECONDS:
            self._suspect_since = now
            self._next_probe.set(_PROBE_AFTER, self._ask)
        elif began >= since:
            self._open()

    def succeeded(self, began: float) -> None:
        """Note the answer to what began at `began`; if that was before the trouble, it proves nothing."""
        if self._opened_at is not None and began >= self._opened_at:
            self._close()
        elif self._suspect_since is not None and began >= self._suspect_since:
            self._suspect_since = None
            self._next_probe.cancel()

    def doubt(self, reason: str) -> None:
        """Open the breaker until a probe has shown that the service works."""
        if not self.is_open:
            self._reason = reason
            self._open()

    def ask_now(self) -> None:
        """Send a probe now, if the breaker is open."""
        if self.is_open:
            self._ask()

    def watch(self, changed: Callable[[], object]) -> None:
        """Call `changed` after the breaker has opened or closed."""
        self._watchers.add(changed)

    def forget(self, changed: Callable[[], object]) -> None:
        """Stop calling `changed`."""
        self._watchers.discard(changed)

    def wait(self, come_back: Callable[[], object], silent_for: Callable[[], float]) -> Callable[[], None]:
        """Call `come_back` in its turn when the service works again.

        `silent_for` gives the seconds since the caller last spoke: those who spoke last come first. Returns what
        ends the wait.
        """
        waiting = _Waiting(come_back, silent_for)
        self._waiting.append(waiting)
        self._return_later()

        def end() -> None:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

        return end

    def slot(self) -> float:
        """Reserve a slot for one more stream; return the seconds to wait for it."""
        now = self._clock.seconds()
        at = max(now, self._next_slot)
        self._next_slot = at + 1 / RETURNS_PER_SECOND
        return at - now

    def stop(self) -> None:
        """End every wait and probe."""
        self._probe += 1
        self._waiting.clear()
        self._watchers.clear()
        self._next_probe.cancel()
        self._next_return.cancel()

    def _open(self) -> None:
        self._opened_at = self._clock.seconds()
        self._log.warn(
            "⚠️ {name} does not answer ({reason}). Calls go on and keep their audio; it is asked again every "
            "second. What to do: nothing, if it comes back; otherwise see the service's status and the network.",
            name=self.name,
            reason=self._reason,
        )
        self._ask()
        self._tell()

    def _close(self) -> None:
        away = self.open_for
        self._opened_at = self._suspect_since = None
        self._probe += 1
        self._next_probe.cancel()
        self._log.info(
            "{name} answers again after {away:.1f} s; {calls} calls come back to it.",
            name=self.name,
            away=away,
            calls=len(self._waiting),
        )
        self._tell()
        self._return_later()

    def _tell(self) -> None:
        for changed in list(self._watchers):
            changed()

    # -- probes

    def _ask(self) -> None:
        """Send a probe; while the breaker is open another follows, whether or not this one was answered."""
        if self.is_open:
            self._remake()
            self._next_probe.set(self._probe_pause.pause(0, self._jitter), self._ask)
        current = self._probe
        began = self._clock.seconds()

        def answer(is_healthy: bool) -> None:
            if current == self._probe:
                self._probed(began, is_healthy)

        self._send_probe(answer)

    def _probed(self, began: float, is_healthy: bool) -> None:
        if is_healthy:
            self.succeeded(began)
        elif self._suspect_since is not None and not self.is_open:
            self._open()

    # -- coming back

    def _return_later(self) -> None:
        if self._waiting and not self.is_open and not self._next_return.is_set:
            self._next_return.set(self.slot(), self._return_one)

    def _return_one(self) -> None:
        if self.is_open or not self._waiting:
            return
        newest = min(self._waiting, key=lambda waiting: waiting.silent_for())
        self._waiting.remove(newest)
        newest.come_back()
        self._return_later()
