"""The states of an endless session, each with its data.

    state        its streams                      audio             the stream in charge ends     no more audio
    Silent       none                             opens one         -                             for last words
    Opening      one when its timer fires         is kept           -                             the end, an error
    Live         one in charge                    is sent           another, with a budget        is half-closed
    CatchingUp   and its successor                is sent to both   the successor takes charge    is half-closed
    HalfClosed   one that gives its last words    is kept           what was kept opens another   waits for it
    Finishing    one that gives the last words    -                 the end                       -
    Over         none                             -                 -                             -

The ledger of the call keeps the audio, and the next stream sends it first. `is_speaking`: partials of the stream
in charge have shown words that no final has yet.
"""

from dataclasses import dataclass

from voicestt.recognisers.stream import StreamAttempt
from voicestt.runtime.clock import Timer


@dataclass(slots=True)
class Silent:
    """No stream, because nobody has spoken yet or nobody is speaking. The next audio opens one."""


@dataclass(slots=True)
class Opening:
    """Waiting to open a stream when `timer` fires: after a failure, or when the service can be asked again."""

    timer: Timer


@dataclass(slots=True)
class Live:
    """One stream, in charge."""

    attempt: StreamAttempt
    is_speaking: bool = False


@dataclass(slots=True)
class CatchingUp:
    """A stream in charge and its successor, which takes charge when it answers or `patience` fires."""

    attempt: StreamAttempt
    is_speaking: bool
    successor: StreamAttempt
    patience: Timer


@dataclass(slots=True)
class HalfClosed:
    """A half-closed stream, whose last words are awaited until `drain` fires."""

    attempt: StreamAttempt
    is_speaking: bool
    drain: Timer


@dataclass(slots=True)
class Finishing:
    """The call is over, and its last words are awaited until `drain` fires.

    `attempt` is None until `opening` has fired: there was no stream, and some audio that none had been given.
    `was_half_closed`: audio may have come since the stream was half-closed, which none was given yet.
    """

    drain: Timer
    attempt: StreamAttempt | None = None
    is_speaking: bool = False
    was_half_closed: bool = False
    opening: Timer | None = None


@dataclass(slots=True)
class Over:
    """The end was told, or the session was aborted."""


State = Silent | Opening | Live | CatchingUp | HalfClosed | Finishing | Over


def left(state: State) -> None:
    """Leave `state` for good: cancel its timers and drop its streams."""
    match state:
        case Opening(timer=timer):
            timer.cancel()
        case Live(attempt=attempt):
            attempt.drop()
        case CatchingUp(attempt=attempt, successor=successor, patience=patience):
            patience.cancel()
            successor.drop()
            attempt.drop()
        case HalfClosed(attempt=attempt, drain=drain):
            drain.cancel()
            attempt.drop()
        case Finishing(attempt=last, drain=drain, opening=opening):
            drain.cancel()
            if opening is not None:
                opening.cancel()
            if last is not None:
                last.drop()
        case Silent() | Over():
            pass
