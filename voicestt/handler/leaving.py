"""Ending or transferring a call for the application: by Twilio's REST API, or by closing the stream."""

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import Any, Final, Literal, Protocol

from twisted.logger import Logger

from voicestt.call.facts import Track
from voicestt.call.line import Line
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.events import CallStarted
from voicestt.handler.outcome import Outcome
from voicestt.runtime.thread_pool import DaemonThreadPool
from voicestt.twilio.rest import TwilioRefused, dial

HungUp = Literal["hung up", "stream closed"]

HUNG_UP: Final = "the application hung up"
"""The reason that the stream is closed with, where Twilio does not end the call itself."""

_NO_TOKEN = "TWILIO_AUTH_TOKEN is not set, without which Twilio cannot be asked"  # noqa: S105 - words


class CallRestControl(Protocol):
    """Twilio's control of calls, implemented by `voicestt.twilio.rest.TwilioCalls`. Blocking; for any thread."""

    def prepare(self) -> None:
        """Do the slow preparations before a caller waits for them."""
        ...

    def hang_up(self, account_sid: str, call_sid: str) -> None:
        """End the call; succeeds too if it has ended before.

        Raises:
            TwilioRefused: if that failed.
        """
        ...

    def transfer(self, account_sid: str, call_sid: str, twiml: str) -> None:
        """Continue the call with `twiml`.

        Raises:
            TwilioRefused: if that failed.
        """
        ...


class CallHandover:
    """Hang-up and transfer of one call, and other recognition of it, for any thread.

    `cross` runs an action in the reactor's thread.
    """

    _log = Logger()

    def __init__(
        self,
        call: CallStarted,
        line: Line,
        twilio: CallRestControl | None,
        threads: DaemonThreadPool,
        cross: Callable[[Callable[[], object]], object],
    ) -> None:
        self._call = call
        self._line = line
        self._twilio = twilio
        self._threads = threads
        self._cross = cross

    def hang_up(self) -> Outcome[HungUp]:
        """End the call; close its stream if Twilio does not end it, which is enough unless the TwiML goes on
        after `<Connect>`."""
        outcome: Outcome[HungUp] = Outcome()
        asked = self._ask(lambda twilio: partial(twilio.hang_up, self._call.account_sid, self._call.call_sid))
        asked.add_done_callback(lambda future: self._cross(partial(self._hung_up, outcome, future)))
        return outcome

    def recognise(self, options: RecognitionOptions, *, at_once: bool, track: Track = "caller") -> None:
        """Recognise one side by other options."""
        self._cross(partial(self._line.recognise, options, at_once=at_once, track=track))

    def transfer(self, destination: str) -> Outcome[None]:
        """Transfer the caller to `destination`.

        Raises:
            BadNumber: if that is no destination. The outcome fails with TwilioRefused.
        """
        twiml = dial(destination)
        outcome: Outcome[None] = Outcome()
        asked = self._ask(
            lambda twilio: partial(twilio.transfer, self._call.account_sid, self._call.call_sid, twiml)
        )
        asked.add_done_callback(lambda future: self._transferred(outcome, future))
        return outcome

    def _ask(self, what: Callable[[CallRestControl], Callable[[], None]]) -> "Future[None]":
        if self._twilio is not None:
            return self._threads.run(what(self._twilio))
        refused: Future[None] = Future()
        refused.set_exception(TwilioRefused(_NO_TOKEN))
        return refused

    def _hung_up(self, outcome: Outcome[HungUp], asked: "Future[None]") -> None:
        problem = _problem(asked)
        if problem is None:
            outcome.tell("hung up")
            return
        self._warn("The call was to be hung up, and its stream is closed instead: {problem}.", problem)
        self._line.end(HUNG_UP)
        outcome.tell("stream closed")

    def _transferred(self, outcome: Outcome[None], asked: "Future[None]") -> None:
        problem = _problem(asked)
        if problem is None:
            outcome.tell(None)
            return
        self._warn("The call was not handed on, and goes on here: {problem}.", problem)
        outcome.fail(problem)

    def _warn(self, words: str, problem: Any) -> None:
        self._log.warn("⚠️ " + words, problem=str(problem), log_system=self._call.call_sid)


def _problem(asked: "Future[None]") -> TwilioRefused | None:
    try:
        asked.result()
    except TwilioRefused as problem:
        return problem
    except CancelledError:
        return TwilioRefused("the server is stopping")
    return None
