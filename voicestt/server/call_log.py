"""A CallObserver that writes a call's events to the log."""

from statistics import median

from twisted.logger import Logger, LogLevel

from voicestt.audio import mulaw
from voicestt.call.facts import (
    CallEnded,
    CallStarted,
    Event,
    Final,
    Happened,
    Partial,
)
from voicestt.runtime.escaping import escaped
from voicestt.runtime.metrics import Summary
from voicestt.server.call_registry import CallRegistry


class CallLog:
    """Log of the calls' events; each line has the CallSid, none a phone number.

    An event is told when it is in the journal, so no final is shown in green that a killed server would lose.
    """

    _log = Logger()

    def __init__(self, registry: CallRegistry) -> None:
        self._registry = registry

    def tell(self, event: Event) -> None:
        """Log the event in one line."""
        system = event.call.call_sid
        match event:
            case CallStarted():
                self._log.info("Call started, stream {stream}.", stream=event.call.stream_sid, log_system=system)
            case Partial():
                self._log.info("🟡 Partial: {text}", text=escaped(event.text), log_system=system)
            case Final():
                self._log.info("🟢 Final: {text}", text=escaped(event.text), log_system=system)
            case Happened():
                self._tell_incident(event)
            case CallEnded():
                statuses = self._registry.find(system).statuses
                self._log.info("Call ended: {summary}", summary=_summary(event, statuses), log_system=system)

    def tell_unwritten(self, event: Event) -> None:
        """Log an event that has waited too long for the journal, which says why."""
        if isinstance(event, Final):
            self._log.warn(
                "⚪ Final, not in the journal yet: {text}",
                text=escaped(event.text),
                log_system=event.call.call_sid,
            )
        else:
            self.tell(event)

    def _tell_incident(self, event: Happened) -> None:
        level, words = _INCIDENTS.get(event.kind, (LogLevel.info, "{kind}: {why}."))
        self._log.emit(
            level,
            words,
            kind=event.kind,
            why=escaped(event.why),
            seconds=event.seconds,
            log_system=event.call.call_sid,
        )


_INCIDENTS = {
    "rotated": (LogLevel.info, "The stream was changed in time: {why}."),
    "restarted": (LogLevel.warn, "The stream failed and is replaced; its audio is sent again. Why: {why}."),
    "degraded": (
        LogLevel.warn,
        "⚠️ Degraded: one request per utterance from here on; {seconds:.1f} s of audio are recognised again. "
        "Why: {why}.",
    ),
    "interrupted": (
        LogLevel.warn,
        "⚠️ Interrupted: no words for now; {seconds:.1f} s of audio wait, and what is said meanwhile is kept. "
        "Why: {why}.",
    ),
    "resumed": (LogLevel.info, "Resumed: {why}; what was kept is recognised now."),
    "recovered": (LogLevel.info, "Recovered: {why}."),
    "unrecognised": (
        LogLevel.error,
        "The words of {seconds:.1f} s of audio are lost: {why}. The call goes on. "
        "What to do: see this line in docs/operations.md.",
    ),
}


def _summary(event: CallEnded, statuses: list[str]) -> str:
    delivered = event.delivered
    parts = [
        escaped(event.reason),
        f"{event.seconds:.2f} s",
        f"{event.frames} frames",
        f"{event.audio_bytes} bytes",
        f"{delivered.partials} partials",
        f"{delivered.finals} finals",
        f"first partial after {_milliseconds(delivered.first_partial)}",
        f"final delay {_delays(delivered.final_delays)}",
    ]
    parts.extend(f"{count} {kind}" for kind, count in sorted(delivered.incidents.items()))
    account = event.account
    if account.sent_again:
        parts.append(f"{account.sent_again} bytes sent again")
    if account.given_up or account.uncovered:
        parts.append(f"NOT RECOGNISED: {mulaw.seconds(account.given_up + account.uncovered):.2f} s")
    if event.ignored:
        parts.append("ignored: " + ", ".join(f"{count} {what}" for what, count in sorted(event.ignored.items())))
    if statuses:
        parts.append("Twilio's statuses: " + ", ".join(statuses))
    return "; ".join(parts + _measured(event.figures))


def _measured(figures: Summary) -> list[str]:
    """List the call's measured figures, without those that are zero."""
    parts = []
    if figures.added.count:
        parts.append(f"added delay {figures.added.words}")
    if figures.hand_off.count:
        parts.append(f"hand-off {figures.hand_off.words}")
    if figures.late_frames:
        parts.append(f"{figures.late_frames} frames late")
    if figures.retained:
        parts.append(f"at most {mulaw.seconds(figures.retained):.2f} s retained")
    return parts


def _milliseconds(seconds: float | None) -> str:
    return "none" if seconds is None else f"{seconds * 1000:.0f} ms"


def _delays(delays: object) -> str:
    if not isinstance(delays, tuple) or not delays:
        return "none"
    return f"median {_milliseconds(median(delays))}, longest {_milliseconds(max(delays))}"
