"""The log as an Audience: the lines that a call is followed by."""

from statistics import median

from twisted.logger import Logger

from voicestt.audience import CallEnded, CallStarted, Event, Final, Partial, Unheard
from voicestt.server.call_book import CallBook


class CallLog:
    """Writes what happens in calls; each line bears the CallSid, none a phone number."""

    _log = Logger()

    def __init__(self, book: CallBook) -> None:
        self._book = book

    def tell(self, event: Event) -> None:
        """One line."""
        system = event.call.call_sid
        match event:
            case CallStarted():
                self._log.info("Call started, stream {stream}.", stream=event.call.stream_sid, log_system=system)
            case Partial():
                self._log.info("🟡 Partial: {text}", text=event.text, log_system=system)
            case Final():
                self._log.info("🟢 Final: {text}", text=event.text, log_system=system)
            case Unheard(why=why):
                self._log.error(
                    "The recogniser gave up, and words may be lost: {why}. The call goes on. "
                    "What to do: see 'When it breaks' in the README.",
                    why=why,
                    log_system=system,
                )
            case CallEnded():
                statuses = self._book.find(system).statuses
                self._log.info("Call ended: {summary}", summary=_summary(event, statuses), log_system=system)


def _summary(event: CallEnded, statuses: list[str]) -> str:
    delivered = event.delivered
    parts = [
        event.reason,
        f"{event.seconds:.2f} s",
        f"{event.frames} frames",
        f"{event.audio_bytes} bytes",
        f"{delivered.partials} partials",
        f"{delivered.finals} finals",
        f"first partial after {_milliseconds(delivered.first_partial)}",
        f"final delay {_delays(delivered.final_delays)}",
    ]
    if event.ignored:
        parts.append("ignored: " + ", ".join(f"{count} {what}" for what, count in sorted(event.ignored.items())))
    if statuses:
        parts.append("Twilio's statuses: " + ", ".join(statuses))
    return "; ".join(parts)


def _milliseconds(seconds: float | None) -> str:
    return "none" if seconds is None else f"{seconds * 1000:.0f} ms"


def _delays(delays: object) -> str:
    if not isinstance(delays, tuple) or not delays:
        return "none"
    return f"median {_milliseconds(median(delays))}, longest {_milliseconds(max(delays))}"
