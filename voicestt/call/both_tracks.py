"""The two tracks of one call, told as one: one start, one end, one count of utterances, one zero of time."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from voicestt.call.facts import CallEnded, CallObserver, CallStarted, Event
from voicestt.twilio.media_time import TimeOrigin


@dataclass(slots=True)
class SharedByTracks:
    """The things that the tracks of a call share: the number of the last utterance, and the zero of its time."""

    utterances: int = 0
    origin: TimeOrigin = field(default_factory=TimeOrigin)

    def next_utterance(self) -> int:
        """Return the number of an utterance that begins, of either track."""
        self.utterances += 1
        return self.utterances


class TracksAsOne:
    """Observers for the tracks of one call, in front of its `observer`, and the end of both.

    The callee's start and end are not told: the call has one of each, the caller's, and its end waits for the
    callee's last words and carries their account. `over` is called when both are.
    """

    def __init__(self, observer: CallObserver, over: Callable[[], None]) -> None:
        self._observer = observer
        self._over = over
        self._end: CallEnded | None = None
        self._callee: CallEnded | None = None
        self._callee_is_live = False
        self._caller_is_over = False
        self.of_callee = _Callee(self)

    def begin_callee(self) -> None:
        """Note that there is a callee, whose end is waited for."""
        self._callee_is_live = True

    def tell(self, event: Event) -> None:
        """Pass on what the caller's track tells; its end waits for that of the callee's."""
        if not isinstance(event, CallEnded):
            self._observer.tell(event)
        elif self._callee_is_live:
            self._end = event
        else:
            self._observer.tell(event if self._callee is None else _with_callee(event, self._callee))

    def tell_of_callee(self, event: Event) -> None:
        """Pass on what the callee's track tells."""
        if isinstance(event, CallEnded):
            self._callee, self._callee_is_live = event, False
            end, self._end = self._end, None
            if end is not None:
                self.tell(end)
        elif not isinstance(event, CallStarted):
            self._observer.tell(event)

    def caller_over(self) -> None:
        """Note that the caller's track is over."""
        self._caller_is_over = True
        self.callee_over()

    def callee_over(self) -> None:
        """Note that the callee's track is over: the call is, if the caller's is too."""
        if self._caller_is_over and not self._callee_is_live:
            self._over()


def _with_callee(end: CallEnded, callee: CallEnded) -> CallEnded:
    """Return the caller's end with the callee's account and delays, and what befell either counted together."""
    own, other = end.figures, callee.figures
    figures = replace(
        own,
        restarts=own.restarts + other.restarts,
        rotations=own.rotations + other.rotations,
        fallbacks=own.fallbacks + other.fallbacks,
    )
    return replace(end, figures=figures, callee=callee.account, callee_figures=other)


class _Callee:
    """The observer of the callee's track."""

    def __init__(self, tracks: TracksAsOne) -> None:
        self._tracks = tracks

    def tell(self, event: Event) -> None:
        self._tracks.tell_of_callee(event)
