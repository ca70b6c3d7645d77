"""Moving of live calls to another process, while this one stops.

Twilio is asked to ask the webhook again for a call: it leaves this process's stream, and opens a new one to
whichever process answers. The calls go one after the other, spread over the time that there is.
"""

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from twisted.logger import Logger

from voicestt.config.settings import Settings
from voicestt.runtime.clock import Clock, Timer
from voicestt.runtime.thread_pool import DaemonThreadPool
from voicestt.twilio import twiml
from voicestt.twilio.rest import CallAlreadyEnded, TwilioCalls, TwilioRefused
from voicestt.twilio.returning import moved

THREADS: Final = 8
REQUEST_SECONDS: Final = 5.0
FIRST_SHARE: Final = 0.2
FIRST_SECONDS: Final = 3.0
"""Pause before the first move, as a share of the time and at most: a balancer must have seen /readyz first."""

CAME_BACK_SECONDS: Final = 20.0
"""Pause before a call is moved once more that came back here, because no other process took it."""

_AGAIN_SECONDS: Final = 1.0
_LONGEST_AGAIN: Final = 5.0
_LOOK_SECONDS: Final = 0.2
_SHORTEST_STEP: Final = 0.02


class MovableCall(Protocol):
    """A live call, as far as it can be moved."""

    is_being_moved: bool

    @property
    def call_sid(self) -> str:
        """Twilio's id of the call; "" before its start."""
        ...

    @property
    def account_sid(self) -> str:
        """Twilio's id of its account."""
        ...


@dataclass(slots=True)
class MoveCounts:
    """Counts of calls moved, of requests to Twilio that failed, and of calls that could not be moved.

    A call that Twilio says is over is no failure, unless its stream is still here when the time is up.
    """

    moved: int = 0
    failed_requests: int = 0
    not_moved: int = 0


@dataclass(slots=True)
class _MoveAttempt:
    failed: int = 0
    due: float = 0.0
    is_over: bool = False
    over: str = ""
    """Twilio's answer that there is no such call, in words; "" if it did not say so."""


