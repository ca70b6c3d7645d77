"""Several observers of a call as one."""

from collections.abc import Sequence

from twisted.logger import Logger

from voicestt.call.facts import CallObserver, Event


class ObserverGroup:
    """Tells each of `audiences`; one that raises keeps nothing from the others, nor from the call."""

    _log = Logger()

    def __init__(self, audiences: Sequence[CallObserver]) -> None:
        self._audiences = audiences

    def tell(self, event: Event) -> None:
        """Tell all observers, in order."""
        for audience in self._audiences:
            try:
                audience.tell(event)
            except Exception:  # noqa: BLE001 - an application's mistake must not cost a call
                self._log.failure("An audience failed at an event; the call goes on.")