class Mover:
    """Moves the calls that `live` returns. `ask` blocks until Twilio has accepted (account SID, CallSid), and
    raises TwilioRefused; it runs in threads of the mover's own. `cross` runs an action in the reactor's thread.
    """

    _log = Logger()

    def __init__(
        self,
        clock: Clock,
        live: Callable[[], Collection[MovableCall]],
        ask: Callable[[str, str], None],
        cross: Callable[[Callable[[], object]], object],
        counts: MoveCounts,
    ) -> None:
        self.counts = counts
        self._clock = clock
        self._live = live
        self._ask = ask
        self._cross = cross
        self._threads = DaemonThreadPool(THREADS, "moving")
        self._timer = Timer(clock)
        self._attempts: dict[MovableCall, _MoveAttempt] = {}
        self._moved_at: dict[str, float] = {}
        self._until = self._last = 0.0
        self._has_stopped = False

    def start(self, seconds: float) -> None:
        """Start to move the calls, within `seconds`."""
        now, pause = self._clock.seconds(), min(FIRST_SECONDS, FIRST_SHARE * seconds)
        self._until, self._last = now + seconds, now + pause
        self._timer.set(pause, self._step)

    def stop(self) -> None:
        """Move no more; those that could not be moved are counted and logged."""
        self._has_stopped = True
        self._timer.cancel()
        self._threads.stop()
        strange = [call for call in self._live() if call.call_sid and self._attempt(call).over]
        for call in strange:
            self._complain(call, self._attempt(call).over)
        unmoved = self._unmoved()
        for call in unmoved:
            self._give_up(call)
        left = len(strange) + len(unmoved)
        self.counts.not_moved = left
        if self.counts.moved or left:
            self._tell(left)

    def _unmoved(self) -> Sequence[MovableCall]:
        return [call for call in self._live() if call.call_sid and not self._attempt(call).is_over]

    def _attempt(self, call: MovableCall) -> _MoveAttempt:
        came_back = self._moved_at.get(call.call_sid)
        return self._attempts.setdefault(
            call, _MoveAttempt(due=0.0 if came_back is None else came_back + CAME_BACK_SECONDS)
        )

    def _step(self) -> None:
        now = self._clock.seconds()
        idle = [call for call in self._unmoved() if not call.is_being_moved and self._attempt(call).due <= now]
        fresh = [call for call in idle if not self._attempt(call).failed]
        again = [call for call in idle if self._attempt(call).failed]
        gap = (self._until - self._last) / (len(fresh) + 1)
        for call in again:
            self._move(call)
        while fresh and now >= self._last + gap:  # several at once where the reactor is late
            self._last += gap
            self._move(fresh.pop(0))
        self._timer.set(max(_SHORTEST_STEP, min(gap, _LOOK_SECONDS)), self._step)

    def _move(self, call: MovableCall) -> None:
        call.is_being_moved = True
        asked = self._threads.run(partial(self._ask, call.account_sid, call.call_sid))
        asked.add_done_callback(lambda future: self._cross(partial(self._asked, call, future)))

    def _asked(self, call: MovableCall, asked: "Future[None]") -> None:
        attempt = self._attempt(call)
        problem = None if asked.cancelled() else asked.exception()
        if asked.cancelled():
            call.is_being_moved = False
        elif problem is None:
            attempt.is_over = call.is_being_moved = True
            self.counts.moved += 1
            self._moved_at[call.call_sid] = self._clock.seconds()
        elif isinstance(problem, CallAlreadyEnded):
            attempt.is_over = True
            attempt.over = str(problem)
            call.is_being_moved = False
        elif not self._has_stopped:
            self._again(call, attempt, problem)

    def _again(self, call: MovableCall, attempt: _MoveAttempt, problem: BaseException) -> None:
        call.is_being_moved = False
        attempt.failed += 1
        self.counts.failed_requests += 1
        pause = min(_LONGEST_AGAIN, _AGAIN_SECONDS * 2 ** (attempt.failed - 1))
        attempt.due = self._clock.seconds() + pause
        if attempt.failed == 1:
            self._log.warn(
                "⚠️ The call could not be moved: {problem}. It goes on here, and is tried again while there is "
                "time.",
                problem=str(problem) if isinstance(problem, TwilioRefused) else type(problem).__name__,
                log_system=call.call_sid,
            )

    def _give_up(self, call: MovableCall) -> None:
        """Take the call for one that stays, also if Twilio is being asked: it has not agreed."""
        if call.is_being_moved:
            call.is_being_moved = False
            self.counts.failed_requests += 1
            self._complain(call, "Twilio has not answered in time")

    def _complain(self, call: MovableCall, why: str) -> None:
        self._log.warn(
            "⚠️ The call could not be moved: {problem}. Its stream is still here, and is ended now. What to "
            "do: see whether Twilio's API can be reached (TWILIO_API_URL), and TWILIO_AUTH_TOKEN is of the call's "
            "account.",
            problem=why,
            log_system=call.call_sid,
        )

    def _tell(self, left: int) -> None:
        words = "Calls moved to another process: {moved}; requests to Twilio that failed: {failed}."
        if not left:
            self._log.info(words, moved=self.counts.moved, failed=self.counts.failed_requests)
            return
        self._log.error(
            words + " {left} calls could not be moved and are ended now, which hangs up on their callers. What to "
            "do: see the lines of these calls above (TWILIO_AUTH_TOKEN, Twilio's limits), or give more "
            "SHUTDOWN_SECONDS.",
            moved=self.counts.moved,
            failed=self.counts.failed_requests,
            left=left,
        )


def move_of(settings: Settings) -> Callable[[str, str], None] | None:
    """Make what asks Twilio to move a call to whoever answers the webhook; None where calls are not moved."""
    tokens = settings.twilio_auth_tokens
    if settings.shutdown_calls != "move" or not tokens:
        return None
    twilio = TwilioCalls(tokens[0], settings.twilio_api_url, REQUEST_SECONDS, tokens[1:])

    def move(account_sid: str, call_sid: str) -> None:
        url = twiml.incoming_call_url(settings.public_host.lower(), moved(time.time()).query)
        twilio.move(account_sid, call_sid, url)

    return move
